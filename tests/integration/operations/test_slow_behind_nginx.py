"""Slow clients behind the nginx that is shipped: more of them on one address than there are threads, and others served."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.support.app import Server, running_server
from tests.support.proxy import CONFIGURATION, running_nginx

pytestmark = pytest.mark.needs("nginx")

MIB = 1024**2
#: The fewest that the configuration is made for: two workers of 16.
THREADS = 32
ALLOWED = 24


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[tuple[Server, str]]:
    folder = tmp_path_factory.mktemp("slow-behind")
    with (
        # So slow that nothing but the limit of nginx helps: no sender is cut off while the test runs.
        running_server(
            folder,
            elasticsearch_url,
            WEB_WORKERS="2",
            WEB_THREADS=str(THREADS // 2),
            TRANSFER_WINDOW="120",
            ACCEL_REDIRECT="/_attachments/",
        ) as server,
        running_nginx(folder, server.port, server.data / "attachments") as url,
    ):
        yield server, url


def _connect(url: str, address: str, receive_buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.bind((address, 0))
    connection.settimeout(30)
    connection.connect(("127.0.0.1", urlsplit(url).port))
    return connection


class _From(HTTPAdapter):
    """Connections that come from an address of their own."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)  # type: ignore[arg-type]


def _served(behind: tuple[Server, str], address: str, token: str | None = None, content: bytes = b"aa") -> None:
    """That a client with this address uploads, searches, downloads and deletes."""
    server, url = behind
    with requests.Session() as http:
        http.mount("http://", _From(address))
        http.headers.update(server.headers(token))
        answer = http.post(f"{url}/attachment/_upload", files=[("files", ("a", content))], timeout=30)
        assert answer.status_code == 200, answer.text
        (attachment,) = answer.json()["attachments"]
        assert http.get(f"{url}/attachment/_search", timeout=30).status_code == 200
        assert http.get(f"{url}/attachment/{attachment}", timeout=30).content == content
        assert http.delete(f"{url}/attachment/{attachment}", timeout=30).status_code == 200


CHUNKED = "Transfer-Encoding: chunked"
#: What a body can come with, the method first; the fields of one whose body never ends.
SENDERS = {
    "an upload": (
        "POST /attachment/_upload",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Length: 100000",
    ),
    "a status": ("GET /attachment/_status", "Content-Type: application/json", "Content-Length: 200000"),
    "a search": ("GET /coco_attachment/_search", "Content-Type: application/json", "Content-Length: 200000"),
    "a search in chunks": ("GET /coco_attachment/_search", "Content-Type: application/json", CHUNKED),
    "a search that wants the head": ("HEAD /coco_attachment/_search", "Content-Type: application/json", CHUNKED),
    "a delete": ("DELETE /_pit", "Content-Type: application/json", "Content-Length: 200000"),
}


def _slow_sender(server: Server, name: str, *fields: str, token: str = "") -> bytes:
    line, *more = SENDERS[name]
    shown = (f"X-API-TOKEN: {token or server.token}", f"Authorization: Bearer {token or server.token}")
    body = b"1\r\n{\r\n" if CHUNKED in more else b"{"
    return "\r\n".join([f"{line} HTTP/1.1", "Host: x", *shown, *more, *fields, "", ""]).encode() + body


def _await_refusals(connections: list[socket.socket], count: int) -> None:
    """Until so many are refused; any of them, as nginx looks at them in several processes."""
    refused: set[socket.socket] = set()
    while len(refused) < count:
        answered, _, _ = select.select([each for each in connections if each not in refused], [], [], 30)
        assert answered, f"{len(refused)} of {count} are refused"
        for each in answered:
            assert each.recv(100).startswith(b"HTTP/1.1 429 ")
            refused.add(each)


