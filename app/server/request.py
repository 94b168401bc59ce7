"""Reads the requests of a connection: gunicorn's parser, without the work that it repeats for each request, and
stricter.

Clients that keep a connection mostly send the same header fields with each request, and most requests have no body. So
fields that equal those of the request before, byte by byte, are not parsed again, and without a body its end is not
looked for; gunicorn parses and checks all others. Bytes of a body are received directly into the reader's buffer.

No thread waits for a client here unless `Unreader.patient` allows it: reading bytes that have not arrived raises
BlockingIOError. `app.server.worker` decides when a thread may wait.

Requests that two servers in a row could read in two ways are refused, also where gunicorn would accept them: a length
that is not a plain decimal number, any transfer coding except a single `chunked`, a target that is not a path, a
request without Host, versions other than 1.0 and 1.1. nginx with its default configuration refuses the same, or
forwards what it read in a form of its own (tests/integration/operations/test_nginx.py).

Rejected: gunicorn's parser in C (`gunicorn_h1c`, no wheel), and llhttp through httptools, which `app.index.calls` uses
for answers: this project would have to maintain the rules of what is refused, above all against request smuggling.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import (
    InvalidChunkSize,
    InvalidHeader,
    InvalidHTTPVersion,
    InvalidRequestLine,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

from app.server.slow_clients import Transfer

#: The most bytes of header fields that are kept for the next request of their connection.
REMEMBERED_SIZE = 2048
#: Bytes up to which a body is collected as it arrives, before a thread reads it; as many as a head may have by default.
COLLECTED_SIZE = 64 * 1024
#: The most bytes of an unread body, which have arrived already, that are dropped so that the connection can be kept.
DROPPED_SIZE = 64 * 1024
_DROPPED_PIECE = 8 * 1024

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_VERSIONS = ((1, 0), (1, 1))
#: A field that says where the body ends, unparsed: its name, its value.
_FRAMING = re.compile(rb"(?im)^(content-length|transfer-encoding)[ \t]*:([^\r\n]*)")
_LENGTH = re.compile(rb" *(?:0|[1-9][0-9]{0,17}) *")
_CHUNKED = re.compile(rb" *chunked *", re.IGNORECASE)
#: Larger than any body that is accepted.
_MOST_CHUNK = 2**60
# What the socket returns: bytes, or how many.
Received = TypeVar("Received", int, bytes)


class Unreader(SocketUnreader):  # type: ignore[misc]
    """Tells the watch when the thread waits for the client, and how many bytes arrived."""

    #: The transfer of the current request.
    transfer: Transfer

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        #: Whether the thread may wait for the client; for how many bytes, and what it calls once they have arrived.
        self.patient = False
        self._awaited = math.inf
        self._arrived: Callable[[], None] = lambda: None
        #: Whether the client waits to be told that it may send the body (Expect: 100-continue).
        self.expected = False
        #: The fields of the last request: their bytes and its version, and the parsed fields.
        self.remembered: tuple[tuple[bytes, tuple[int, int]], tuple[list[tuple[str, str]], str, bool]] | None = None

    @property
    def buffered(self) -> int:
        """The number of bytes that have arrived and were not read yet."""
        return int(self.buf.getbuffer().nbytes)

    def gather(self, size: int) -> bool:
        """Receive what has arrived, up to `size` bytes. Returns whether they are all here, or no more will come."""
        missing = size - self.buffered
        while missing > 0:
            try:
                data = self.sock.recv(missing, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                return True
            if not data:
                return True
            self.buf.seek(0, io.SEEK_END)
            self.buf.write(data)
            self.transfer.received += len(data)
            missing -= len(data)
        return True

    def wait_for(self, size: int | None, arrived: Callable[[], None]) -> None:
        """Let the thread wait for a body of `size` bytes, or in chunks, and call `arrived` once all of it is here."""
        self.patient = True
        self._awaited = math.inf if size is None else size - self.buffered
        self._arrived = arrived

    def tell_to_go_on(self) -> None:
        """Send 100 Continue to a client that waits for it."""
        if self.expected:
            self.expected = False
            # A client that leaves no room for it has not received the answers before.
            with contextlib.suppress(BlockingIOError):
                self.sock.send(_CONTINUE, socket.MSG_DONTWAIT)

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes | bytearray:
        """Bytes of a body are received directly into the returned buffer: gunicorn's own method copies each of them
        several times."""
        if size is None or size <= 0:
            return bytes(super().read(size, read_ahead))
        held = self.take_buffered()
        if len(held) >= size:
            self.unread(held[size:])
            return bytes(held[:size])
        data = bytearray(size)
        data[: len(held)] = held
        count = len(held)
        with memoryview(data) as view:
            while count < size:
                try:
                    received = self._receive_into(view[count:])
                except BlockingIOError:
                    self.unread(bytes(view[:count]))
                    raise
                if not received:
                    break
                count += received
        del data[count:]
        return data

    def _received(self, receive: Callable[[int], Received]) -> Received:
        """What `receive` gets from the socket, with flags of recv(2). It waits if the thread may wait for the client,
        and raises BlockingIOError otherwise."""
        if not self.patient:
            return receive(socket.MSG_DONTWAIT)
        self.tell_to_go_on()
        self.transfer.waiting = True
        try:
            return receive(0)
        finally:
            self.transfer.waiting = False

    def _receive_into(self, view: memoryview) -> int:
        waited = self.patient
        count: int = self._received(lambda flags: self.sock.recv_into(view, 0, flags))
        if waited:
            self._awaited -= count
            if self._awaited <= 0:
                self._arrived()
        self.transfer.received += count
        return count

    def chunk(self, size_hint: int | None = None) -> bytes:
        size = min(max(self.mxchunk, size_hint or 0), self.max_body_chunk)
        data: bytes = self._received(lambda flags: self.sock.recv(size, flags))
        self.transfer.received += len(data)
        return data


class _Chunks(ChunkedReader):  # type: ignore[misc]
    """gunicorn's own, which accepts any number as a size and then waits for that many bytes."""

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> Any:
        found = super().parse_chunk_size(unreader, data)
        if found[0] > _MOST_CHUNK:
            raise InvalidChunkSize(b"too large")
        return found


