"""Changes of records. Order of effects, while the change lock is held exclusively, so that no upload and no delete is
under way: journal entry, durable -> records, durable -> documents, searchable -> queue entries -> journal entry
removed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from app.coordination.contract import ChangeLock, Journal, JournalEntry
from app.index.attachments import AttachmentIndex
from app.model.attachment import Attachment, now
from app.services.indexing import document_of
from app.services.records import Records
from app.services.steps import Steps
from app.storage.contract import Storage


class Changes:
    """Changes records that exist."""

    def __init__(
        self,
        storage: Storage,
        index: AttachmentIndex,
        journal: Journal,
        change_lock: ChangeLock,
        records: Records,
        steps: Steps,
    ) -> None:
        self._storage, self._index, self._journal, self._change_lock = storage, index, journal, change_lock
        self._records, self._steps = records, steps

    def retype(self, wanted: Mapping[str, str]) -> list[Attachment]:
        """Give attachments, by their ids, other media types. Returns those that were changed. On return the change is
        durable, the next search shows it, and the texts are queued to be extracted again. Attachments that are deleted,
        or are being deleted, are left out.

        Raises StorageFull or StorageFailed, IndexUnavailable, IndexRejected or IndexOutcomeUnknown: then some may be
        changed, and `settle` does the rest for these.
        """
        with self._change_lock.exclusive():
            going = self._journal.ids("delete")
            changed = [
                each
                for attachment_id, media_type in wanted.items()
                if attachment_id not in going and (each := self._retyped(attachment_id, media_type)) is not None
            ]
            if not changed:
                return []
            entry = self._journal.begin("change", [each.id for each in changed], durable=True, alone=True)
            try:
                for each in changed:
                    self._storage.commit(each.id, each.to_record())
            except BaseException:
                entry.close()
                raise
        with contextlib.closing(entry), contextlib.closing(self._change_lock.shared()):
            self.finish(entry)
        return changed

    def _retyped(self, attachment_id: str, media_type: str) -> Attachment | None:
        attachment = self._records.attachment(attachment_id)
        if attachment is None or attachment.media_type == media_type:
            return None
        known = self._records.extraction(attachment_id)
        # Later than every earlier time of this record, whatever the clock says: this time is the document's version.
        last = max(attachment.updated, known.at if known is not None else attachment.updated)
        moment = max(now(), last + timedelta(microseconds=1))
        return self._steps.told(replace(attachment, media_type=media_type, updated=moment))

    def finish(self, entry: JournalEntry) -> None:
        """Bring the documents and the queue up to the records that the entry names. Errors as in `retype`."""
        found = [self._records.attachment(attachment_id) for attachment_id in entry.ids]
        attachments = [each for each in found if each is not None]
        self._index.put_documents(document_of(self._storage, each) for each in attachments)
        self._steps.enqueue_anew(attachments)
        entry.settled()
