"""What a kill left undecided: an upload is finished when all of its records are there and undone otherwise; a delete is
always finished, and so is a change."""

from __future__ import annotations

import contextlib
import logging

from app.coordination.contract import Journal, JournalEntry
from app.errors import IndexIncomplete, IndexUnavailable, StoreError
from app.index.attachments import AttachmentIndex
from app.model.attachment import Attachment
from app.services.changes import Changes
from app.services.deletion import Deletion
from app.services.indexing import document_of
from app.services.steps import Steps
from app.storage.contract import Storage

log = logging.getLogger(__name__)


class Settling:
    """The end of what was interrupted."""

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
        """Decide what the journal holds and nobody works on; returns how many entries were decided.

        Raises IndexUnavailable when Elasticsearch can't be asked: the rest stays for the next time.
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
                    if isinstance(error, IndexUnavailable) and not isinstance(error, IndexIncomplete):
                        raise
                    # One that can't be decided (a damaged record, a refused document) must not keep the others from it.
                    log.error("journal entry %s is still undecided: %s", entry.name, error)
                else:
                    decided += 1
        return decided

    def _finish_upload(self, entry: JournalEntry) -> None:
        records = [self._storage.record(attachment_id) for attachment_id in entry.ids]
        if all(record is not None for record in records):
            attachments = [Attachment.from_record(record) for record in records if record is not None]
            # With the text, should it be there already: the document must not lose what a search found.
            self._index.put_documents(document_of(self._storage, each) for each in attachments)
            self._steps.enqueue(attachments)
            entry.settled(durable=len(records) > 1)
        else:
            self._deletion.finish(entry)

    def undecided(self) -> int:
        """How many uploads and deletes have begun and are not settled, those at work among them."""
        return self._journal.count()

    def sweep(self, grace: float) -> list[str]:
        """Remove temporary files older than `grace` seconds that nobody holds; returns their names."""
        return self._storage.sweep(grace)