@pytest.mark.parametrize("name", SENDERS)
def test_slow_senders_of_one_address_do_not_take_all_threads(behind: tuple[Server, str], name: str) -> None:
    server, url = behind
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(_connect(url, "127.0.0.2")) for _ in range(THREADS + 8)]
        for each in connections:
            each.sendall(_slow_sender(server, name))
        _await_refusals(connections, THREADS + 8 - ALLOWED)
        _served(behind, "127.0.0.3")
        # What has no body is not counted with them.
        with requests.Session() as http:
            http.mount("http://", _From("127.0.0.2"))
            assert http.get(f"{url}/health/live", timeout=30).status_code == 200


def test_slow_senders_of_one_tenant_do_not_take_the_places_of_others(behind: tuple[Server, str]) -> None:
    """From so many addresses that nginx has nothing against them."""
    server, url = behind
    slow, other = server.make_token(tenant="slow"), server.make_token(tenant="other")
    with contextlib.ExitStack() as stack:
        for number in range(THREADS + 8):
            connection = stack.enter_context(_connect(url, f"127.0.0.{5 + number % 2}"))
            connection.sendall(_slow_sender(server, "an upload", token=slow))
        deadline = time.monotonic() + 60
        while sum(held := server.accepted()) < THREADS + 8:
            assert time.monotonic() < deadline, held
            time.sleep(0.05)
        for _ in range(3):
            _served(behind, "127.0.0.3", other, os.urandom(MIB))


def test_a_network_of_ipv6_is_one_client(behind: tuple[Server, str], tmp_path: Path) -> None:
    server, _ = behind
    told = "set_real_ip_from 127.0.0.1; real_ip_header X-Test-Client;"
    attachments = server.data / "attachments"
    with running_nginx(tmp_path, server.port, attachments, more=told) as url, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(_connect(url, "127.0.0.2")) for _ in range(ALLOWED + 8)]
        for number, each in enumerate(connections):
            # A line feed among the bytes of an address as well, which a careless pattern would stop at.
            each.sendall(_slow_sender(server, "a status", f"X-Test-Client: 2001:db8:a:1:{number:x}:a0a::1"))
        _await_refusals(connections, 8)
        other = requests.post(
            f"{url}/attachment/_status",
            json={"attachments": []},
            headers={**server.headers(), "X-Test-Client": "2001:db8:a:2::1"},
            timeout=30,
        )
        assert other.status_code == 200


def test_requests_of_one_address_that_are_under_way_are_limited(behind: tuple[Server, str]) -> None:
    server, url = behind
    (large,) = server.upload(("large", bytes(16 * MIB)))
    request = f"GET /attachment/{large} HTTP/1.1\r\nHost: x\r\nX-API-TOKEN: {server.token}\r\n\r\n".encode()
    (most,) = re.findall(r"limit_conn clients (\d+);", CONFIGURATION.read_text())
    with contextlib.ExitStack() as stack:
        statuses = []
        for _ in range(int(most) + 5):
            connection = stack.enter_context(_connect(url, "127.0.0.4", receive_buffer=4096))
            connection.sendall(request)
            statuses.append(connection.recv(12)[-3:])
        assert Counter(statuses) == {b"200": int(most), b"429": 5}
        _served(behind, "127.0.0.3")


def test_slow_readers_hold_no_thread(behind: tuple[Server, str]) -> None:
    server, url = behind
    (large,) = server.upload(("large", bytes(16 * MIB)))
    request = f"GET /attachment/{large} HTTP/1.1\r\nHost: x\r\nX-API-TOKEN: {server.token}\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(THREADS + 8):
            connection = stack.enter_context(_connect(url, "127.0.0.2", receive_buffer=4096))
            connection.sendall(request)
            assert connection.recv(12) == b"HTTP/1.1 200"
        _served(behind, "127.0.0.2")


def test_the_limit_is_what_is_documented() -> None:
    (limit,) = re.findall(r"limit_conn senders (\d+);", CONFIGURATION.read_text())
    assert int(limit) == ALLOWED == THREADS * 3 // 4
    assert f"`limit_conn senders {limit}`" in Path("docs/operations.md").read_text()
