"""Slow clients behind the nginx that is shipped: more of them on one address than there are threads, and others served."""

from __future__ import annotations

import contextlib
import re
import select
import socket
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


def _served(behind: tuple[Server, str], address: str) -> None:
    """That a client with this address uploads, searches, downloads and deletes."""
    server, url = behind
    with requests.Session() as http:
        http.mount("http://", _From(address))
        http.headers.update(server.headers())
        answer = http.post(f"{url}/attachment/_upload", files=[("files", ("a", b"aa"))], timeout=30)
        assert answer.status_code == 200, answer.text
        (attachment,) = answer.json()["attachments"]
        assert http.get(f"{url}/attachment/_search", timeout=30).status_code == 200
        assert http.get(f"{url}/attachment/{attachment}", timeout=30).content == b"aa"
        assert http.delete(f"{url}/attachment/{attachment}", timeout=30).status_code == 200


def test_slow_senders_of_one_address_do_not_take_all_threads(behind: tuple[Server, str]) -> None:
    server, url = behind
    head = (
        "POST /attachment/_upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nX-API-TOKEN: {server.token}\r\n\r\n"
    )
    part = '--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(_connect(url, "127.0.0.2")) for _ in range(THREADS + 8)]
        for each in connections:
            each.sendall((head + part).encode())
        # Any of them, as nginx looks at them in several processes.
        refused: set[socket.socket] = set()
        while len(refused) < THREADS + 8 - ALLOWED:
            answered, _, _ = select.select([each for each in connections if each not in refused], [], [], 30)
            assert answered, f"{len(refused)} of {THREADS + 8} are refused"
            for each in answered:
                assert each.recv(100).startswith(b"HTTP/1.1 429 ")
                refused.add(each)
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
