"""Many attachments at once, written as the store lays them out: for tests that need a large store, not a slow start."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import timedelta
from pathlib import Path

from app.files import FILE_MODE
from app.ids import new_xid
from app.model.attachment import Attachment, now
from app.storage.contract import Artefact, name_of
from app.storage.filesystem import Filesystem


def seed(data: Path, count: int, session: str = "seeded", media_type: str = "text/plain") -> list[str]:
    """Add `count` attachments of one byte to the files of the store in `data`, not to its index; their ids.

    By plain calls and nothing made twice: a million of them take minutes.
    """
    # Which makes the folders.
    Filesystem(data)
    began = now() - timedelta(days=1)
    digest = hashlib.sha256(b"x").hexdigest()
    # By its ending, too, the server would know that there is text to extract.
    ending = "txt" if media_type == "text/plain" else "bin"
    ids = []
    for number in range(count):
        moment = began + timedelta(milliseconds=number)
        attachment = Attachment(
            id=new_xid(),
            created=moment,
            updated=moment,
            name=f"Seeded_{number}.{ending}",
            size=1,
            sha256=digest,
            media_type=media_type,
            tenant="default",
            owner="owner",
            dialect="coco",
            session=session,
        )
        _write(f"{data}/{name_of(attachment.id, Artefact.BYTES)}", b"x")
        _write(f"{data}/{name_of(attachment.id, Artefact.RECORD)}", f"{json.dumps(attachment.to_record())}\n".encode())
        ids.append(attachment.id)
    return ids


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    os.write(descriptor, content)
    os.close(descriptor)
