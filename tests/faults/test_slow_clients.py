"""Clients that are slow, silent, or send what no request should be: others are served meanwhile, and it ends."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests

from app.server.connection import CLOSING_SECONDS, LINGERING_PAUSE, LINGERING_SECONDS, PIECE, ClientConnection
from app.server.worker import CLOSING_SHARE
from app.settings import KIB
from tests.dialects.coco import wire
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
SETTINGS: dict[str, Any] = {
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


def head(
    server: Server, *lines: str, method: str = "POST", path: str = "/attachment/_upload", token: str = ""
) -> bytes:
    fields = [f"{method} {path} HTTP/1.1", "Host: x", f"X-API-TOKEN: {token or server.token}", *lines]
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
        connections = [stack.enter_context(connect(server, receive_buffer=4096)) for _ in range(4 * THREADS)]
        for each in connections:
            each.sendall(head(server, method="GET", path=f"/attachment/{large}"))
        assert_served(server, attachment)
        # Cut off after the window, and not kept for as long as they like.
        deadline = time.monotonic() + WINDOW + 60
        while _connections(server.port) >= len(connections):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_file_for_everybody_that_nobody_takes(server: Server, attachment: str) -> None:
    """The largest that needs no token."""
    request = b"GET /page/static/pdfjs/pdf.worker.min.mjs HTTP/1.1\r\nHost: x\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(4 * THREADS):
            connection = stack.enter_context(connect(server, receive_buffer=4096))
            # More than the kernel keeps for a client.
            connection.sendall(8 * request)
            assert connection.recv(12) == b"HTTP/1.1 200"
        assert_served(server, attachment)


def test_answers_that_are_taken_slowly_are_whole(server: Server) -> None:
    """Sent piece by piece, by one thread or another, and what was asked for behind them after them."""
    content = os.urandom(1024 * 1024) * 12
    (large,) = server.upload(("large", content))
    one = head(server, method="GET", path=f"/attachment/{large}")
    last = head(server, "Range: bytes=0-6", "Connection: close", method="GET", path=f"/attachment/{large}")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server, receive_buffer=4096)) for _ in range(2 * THREADS)]
        for each in connections:
            each.sendall(one + last)
        received = [bytearray() for _ in connections]
        # All of them a piece each, so that none is taken in one go.
        open_still = set(range(len(connections)))
        while open_still:
            for number in tuple(open_still):
                if piece := connections[number].recv(256 * 1024):
                    received[number] += piece
                else:
                    open_still.remove(number)
    for answer in received:
        first, _, rest = bytes(answer).partition(b"\r\n\r\n")
        assert first.startswith(b"HTTP/1.1 200")
        assert rest[: len(content)] == content
        assert rest[len(content) :].startswith(b"HTTP/1.1 206")
        assert rest.endswith(b"\r\n\r\n" + content[:7])


JSON = "Content-Type: application/json"
FORM = "Content-Type: multipart/form-data; boundary=b"
LARGE = "Content-Length: 1000000"
#: An upload of a file of 100 kB, and how it begins.
PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
FILE = PART + bytes(100_000) + b"\r\n--b--\r\n"
#: Requests whose bodies never come, or a byte now and then: their lines, whether with a token, what is sent now and then,
#: and how they are answered; None where the body is waited for.
UNREAD: dict[str, tuple[tuple[str, ...], bool, bytes, bytes | None]] = {
    "public": (("GET /health/live HTTP/1.1", "Content-Length: 60000"), False, b"1", b"200"),
    "public, a large one": (("GET /openapi.json HTTP/1.1", LARGE), False, b"1", b"200"),
    "public, in chunks": (
        ("GET /health/live HTTP/1.1", "Transfer-Encoding: chunked"),
        False,
        b"1;a=b\r\n1\r\n",
        b"200",
    ),
    "public, an older version": (("GET /page/ HTTP/1.0", LARGE), False, b"1", b"200"),
    "no token": (("POST /attachment/_upload HTTP/1.1", FORM, LARGE), False, b"1", b"401"),
    "no token, a small one": (("POST /attachment/_search HTTP/1.1", JSON, "Content-Length: 9"), False, b"", b"401"),
    "no token, in chunks": (
        ("POST /attachment/_upload HTTP/1.1", FORM, "Transfer-Encoding: chunked"),
        False,
        b"1\r\n1\r\n",
        b"401",
    ),
    "no token, expecting": (("PUT /x HTTP/1.1", LARGE, "Expect: 100-continue"), False, b"1", b"404"),
    "no such route": (("POST /attachment/a/b/c HTTP/1.1", LARGE), True, b"1", b"404"),
    "no such method": (("PATCH /attachment/_upload HTTP/1.1", LARGE), True, b"1", b"405"),
    "signing in": (("POST /page/sign-in HTTP/1.1", JSON, "Content-Length: 100"), False, b"1", None),
    "signing in, expecting": (
        ("POST /page/sign-in HTTP/1.1", JSON, "Content-Length: 100", "Expect: 100-continue"),
        False,
        b"1",
        b"100",
    ),
    "signing in, in chunks": (
        ("POST /page/sign-in HTTP/1.1", JSON, "Transfer-Encoding: chunked"),
        False,
        b"1\r\n1\r\n",
        b"411",
    ),
    "signing in, a large one": (("POST /page/sign-in HTTP/1.1", JSON, LARGE), False, b"1", b"413"),
    "ids": (("POST /attachment/_search HTTP/1.1", JSON, "Content-Length: 60000"), True, b" ", None),
    "a large search": (("POST /attachment/_search HTTP/1.1", JSON, LARGE), True, b" ", b"413"),
    "a body that a download has no use for": (("GET /attachment/{} HTTP/1.1", LARGE), True, b" ", b"200"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_bodies_that_are_not_read_hold_no_thread(server: Server, attachment: str, name: str) -> None:
    """Where nobody wants the body the answer comes first, and the connection is closed; a small one is waited for."""
    (line, *fields), with_token, trickle, status = UNREAD[name]
    lines = [line.format(attachment), "Host: localhost", *fields]
    if with_token:
        lines.append(f"X-API-TOKEN: {server.token}")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(4 * THREADS)]
        for each in connections:
            each.sendall("\r\n".join([*lines, "", ""]).encode())
        for _ in range(4):
            for each in connections:
                with contextlib.suppress(OSError):
                    each.sendall(trickle)
            assert_served(server, attachment)
            time.sleep(0.2)
        for each in connections:
            if status is None:
                each.settimeout(0.01)
                with pytest.raises(TimeoutError):
                    each.recv(1)
                continue
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += each.recv(65536)
            assert answer.split(b" ")[1] == status
            assert status == b"100" or b"\r\nConnection: close\r\n" in answer


def test_bodies_that_are_read_leave_threads_to_others(server: Server, attachment: str) -> None:
    """As many as there are threads and more, each with a token: the others wait for their turn without a thread."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(2 * THREADS)]
        for each in connections:
            each.sendall(head(server, FORM, f"Content-Length: {len(FILE)}", "Connection: close") + PART)
        for _ in range(3):
            assert_served(server, attachment)
            for each in connections:
                each.sendall(bytes(4 * LEAST_RATE))
        for each in connections:
            each.sendall(FILE[len(PART) + 3 * 4 * LEAST_RATE :])
        for each in connections:
            assert answer_of(each).startswith(b"HTTP/1.1 200")


