"""Clients that are slow, silent, or send what no request should be: others are served meanwhile, and it ends."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app.http import pace
from app.settings import KIB
from tests.coco import wire
from tests.faults.conftest import descriptors
from tests.support.app import Server, ServerFactory, running_server
from tests.support.pauses import Pauses

THREADS = 4
#: Half of the defaults and less, for the sake of the time that the tests take; the rates are the defaults.
HEAD_SECONDS = 5.0
HEAD_SIZE = 64 * KIB
LEAST_RATE = KIB
WINDOW = 4.0
CONNECTIONS = 1000
SETTINGS = {
    "WEB_WORKERS": "1",
    "WEB_THREADS": str(THREADS),
    "HEAD_TIMEOUT": str(HEAD_SECONDS),
    "MAX_HEAD_SIZE": str(HEAD_SIZE),
    "MIN_TRANSFER_RATE": str(LEAST_RATE),
    "TRANSFER_WINDOW": str(WINDOW),
    "MAX_CONNECTIONS": str(CONNECTIONS),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server with one worker of few threads, so that a few clients could already stop it."""
    folder = tmp_path_factory.mktemp("slow")
    with running_server(folder, elasticsearch_url, **SETTINGS) as running:
        yield running


def connect(server: Server, receive_buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", server.port))
    return connection


def answer_of(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    received = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            received += piece
    return received


def head(server: Server, *lines: str, method: str = "POST", path: str = "/attachment/_upload") -> bytes:
    fields = [f"{method} {path} HTTP/1.1", "Host: x", f"X-API-TOKEN: {server.token}", *lines]
    return "\r\n".join([*fields, "", ""]).encode()


def assert_served(server: Server, attachment: str, seconds: float = 3.0) -> None:
    """Others are served at once: sooner than a slow client is cut off.

    What this machine stood still meanwhile is nobody's fault: what a thread overslept that only sleeps.
    """
    for _ in range(5):
        with Pauses() as pauses:
            began = time.monotonic()
            assert requests.get(f"{server.url}/attachment/{attachment}", headers=server.headers(), timeout=60).ok
            took = time.monotonic() - began
        assert took - pauses.seconds < seconds


def memory(pid: int) -> int:
    """Bytes of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise LookupError(pid)


@pytest.fixture(scope="module")
def attachment(server: Server) -> str:
    return server.upload(("a", b"aa"))[0]


@pytest.mark.parametrize("start", [b"", b"POST /attachment/_upload HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_half_open_connections(server: Server, attachment: str, start: bytes) -> None:
    """A thousand connections that never say what they want, or stop in the middle of saying it."""
    (pid,) = server.worker_pids()
    held = descriptors(pid)
    with contextlib.ExitStack() as stack:
        for _ in range(1200):
            connection = stack.enter_context(connect(server))
            with contextlib.suppress(OSError):
                connection.sendall(start)
        assert_served(server, attachment)
        assert server.upload(("b", b"b"))
    deadline = time.monotonic() + HEAD_SECONDS + 60
    while descriptors(pid) > held + 10:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_longest_silent_connection_makes_room(start_server: ServerFactory) -> None:
    """At the limit of connections all are kept; one more, and the oldest goes."""
    # None of them is to go for its silence.
    server = start_server(**{**SETTINGS, "HEAD_TIMEOUT": "600"})
    deadline = time.monotonic() + 120
    with contextlib.ExitStack() as stack:
        # Whatever was asked before is over when nothing but the new ones is there.
        while (others := _connections(server.port)) > 0:
            assert time.monotonic() < deadline, others
            time.sleep(0.1)
        connections = [stack.enter_context(connect(server)) for _ in range(CONNECTIONS)]
        while _connections(server.port) < CONNECTIONS:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        connections[0].settimeout(0.5)
        with pytest.raises(TimeoutError):
            connections[0].recv(1)
        stack.enter_context(connect(server))
        connections[0].settimeout(60)
        assert connections[0].recv(1) == b""
        connections[1].settimeout(0.3)
        with pytest.raises(TimeoutError):
            connections[1].recv(1)


def _connections(port: int) -> int:
    """Connections to `port` that are established, from the side that accepted them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(each[1].endswith(f":{port:04X}") and each[3] == "01" for each in fields)


def _held(pid: int, port: int) -> int:
    """Connections to `port` that a process has accepted."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    sockets = {
        fields[9] for line in lines if (fields := line.split())[1].endswith(f":{port:04X}") and fields[3] == "01"
    }
    links = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(each))
    return sum(each.removeprefix("socket:[").removesuffix("]") in sockets for each in links)


def test_head_at_the_limit(server: Server) -> None:
    """A head of exactly the limit is read; one byte more is 431."""
    for size, status in ((HEAD_SIZE, b"200"), (HEAD_SIZE + 1, b"431")):
        # Ten fields, as each has a limit of its own below that of the whole.
        start = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        start += "".join(f"X-{n}: {'v' * 6000}\r\n" for n in range(10))
        filler = size - len(start) - len("Y: \r\n\r\n")
        with connect(server) as connection:
            connection.sendall(f"{start}Y: {'v' * filler}\r\n\r\n".encode())
            assert answer_of(connection).split(b" ")[1] == status


def test_heads_sent_a_byte_a_second(server: Server, attachment: str) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(3 * THREADS)]
        began = time.monotonic()
        for byte in b"GET / HT":
            for each in connections:
                # Where this takes long, the last of it is for nobody any more.
                with contextlib.suppress(OSError):
                    each.sendall(bytes([byte]))
            assert_served(server, attachment)
            time.sleep(0.5)
        for each in connections:
            answer_of(each)
        assert time.monotonic() - began < HEAD_SECONDS + 60


def test_bodies_sent_a_byte_a_second(server: Server) -> None:
    """They are answered with 408 and leave nothing; the threads come free."""
    before = server.stored_files()
    lines = ("Content-Type: multipart/form-data; boundary=b", "Content-Length: 100000")
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(THREADS)]
        for each in connections:
            each.sendall(head(server, *lines) + part)
        began = time.monotonic()
        answers: list[bytes] = []
        readers = [threading.Thread(target=lambda e=each: answers.append(answer_of(e))) for each in connections]
        for reader in readers:
            reader.start()
        while any(reader.is_alive() for reader in readers):
            for each in connections:
                with contextlib.suppress(OSError):
                    each.sendall(b"x")
            assert time.monotonic() - began < WINDOW + 60
            time.sleep(1)
    assert [answer.split(b" ")[1] for answer in answers] == [b"408"] * THREADS
    assert server.stored_files() == before


def test_answers_that_nobody_takes(server: Server, attachment: str) -> None:
    (large,) = server.upload(("large", bytes(32 * 1024 * 1024)))
    with contextlib.ExitStack() as stack:
        for _ in range(THREADS):
            connection = stack.enter_context(connect(server, receive_buffer=4096))
            connection.sendall(head(server, method="GET", path=f"/attachment/{large}"))
        # All threads are taken for now; after the window they are not.
        time.sleep(WINDOW + 3 * pace.INTERVAL)
        assert_served(server, attachment)


def test_a_slow_but_steady_client_is_served(server: Server) -> None:
    """Twice the least rate, for longer than the window."""
    content = bytes(int(2 * LEAST_RATE * (WINDOW + 2)))
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + content + b"\r\n--b--\r\n"
    for _ in range(5):
        slowest, received = sent_steadily(server, body)
        if received.startswith(b"HTTP/1.1 200"):
            return
        # One that was itself kept from sending was no steady client.
        assert slowest > 1.0, received
    pytest.fail("this machine stands still too often to be a steady client")


def sent_steadily(server: Server, body: bytes) -> tuple[float, bytes]:
    """Send an upload at twice the least rate: the longest pause between two pieces, and the answer."""
    with connect(server) as connection, contextlib.suppress(OSError):
        slowest, before = 0.0, time.monotonic()
        lines = ("Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}", "Connection: close")
        connection.sendall(head(server, *lines))
        for start in range(0, len(body), LEAST_RATE):
            connection.sendall(body[start : start + LEAST_RATE])
            time.sleep(0.5)
            slowest, before = max(slowest, time.monotonic() - before), time.monotonic()
        return slowest, answer_of(connection)
    return slowest, b""


def test_requests_behind_each_other(server: Server, attachment: str) -> None:
    """All that came are answered in their order; one that stops in the middle of its head holds no thread."""
    one = head(server, method="GET", path=f"/attachment/{attachment}")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(2 * THREADS)]
        for each in connections:
            each.sendall(3 * one + one[:20])
        for each in connections:
            received = b""
            while received.count(b"\r\n\r\naa") < 3:
                piece = each.recv(65536)
                assert piece, received
                received += piece
        assert_served(server, attachment)
        for each in connections:
            each.sendall(one[20:])
        for each in connections:
            assert each.recv(65536).startswith(b"HTTP/1.1 200")


FORM = "Content-Type: multipart/form-data; boundary=b"
HOSTILE = {
    "shorter than declared": (("Content-Length: 5000", FORM), b"--b\r\n", (400,)),
    "no length, no chunks": ((FORM,), b"", (400, 411)),
    "a chunk size that is none": (("Transfer-Encoding: chunked", FORM), b"zz\r\nabc\r\n", (400,)),
    "a negative chunk size": (("Transfer-Encoding: chunked", FORM), b"-5\r\nabc\r\n", (400,)),
    "an endless chunk size": (("Transfer-Encoding: chunked", FORM), b"1" * 20000, (400,)),
    "chunks and a length": (("Transfer-Encoding: chunked", "Content-Length: 5", FORM), b"0\r\n\r\n", (400,)),
    "two lengths": (("Content-Length: 5", "Content-Length: 6", FORM), b"abcde", (400,)),
    "a negative length": (("Content-Length: -5", FORM), b"", (400,)),
    "a header flood": (tuple(f"X-{n}: {'v' * 100}" for n in range(400)), b"", (400, 431)),
    "an endless header": ((f"X: {'v' * 2 * HEAD_SIZE}",), b"", (400, 431)),
    "a part header flood": (
        ("Transfer-Encoding: chunked", FORM),
        b"%x\r\n" % (5 + 400_000) + b"--b\r\n" + b"X-A: bbbbb\r\n"[:8] * 50_000,
        (400,),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_requests(server: Server, attachment: str, name: str) -> None:
    lines, body, statuses = HOSTILE[name]
    before = server.stored_files()
    with connect(server) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(head(server, *lines) + body)
            connection.shutdown(socket.SHUT_WR)
        answer = answer_of(connection)
    # A client that closed its side may get no answer; one that gets one gets a refusal.
    assert not answer or int(answer.split(b" ")[1]) in statuses
    assert b"Traceback" not in answer
    wire.eventually(lambda: server.stored_files() == before)
    assert_served(server, attachment)


def test_longer_than_declared(server: Server) -> None:
    """What comes behind the declared end is a next request, and no good one."""
    before = len(server.stored_files())
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nx\r\n--b--\r\n'
    with connect(server) as connection:
        connection.sendall(head(server, FORM, f"Content-Length: {len(body)}") + body + b"A" * 100 + b"\r\n\r\n")
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 200") == 1
    assert len(server.stored_files()) == before + 2


def test_a_thousand_form_fields(server: Server) -> None:
    fields = [("files", (None, "x")) for _ in range(1000)]
    assert server.post("/attachment/_upload", files=fields).status_code == 400


def test_json_bombs(server: Server, attachment: str) -> None:
    (pid,) = server.worker_pids()
    before = memory(pid)
    for body in (
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"attachments":' + b"[" * 200_000,
        b"9" * 200_000,
        b'"' * 200_000,
    ):
        began = time.monotonic()
        assert server.post("/attachment/_search", data=body).status_code == 400
        # What takes the square of its length takes minutes.
        assert time.monotonic() - began < 20
    deep: dict[str, object] = {}
    for _ in range(40):
        deep = {"a": deep}
    assert server.post("/attachment/_search", data=json.dumps(deep)).status_code == 400
    assert memory(pid) - before < 64 * 1024 * 1024
    assert_served(server, attachment)


def test_a_worker_without_a_thread_leaves_connections_to_others(tmp_path: Path, elasticsearch_url: str) -> None:
    """Whichever workers the slow ones came to: as long as a thread is free somewhere, everybody is served."""
    settings = {**SETTINGS, "WEB_WORKERS": "2", "WEB_THREADS": "2", "TRANSFER_WINDOW": "120"}
    with running_server(tmp_path, elasticsearch_url, **settings) as two, contextlib.ExitStack() as stack:
        # Connections go to the worker that has fewest, not all to the one that was there first.
        with contextlib.ExitStack() as idle:
            for _ in range(8):
                idle.enter_context(connect(two))
                time.sleep(0.05)
            deadline = time.monotonic() + 60
            while sum(held := [_held(each, two.port) for each in two.worker_pids()]) < 8:
                assert time.monotonic() < deadline, held
                time.sleep(0.01)
            assert min(held) > 0, held
        form = head(two, "Content-Type: multipart/form-data; boundary=b", "Content-Length: 1000")
        for _ in range(3):
            connection = stack.enter_context(connect(two))
            connection.sendall(form + b"--b\r\n")
            # One after the other: a worker knows which threads are taken once it has read the heads.
            time.sleep(0.3)
        for _ in range(20):
            assert requests.get(f"{two.url}/health/live", timeout=60).ok
