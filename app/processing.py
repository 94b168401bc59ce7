"""What one request may do outside of Elasticsearch: so many steps, within its time, and while its client is there.

Every loop over what a caller sent or over what an answer holds counts its rounds here (`spend`); a round is about a
microsecond. One request thus takes a bounded share of a processor, however its parts multiply, and is given up in the
middle of its work when nobody waits for it any more. Where no request is at hand, as in a command, nothing is counted.

A step is counted and not timed: the same request is refused on every machine, or on none.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from app.errors import ClientGone, TooLate, TooMuchWork

#: Steps of one request in all: several times what the largest answers need that may be asked for.
MOST_STEPS = 4_000_000
#: Steps between two looks at the clock and the client.
LOOK = 10_000


class Processing:
    """The work of one request. `gone`: whether its client has left."""

    def __init__(self, gone: Callable[[], bool], most: int = MOST_STEPS) -> None:
        self.steps = 0
        #: When the work at hand has to be done, by the monotonic clock; None: it may take what its steps take.
        self.deadline: float | None = None
        self._gone = gone
        self._most = most
        self._next_look = LOOK

    def spend(self, steps: int) -> None:
        """Count `steps`. Raises TooMuchWork, TooLate, ClientGone."""
        self.steps += steps
        if self.steps >= self._next_look:
            self._next_look = self.steps + LOOK
            self._look()

    def _look(self) -> None:
        if self.steps > self._most:
            raise TooMuchWork()
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise TooLate()
        if self._gone():
            raise ClientGone()


_current: ContextVar[Processing | None] = ContextVar("processing", default=None)


def begin(processing: Processing | None) -> None:
    """From here on this thread works for that request; None: for none."""
    _current.set(processing)


def spend(steps: int = 1) -> None:
    """Count `steps` of the request at hand. Raises TooMuchWork, TooLate, ClientGone."""
    if (processing := _current.get()) is not None:
        processing.spend(steps)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is spent in the block is spent within `seconds`, or raises TooLate."""
    processing = _current.get()
    if processing is None:
        yield
        return
    before = processing.deadline
    processing.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        processing.deadline = before


def gone(environ: Mapping[str, Any]) -> bool:
    """Whether the client of a WSGI request has closed its connection; not known of one that sends more meanwhile."""
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
