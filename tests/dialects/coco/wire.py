"""Requests byte by byte: forms that no client library would write, and connections that break."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.app import Server

BOUNDARY = "------------------------d74496d66958873e"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def file_part(name: bytes, content: bytes, *, field: bytes = b"files") -> bytes:
    """A form part with a file; `name` stands between the quotes as it is."""
    return part(b'name="' + field + b'"; filename="' + name + b'"', content)


def part(parameters: bytes, content: bytes, *headers: bytes) -> bytes:
    """A form part with these parameters of its Content-Disposition, and these headers more."""
    head = f"--{BOUNDARY}\r\n".encode() + b"Content-Disposition: form-data; " + parameters + b"\r\n"
    head += b"".join(header + b"\r\n" for header in headers)
    return head + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """The body of a form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@dataclass(frozen=True)
class Answer:
    """A response as it came; header names and values as bytes, in their order."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str:
        (value,) = [value for key, value in self.headers if key.lower() == name.lower().encode()]
        return value.decode("ascii")


def connect(server: Server) -> socket.socket:
    """A connection to the server; no answer within 60 s is an error."""
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=60)


def head(server: Server, method: str, path: str, *, token: str | None = None, **headers: str | int) -> bytes:
    """Request line and headers; in the names of `headers` an underscore is a hyphen."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines.append(f"X-API-TOKEN: {server.token if token is None else token}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def receive(connection: socket.socket) -> Answer:
    """All of the answer, up to the end of the connection."""
    received = bytearray()
    while piece := connection.recv(65536):
        received += piece
    raw_head, _, body = bytes(received).partition(b"\r\n\r\n")
    status, *lines = raw_head.split(b"\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    assert all(name and b" " not in name for name, _ in headers), raw_head
    return Answer(int(status.split()[1]), headers, body)


def exchange(server: Server, method: str, path: str, body: bytes = b"", **headers: Any) -> Answer:
    """One request on a connection of its own."""
    with connect(server) as connection:
        length: dict[str, Any] = {"Content_Length": len(body)} if body else {}
        connection.sendall(head(server, method, path, **length, **headers) + body)
        return receive(connection)


def upload(server: Server, *parts: bytes, path: str = "/attachment/_upload") -> Answer:
    """Upload a form on a connection of its own."""
    return exchange(server, "POST", path, form(*parts), Content_Type=FORM_TYPE)


def eventually(holds: object, seconds: float = 60.0) -> None:
    """Wait until `holds()` is true."""
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)
