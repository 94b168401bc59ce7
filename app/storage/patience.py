"""How many threads wait for an object store, and for how long: one that is slow or away must not block every thread.

A thread that waits for the object store is one that can't serve a search. So only `at_once` calls are under way at the
same time; the others wait for a place, which costs nothing while the store answers. When the oldest call has made no
progress for `SLOW` seconds, those that wait, and all that come, are refused at once. After a call that got no answer, all
are refused until a thread of its own, which asks every `INTERVAL` seconds, has got one: no request waits to find that
out.

Rejected: a fixed bound without waiting (it refuses bursts that a healthy store takes), and the next request as the
probe (a search reads the texts of its hits, and would wait for each). `app.index.admission` does the same for Elasticsearch,
with tenants and deadlines that a storage knows nothing of.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

from app.errors import StorageUnavailable

log = logging.getLogger(__name__)

#: Seconds without an answer after which the object store counts as slow.
SLOW = 1.0
#: Seconds between two attempts to find out whether it is back.
INTERVAL = 1.0


class Call:
    """A call under way. `moved`: when it last made progress (monotonic)."""

    def __init__(self) -> None:
        self.moved = time.monotonic()

    def progress(self) -> None:
        self.moved = time.monotonic()


class Patience:
    """Lets `at_once` threads through at the same time. `alive` asks the object store for something small, outside of any
    place, and raises StorageUnavailable when it gets no answer."""

    def __init__(self, at_once: int, alive: Callable[[], object]) -> None:
        self._at_once = at_once
        self._alive = alive
        self._changed = threading.Condition()
        self._calls: set[Call] = set()
        self._away = False

    @property
    def away(self) -> bool:
        """Whether a call got no answer, and nothing has been answered since."""
        return self._away

    @contextlib.contextmanager
    def place(self) -> Iterator[Call]:
        """A block that calls the object store, and raises StorageUnavailable when it gets no answer. Raises that at once
        when it may not call; then nothing was sent."""
        call = self._enter()
        try:
            yield call
        except StorageUnavailable as error:
            if error.unanswered:
                self._leave(call, away=True)
            raise
        finally:
            self._leave(call)

    def _enter(self) -> Call:
        with self._changed:
            while True:
                if self._away:
                    raise StorageUnavailable()
                if len(self._calls) < self._at_once:
                    call = Call()
                    self._calls.add(call)
                    return call
                left = min(each.moved for each in self._calls) + SLOW - time.monotonic()
                if left <= 0:
                    raise StorageUnavailable()
                self._changed.wait(left)

    def _leave(self, call: Call, *, away: bool = False) -> None:
        with self._changed:
            self._calls.discard(call)
            if away and not self._away:
                self._away = True
                log.warning("the object store does not answer; until it does, what needs it is refused")
                threading.Thread(target=self._look, name="object store", daemon=True).start()
            self._changed.notify_all()

    def _look(self) -> None:
        while True:
            # Without an answer, this takes as long as any call may.
            with contextlib.suppress(StorageUnavailable):
                self._alive()
                break
            time.sleep(INTERVAL)
        with self._changed:
            self._away = False
        log.warning("the object store answers again")
