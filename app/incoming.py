"""What comes in on a connection: gunicorn's reader of requests, less what it does again for each of them.

Clients that keep a connection mostly send the same header fields with each request, and most requests have no body.
So fields that equal those of the request before, byte by byte, are not read again, and the end of a body that is not
there is not looked for; gunicorn reads and checks all others. Bytes of a body go where they are wanted without a copy.

Rejected: gunicorn's parser in C (`gunicorn_h1c`, no wheel), and llhttp through httptools, which reads answers here: the
rules of what is refused, against smuggling above all, would be ours to keep right.
"""

from __future__ import annotations

import socket
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

from app.http.pace import Transfer

#: Bytes of header fields up to which they are kept for the next request of their connection.
REMEMBERED_SIZE = 2048


class Unreader(SocketUnreader):  # type: ignore[misc]
    """Tells the watch when the thread waits for the client, and what came."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.transfer: Transfer | None = None
        #: The fields of the last request: their bytes and its version, and what they come to.
        self.remembered: tuple[tuple[bytes, tuple[int, int]], tuple[list[tuple[str, str]], str, bool]] | None = None

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes | bytearray:
        """Bytes of a body go straight into what is returned: gunicorn's own way copies each of them several times."""
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
                received = self._receive_into(view[count:])
                if not received:
                    break
                count += received
        del data[count:]
        return data

    def _receive_into(self, view: memoryview) -> int:
        transfer = self.transfer
        if transfer is None:
            return int(self.sock.recv_into(view))
        transfer.waiting = True
        try:
            count = int(self.sock.recv_into(view))
        finally:
            transfer.waiting = False
        transfer.received += count
        return count

    def chunk(self, size_hint: int | None = None) -> bytes:
        if self.transfer is None:
            return bytes(super().chunk(size_hint))
        self.transfer.waiting = True
        try:
            data = bytes(super().chunk(size_hint))
        finally:
            self.transfer.waiting = False
        self.transfer.received += len(data)
        return data


class Head(Request):  # type: ignore[misc]
    """A request whose head has come."""

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> Any:
        if from_trailer:
            return super().parse_headers(data, from_trailer)
        # Nothing else that they are read by changes between requests of a connection.
        key = (data, self.version)
        known = self.unreader.remembered
        if known is not None and known[0] == key:
            headers, self.scheme, self._expected_100_continue = known[1]
            return headers
        headers = super().parse_headers(data)
        if len(data) <= REMEMBERED_SIZE:
            self.unreader.remembered = key, (headers, self.scheme, self._expected_100_continue)
        return headers

    def set_body_reader(self) -> None:
        super().set_body_reader()
        reader = self.body.reader
        self.bodiless = isinstance(reader, LengthReader) and reader.length == 0


class Requests(RequestParser):  # type: ignore[misc]
    """The requests of one connection, one after the other."""

    mesg_class = Head

    def __init__(self, configuration: Any, connection: socket.socket, client: Any) -> None:
        super().__init__(configuration, connection, client)
        self.unreader = Unreader(connection)

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """gunicorn's own sets and takes back a time-out of the socket for that, which is two calls to the kernel."""
        if self.mesg is None or self.mesg.bodiless:
            return True
        return bool(super().finish_body(deadline, max_bytes))
