"""Downloads: they need the files alone, so they go on while Elasticsearch is unavailable."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from app.errors import BytesMissing, NotFound, TextDamaged, ThumbnailDamaged
from app.extraction import thumbnail
from app.extraction.queue import Queue
from app.model.attachment import Attachment
from app.services.indexing import picture_of, text_of
from app.services.records import Records
from app.storage.contract import Content, Storage
from app.storage.held import HeldContent


@dataclass(frozen=True)
class Opened:
    """An attachment with its bytes, which are open unless the caller does not read them; the holder closes it."""

    attachment: Attachment
    content: Content | None

    def close(self) -> None:
        if self.content is not None:
            self.content.close()


class Downloads:
    """Attachments, their texts and their thumbnails, opened to be sent."""

    def __init__(self, storage: Storage, queue: Queue, records: Records) -> None:
        self._storage, self._queue, self._records = storage, queue, records

    def open(self, attachment_id: str, tenant: str, *, read: bool = True) -> Opened:
        """The attachment and its bytes; without `read` this only makes sure that the bytes are there.

        Raises NotFound, or BytesMissing when the record is there without them.
        """
        attachment = self._records.find(attachment_id, tenant)
        content = self._storage.open(attachment_id) if read else None
        size = self._storage.size(attachment_id) if content is None else content.size
        opened = Opened(attachment, content)
        if size is None or (read and content is None):
            # Either deleted just now, which is no damage, or damaged.
            self._records.find(attachment_id, tenant)
            raise BytesMissing()
        if size != attachment.size:
            opened.close()
            raise BytesMissing()
        return opened

    def open_text(self, attachment_id: str, tenant: str) -> Opened:
        """The text that was extracted from the attachment, as a file of its own: plain text in UTF-8 with the name of
        the attachment and `.txt`, its digest, and the time of the extraction. Its digest was checked.

        Raises NotFound when there is none (yet), TextDamaged, StorageFailed.
        """
        attachment = self._records.find(attachment_id, tenant)
        # Asked first: the entry is removed only once text and outcome are there, which change one after the other.
        changing = self._queue.reads(attachment.id)
        known = self._records.kept(attachment)
        try:
            content = text_of(self._storage, attachment.id, known)
        except ValueError as error:
            if changing or self._queue.reads(attachment.id):
                raise NotFound() from None
            # Either deleted just now, which is no damage, or damaged.
            self._records.find(attachment_id, tenant)
            raise TextDamaged() from error
        name = attachment.name if attachment.icon == "txt" else f"{attachment.name}.txt"
        text = replace(
            attachment,
            name=name,
            media_type="text/plain",
            size=known.size,
            sha256=known.sha256 or hashlib.sha256(content).hexdigest(),
            created=known.at,
            updated=known.at,
        )
        return Opened(text, HeldContent(content))

    def open_thumbnail(self, attachment_id: str, tenant: str, size: int) -> Opened:
        """The thumbnail of this size, as a file of its own: a picture with the name of the attachment and `.webp`, its
        digest, and the time when it was drawn. Its digest was checked.

        Raises NotFound when there is none (yet), ThumbnailDamaged, StorageFailed.
        """
        attachment = self._records.find(attachment_id, tenant)
        try:
            found = picture_of(self._storage, attachment.id, size)
        except ValueError as error:
            if self._queue.draws(attachment.id):
                # It is being drawn again.
                raise NotFound() from None
            # Either deleted just now, which is no damage, or damaged.
            self._records.find(attachment_id, tenant)
            raise ThumbnailDamaged() from error
        if found is None:
            raise NotFound()
        known, picture, content = found
        drawn = replace(
            attachment,
            name=f"{attachment.name}.webp",
            media_type=thumbnail.MEDIA_TYPE,
            size=picture.length,
            sha256=picture.sha256,
            created=known.at,
            updated=known.at,
        )
        return Opened(drawn, HeldContent(content))
