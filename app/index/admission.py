"""How many requests may wait for Elasticsearch at once, and for how long: a stalled node must not block every thread.

A request that waits for Elasticsearch holds one of the worker's threads, and downloads need those threads too. So only
some may wait for Elasticsearch; the others wait at the gate, which costs nothing while Elasticsearch answers. When the
oldest call has had no answer for `SLOW` seconds, those at the gate and all that come are refused at once. After a call
that ended by its time limit, the gate lets through only a probe, one at a time, to see whether Elasticsearch is back:
the reconciler sends one every `RECONCILE_INTERVAL`, so that no client waits for that. Where nobody probes, as in a
command, the next caller is the probe after `UNATTENDED` seconds.

Each process has one gate, and every call passes it: attachments, chats, and work in the background. Calls that may be
slow by themselves have another gate beside it: large texts, and searches that take long (with marks, with large pages,
or written by callers). A small node searches with four threads; a caller that used all of them would stop everyone's
searches. So that gate lets few calls through, and fewer of one tenant. A slow call there does not mean that the node is
slow; while one is slow, only some requests wait for it, so that the other threads serve other requests.

Where Elasticsearch has several nodes, a process still has one gate, which counts the calls to all of them: what it protects
are the process's threads. It is not one node's time-out that stops everything: Elasticsearch counts as stalled only when
no node is known to answer, and a node that stands still holds no more than its part of the places
(`app.index.nodes`). A gate for each node would refuse calls that another node answers, or have to choose the node itself.

All time counts from the gate on: the time that a request waits there is subtracted from the time that its calls may
take, so the sum stays below the limit, whatever the request does in between.

Rejected: a fixed bound without waiting (refuses bursts that a healthy node would take), threads of their own for
Elasticsearch (two thread switches for each request, and the request's thread waits all the same), and a breaker that
counts failures (a refused connection fails within a millisecond and needs no protection).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from app.errors import IndexUnavailable, SearchTimedOut

#: Seconds without an answer after which Elasticsearch counts as slow. A healthy one answers in a hundredth of that.
SLOW = 1.0

#: Seconds without a probe after which any caller becomes the probe: longer than a probe and the reconciler's pause
#: together.
UNATTENDED = 10.0

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def time_left(otherwise: float) -> float:
    """Seconds that the current work may still wait for Elasticsearch; `otherwise` outside any gate.

    Raises IndexUnavailable when the time is over.
    """
    end = _deadline.get()
    if end is None:
        return otherwise
    left = end - time.monotonic()
    if left <= 0:
        raise IndexUnavailable()
    return left


class Gate:
    """Lets `at_once` threads through at the same time, each for `seconds` in all. `unattended`: as UNATTENDED says.
    `each`: how many of one tenant at once. `patient`: how many may go on waiting when the oldest call is slow; one
    tenant has at most all but one of these. `telling`: whether a call without an answer means that Elasticsearch has
    stalled."""

    def __init__(
        self,
        seconds: float,
        at_once: int,
        unattended: float = UNATTENDED,
        *,
        each: int | None = None,
        patient: int = 0,
        telling: bool = True,
        silent: Callable[[], bool] = lambda: True,
    ) -> None:
        self._seconds = seconds
        self._slow = SLOW
        self._at_once = at_once
        self._each = at_once if each is None else each
        self._patient = patient
        self._telling = telling
        self._silent = silent
        self._unattended = unattended
        self._changed = threading.Condition()
        self._begun: dict[object, float] = {}
        #: By tenant: how many have passed, and how many are waiting.
        self._inside: Counter[str] = Counter()
        self._before: Counter[str] = Counter()
        self._stalled = False
        self._asked = 0.0

    @property
    def stalled(self) -> bool:
        """Whether the last call ended by its time limit, and none has succeeded since."""
        return self._stalled

    @contextlib.contextmanager
    def passage(self, seconds: float | None = None, *, probe: bool = False, tenant: str = "") -> Iterator[None]:
        """A block that calls Elasticsearch, within `seconds` instead of the gate's own if given.

        `probe`: whether the call may pass, alone, even while Elasticsearch is stalled. `tenant`: whose call it is.

        Raises IndexUnavailable when the call may not pass; then nothing was sent to Elasticsearch.
        """
        began = time.monotonic()
        end = began + min(self._seconds, seconds or self._seconds)
        if _deadline.get() is not None:
            # Within another passage, which has a time and a place already.
            yield
            return
        key = object()
        self._enter(key, end, probe, tenant)
        token = _deadline.set(end)
        failed = False
        try:
            yield
        except IndexUnavailable as error:
            failed = not isinstance(error, SearchTimedOut)
            raise
        finally:
            _deadline.reset(token)
            with self._changed:
                took = time.monotonic() - self._begun.pop(key)
                _less(self._inside, tenant)
                self._stalled = self._telling and failed and took >= self._slow and self._silent()
                self._changed.notify_all()

    def hold(self, tenant: str) -> Callable[[], None]:
        """Keep the tenant's place after the end of the current passage, until the returned function is called."""
        with self._changed:
            self._inside[tenant] += 1

        def release() -> None:
            with self._changed:
                _less(self._inside, tenant)
                self._changed.notify_all()

        return release

    def _enter(self, key: object, end: float, probe: bool, tenant: str) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                if self._stalled and not probe and now < self._asked + self._unattended:
                    raise IndexUnavailable()
                if len(self._begun) < (1 if self._stalled else self._at_once) and self._inside[tenant] < self._each:
                    self._begun[key] = self._asked = now
                    self._inside[tenant] += 1
                    return
                # Where all places are only held, no call is under way: that counts as slow.
                slow = next(iter(self._begun.values()), now - self._slow) + self._slow
                if self._stalled or now >= end or (now >= slow and self._crowded(tenant)):
                    raise IndexUnavailable()
                if now < slow:
                    self._changed.wait(min(slow, end) - now)
                    continue
                self._before[tenant] += 1
                try:
                    self._changed.wait(end - now)
                finally:
                    _less(self._before, tenant)

    def _crowded(self, tenant: str) -> bool:
        return self._before.total() >= self._patient or self._before[tenant] >= max(1, self._patient - 1)


def _less(counts: Counter[str], tenant: str) -> None:
    """Decrease the count of `tenant`; a count of zero is removed."""
    counts[tenant] -= 1
    if not counts[tenant]:
        del counts[tenant]
