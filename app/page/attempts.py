"""How often a client may try to sign in.

A token is 256 random bits, so guessing is hopeless at any rate; the limit keeps a script from making noise and work. An
attempt counts from when it begins, so that many at once are no way around it; one that succeeds is taken back. What is
refused does not count.

`<data>/sign-in-attempts` (mode 0600) has a record of fixed size for each of `RECORDS` groups of clients: the moments of the
last attempts. Which group a client is in is drawn by a hash with a key of the file's own. All worker processes read and
write the one record at hand under the file's lock; nothing is synced: it is worth nothing after a crash. So its size is
bounded, an attempt costs the same however many there were, nobody's count goes to make room for another's, and who uses
many addresses shuts out others by chance alone: one address shares its record with one in `RECORDS` others.

Rejected: a count in each process (a client had as many attempts for each); a file for each address, or a list of them that
forgets the oldest (who has many addresses would make as many files, or have their own count forgotten); and a count at
the end of an attempt (all that are under way at once pass).
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.coordination.local.data_folder import exclusive
from app.errors import StoreError
from app.files import typed_errors

#: Seconds over which attempts are counted.
WINDOW = 60.0
#: Groups of clients that are counted.
RECORDS = 16384
NEVER = -math.inf
_MODE = 0o600
# What the file is, attempts for each record, the key of the hash.
_HEAD = struct.Struct("<8sQ16s")
_MAGIC = b"sign-in1"


class TooManyFailures(StoreError):
    code = "too_many_failures"
    status = 429
    message = "Too many failed attempts to sign in: wait a moment"


class Attempts:
    """Attempts of clients. `limit`: how many a client has in a window, over all processes on the store."""

    def __init__(self, root: Path, limit: int, clock: Callable[[], float] = time.time) -> None:
        self._path = root / "sign-in-attempts"
        self._limit = limit
        self._clock = clock
        self._record = struct.Struct(f"<{limit}d")

    def begin(self, client: str) -> float:
        """Count an attempt; its moment, for `succeeded`. Raises TooManyFailures when `client` has had its number,
        StorageFull or StorageFailed."""
        with self._record_of(client) as (file, offset):
            moments, present = self._read(file, offset), self._clock()
            oldest = min(moments)
            if present - oldest < WINDOW:
                raise TooManyFailures(retry_after=max(1, round(oldest + WINDOW - present)))
            self._replace(file, offset, moments, oldest, present)
        return present

    def succeeded(self, client: str, moment: float) -> None:
        """Take back the attempt that began at `moment`. Raises StorageFull or StorageFailed."""
        with self._record_of(client) as (file, offset):
            moments = self._read(file, offset)
            if moment in moments:
                self._replace(file, offset, moments, moment, NEVER)

    @contextlib.contextmanager
    def _record_of(self, client: str) -> Iterator[tuple[int, int]]:
        """The file, locked, and where the record of `client` lies."""
        with typed_errors(), exclusive(self._path, _MODE) as file:
            head = os.pread(file, _HEAD.size, 0)
            if len(head) != _HEAD.size or _HEAD.unpack(head)[:2] != (_MAGIC, self._limit):
                # New, of another limit, or none of ours: counted from the start.
                head = _HEAD.pack(_MAGIC, self._limit, os.urandom(16))
                os.ftruncate(file, 0)
                os.pwrite(file, head, 0)
            digest = hashlib.blake2b(client.encode(), key=_HEAD.unpack(head)[2], digest_size=8).digest()
            yield file, _HEAD.size + int.from_bytes(digest, "little") % RECORDS * self._record.size

    def _read(self, file: int, offset: int) -> list[float]:
        found = os.pread(file, self._record.size, offset)
        present = self._clock()
        moments = self._record.unpack(found.ljust(self._record.size, b"\0"))
        # What is still to come is of a clock that was put back, which must not shut anybody out; zero was never written.
        return [each if 0 < each <= present else NEVER for each in moments]

    def _replace(self, file: int, offset: int, moments: list[float], old: float, new: float) -> None:
        moments[moments.index(old)] = new
        os.pwrite(file, self._record.pack(*moments), offset)
