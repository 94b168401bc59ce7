"""What the fault tests share: servers behind a proxy or on a small disk, and a measure of what a process holds."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.app import Server, running_server
from tests.support.breaking import Proxy

#: What a request may take that can't be done for want of Elasticsearch: 4 seconds, 5 promised, and a busy machine.
BOUND = 7.0


@pytest.fixture(scope="module")
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    with Proxy(elasticsearch_url) as running:
        yield running


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy, elasticsearch_url: str) -> Iterator[Server]:
    """A server that reaches Elasticsearch through `proxy`."""
    with running_server(tmp_path_factory.mktemp("proxied"), proxy.url, WEB_WORKERS="1", GRACE_TIME="1") as server:
        # The index is removed without the proxy.
        server.elasticsearch_url = elasticsearch_url
        yield server
        proxy.fault = None


def undecided(server: Server) -> list[str]:
    """Journal entries and temporary files that are there."""
    return [path for path in server.stored_files() if not path.startswith("attachments/")]


def await_settled(server: Server, seconds: float = 30.0) -> None:
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
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@contextlib.contextmanager
def mounted(*arguments: str, on: Path) -> Iterator[Path]:
    """Mount something on the folder `on` for the block. Needs root."""
    subprocess.run(["mount", *arguments, str(on)], check=True, capture_output=True)
    try:
        yield on
    finally:
        subprocess.run(["umount", "--lazy", str(on)], check=True, capture_output=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True, capture_output=True)
