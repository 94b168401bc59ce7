"""One bulk at a time, of all processes that write to one store.

Two bulks that refresh one index at the same moment do not run side by side: the second waits in Elasticsearch for the
refresh of the first, and then pays for one of its own. Who waits here instead goes on gathering writes, and one refresh
does for all of them. A lone writer finds the lock free and waits for nobody. The lock (flock) goes with its process.

Rejected: one process that sends the bulks of all (each document would be handed over and each outcome back, and its end
would leave everybody's outcome unknown), and a leader that waits for those who have begun an upload and have not come
yet (docs/performance.md has the figures).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

#: Seconds that anybody waits at most, however slow Elasticsearch is; at first, and while its bulks are quicker than
#: that, `LEAST_PATIENCE`.
PATIENCE = 0.1
LEAST_PATIENCE = 0.02
#: How many bulks of the usual length that is.
BULKS = 2.0
#: Seconds between two looks, and where one waits for long.
_POLL = 0.001
_RARE_POLL = 0.02


class BulkLock:
    """One of a data folder, as one process sees it; of one leader at a time."""

    def __init__(self, file: Path, patience: float | None = None) -> None:
        """`file` is made when it is missing; nothing is ever in it. `patience`: seconds that anybody waits at most,
        where it is no matter of moments."""
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
            # A folder that is not there, or a disk that fails, is for others to say.
            return None
        while not _free(descriptor) and time.monotonic() < until:
            time.sleep(_POLL if self._patience is None else _RARE_POLL)
        return descriptor


def _free(descriptor: int) -> bool:
    """Whether nobody else is in it, and so this descriptor is from here on; or nobody can say."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True
