"""How often a client may try to sign in.

A token is 256 random bits, so guessing is hopeless at any rate; the limit keeps a script from causing load and log
lines. An attempt counts from its beginning, so that many at once can't evade the limit; one that succeeds is removed
again. Refused attempts do not count.

The moments of the last attempts are kept for all worker processes together, in bounded space. No client's count is
removed to make room for another's, and a client with many addresses can shut out others only by chance.

Rejected: a count in each process (a client had as many attempts for each); a file for each address, or a list that
forgets the oldest (a client with many addresses would make as many files, or have its own count forgotten); and
counting at the end of an attempt (all that are under way at once would pass).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from app.coordination.contract import Moments
from app.errors import StoreError

#: Seconds over which attempts are counted.
WINDOW = 60.0
NEVER = -math.inf


class TooManyFailures(StoreError):
    code = "too_many_failures"
    status = 429
    message = "Too many failed attempts to sign in: wait a moment"


class Attempts:
    """Attempts of clients: in a window as many as `moments` keeps for each, over all processes of the store."""

    def __init__(self, moments: Moments, clock: Callable[[], float] = time.time) -> None:
        self._moments = moments
        self._clock = clock

    def begin(self, client: str) -> float:
        """Count an attempt. Returns its moment, for `succeeded`. Raises TooManyFailures when `client` has used up its
        attempts, StorageFull or StorageFailed."""
        present = 0.0

        def count(kept: Sequence[float]) -> Sequence[float]:
            nonlocal present
            present = self._clock()
            moments = _past(kept, present)
            oldest = min(moments)
            if present - oldest < WINDOW:
                raise TooManyFailures(retry_after=max(1, round(oldest + WINDOW - present)))
            return _replaced(moments, oldest, present)

        self._moments.change(client, count)
        return present

    def succeeded(self, client: str, moment: float) -> None:
        """Remove the attempt that began at `moment`. Raises StorageFull or StorageFailed."""

        def take_back(kept: Sequence[float]) -> Sequence[float] | None:
            moments = _past(kept, self._clock())
            return _replaced(moments, moment, NEVER) if moment in moments else None

        self._moments.change(client, take_back)


def _past(moments: Sequence[float], present: float) -> list[float]:
    # A time in the future is from a clock that was put back, which must not shut anyone out; zero was never written.
    return [each if 0 < each <= present else NEVER for each in moments]


def _replaced(moments: list[float], old: float, new: float) -> list[float]:
    moments[moments.index(old)] = new
    return moments
