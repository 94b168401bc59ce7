"""The header fields of security, in every answer: also in those to what is no request, which reach no route."""

from __future__ import annotations

import socket
from http.client import HTTPMessage, HTTPResponse
from urllib.parse import urlsplit

import pytest
from urllib3 import HTTPHeaderDict

from app.settings import Settings
from tests.support.app import Server

EXPECTED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def assert_hardened(headers: HTTPMessage | HTTPHeaderDict, cache: str) -> None:
    assert {name: headers.get_all(name) for name in EXPECTED} == {name: [value] for name, value in EXPECTED.items()}
    assert headers.get_all("Cache-Control") == [cache]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/attachment/_search", 200),
        ("/health/live", 200),
        ("/attachment/_search?no=such", 400),
        ("/attachment/nothing", 404),
        ("/no/such/route", 404),
        ("/api/v2/chats/nothing", 401),
        ("/coco_attachment/_search", 401),
    ],
)
def test_answers_of_routes(server: Server, path: str, status: int) -> None:
    answer = server.get(path)
    assert answer.status_code == status
    assert_hardened(answer.raw.headers, "no-store" if status >= 400 else "private, no-cache")
    assert_hardened(
        server.get(path, token="wrong").raw.headers, "no-store" if "health" not in path else "private, no-cache"
    )


NO_REQUESTS = {
    "no request line": (b"<script>alert(1)</script>\r\n\r\n", 400),
    "a method that is none": (b"G<b>T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a version that is none": (b"GET / HTTP/9.9\r\nHost: h\r\n\r\n", 400),
    "a name that is none": (b"GET / HTTP/1.1\r\nHost: h\r\nte lling: x\r\n\r\n", 400),
    "a coding that is not known": (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: telling\r\n\r\n", 501),
    "a long head": (b"GET / HTTP/1.1\r\nX: " + b"v" * Settings().max_head_size, 431),
}


@pytest.mark.parametrize("name", NO_REQUESTS)
def test_answers_to_what_is_no_request(server: Server, name: str) -> None:
    sent, status = NO_REQUESTS[name]
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        assert answer.read() == b"", "nothing of what was sent comes back"
        assert_hardened(answer.headers, "no-store")
        assert connection.recv(1) == b""
