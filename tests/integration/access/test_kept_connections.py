"""Requests that follow each other on one connection: what equals the request before is not read again, and what differs
is."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.server.request import REMEMBERED_SIZE
from tests.support.app import Server

IDS = "/attachment/_search"


@pytest.fixture
def connection(server: Server) -> Iterator[socket.socket]:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as made:
        yield made


def ask(
    connection: socket.socket, line: str, *fields: str, body: bytes = b"", version: str = "HTTP/1.1"
) -> tuple[HTTPResponse, bytes]:
    lines = (f"{line} {version}", "Host: localhost", *fields)
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    answer = HTTPResponse(connection, method=line.split()[0])
    answer.begin()
    return answer, answer.read()


def of(server: Server, token: str | None = None) -> str:
    return f"X-API-TOKEN: {server.token if token is None else token}"


def test_the_same_fields_with_another_line(server: Server, connection: socket.socket) -> None:
    first, second = server.upload(("a", b"first")), server.upload(("a", b"second"))
    for (attachment_id,), content in ((first, b"first"), (second, b"second"), (first, b"first")):
        answer, body = ask(connection, f"GET /attachment/{attachment_id}", of(server))
        assert (answer.status, body) == (200, content)
        answer, body = ask(connection, f"HEAD /attachment/{attachment_id}", of(server))
        assert (answer.status, answer.headers["Content-Length"], body) == (200, str(len(content)), b"")


def test_other_fields_with_the_same_line(server: Server, connection: socket.socket) -> None:
    (attachment_id,) = server.upload(("a", b"0123456789"))
    line = f"GET /attachment/{attachment_id}"
    assert ask(connection, line, of(server))[0].status == 200
    assert ask(connection, line, of(server, "x" * len(server.token)))[0].status == 401
    assert ask(connection, line)[0].status == 401
    assert ask(connection, line, of(server), "Range: bytes=2-3")[1] == b"23"
    assert ask(connection, line, of(server), "Range: bytes=4-5")[1] == b"45"
    assert ask(connection, line, of(server))[1] == b"0123456789"


BODIES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "lengths": ("Content-Length: 10", lambda body: body),
    "chunks": ("Transfer-Encoding: chunked", lambda body: b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)),
}


@pytest.mark.parametrize("form", BODIES)
def test_each_request_has_its_own_body(server: Server, connection: socket.socket, form: str) -> None:
    field, framed = BODIES[form]
    for name in ("once", "more", "once"):
        body = b'{"%b":1}' % name.encode()
        assert len(body) == 10
        answer, text = ask(
            connection, f"POST {IDS}", of(server), "Content-Type: application/json", field, body=framed(body)
        )
        assert answer.status == 400
        assert f"[{name}]" in text.decode()


@pytest.mark.parametrize("form", BODIES)
def test_a_body_that_nobody_reads_is_not_the_next_request(server: Server, connection: socket.socket, form: str) -> None:
    field, framed = BODIES[form]
    hidden = b"GET / HTTP"
    for _ in range(3):
        answer, _ = ask(connection, "GET /health/live", field, body=framed(hidden))
        assert answer.status == 200
    answer, body = ask(connection, "GET /health/live")
    assert (answer.status, json.loads(body)) == (200, {"status": "alive"})


def test_a_wish_to_be_told_to_go_on_is_seen_each_time(server: Server, connection: socket.socket) -> None:
    fields = (
        "Host: localhost",
        of(server),
        "Content-Type: application/json",
        "Content-Length: 2",
        "Expect: 100-continue",
    )
    for _ in range(3):
        connection.sendall("\r\n".join([f"POST {IDS} HTTP/1.1", *fields, "", ""]).encode())
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        answer = HTTPResponse(connection)
        answer.begin()
        answer.read()
        assert answer.status == 400


def test_an_older_version_with_the_same_fields(server: Server, connection: socket.socket) -> None:
    assert ask(connection, "GET /health/live")[0].headers["Connection"] == "keep-alive"
    assert ask(connection, "GET /health/live", version="HTTP/1.0")[0].headers["Connection"] == "close"
    assert connection.recv(1) == b""


def test_an_older_version_is_not_told_to_go_on(server: Server, connection: socket.socket) -> None:
    """Its clients know no interim answer (RFC 9110, 10.1.1)."""
    fields = ("Host: localhost", of(server), "Content-Length: 2", "Expect: 100-continue", "", "")
    for version, statuses in (("1.1", [b"100", b"400"]), ("1.0", [b"400"])):
        connection.sendall("\r\n".join([f"POST {IDS} HTTP/{version}", *fields]).encode())
        for number, status in enumerate(statuses):
            if number == len(statuses) - 1:
                connection.sendall(b"{}")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += (received := connection.recv(1))
                assert received, head
            assert head.split(b" ")[1] == status
        size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
        while size:
            size -= len(connection.recv(size))


@pytest.mark.parametrize(
    ("line", "fields", "status"),
    [
        ("POST /attachment/_upload", ("X-API-TOKEN: wrong",), b"401"),
        ("POST /attachment/a/b", (), b"404"),
        ("PATCH /attachment/_upload", (), b"405"),
        ("GET /health/live", (), b"200"),
    ],
)
def test_who_is_refused_is_not_told_to_go_on(
    connection: socket.socket, line: str, fields: tuple[str, ...], status: bytes
) -> None:
    given = ("Host: localhost", "Content-Type: application/json", "Content-Length: 100", "Expect: 100-continue")
    connection.sendall("\r\n".join([f"{line} HTTP/1.1", *given, *fields, "", ""]).encode())
    received = b""
    # Whether it will send the body nobody knows, so nothing else comes on this connection.
    while piece := connection.recv(65536):
        received += piece
    assert received.split(b" ")[1] == status
    assert b"\r\nConnection: close\r\n" in received
    assert received.count(b"HTTP/1.1 ") == 1


def test_chunks_of_an_older_version_are_refused_after_the_same_fields(
    server: Server, connection: socket.socket
) -> None:
    field, framed = BODIES["chunks"]
    assert ask(connection, "GET /health/live", field, body=framed(b"0123456789"))[0].status == 200
    answer, _ = ask(connection, "GET /health/live", field, body=framed(b"0123456789"), version="HTTP/1.0")
    assert answer.status == 400


@pytest.mark.parametrize("size", [REMEMBERED_SIZE, REMEMBERED_SIZE + 1])
def test_fields_as_long_as_are_kept_and_longer(server: Server, connection: socket.socket, size: int) -> None:
    for letter in "aab":
        filling = size - len(f"Host: localhost\r\n{of(server)}\r\nX-Request-Id: {letter}\r\nX-Long: ")
        fields = (of(server), f"X-Request-Id: {letter}", f"X-Long: {'v' * filling}")
        assert len("\r\n".join(("Host: localhost", *fields))) == size
        answer, _ = ask(connection, "GET /health/live", *fields)
        assert (answer.status, answer.headers["X-Request-Id"]) == (200, letter)


@pytest.mark.parametrize("wrong", ["Host: localhost", "Content-Length: 5\r\nContent-Length: 6", "X Y: z"])
def test_fields_that_are_refused_are_refused_again(server: Server, connection: socket.socket, wrong: str) -> None:
    assert ask(connection, "GET /health/live", "A: b")[0].status == 200
    assert ask(connection, "GET /health/live", "A: b", wrong)[0].status == 400
    assert connection.recv(1) == b""


def test_a_record_that_another_process_changes(server: Server, connection: socket.socket) -> None:
    """What is known of a record holds as long as it is the one on the disk."""
    (attachment_id,) = server.upload(("before.txt", b"content"))
    line = f"HEAD /attachment/{attachment_id}"
    (record,) = server.data.glob(f"attachments/*/{attachment_id}.json")
    for _ in range(2):
        assert ask(connection, line, of(server))[0].headers["Filename"] == "before.txt"
    _replace(record, record.read_text().replace("before.txt", "behind.txt"))
    assert ask(connection, line, of(server))[0].headers["Filename"] == "behind.txt"
    _replace(record, record.read_text().replace('"tenant": "default"', '"tenant": "another"'))
    assert ask(connection, line, of(server))[0].status == 404
    _replace(record, record.read_text().replace('"tenant": "another"', '"tenant": "default"'))
    assert ask(connection, line, of(server))[0].status == 200
    kept = record.read_text()
    record.unlink()
    assert ask(connection, line, of(server))[0].status == 404
    _replace(record, kept)
    assert ask(connection, line, of(server))[0].status == 200
    server.delete(f"/attachment/{attachment_id}").raise_for_status()
    assert ask(connection, line, of(server))[0].status == 404


def _replace(path: Path, text: str) -> None:
    """As the store does it, with the same times and the same size."""
    before = path.stat() if path.exists() else None
    made = path.with_name("made-by-a-test")
    made.write_text(text)
    if before is not None:
        os.utime(made, ns=(before.st_atime_ns, before.st_mtime_ns))
    made.rename(path)
