"""The write loop of every storage: bytes are counted, hashed and bounded as they come."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
from collections.abc import Callable, Iterable

from app.errors import FileTooLarge
from app.storage.contract import Measured

#: Bytes of a file that are hashed in the thread that receives them. SHA-256 is the slowest part of receiving, so for
#: larger files it runs in a second thread; for smaller ones that thread would cost more than it saves.
HASHED_ALONE = 4 * 1024 * 1024
#: Chunks that may wait to be hashed: each upload may need as much memory as this many chunks.
HASHED_AHEAD = 4


class Digest:
    """The SHA-256 of chunks, which nobody may change afterwards. The caller closes it. For one thread."""

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
        """Wait until everything is hashed. Calling it twice is no error."""
        if self._thread is not None:
            self._ahead.put(None)
            self._thread.join()
            self._thread = None


def copy(chunks: Iterable[bytes], write: Callable[[bytes], object], limit: int) -> Measured:
    """Pass `chunks` to `write`, counting and hashing them. It needs the memory of a few chunks, whatever the size.

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
