"""Repairs findings. Damaged data is never removed: it is reported, and stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from app.coordination.contract import Coordination
from app.errors import IndexRejected
from app.extraction.queue import Stage
from app.model.attachment import Attachment
from app.services.indexing import document_of
from app.services.store import Store
from app.storage.contract import Storage
from app.upkeep.verify import Checker, Finding

#: The repair of each finding, in words; a finding without one is only reported.
ACTIONS = {
    "record-without-document": "index",
    "differing-document": "index",
    "document-without-record": "remove the document",
    "bytes-without-record": "remove the file",
    "stale-temporary": "remove the file",
    "undecided-entry": "settle",
    "damaged-text": "extract again",
    "text-without-record": "remove the file",
    "damaged-thumbnail": "draw again",
    "thumbnail-without-record": "remove the file",
    "damaged-passages": "make passages again",
    "passages-without-record": "remove the file",
    "outdated-passages": "make passages again",
}


class Repair:
    """Repairs one store; every finding is checked again right before its repair."""

    def __init__(self, store: Store, checker: Checker, *, grace: float) -> None:
        """`grace`: as in `Checker`."""
        self._store = store
        self._checker = checker
        self._grace = grace
        self._ways: dict[str, Callable[[Finding], None]] = {
            "index": self._index,
            "remove the document": self._remove_document,
            "remove the file": self._remove_file,
            "settle": self._settle,
            "extract again": self._extract,
            "draw again": self._draw,
            "make passages again": self._cut,
        }

    def repair(self, finding: Finding) -> bool:
        """Repair a finding. Returns whether it is gone now. Raises the errors of the index and of the storage."""
        action = ACTIONS.get(finding.code)
        if action is None:
            return False
        self._ways[action](finding)
        return not self._still(finding)

    def _still(self, finding: Finding) -> bool:
        if finding.path is not None and finding.code in ("stale-temporary", "undecided-entry"):
            return self._keeper(finding).holds(finding.path)
        # Also for a file without a record: the record may have been added since, as while a backup is restored.
        if finding.id is None or (finding.code == "outdated-passages" and self._store.queue.has(finding.id)):
            return False
        return any(
            (each.code, each.path) == (finding.code, finding.path) for each in self._checker.examine([finding.id])
        )

    def _certain(self, finding: Finding) -> bool:
        """Whether the finding persists, and no upload or delete of this id is under way."""
        before = self._store.journal.ids()
        return self._still(finding) and finding.id not in before | self._store.journal.ids()

    def _index(self, finding: Finding) -> None:
        if self._certain(finding):
            record = self._store.storage.record(finding.id) if finding.id else None
            if record is None:
                return
            # The version is the present time: another change of the document has an earlier version, and a delete
            # leaves a higher one, so a refusal means that a delete came first.
            try:
                document = document_of(self._store.storage, Attachment.from_record(record))
                present = max(document.version, time.time_ns() // 1000)
                self._store.index.put_documents([replace(document, version=present)])
            except IndexRejected:
                return

    def _remove_document(self, finding: Finding) -> None:
        # `AttachmentIndex` itself refuses to write to another store's index.
        if finding.id is not None and self._certain(finding):
            self._store.index.remove([finding.id])

    def _remove_file(self, finding: Finding) -> None:
        if finding.path is None or (finding.id is not None and not self._certain(finding)):
            return
        self._keeper(finding).remove_leftover(finding.path, self._grace)

    def _keeper(self, finding: Finding) -> Storage | Coordination:
        return self._store.storage if finding.stored else self._store.coordination

    def _extract(self, finding: Finding) -> None:
        # A running server does it, or the next one that is started.
        if finding.id is not None and self._certain(finding):
            self._store.storage.remove_text(finding.id)
            # Its thumbnails are in order, or have another finding.
            self._store.queue.add(finding.id, left=self._left(finding.id, ("text", "recognition", "passages")))

    def _draw(self, finding: Finding) -> None:
        # The same. Where drawing is off they are removed, and `scripts/store extract --thumbnails` makes them again.
        if finding.id is not None and self._certain(finding):
            self._store.storage.remove_thumbnail(finding.id)
            if left := self._left(finding.id, ("thumbnail",)):
                self._store.queue.add(finding.id, left=left)

    def _cut(self, finding: Finding) -> None:
        # The same. Where EMBEDDINGS is off they are removed, and made again once it is not. What is merely outdated stays
        # until there is something in its place.
        if finding.id is not None and self._certain(finding):
            if finding.code != "outdated-passages":
                self._store.storage.remove_passages(finding.id)
            if left := self._left(finding.id, ("passages",)):
                self._store.queue.add(finding.id, left=left)

    def _left(self, attachment_id: str, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """The stages among these that this attachment has."""
        attachment = self._store.records.attachment(attachment_id)
        if attachment is None:
            return ()
        return tuple(each for each in self._store.steps.stages(attachment) if each in stages)

    def _settle(self, finding: Finding) -> None:
        self._store.settling.settle()
