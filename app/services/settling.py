"""Decides what a killed process left undecided. An upload is finished when all of its records are there, and undone
otherwise; a delete is always finished, and so is a change."""

from __future__ import annotations

import contextlib
import logging

from app.coordination.contract import Journal, JournalEntry
from app.errors import IndexIncomplete, IndexUnavailable, StorageUnavailable, StoreError
from app.index.attachments import AttachmentIndex
from app.model.attachment import Attachment
from app.services.changes import Changes
from app.services.deletion import Deletion
from app.services.indexing import document_of
from app.services.steps import Steps
from app.storage.contract import Storage

log = logging.getLogger(__name__)


class Settling:
    """Settles what was interrupted."""

    def __init__(
        self,
        storage: Storage,
        index: AttachmentIndex,
        journal: Journal,
        steps: Steps,
        deletion: Deletion,
        changes: Changes,
    ) -> None:
        self._storage, self._index, self._journal = storage, index, journal
        self._steps, self._deletion, self._changes = steps, deletion, changes

    def settle(self) -> int:
        """Decide the entries of the journal that no process works on. Returns how many were decided.

        Raises IndexUnavailable or StorageUnavailable when one of them can't be asked: the rest is left for the next
        time.
        """
        decided = 0
        for entry in self._journal.abandoned():
            with contextlib.closing(entry):
                try:
                    if entry.kind == "delete":
                        self._deletion.finish(entry)
                    elif entry.kind == "change":
                        self._changes.finish(entry)
                    else:
                        self._finish_upload(entry)
                except (StoreError, ValueError) as error:
                    away = isinstance(error, IndexUnavailable | StorageUnavailable)
                    if away and not isinstance(error, IndexIncomplete):
                        raise
                    # An entry that can't be decided (a damaged record, a refused document) must not keep the others
                    # from being decided.
                    log.error("journal entry %s is still undecided: %s", entry.name, error)
                else:
                    decided += 1
        return decided

    def _finish_upload(self, entry: JournalEntry) -> None:
        records = [self._storage.record(attachment_id) for attachment_id in entry.ids]
        if all(record is not None for record in records):
            attachments = [Attachment.from_record(record) for record in records if record is not None]
            # With the text, if it is there already: the document must not lose what a search has found.
            self._index.put_documents(document_of(self._storage, each) for each in attachments)
            self._steps.enqueue(attachments)
            entry.settled(durable=len(records) > 1)
        else:
            self._deletion.finish(entry)

    def undecided(self) -> int:
        """How many uploads and deletes have begun and are not settled, including those that are under way."""
        return self._journal.count()

    def sweep(self, grace: float) -> list[str]:
        """Remove temporary files that are older than `grace` seconds and that nobody holds. Returns their names."""
        return self._storage.sweep(grace)
