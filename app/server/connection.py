"""A client's connection, and where it stands. `app.server.worker` has all that are open."""

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

#: Bytes that are taken from a connection at once.
PIECE = 64 * 1024
#: Seconds that a closed connection is kept for the client to take the last answer, and bytes that it may still send.
CLOSING_SECONDS = 2.0
CLOSING_SIZE = 1024 * 1024
#: The same where it still sends a body that nobody wants, and the seconds that it may pause meanwhile. A client that sends
#: when the server closes gets a reset, which throws the answer away (RFC 9112, 9.6).
LINGERING_SECONDS = 30.0
LINGERING_PAUSE = 5.0
LINGERING_SIZE = 2 * 1024**3

#: Whose a request is of which nobody knows that (yet); what `admits` says of one whose route is for everybody.
NOBODY = ""

_HEAD_END = re.compile(rb"\n\r?\n")
_LAST_CHUNK = b"0\r\n\r\n"


class Phase(IntEnum):
    """Where a connection stands while no thread has it."""

    #: Its next head has not come, or not all of it.
    ARRIVING = 0
    #: A small body has not come, or not all of it.
    COLLECTING = 1
    #: As many threads as may wait for bodies do.
    QUEUED = 2
    #: Between two requests.
    KEPT = 3
    #: The client has not taken all of an answer.
    SENDING = 4
    #: Answered for the last time.
    CLOSING = 5


class Refused:
    """The socket of what is no request, for gunicorn's answer to it: of that the first line goes out, and no page, which
    would quote the client."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def gettimeout(self) -> float:
        # As of a socket that does not wait: then nothing else is asked of it.
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
        #: Since when it is in its phase, and when it is closed if nothing comes, by the monotonic clock.
        self.since = 0.0
        self.timeout = 0.0
        #: What came of the next request's head, and perhaps more.
        self.head = bytearray()
        #: The request at hand, its answer once it is made, and how fast its bytes move.
        self.request: Head | None = None
        self.serving: Serving | None = None
        self.transfer: Transfer | None = None
        #: Whose request is at hand, once that is known of one with a body.
        self.tenant = NOBODY
        #: Whether its thread may wait for its body: it is one of so many.
        self.has_place = False
        #: Bytes that the client may still send while it is closing, and those of its body among them; None: not known.
        self.left = CLOSING_SIZE
        self.owed: int | None = 0

    def enter(self, phase: Phase, seconds: float = float("inf")) -> None:
        """Be in `phase` for at most `seconds`."""
        self.phase = phase
        self.since = time.monotonic()
        self.timeout = self.since + seconds

    def received(self) -> bytes | None:
        """What is there; empty at the end or when it is broken, None when there is nothing now."""
        try:
            return bytes(self.sock.recv(PIECE, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def whole_head(self, data: bytes) -> re.Match[bytes] | None:
        """Add `data` to the head; where the head ends, None while it does not."""
        searched = max(0, len(self.head) - 2)
        self.head += data
        return _HEAD_END.search(self.head, searched)

    def linger(self) -> None:
        """Be closing. Raises OSError when the client is gone."""
        self.owed = self.request.owed() if self.request is not None else 0
        if self.owed == 0:
            self._half_close()
        else:
            self.enter(Phase.CLOSING, LINGERING_PAUSE)
            self.left = LINGERING_SIZE

    def dropped(self, data: bytes) -> bool:
        """`data` came while it is closing; whether it is worth waiting for more. Raises OSError when the client is gone."""
        self.left -= len(data)
        if not data or self.left <= 0:
            return False
        if self.owed != 0:
            self.owed = max(0, self.owed - len(data)) if self.owed is not None else None
            if self.owed == 0 or self.owed is None and data.endswith(_LAST_CHUNK):
                # It has sent all, and may be waiting for the end.
                self._half_close()
            else:
                self.timeout = min(time.monotonic() + LINGERING_PAUSE, self.since + LINGERING_SECONDS)
        return True

    def _half_close(self) -> None:
        """Say that nothing more comes, and close once the client has taken it (RFC 9112, 9.6)."""
        self.owed, self.left = 0, CLOSING_SIZE
        self.sock.shutdown(socket.SHUT_WR)
        self.enter(Phase.CLOSING, CLOSING_SECONDS)