@contextlib.contextmanager
def slow_uploads(server: Server, token: str, count: int) -> Iterator[list[socket.socket]]:
    """So many uploads of one tenant that go on for as long as this does, each with 1.6 kB a second."""
    ends = threading.Event()

    def send() -> None:
        while not ends.wait(0.5):
            for each in connections:
                with contextlib.suppress(OSError):
                    each.send(bytes(800), socket.MSG_DONTWAIT)

    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(count)]
        begun = head(server, FORM, "Content-Length: 400000", token=token)
        for each in connections:
            with contextlib.suppress(OSError):
                each.sendall(begun + PART)
        sending = threading.Thread(target=send)
        sending.start()
        try:
            yield connections
        finally:
            ends.set()
            sending.join()


def test_slow_bodies_of_one_tenant_leave_places_to_others(server: Server, attachment: str) -> None:
    """Ten times as many as there are threads: another tenant sends large bodies meanwhile, in chunks too."""
    slow, other = (server.make_token(tenant=each) for each in ("slow", "other"))
    content = os.urandom(1024 * KIB)
    with slow_uploads(server, slow, 10 * THREADS) as connections:
        assert_served(server, attachment)
        for _ in range(3):
            (stored,) = server.upload(("a", content), token=other)
            assert server.get(f"/attachment/{stored}", token=other).content == content
        kind = {"Content-Type": FORM.partition(" ")[2]}
        assert server.post("/attachment/_upload", token=other, headers=kind, data=iter([FILE])).status_code == 200
        # They were there all the time, but for those that this machine kept from sending.
        answered, _, _ = select.select(connections, [], [], 0)
        assert len(answered) < len(connections) // 2


