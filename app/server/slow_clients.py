"""How slow a client may be: a thread serves one request at a time, and a client that sends a byte a second would occupy
it for days.

A watch checks the connections that threads serve. Where a thread waits for the client to send its body or to receive
the response, and the rate has been below `MIN_TRANSFER_RATE` for `TRANSFER_WINDOW` seconds, the connection is shut
down: the waiting thread is free at once. A request whose body was cut off this way gets 408. Time in which the server
itself works does not count.

Rejected: a socket time-out (a byte now and then renews it), a limit for the whole request (a large file over a slow
line is no attack; and a client that is cut off just connects again, so it frees no thread for long), and an unlimited
number of threads (unbounded memory).
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

#: Seconds between two checks.
INTERVAL = 1.0

# struct tcp_info of Linux since 4.1: the offset of the count of bytes that the other side has acknowledged.
_ACKED = 120
_INFO_SIZE = 128

_cut: WeakSet[socket.socket] = WeakSet()


def was_cut(environ: Mapping[str, Any]) -> bool:
    """Whether the connection of this request was shut down because its client was too slow."""
    return environ.get("gunicorn.socket") in _cut


@dataclass(eq=False)
class Transfer:
    """A connection while a thread serves it. `waiting` and `received` are written by that thread."""

    socket: socket.socket
    #: Whether the thread waits for the client to send.
    waiting: bool = False
    #: Bytes that were received from the client.
    received: int = 0
    # The last observation: its time, and how much had been transferred.
    _direction: str = ""
    _since: float = 0.0
    _moved: int = 0

    def too_slow(self, now: float, least_rate: int, window: float) -> str:
        """`in` or `out` when the client was slower than allowed for the whole window, otherwise empty.

        `now`: seconds of the monotonic clock; `least_rate`: bytes a second on average over `window` seconds.
        """
        direction, moved = "", 0
        if self.waiting:
            direction, moved = "in", self.received
        elif _unsent(self.socket):
            direction, moved = "out", _taken(self.socket)
        if direction != self._direction or not direction:
            self._direction, self._since, self._moved = direction, now, moved
            return ""
        if now - self._since < window:
            return ""
        if moved - self._moved < least_rate * (now - self._since):
            return direction
        self._since, self._moved = now, moved
        return ""


class Watch:
    """The watch over one worker's connections: a thread of its own."""

    def __init__(self, least_rate: int, window: float) -> None:
        """Clients that transfer less than `least_rate` bytes a second over `window` seconds are cut off."""
        self._least_rate = least_rate
        self._window = window
        self._transfers: set[Transfer] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="pace", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def begin(self, connection: socket.socket) -> Transfer:
        """Watch a connection until `end`."""
        transfer = Transfer(connection)
        with self._lock:
            self._transfers.add(transfer)
        return transfer

    def end(self, transfer: Transfer) -> None:
        with self._lock:
            self._transfers.discard(transfer)

    def _run(self) -> None:
        while True:
            time.sleep(INTERVAL)
            now = time.monotonic()
            with self._lock:
                # Under the lock: a socket that is no longer watched may be closed, and its descriptor may belong to
                # another file.
                for transfer in self._transfers:
                    with contextlib.suppress(OSError):
                        _stop(transfer, transfer.too_slow(now, self._least_rate, self._window))


def _stop(transfer: Transfer, direction: str) -> None:
    if direction == "in":
        _cut.add(transfer.socket)
        # The response can still be sent.
        transfer.socket.shutdown(socket.SHUT_RD)
    elif direction == "out":
        transfer.socket.shutdown(socket.SHUT_RDWR)


def _unsent(connection: socket.socket) -> int:
    """Bytes in the kernel's send buffer, sent and not acknowledged or not sent yet."""
    (count,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
    return int(count)


def _taken(connection: socket.socket) -> int:
    """Bytes that the client has acknowledged; 0 where the kernel does not say."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
    return int(struct.unpack_from("Q", info, _ACKED)[0]) if len(info) >= _INFO_SIZE else 0
