"""A client's connection and its phase. `app.server.worker` has all that are open."""

from __future__ import annotations

import re
import socket
import time
from enum import IntEnum
from typing import Any

from gunicorn.workers.gthread import TConn

from app.server.request import Head
from app.server.security import refusal_response
from app.server.serving import Serving
from app.server.slow_clients import Transfer

#: How many bytes are read from a connection at once.
PIECE = 64 * 1024
#: Seconds for which a closing connection is kept until the client has received the last answer, and bytes that it may
#: still send.
CLOSING_SECONDS = 2.0
CLOSING_SIZE = 1024 * 1024
#: The same where it still sends a body that no route reads, and the seconds for which it may pause meanwhile. A client
#: that sends when the server closes gets a reset, which discards the answer (RFC 9112, 9.6).
LINGERING_SECONDS = 30.0
LINGERING_PAUSE = 5.0
LINGERING_SIZE = 2 * 1024**3

#: The tenant of a request whose tenant is not known (yet), and what `admits` returns for one whose route is public.
NOBODY = ""

_HEAD_END = re.compile(rb"\n\r?\n")
_LAST_CHUNK = b"0\r\n\r\n"


class Phase(IntEnum):
    """What a connection waits for while no thread has it."""

    #: Its next head has not arrived, or not all of it.
    ARRIVING = 0
    #: A small body has not arrived, or not all of it.
    COLLECTING = 1
    #: All threads that may wait for bodies are waiting for one.
    QUEUED = 2
    #: Between two requests.
    KEPT = 3
    #: The client has not received all of an answer.
    SENDING = 4
    #: The last answer was sent; it is closing.
    CLOSING = 5


class Refused:
    """The socket for gunicorn's answer to something that is not a request. It sends the first line of that answer, and
    not the page, which would quote the client."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def gettimeout(self) -> float:
        # As for a non-blocking socket: then gunicorn calls nothing else of it.
        return 0.0

    def sendall(self, data: bytes) -> None:
        self._sock.send(refusal_response(data.partition(b"\r\n")[0]), socket.MSG_DONTWAIT)


class ClientConnection(TConn):  # type: ignore[misc]
    """A client's connection. It is either in `Worker.waiting`, or one thread has it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sock.setblocking(True)
        self.descriptor: int = self.sock.fileno()
        self.phase = Phase.ARRIVING
        #: When its phase began, and when it is closed if nothing arrives, by the monotonic clock.
        self.since = 0.0
        self.timeout = 0.0
        #: What has arrived of the next request's head, and perhaps more.
        self.head = bytearray()
        #: The current request, its answer once it is made, and how fast its bytes move.
        self.request: Head | None = None
        self.serving: Serving | None = None
        self.transfer: Transfer | None = None
        #: The tenant of the current request, once that is known for one with a body.
        self.tenant = NOBODY
        #: Whether its thread may wait for its body: only a limited number may.
        self.has_place = False
        #: Bytes that the client may still send while it is closing, and how many of these are its body's; None: not
        #: known.
        self.left = CLOSING_SIZE
        self.owed: int | None = 0

    def enter(self, phase: Phase, seconds: float = float("inf")) -> None:
        """Enter `phase` for at most `seconds`."""
        self.phase = phase
        self.since = time.monotonic()
        self.timeout = self.since + seconds

    def received(self) -> bytes | None:
        """The bytes that have arrived; empty at the end or when the connection is broken, None when there are none
        now."""
        try:
            return bytes(self.sock.recv(PIECE, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def whole_head(self, data: bytes) -> re.Match[bytes] | None:
        """Add `data` to the head. Returns where the head ends; None while it is incomplete."""
        searched = max(0, len(self.head) - 2)
        self.head += data
        return _HEAD_END.search(self.head, searched)

    def linger(self) -> None:
        """Begin to close. Raises OSError when the client is gone."""
        self.owed = self.request.owed() if self.request is not None else 0
        if self.owed == 0:
            self._half_close()
        else:
            self.enter(Phase.CLOSING, LINGERING_PAUSE)
            self.left = LINGERING_SIZE

    def dropped(self, data: bytes) -> bool:
        """Drop `data`, which arrived while it is closing. Returns whether to wait for more. Raises OSError when the
        client is gone."""
        self.left -= len(data)
        if not data or self.left <= 0:
            return False
        if self.owed != 0:
            self.owed = max(0, self.owed - len(data)) if self.owed is not None else None
            if self.owed == 0 or self.owed is None and data.endswith(_LAST_CHUNK):
                # The client has sent everything, and may be waiting for the end.
                self._half_close()
            else:
                self.timeout = min(time.monotonic() + LINGERING_PAUSE, self.since + LINGERING_SECONDS)
        return True

    def _half_close(self) -> None:
        """Shut down the sending side, and close once the client has received everything (RFC 9112, 9.6)."""
        self.owed, self.left = 0, CLOSING_SIZE
        self.sock.shutdown(socket.SHUT_WR)
        self.enter(Phase.CLOSING, CLOSING_SECONDS)
