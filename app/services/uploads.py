"""Uploads. Order of effects: journal entry -> durable bytes under their final names -> records, durable (the last one
is the commit point) -> documents, searchable -> queue entries -> journal entry removed -> acknowledged."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.contents.mediatype import detect
from app.coordination.contract import Journal, JournalEntry
from app.errors import IndexIncomplete, IndexOutcomeUnknown, StorageFull, StoreError
from app.index.attachments import AttachmentIndex
from app.model.attachment import Attachment, now
from app.services.deletion import Deletion
from app.services.steps import Steps
from app.storage.contract import Staged, Storage
from app.telemetry import measures

log = logging.getLogger(__name__)

#: Seconds that a refused upload spends on removing the documents that Elasticsearch has accepted of it.
WITHDRAWAL_SECONDS = 0.8


@dataclass(frozen=True)
class Draft:
    """A file that has arrived and is to become an attachment. `media_type` None: it is taken from the content."""

    id: str
    name: str
    staged: Staged
    tenant: str
    owner: str
    dialect: str
    session: str | None = None
    media_type: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


class Uploads:
    """Turns files that arrive into attachments."""

    def __init__(
        self, storage: Storage, index: AttachmentIndex, journal: Journal, steps: Steps, deletion: Deletion
    ) -> None:
        self._storage, self._index, self._journal = storage, index, journal
        self._steps, self._deletion = steps, deletion

    def stage(self, chunks: Iterable[bytes], limit: int) -> Staged:
        """Receive one file's bytes. They are not an attachment until `upload`, and are removed when discarded.

        Raises FileTooLarge past `limit` bytes, StorageFull, StorageFailed, and what `chunks` raise.
        """
        with measures.step("receive"):
            return self._storage.stage(chunks, limit)

    def check_room(self, size: int) -> None:
        """Raises StorageFull when `size` bytes more would leave less than the reserve."""
        if self._storage.room() < size:
            raise StorageFull()

    def room(self) -> int:
        """Bytes that uploads may still use."""
        return max(0, self._storage.room())

    def check_writable(self) -> None:
        """Raises StorageFull or StorageFailed when an upload could not be stored now."""
        self._storage.check()

    def upload(self, drafts: list[Draft]) -> list[Attachment]:
        """Make attachments of `drafts`, all or none; on return they are durable and the next search finds them.

        Raises StorageFull or StorageFailed (nothing stays), IndexUnavailable or IndexRejected (nothing stays, or what
        stays is removed as soon as Elasticsearch answers), IndexOutcomeUnknown (decided later, all or none).
        """
        with contextlib.ExitStack() as stack:
            with self._index.announced():
                moment = now()
                made = (_attachment(draft, moment + timedelta(microseconds=n)) for n, draft in enumerate(drafts))
                attachments = [self._steps.told(each) for each in made]
                ids = [each.id for each in attachments]
                # A single record commits its upload alone; of several, a power cut may keep only some.
                entry = self._journal.begin("upload", ids, durable=len(ids) > 1)
                stack.enter_context(contextlib.closing(entry))
                try:
                    for draft in drafts:
                        draft.staged.keep(draft.id)
                    for attachment in attachments:
                        self._storage.commit(attachment.id, attachment.to_record())
                except BaseException:
                    self._undo(entry)
                    raise
            try:
                self._index.put(attachments)
            except IndexOutcomeUnknown:
                raise
            except IndexIncomplete:
                self._withdraw(entry)
                raise
            except StoreError:
                self._undo(entry)
                raise
            self._steps.enqueue(attachments)
            entry.settled(durable=len(ids) > 1)
        for attachment in attachments:
            measures.uploaded(attachment.dialect, attachment.size)
        return attachments

    def _undo(self, entry: JournalEntry) -> None:
        """Remove the files of an upload of which the index has nothing."""
        try:
            for attachment_id in entry.ids:
                self._storage.remove(attachment_id)
        except StoreError:
            log.warning("an upload could not be undone now; it is settled later")
        else:
            entry.settled()

    def _withdraw(self, entry: JournalEntry) -> None:
        """Undo an upload of which the index has some documents: from now on it is a delete."""
        try:
            withdrawal = self._journal.begin("delete", entry.ids, durable=True)
        except StoreError:
            log.warning("an upload could not be withdrawn now; it is settled later")
            return
        with contextlib.closing(withdrawal), contextlib.suppress(StoreError):
            entry.settled()
            # The upload has used its time already; `settle` withdraws what is not withdrawn now.
            self._deletion.finish(withdrawal, WITHDRAWAL_SECONDS)


def _attachment(draft: Draft, moment: datetime) -> Attachment:
    measured = draft.staged.measured
    return Attachment(
        id=draft.id,
        created=moment,
        updated=moment,
        name=draft.name,
        size=measured.size,
        sha256=measured.sha256,
        media_type=draft.media_type or detect(draft.staged, draft.name),
        tenant=draft.tenant,
        owner=draft.owner,
        dialect=draft.dialect,
        session=draft.session,
        fields=draft.fields,
    )
