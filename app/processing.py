"""What one request may do outside of Elasticsearch: a number of steps, within its time, and while its client is
connected.

Every loop over what a caller sent or over what an answer contains counts its iterations here (`spend`). So one request
takes a bounded share of a processor, however its parts multiply, and its work ends early when nobody waits for it any
more. Outside a request, as in a command, nothing is counted.

Steps are counted and not timed: the same request is refused on every machine, or on none.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from app.errors import ClientGone, TooLate, TooMuchWork

#: The most steps of one request: several times what the largest allowed answers need.
MOST_STEPS = 4_000_000
#: Steps between two checks of the clock and the client.
LOOK = 10_000


class Processing:
    """The work of one request. `gone`: whether its client has left."""

    def __init__(self, gone: Callable[[], bool], most: int = MOST_STEPS) -> None:
        self.steps = 0
        #: When the current work has to be done, by the monotonic clock; None: only the steps limit it.
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
    """Set the request for which this thread works; None: no request."""
    _current.set(processing)


def spend(steps: int = 1) -> None:
    """Count `steps` of the current request. Raises TooMuchWork, TooLate, ClientGone."""
    if (processing := _current.get()) is not None:
        processing.spend(steps)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit the steps in the block to `seconds`; after that, `spend` raises TooLate."""
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
    """Whether the client of a WSGI request has closed its connection. For a client that has sent more meanwhile, that
    is not known."""
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
