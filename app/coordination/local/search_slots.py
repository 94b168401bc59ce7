"""Places for searches that take long, shared by all processes that work on one data folder.

A small node searches with four threads. A gate in each process bounds what that process asks; this bounds all of them
together, so that at least one thread is left for quick searches. A place is a lock (flock) on a file, and ends with its
process, as in `bulk_lock`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: Seconds between two attempts to find a free place.
_POLL = 0.01


class SearchSlots:
    """The places of one data folder."""

    def __init__(self, folder: Path, count: int) -> None:
        """`folder`: where their files are created, which stay empty."""
        self._files = [folder / f".search-{number}.lock" for number in range(count)]

    @contextlib.contextmanager
    def place(self, left: Callable[[], float]) -> Iterator[contextlib.ExitStack]:
        descriptor = self._free()
        while descriptor is None:
            time.sleep(min(_POLL, left()))
            descriptor = self._free()
        with contextlib.ExitStack() as held:
            if descriptor >= 0:
                held.callback(os.close, descriptor)
            yield held

    def _free(self) -> int | None:
        """A free place, held; -1 where the free places can't be determined."""
        for file in self._files:
            try:
                descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            except OSError:
                # A missing folder or a failing disk is reported elsewhere.
                return -1
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            except OSError:
                os.close(descriptor)
                return -1
            else:
                return descriptor
        return None
