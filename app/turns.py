"""Whose turn it is: tenants take turns, however many places each of them wants; none of them has all places at once."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")


class Turns(Generic[Waiting]):
    """`places` in all, of which a tenant has at most `of_one` at a time. For any number of threads.

    The caller decides how to wait: the methods return which waiter gets a place.
    """

    def __init__(self, places: int, of_one: int) -> None:
        self._places = places
        self._of_one = of_one
        self._taken: Counter[str] = Counter()
        # The waiters of each tenant, in the order in which they came; the tenant that has waited longest for its turn
        # comes first. While a place is free, all tenants here have as many as they may.
        self._waiting: dict[str, dict[Waiting, None]] = {}
        self._lock = threading.Lock()

    def take(self, tenant: str, who: Waiting) -> bool:
        """Whether there is a place for `who`; otherwise `who` waits."""
        with self._lock:
            if self._taken.total() < self._places and self._taken[tenant] < self._of_one:
                self._taken[tenant] += 1
                return True
            self._waiting.setdefault(tenant, {})[who] = None
            return False

    def give_back(self, tenant: str) -> tuple[str, Waiting] | None:
        """Free a place of `tenant`. Returns the waiter that has the place now, and must give it back when it no longer
        needs it; None when no waiter may have it."""
        with self._lock:
            self._taken[tenant] -= 1
            if not self._taken[tenant]:
                del self._taken[tenant]
            following = next((each for each in self._waiting if self._taken[each] < self._of_one), None)
            if following is None:
                return None
            waiting = self._waiting.pop(following)
            who = next(iter(waiting))
            del waiting[who]
            if waiting:
                # The tenant goes behind all others.
                self._waiting[following] = waiting
            self._taken[following] += 1
            return following, who

    def leave(self, tenant: str, who: Waiting) -> None:
        """`who` no longer waits, if it did."""
        with self._lock:
            waiting = self._waiting.get(tenant)
            if waiting is not None:
                waiting.pop(who, None)
                if not waiting:
                    del self._waiting[tenant]
