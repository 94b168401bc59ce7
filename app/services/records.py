"""What the files say about attachments: nothing here asks the index, or changes anything."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator

from app.errors import NotFound, StorageFailed, StorageUnavailable, StoreError
from app.extraction.record import Extraction
from app.extraction.thumbnail import Thumbnail
from app.ids import is_id
from app.model.attachment import Attachment
from app.search.inside import Inside
from app.search.nearest import Cited
from app.services.indexing import extraction_of, inside_of, thumbnail_of
from app.services.kept_text import KeptText, kept_text
from app.storage.contract import Storage, Version

log = logging.getLogger(__name__)

#: Attachments that a process keeps in memory, about a kilobyte each.
KNOWN_RECORDS = 2000


class Records:
    """Attachments with the outcomes of their texts and thumbnails, read from one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        #: Records that were read. Each is used only while it is the one on the disk: any process may delete it at any
        #: time.
        self._known = functools.lru_cache(maxsize=KNOWN_RECORDS)(self._present)

    def find(self, attachment_id: str, tenant: str) -> Attachment:
        """The attachment under this id. Raises NotFound when there is none, or it is another tenant's."""
        version = self._storage.version(attachment_id) if is_id(attachment_id) else None
        if version is None:
            raise NotFound()
        attachment = self._known(attachment_id, version)
        if attachment.tenant != tenant:
            raise NotFound()
        return attachment

    def _present(self, attachment_id: str, version: Version) -> Attachment:
        """The attachment whose record was seen as `version`; NotFound when it has gone since."""
        attachment = self.attachment(attachment_id)
        if attachment is None:
            raise NotFound()
        return attachment

    def attachment(self, attachment_id: str) -> Attachment | None:
        """The attachment under this id, of whichever tenant; None when there is none. Raises StorageFailed."""
        record = self._storage.record(attachment_id)
        try:
            return None if record is None else Attachment.from_record(record)
        except ValueError as error:
            raise StorageFailed("The record of this attachment is damaged") from error

    def extraction(self, attachment_id: str) -> Extraction | None:
        """How the extraction ended; None while it has not ended, or where the outcome is damaged. Raises
        StorageFailed."""
        try:
            return extraction_of(self._storage, attachment_id)
        except ValueError:
            log.error("damaged extraction: %s", attachment_id)
            return None

    def thumbnail(self, attachment_id: str) -> Thumbnail | None:
        """How drawing ended; None while it has not ended, or where the outcome is damaged. Raises StorageFailed."""
        try:
            return thumbnail_of(self._storage, attachment_id)
        except ValueError:
            log.error("damaged thumbnail: %s", attachment_id)
            return None

    def kept(self, attachment: Attachment) -> Extraction:
        """The outcome that describes the extracted text. Raises NotFound when there is no text (yet), StorageFailed."""
        known = self.extraction(attachment.id)
        if known is None or not known.size:
            raise NotFound()
        return known

    def inside(self, attachment_id: str, tenant: str) -> Inside | None:
        """The files inside an attachment, for the answer to a search that found it; None where there are none, or
        nothing is known of them (any more). What can't be read from the disk is left out, and the search is answered
        all the same."""
        try:
            return inside_of(self._storage, self.find(attachment_id, tenant).id)
        except NotFound:
            return None
        except (StorageFailed, ValueError):
            log.error("what is known of the text of %s can't be read", attachment_id)
            return None

    def text(self, attachment_id: str, tenant: str) -> KeptText | None:
        """The text of an attachment, for the answer to a search that found it; None where there is none, or nothing is known
        of it (any more). What can't be read is left out, as of `inside`."""
        try:
            return kept_text(self._storage, self.find(attachment_id, tenant).id)
        except NotFound:
            return None
        except (StorageFailed, ValueError):
            log.error("the text of %s can't be read", attachment_id)
            return None

    def passage(self, attachment_id: str, number: int, tenant: str, model: str) -> Cited | None:
        """The passage of that text with this number, from 0, of those whose vectors are of this model, as documents name it;
        None as for `text`, and where it has no such passage."""
        text = self.text(attachment_id, tenant)
        try:
            place = None if text is None else text.place(number, model)
            return None if text is None or place is None else text.cited(*place)
        except (StorageFailed, ValueError):
            log.error("the passages of %s can't be read", attachment_id)
            return None

    def all(self) -> Iterator[Attachment]:
        """All attachments of all tenants, in no order; a damaged record is skipped with a line in the log. Raises
        StorageFailed where not even that can be told."""
        for attachment_id in self._storage.ids():
            try:
                record = self._storage.record(attachment_id)
                if record is not None:
                    yield Attachment.from_record(record)
            except StorageUnavailable:
                raise
            except (StoreError, ValueError):
                log.error("damaged record: %s", attachment_id)
