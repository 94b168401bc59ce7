"""Texts and thumbnails of attachments as an extraction leaves them on the disk, for servers that extract nothing."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image

from app.extraction.parts import Part
from app.extraction.record import Extraction
from app.extraction.thumbnail import SIZES, Thumbnail, listed
from app.model.attachment import now
from app.storage.filesystem import Filesystem


def keep_text(data: Path, attachment_id: str, content: bytes, *parts: Part, cut: bool = False) -> None:
    """Keep `content` as the text of an attachment of the store in `data`."""
    storage = Filesystem(data)
    text = storage.stage_text()
    text.file.write(content)
    digest = hashlib.sha256(content).hexdigest()
    outcome = Extraction(now(), 1, size=len(content), sha256=digest, characters=None, cut=cut, parts=parts)
    storage.keep_text(attachment_id, outcome.to_record(), text)
    text.close()


def keep_thumbnail(data: Path, attachment_id: str, colour: str = "navy") -> list[bytes]:
    """Keep pictures of one colour as the thumbnails of an attachment of the store in `data`; what they are."""
    pictures = []
    for size in SIZES:
        buffer = io.BytesIO()
        Image.new("RGB", (size, size // 2), colour).save(buffer, "WEBP", quality=80)
        pictures.append(buffer.getvalue())
    Filesystem(data).keep_thumbnail(attachment_id, Thumbnail(now(), 1, pictures=listed(pictures)).to_head(), pictures)
    return pictures
