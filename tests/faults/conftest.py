"""What the fault tests share: servers behind a proxy or on a small disk, and a measure of what a process holds."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.settings import Settings
from tests.support.app import Server, ServerFactory, running_server
from tests.support.breaking import Proxy

#: What a request may take that can't be done for want of Elasticsearch, less what this machine stood still: 4 seconds, 5
#: promised, and a busy machine. Whoever waits a second time takes twice the 4.
BOUND = 7.0


@pytest.fixture(scope="module")
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    with Proxy(elasticsearch_url) as running:
        yield running


#: Few connections to Elasticsearch are kept, as `held` overlooks so many that were reset.
PROXIED: dict[str, Any] = {"GRACE_TIME": "1", "ELASTICSEARCH_TIMEOUT": "3", "ELASTICSEARCH_CONNECTIONS": "4"}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy, elasticsearch_url: str) -> Iterator[Server]:
    """A server that reaches Elasticsearch through `proxy`."""
    folder = tmp_path_factory.mktemp("proxied")
    with running_server(folder, proxy.url, WEB_WORKERS="1", **PROXIED) as server:
        # The index is removed without the proxy.
        server.elasticsearch_url = elasticsearch_url
        yield server
        proxy.fault = None


def undecided(server: Server) -> list[str]:
    """Journal entries and temporary files that are there."""
    return [path for path in server.stored_files() if not path.startswith("attachments/")]


def await_settled(server: Server, seconds: float = 60.0) -> None:
    """Wait until the store is healthy and nothing is undecided."""
    server.await_health(200, seconds)
    deadline = time.monotonic() + seconds
    while left := undecided(server):
        assert time.monotonic() < deadline, f"still undecided: {left}"
        time.sleep(0.05)


def assert_all_or_none(server: Server, session: str, count: int) -> int:
    """That `session` holds `count` whole attachments or nothing; how many it holds."""
    hits = server.hits(f"session={session}")
    assert len(hits) in (0, count)
    for hit in hits:
        answer = server.get(hit["_source"]["url"])
        assert answer.status_code == 200
        assert len(answer.content) == hit["_source"]["size"]
    on_disk = {Path(path).name for path in server.stored_files()}
    found = {hit["_id"] for hit in server.hits("size=1000")}
    assert on_disk == {f"{each}.{suffix}" for each in found for suffix in ("bytes", "json")}
    return len(hits)


def descriptors(pid: int) -> int:
    """How many descriptors a process has open, less those of the journal's spare files, which are kept on purpose."""
    count = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += not str(each.readlink()).endswith(".spare")
    return count


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def open_files(server: Server) -> list[str]:
    """What of the data folder the workers have open: nothing, when nothing is under way, but the journal's spare files."""
    found = []
    for pid in server.worker_pids():
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                target = str(each.readlink())
                if target.startswith(f"{server.data}/") and not target.endswith(".spare"):
                    found.append(target)
    return found


#: What a worker may hold more than before: nothing but threads of gunicorn's pool, which starts them when it first needs
#: them, and a descriptor that a background thread has open at the moment of counting.
MORE_DESCRIPTORS = 2
MORE_THREADS = 16


def held(server: Server) -> dict[int, tuple[int, int]]:
    """Descriptors and threads of each worker, less the connections to Elasticsearch, which are kept on purpose."""
    if server.process is None:
        return {}
    ports = {urlsplit(each).port or 80 for each in server.environment["ELASTICSEARCH_URL"].split(",")}
    kept = len(ports) * int(server.environment.get("ELASTICSEARCH_CONNECTIONS", Settings().elasticsearch_connections))
    return {pid: (descriptors(pid) - _connections(pid, ports, kept), threads(pid)) for pid in server.worker_pids()}


def _connections(pid: int, ports: set[int], kept: int) -> int:
    """Connections of a process to these ports, and up to `kept` of those that nobody knows any more where they led.

    The kernel lists a connection no more that the other side has reset; a pool finds out when it next takes it.
    """
    opened = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            opened.append(str(each.readlink()))
    there: set[str] = set()
    listed: set[str] = set()
    # After the descriptors: what is made meanwhile is no matter.
    for table, column in (("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9), ("unix", 6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            listed.add(f"socket:[{fields[column]}]")
            if table == "tcp" and int(fields[2].rpartition(":")[2], 16) in ports:
                there.add(f"socket:[{fields[column]}]")
    reset = sum(each.startswith("socket:") and each not in listed for each in opened)
    return sum(each in there for each in opened) + min(reset, kept)


def assert_nothing_leaks(server: Server, before: dict[int, tuple[int, int]] | None = None) -> None:
    """That within seconds nothing is undecided, no file of the store is open, and each worker holds what it held."""
    if server.process is None:
        return
    deadline = time.monotonic() + 60
    while True:
        left = undecided(server) + open_files(server)
        now = held(server)
        grown = [(was, now[pid]) for pid, was in (before or {}).items() if pid in now and _more(was, now[pid])]
        if not left and not grown:
            return
        assert time.monotonic() < deadline, f"left: {left}, held before and now: {grown}"
        time.sleep(0.1)


def _more(before: tuple[int, int], now: tuple[int, int]) -> bool:
    return now[0] > before[0] + MORE_DESCRIPTORS or now[1] > before[1] + MORE_THREADS


@pytest.fixture(autouse=True)
def nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every fault: nothing half done on the disk, no file open, no more threads and descriptors than before."""
    names = {"server", "proxied"} & set(request.fixturenames)
    servers = [request.getfixturevalue(name) for name in sorted(names)]
    before = [held(server) for server in servers]
    yield
    for server, was in zip(servers, before, strict=True):
        assert_nothing_leaks(server, was)


@pytest.fixture
def start_server(start_server: ServerFactory) -> Iterator[ServerFactory]:
    """The same, and what the servers hold is looked at in the end."""
    started: list[Server] = []

    def start(**options: Any) -> Server:
        started.append(start_server(**options))
        return started[-1]

    yield start
    for server in started:
        assert_nothing_leaks(server)


@contextlib.contextmanager
def mounted(*arguments: str, on: Path) -> Iterator[Path]:
    """Mount something on the folder `on` for the block. Needs root."""
    subprocess.run(["mount", *arguments, str(on)], check=True, capture_output=True)
    try:
        yield on
    finally:
        subprocess.run(["umount", "--lazy", str(on)], check=True, capture_output=True)


def take_room(ballast: Path, pages: int = 0) -> None:
    """Have exactly so many pages of the disk free on which `ballast` is or comes to be, whoever writes there meanwhile."""
    for _ in range(50):
        ballast.unlink(missing_ok=True)
        status = os.statvfs(ballast.parent)
        with ballast.open("wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, (status.f_bavail - pages) * status.f_frsize)
                return
            except OSError as error:
                # Somebody took some of it between the two calls.
                if error.errno != errno.ENOSPC:
                    raise
    raise AssertionError("the disk does not come to rest")


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True, capture_output=True)
