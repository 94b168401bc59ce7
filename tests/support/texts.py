"""Texts of attachments as an extraction leaves them on the disk, for servers that extract nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from app.attachment import now
from app.extraction.parts import Part
from app.extraction.record import Extraction
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
