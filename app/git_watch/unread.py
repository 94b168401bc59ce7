"""Bytes that were sent to a tenant's watchers and not read yet. They are bounded, so that a client that does not read
can't fill the memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

#: Unread bytes of one tenant in one process above which nothing more is sent to its watchers until some are read.
MAX_UNREAD = 32 * 1024**2


class Unread:
    """Counts unread bytes by holder. For one thread."""

    def __init__(self) -> None:
        self._held: Counter[object] = Counter()
        self._waiting: dict[object, Callable[[], None]] = {}

    def admits(self, who: object, then: Callable[[], None]) -> bool:
        """Whether something may be sent to `who` now; if not, `then` is called once it may."""
        if self._held.total() < MAX_UNREAD:
            return True
        self._waiting[who] = then
        return False

    def hold(self, who: object, size: int) -> None:
        """`size` more bytes are being sent to `who`."""
        self._held[who] += size

    def release(self, who: object) -> None:
        """`who` has read everything, or is gone."""
        self._waiting.pop(who, None)
        del self._held[who]
        while self._waiting and self._held.total() < MAX_UNREAD:
            first = next(iter(self._waiting))
            self._waiting.pop(first)()
