"""Moments of clients: one file, with a record of fixed size for each of `RECORDS` groups of clients.

`<data>/sign-in-attempts` (mode 0600) begins with its format and the key of the hash that chooses a group. All processes
read and write one record at a time, under the file's lock; nothing is synced. So the size is bounded, and an attempt
costs the same however many there were.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from app.coordination.contract import RECORDS
from app.coordination.local.data_folder import exclusive
from app.files import storage_errors

_MODE = 0o600
# The format, moments in each record, the key of the hash.
_HEAD = struct.Struct("<8sQ16s")
_MAGIC = b"sign-in1"


class Moments:
    """The moments of one data folder, `most` for each client."""

    def __init__(self, root: Path, most: int) -> None:
        self._path = root / "sign-in-attempts"
        self._most = most
        self._record = struct.Struct(f"<{most}d")

    def change(self, client: str, change: Callable[[Sequence[float]], Sequence[float] | None]) -> None:
        with storage_errors(), exclusive(self._path, _MODE) as file:
            head = os.pread(file, _HEAD.size, 0)
            if len(head) != _HEAD.size or _HEAD.unpack(head)[:2] != (_MAGIC, self._most):
                # New, with another number of moments, or not such a file: begin anew.
                head = _HEAD.pack(_MAGIC, self._most, os.urandom(16))
                os.ftruncate(file, 0)
                os.pwrite(file, head, 0)
            digest = hashlib.blake2b(client.encode(), key=_HEAD.unpack(head)[2], digest_size=8).digest()
            offset = _HEAD.size + int.from_bytes(digest, "little") % RECORDS * self._record.size
            found = os.pread(file, self._record.size, offset)
            changed = change(self._record.unpack(found.ljust(self._record.size, b"\0")))
            if changed is not None:
                os.pwrite(file, self._record.pack(*changed), offset)
