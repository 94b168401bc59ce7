"""Many attachments at once, written as the store lays them out: for tests that need a large store, not a slow start."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

from app.attachment import Attachment, now
from app.blobs.filesystem import Filesystem
from app.ids import new_xid


def seed(data: Path, count: int, session: str = "seeded") -> list[str]:
    """Add `count` attachments of one byte to the files of the store in `data`, not to its index; their ids."""
    blobs = Filesystem(data)
    began = now() - timedelta(days=1)
    ids = []
    for number in range(count):
        moment = began + timedelta(milliseconds=number)
        attachment = Attachment(
            id=new_xid(),
            created=moment,
            updated=moment,
            name=f"Seeded_{number}.txt",
            size=1,
            sha256=hashlib.sha256(b"x").hexdigest(),
            media_type="text/plain",
            tenant="default",
            owner="owner",
            dialect="coco",
            session=session,
        )
        blobs.bytes_path(attachment.id).write_bytes(b"x")
        blobs.record_path(attachment.id).write_text(json.dumps(attachment.to_record()) + "\n")
        ids.append(attachment.id)
    return ids
