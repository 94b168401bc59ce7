"""How many WebSockets there may be, in all and of one tenant. A client that wants one more is refused before the upgrade."""

from __future__ import annotations

import threading
import weakref
from collections import Counter

from app.errors import TooManyWebSockets, WebSocketsFull


class Place:
    """One WebSocket's place. It is free again after `give_back`, or when it is garbage collected."""

    def __init__(self, places: Places, tenant: str) -> None:
        self.tenant = tenant
        self.give_back = weakref.finalize(self, places._free, tenant)


class Places:
    """The places of one process: `most` in all, of which a tenant has at most `of_one`. For all threads."""

    def __init__(self, most: int, of_one: int) -> None:
        self._most = most
        self._of_one = of_one
        self._taken: Counter[str] = Counter()
        # A finalizer may run anywhere in this thread, also within these methods.
        self._lock = threading.RLock()

    def take(self, tenant: str) -> Place:
        """A place for `tenant`. Raises TooManyWebSockets when the tenant has too many, WebSocketsFull when all places
        are taken."""
        with self._lock:
            if self._taken[tenant] >= self._of_one:
                raise TooManyWebSockets(self._of_one)
            if self._taken.total() >= self._most:
                raise WebSocketsFull()
            self._taken[tenant] += 1
        return Place(self, tenant)

    def _free(self, tenant: str) -> None:
        with self._lock:
            self._taken[tenant] -= 1
            if self._taken[tenant] <= 0:
                del self._taken[tenant]
