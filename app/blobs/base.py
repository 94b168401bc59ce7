"""What a store of bytes promises, and the write loop that no backend may do differently.

A backend keeps, per attachment, the bytes and one record (a JSON object). A record is the commit point: an attachment
exists when and only when its record does.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from app.errors import FileTooLarge

Json = dict[str, Any]
#: What tells a record from one that is written later under its name; never from one before it.
Version = tuple[int, ...]


@dataclass(frozen=True)
class Measured:
    """What the write loop learned of the bytes that went through it."""

    size: int
    sha256: str


#: Bytes that are hashed in the thread that receives them. SHA-256 is slower than anything else on a byte's way, so of
#: larger files it runs beside the rest; for smaller ones a second thread would cost more than it saves.
HASHED_ALONE = 4 * 1024 * 1024
#: Chunks that may wait for their hashing: memory for each upload, at the size in which chunks come.
HASHED_AHEAD = 4


class Digest:
    """The SHA-256 of chunks that are not changed any more; to be closed. Of one thread."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._ahead: queue.Queue[bytes | None] = queue.Queue(HASHED_AHEAD)
        self._thread: threading.Thread | None = None

    def update(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= HASHED_ALONE:
            self._sha256.update(chunk)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="digest", daemon=True)
            self._thread.start()
        self._ahead.put(chunk)

    def _run(self) -> None:
        while (chunk := self._ahead.get()) is not None:
            self._sha256.update(chunk)

    def hexdigest(self) -> str:
        self.close()
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Wait until everything is hashed. Twice is no error."""
        if self._thread is not None:
            self._ahead.put(None)
            self._thread.join()
            self._thread = None


def copy(chunks: Iterable[bytes], write: Callable[[bytes], object], limit: int) -> Measured:
    """Pass `chunks` to `write`, counting and hashing; memory is a few chunks, whatever the size.

    Raises FileTooLarge as soon as more than `limit` bytes have come, and what `chunks` or `write` raise.
    """
    size = 0
    with contextlib.closing(Digest()) as digest:
        for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise FileTooLarge(limit)
            digest.update(chunk)
            write(chunk)
        return Measured(size, digest.hexdigest())


class Staged(Protocol):
    """Bytes that have arrived and are durable under a temporary name."""

    @property
    def measured(self) -> Measured: ...

    @property
    def file(self) -> BinaryIO:
        """The bytes, open for reading at any place until they are kept or discarded."""

    def keep(self, attachment_id: str) -> None:
        """Give the bytes their final name. They are not an attachment yet: `Blobs.commit` makes them one, and the name
        durable together with its own."""

    def discard(self) -> None:
        """Let go of the bytes: removed when they were not kept, untouched when they were. Twice is no error."""


class Blobs(Protocol):
    """The contract. All errors are StorageFull or StorageFailed; after an error nothing is under a final name that was
    not there before, except where a method says otherwise."""

    def stage(self, chunks: Iterable[bytes], limit: int) -> Staged:
        """Receive bytes under a temporary name; on return they are durable. On any error nothing stays."""

    def commit(self, attachment_id: str, record: Json) -> None:
        """Write the record, durably: from here on the attachment exists. After an error it may exist or not; `remove`
        settles it."""

    def record(self, attachment_id: str) -> Json | None:
        """The record, or None when there is no such attachment."""

    def version(self, attachment_id: str) -> Version | None:
        """What the record is known by as long as it is not written anew; None when there is no such attachment."""

    def open(self, attachment_id: str) -> BinaryIO | None:
        """The bytes, opened at their start; None when there are none. The caller closes."""

    def size(self, attachment_id: str) -> int | None:
        """How many bytes there are, without opening them; None when there are none."""

    def remove(self, attachment_id: str) -> None:
        """Remove the record, then the bytes, durably. What is not there is no error."""

    def ids(self) -> Iterator[str]:
        """The ids of all attachments that existed when the walk began and still do; in no order."""
