"""Places for what takes long, of all processes that work on one data folder.

A small node searches with four threads. A gate for each process bounds what one process asks; this bounds all of them
together, so that one thread at least is left for searches that are quick. A place is a lock (flock) on a file that goes
with its process, as in `bulk_lock`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: Seconds between two looks for a free place.
_POLL = 0.01


class SearchSlots:
    """So many places of one data folder."""

    def __init__(self, folder: Path, count: int) -> None:
        """`folder`: where their files are made, in which nothing ever is."""
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
        """A free place, held; -1 where nobody can say which are free."""
        for file in self._files:
            try:
                descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            except OSError:
                # A folder that is not there, or a disk that fails, is for others to say.
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
