"""One bulk at a time, of all processes that write to one store.

Two bulks that refresh one index at the same moment do not run side by side: the second waits in Elasticsearch for the
refresh of the first, and then needs one of its own. A process that waits here instead goes on gathering writes, and one
refresh serves all of them. A lone writer finds the lock free and does not wait. The lock (flock) ends with its process.

Rejected: one process that sends the bulks of all (each document would be handed over and each outcome back, and if that
process ended, all outcomes would be unknown), and a leader that waits for uploads that have begun and have no document
yet (docs/performance.md has the figures).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

#: The most seconds that anyone waits, however slow Elasticsearch is. `LEAST_PATIENCE` holds at first, and while bulks
#: are quicker than that.
PATIENCE = 0.1
LEAST_PATIENCE = 0.02
#: How long to wait, in bulks of the usual duration.
BULKS = 2.0
#: Seconds between two attempts, at first and after a long wait.
_POLL = 0.001
_RARE_POLL = 0.02


class BulkLock:
    """The bulk lock of a data folder, for one process; one leader at a time uses it."""

    def __init__(self, file: Path, patience: float | None = None) -> None:
        """`file` is created when it is missing, and stays empty. `patience`: the most seconds that anyone waits, where
        waiting is not urgent."""
        self._file = file
        self._patience = patience
        self._took = 0.0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        descriptor = self._enter()
        began = time.monotonic()
        try:
            yield
        finally:
            self._took = time.monotonic() - began
            if descriptor is not None:
                os.close(descriptor)

    def _enter(self) -> int | None:
        patience = self._patience
        if patience is None:
            patience = min(PATIENCE, max(LEAST_PATIENCE, BULKS * self._took))
        until = time.monotonic() + patience
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError:
            # A missing folder or a failing disk is reported elsewhere.
            return None
        while not _free(descriptor) and time.monotonic() < until:
            time.sleep(_POLL if self._patience is None else _RARE_POLL)
        return descriptor


def _free(descriptor: int) -> bool:
    """Take the lock with this descriptor if nobody holds it. Returns whether it is taken, or can't be determined."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True
