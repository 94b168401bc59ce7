"""Deletes. Order of effects: journal entry, durable -> document removed, no search finds it -> record and bytes
removed, durable -> journal entry removed -> acknowledged."""

from __future__ import annotations

import contextlib

from app.coordination.contract import Journal, JournalEntry
from app.errors import IndexOutcomeUnknown, IndexRejected, IndexUnavailable, WrongIndex
from app.index.attachments import AttachmentIndex
from app.model.attachment import Attachment
from app.services.records import Records
from app.storage.contract import Storage
from app.telemetry import measures


class Deletion:
    """The removal of attachments."""

    def __init__(self, storage: Storage, index: AttachmentIndex, journal: Journal, records: Records) -> None:
        self._storage, self._index, self._journal, self._records = storage, index, journal, records

    def delete(self, attachment_id: str, tenant: str) -> Attachment:
        """Remove an attachment; on return no search finds it and its bytes are gone. Returns what it was.

        Raises NotFound; IndexUnavailable or IndexRejected (nothing changed); IndexOutcomeUnknown (decided later);
        StorageFailed (no search finds it, and the rest is done later).
        """
        attachment = self._records.find(attachment_id, tenant)
        with contextlib.closing(self._journal.begin("delete", [attachment_id], durable=True)) as entry:
            try:
                self.finish(entry)
            except IndexOutcomeUnknown:
                raise
            except (IndexUnavailable, IndexRejected, WrongIndex):
                # Elasticsearch certainly refused it, so nothing has changed yet. (When the disk fails, the document is
                # already gone: then there is no way back.)
                entry.settled()
                raise
        measures.deleted()
        return attachment

    def finish(self, entry: JournalEntry, seconds: float | None = None) -> None:
        """Remove what the entry names. `seconds`: how long to wait for Elasticsearch at most. Errors as in `delete`."""
        self._index.remove(entry.ids, seconds=seconds)
        for attachment_id in entry.ids:
            self._storage.remove(attachment_id)
        entry.settled()
