"""The change lock: two files, and their locks (flock), which end with the process, however it ends.

Every change holds `work` shared, and a process that must be alone holds it exclusively. Every change takes `door`
briefly on its way in, and a process that waits to be alone holds it: without it, on a busy store nobody would ever be
alone.

Rejected: a write block on the index (a killed rebuild would leave it behind, and the store would refuse writes).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from app.coordination.contract import PATIENCE
from app.errors import IndexUnavailable
from app.files import FILE_MODE, locked, storage_errors

#: The most seconds for which changes wait before a process is alone; and the seconds between two such attempts.
CLEARING = 1.0
PAUSE = 0.1
_POLL = 0.005


class Hold:
    """A descriptor whose lock is held; closing it ends the lock."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        # First, so that no descriptor is ever closed twice: by then its number may belong to another file.
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # A failing device may report that here too; the descriptor and its lock are gone all the same.
            with contextlib.suppress(OSError):
                os.close(descriptor)


class ChangeLock:
    """The change lock of one data folder, between all processes that use it."""

    def __init__(self, root: Path) -> None:
        self._door = root / ".door.lock"
        self._work = root / ".work.lock"

    def shared(self, patience: float = PATIENCE) -> Hold:
        deadline = time.monotonic() + patience
        with storage_errors():
            work = _open(self._work)
            try:
                door = _open(self._door)
                try:
                    while not (locked(door, shared=True) and locked(work, shared=True)):
                        # Release the door: otherwise two that wait here could keep out a process that wants to be
                        # alone.
                        fcntl.flock(door, fcntl.LOCK_UN)
                        if time.monotonic() >= deadline:
                            raise IndexUnavailable()
                        time.sleep(_POLL)
                finally:
                    os.close(door)
            except BaseException:
                os.close(work)
                raise
        return Hold(work)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            with storage_errors():
                door = _open(self._door)
                stack.callback(os.close, door)
                work = _open(self._work)
                stack.callback(os.close, work)
            while not self._cleared(door, work):
                # A change under way may need a second one inside it: let it through and try again.
                fcntl.flock(door, fcntl.LOCK_UN)
                time.sleep(PAUSE)
            yield

    def _cleared(self, door: int, work: int) -> bool:
        deadline = time.monotonic() + CLEARING
        while not locked(door) or not locked(work):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        return True


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