def test_who_waits_longest_is_not_closed_for_another_tenant(start_server: ServerFactory) -> None:
    """Where connections are short, those of the tenant that most of the waiting are of make room."""
    server = start_server(**{**SETTINGS, "MAX_CONNECTIONS": "64", "TRANSFER_WINDOW": "120"})
    slow, other = (server.make_token(tenant=each) for each in ("slow", "other"))
    begun = head(server, FORM, f"Content-Length: {len(FILE)}", "Connection: close", token=other)
    with contextlib.ExitStack() as stack:
        # One has the place of its tenant, the other one waits for it.
        first, second = (stack.enter_context(connect(server)) for _ in range(2))
        for each in (first, second):
            each.sendall(begun + FILE[: len(PART)])
            time.sleep(0.3)
        connections = stack.enter_context(slow_uploads(server, slow, 80))
        deadline = time.monotonic() + 60
        while len(select.select(connections, [], [], 1)[0]) < 80 + 2 - 64:
            assert time.monotonic() < deadline
        for each in (first, second):
            each.sendall(FILE[len(PART) :])
            assert answer_of(each).startswith(b"HTTP/1.1 200")


def test_so_many_connections_are_closing(start_server: ServerFactory) -> None:
    """With more that send what nobody wants, the one that does longest is cut off, and no other."""
    most = 64 // CLOSING_SHARE
    server = start_server(**{**SETTINGS, "MAX_CONNECTIONS": "64"})
    request = b"POST /attachment/_upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    # A busy machine may need longer to open them all than any of them is kept.
    for _ in range(10):
        with contextlib.ExitStack() as stack:
            connections: list[socket.socket] = []
            began = time.monotonic()
            while len(connections) <= most:
                connections.append(stack.enter_context(connect(server)))
                connections[-1].sendall(request)
                assert b"\r\n\r\n" in connections[-1].recv(65536)
                for each in connections:
                    # None of them goes for its silence.
                    with contextlib.suppress(OSError):
                        each.sendall(b"x")
            assert answer_of(connections[0]) == b""
            connections[1].settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                connections[1].recv(1)
                assert time.monotonic() - began >= CLOSING_SECONDS
                continue
            return
    pytest.fail("no ten rounds were quick enough")


@pytest.mark.parametrize("chunked", [True, False])
def test_who_sends_all_before_it_reads_gets_the_refusal(server: Server, chunked: bool) -> None:
    """The connection is not reset under what it still sends."""
    size = 32 * 1024 * 1024
    framed = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    content = b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size)) if chunked else bytes(size)
    with connect(server) as connection:
        request = ("POST /attachment/_upload HTTP/1.1", "Host: x", FORM, framed, "", "")
        connection.sendall("\r\n".join(request).encode() + content)
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 401")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 401


@pytest.mark.needs("curl")
@pytest.mark.parametrize("expecting", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_curl_reads_a_refusal_of_what_it_still_sends(
    server: Server, tmp_path: Path, expecting: bool, chunked: bool
) -> None:
    (tmp_path / "large").write_bytes(bytes(64 * 1024 * 1024))
    fields = ["--header", "X-API-TOKEN: wrong", *([] if expecting else ["--header", "Expect:"])]
    fields += ["--header", "Transfer-Encoding: chunked"] if chunked else []
    told = subprocess.run(
        ["curl", "--silent", *fields, "--form", f"files=@{tmp_path}/large", "--output", str(tmp_path / "answer")]
        + ["--write-out", "%{http_code} %{size_upload}", f"{server.url}/attachment/_upload"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    status, sent = told.stdout.split()
    assert status == "401", told
    assert json.loads((tmp_path / "answer").read_text())["status"] == 401
    assert not expecting or int(sent) == 0


def closing(length: int | None) -> tuple[ClientConnection, socket.socket]:
    """A connection that was answered before its body came, and its client's end."""
    ours, theirs = socket.socketpair()
    conn = ClientConnection(None, ours, None, None)
    conn.request = cast(Any, SimpleNamespace(owed=lambda: length))
    conn.linger()
    return conn, theirs


def test_what_nobody_wants_is_dropped_within_bounds() -> None:
    for length in (10 * PIECE, None):
        conn, client = closing(length)
        with conn.sock, client:
            began = conn.since
            assert conn.dropped(bytes(PIECE))
            assert conn.timeout <= time.monotonic() + LINGERING_PAUSE
            # However long it goes on.
            conn.since -= LINGERING_SECONDS
            assert conn.dropped(bytes(PIECE))
            assert conn.timeout <= began + 1
            conn.left = PIECE
            assert not conn.dropped(bytes(PIECE))
            assert not conn.dropped(b"")


def test_who_has_sent_all_hears_the_end() -> None:
    for length, last in ((PIECE, bytes(PIECE)), (None, b"x\r\n0\r\n\r\n"), (0, None)):
        conn, client = closing(length)
        with conn.sock, client:
            assert last is None or conn.dropped(last)
            client.settimeout(60)
            assert client.recv(1) == b""
            assert conn.timeout <= time.monotonic() + CLOSING_SECONDS


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
            while sum(held := two.accepted()) < 8:
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