class Head(Request):  # type: ignore[misc]
    """A request whose head has arrived."""

    body: Body
    _finished: bool | None = None
    #: Whether what has arrived of the body is malformed.
    _malformed = False

    def parse_request_line(self, line_bytes: bytes) -> None:
        super().parse_request_line(line_bytes)
        if self.version not in _VERSIONS:
            raise InvalidHTTPVersion(self.version)
        # Of the forms of RFC 9112, 3.2, only the one that clients of an origin server use: the others contain a host
        # beside that of Host.
        if not self.uri.startswith("/") or "#" in self.uri:
            raise InvalidRequestLine("the target is no path")

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> Any:
        if from_trailer:
            return super().parse_headers(data, from_trailer)
        # Nothing else on which parsing them depends changes between requests of a connection.
        key = (data, self.version)
        known = self.unreader.remembered
        if known is not None and known[0] == key:
            headers, self.scheme, self._expected_100_continue = known[1]
            return headers
        headers = super().parse_headers(data)
        _check_framing(data)
        if self.version >= (1, 1) and not any(name == "HOST" for name, _ in headers):
            raise InvalidHeader("HOST")
        if len(data) <= REMEMBERED_SIZE:
            self.unreader.remembered = key, (headers, self.scheme, self._expected_100_continue)
        return headers

    def set_body_reader(self) -> None:
        if not self.headers and self.version >= (1, 1):
            # Without any field, Host was not checked yet.
            raise InvalidHeader("HOST")
        super().set_body_reader()
        reader = self.body.reader
        if isinstance(reader, ChunkedReader):
            self.body = Body(_Chunks(self, self.unreader))
        #: The length of the body in bytes; None when it comes in chunks.
        self.length: int | None = reader.length if isinstance(reader, LengthReader) else None
        self.bodiless = self.length == 0
        self.unreader.expected = self._expected_100_continue and not self.bodiless
        # gunicorn would send 100 Continue before the request was checked.
        self._expected_100_continue = False

    @property
    def small(self) -> bool:
        """Whether the body is collected before it is read."""
        return self.length is not None and self.length <= COLLECTED_SIZE

    def gather(self) -> bool:
        """Receive what has arrived of the body. Returns whether all of a small body is here, or no more of it will
        come."""
        return self.small and self.unreader.gather(self.length)

    def finished(self) -> bool:
        """Whether the body was read to its end, or the rest of it is here and can be dropped: then the next request
        begins where it should. Does not wait."""
        if self._finished is None:
            self._finished = self.bodiless or self._drop()
        return self._finished

    def _drop(self) -> bool:
        self.unreader.patient = False
        if self.body.failed:
            self._malformed = True
            return False
        try:
            for _ in range(0, DROPPED_SIZE, _DROPPED_PIECE):
                if not self.body.read(_DROPPED_PIECE):
                    return True
        except BlockingIOError:
            return False
        except Exception:
            # gunicorn has many exceptions for malformed or incomplete chunks.
            self._malformed = True
        return False

    def owed(self) -> int | None:
        """Bytes of the body that the client still has to send; None when that can't be known. Also 0 after a malformed
        body."""
        if self.finished() or self.unreader.expected or self._malformed:
            return 0
        if self.length is None:
            return None
        return max(0, int(self.body.reader.length) - int(self.unreader.buffered))


def _check_framing(fields: bytes) -> None:
    """Refuse fields that say in an unusual way where the body ends."""
    seen: set[bytes] = set()
    for name, value in _FRAMING.findall(fields):
        name = name.lower()
        if name in seen:
            raise InvalidHeader(name.decode())
        seen.add(name)
        if name == b"transfer-encoding" and not _CHUNKED.fullmatch(value):
            raise UnsupportedTransferCoding(value.decode("latin-1"))
        if name == b"content-length" and not _LENGTH.fullmatch(value):
            raise InvalidHeader(name.decode())


class Requests(RequestParser):  # type: ignore[misc]
    """The requests of one connection, one after the other."""

    mesg_class = Head

    def __init__(self, configuration: Any, connection: socket.socket, client: Any) -> None:
        super().__init__(configuration, connection, client)
        self.unreader = Unreader(connection)

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """gunicorn's own method would wait for the rest of a body."""
        return self.mesg is None or bool(self.mesg.finished())
