"""gunicorn's response, with fewer system calls: each takes as long as a good part of the routing.

The head is sent together with the first bytes of the body, or at the end of a response that has no body; before a file
it is sent with MSG_MORE. Status and headers are checked as gunicorn does it.

Nothing here waits for the client: bytes that the kernel does not accept now are kept, and `flush` sends them later.

Rejected: sending head and body of a small response separately, as gunicorn does (two calls, and the client wakes up
twice), and TCP_CORK around both (two more calls).
"""

from __future__ import annotations

import functools
import os
import socket
import time
from typing import Any

from gunicorn import util
from gunicorn.http.message import TOKEN_RE
from gunicorn.http.wsgi import BLKSIZE, HEADER_VALUE_RE, FileWrapper, Response

_NOTHING = memoryview(b"")
# As plain numbers: the union of two of socket's own is computed in Python.
_AT_ONCE, _MORE = int(socket.MSG_DONTWAIT), int(socket.MSG_MORE)


class BufferedResponse(Response):  # type: ignore[misc]
    """The response object that `app.server.worker` uses."""

    def __init__(self, request: Any, connection: socket.socket, configuration: Any) -> None:
        super().__init__(request, connection, configuration)
        #: The head, if it is made and not sent.
        self._held = b""
        self.headers_sent: bool = False
        #: What the kernel has not accepted yet: bytes, then a number of bytes of a file from an offset on.
        self._rest = _NOTHING
        self._file: tuple[int, int, int] | None = None

    @property
    def begun(self) -> bool:
        """Whether anything was sent to the client."""
        return self.headers_sent and not self._held

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """gunicorn's own method checks every name and every value by itself. Here there are few names, all of them the
        store's own, and the characters of all values are checked together."""
        try:
            allowed = HEADER_VALUE_RE.fullmatch("".join([value for _, value in headers])) is not None
        except TypeError:
            allowed = False
        for name, value in headers:
            if allowed and _passes(name):
                self.headers.append((name, value.strip(" \t")))
            else:
                super().process_headers([(name, value)])

    def send_headers(self) -> None:
        """Make the head; the next call that sends includes it."""
        if self.headers_sent:
            return
        if not self.req.finished():
            # The rest of the client's body must not be read as the next request.
            self.force_close()
        major, minor = self.req.version
        connection = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\nServer: {self.version}\r\nDate: {_date(int(time.time()))}\r\n"
            f"Connection: {connection}\r\n"
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        lines += [f"{name}: {value}\r\n" for name, value in self.headers]
        lines.append("\r\n")
        self._held = "".join(lines).encode("latin-1")
        self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        self._send(b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def _send(self, data: bytes = b"", flags: int = 0) -> None:
        pieces = [each for each in (self._rest, self._held, data) if each]
        self._held = b""
        if self._rest:
            self._rest = memoryview(b"".join(pieces))
        elif pieces:
            self._send_now(pieces, flags)

    def _send_now(self, pieces: list[bytes | memoryview], flags: int = 0) -> None:
        """Send the pieces in one call that copies none of them to another place first."""
        try:
            sent = self.sock.sendmsg(pieces, (), flags | _AT_ONCE)
        except BlockingIOError:
            sent = 0
        if sent < sum([len(each) for each in pieces]):
            whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._rest = memoryview(whole)[sent:]
        else:
            self._rest = _NOTHING

    def flush(self) -> bool:
        """Send what was kept, as far as the kernel accepts it now. Returns whether nothing is left. Raises OSError."""
        if self._rest:
            self._send_now([self._rest])
            if self._rest:
                return False
        if self._file is None:
            return True
        descriptor, offset, count = self._file
        try:
            sent = os.sendfile(self.sock.fileno(), descriptor, offset, min(count, BLKSIZE))
        except BlockingIOError:
            return False
        if not sent:
            # The file ended early: the next response must not be taken for the rest of it.
            self.force_close()
        elif sent < count:
            # The kernel has no more room; another call would only say that.
            self._file = (descriptor, offset + sent, count - sent)
            return False
        self._file = None
        self.sock.setblocking(True)
        return True

    def sendfile(self, respiter: FileWrapper) -> bool:
        """Let the kernel send the file: from its position, as many bytes as Content-Length says, each time `flush` is
        called. Returns False when the kernel can't."""
        if self.response_length is None or self._omits_body or not self.can_sendfile():
            return False
        if not util.has_fileno(respiter.filelike):
            return False
        self.send_headers()
        self._send(flags=_MORE)
        file, count = respiter.filelike, self.response_length
        if count:
            # sendfile has no flag that keeps this one call from waiting.
            self.sock.setblocking(False)
            self._file = (file.fileno(), file.tell(), count)
        return True

    def close(self) -> None:
        self.send_headers()
        self._send(b"0\r\n\r\n" if self.chunked else b"")


@functools.lru_cache(maxsize=256)
def _passes(name: str) -> bool:
    """Whether a header of this name may be sent as it is, and has no meaning for gunicorn."""
    return TOKEN_RE.fullmatch(name) is not None and name.lower() != "content-length" and not util.is_hoppish(name)


@functools.lru_cache(maxsize=2)
def _date(second: int) -> str:
    return str(util.http_date(second))
