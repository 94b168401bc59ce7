"""Elasticsearch stands still, is gone, and comes back: what needs it is refused in time, all else goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from app.embedded_node import EmbeddedNode
from app.index.admission import SLOW
from tests.faults.conftest import BOUND, assert_all_or_none, await_settled
from tests.support.app import Server, running_server
from tests.support.pauses import Pauses

THREADS = 8

#: What is asked of a node that is known to stand still, attachments and chats alike.
AGAIN = (("GET", "/attachment/_search"), ("GET", "/api/v2/chats"))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNode]:
    with EmbeddedNode(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, node: EmbeddedNode) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("slow-index")
    # As long as by default.
    settings: dict[str, Any] = {
        "WEB_WORKERS": "1",
        "WEB_THREADS": str(THREADS),
        "GRACE_TIME": "1",
        "ELASTICSEARCH_TIMEOUT": "4",
    }
    with running_server(folder, node.url, **settings) as running:
        running.upload(("first", b"first"))
        yield running


def _timed(server: Server, method: str, path: str, **options: Any) -> tuple[int, float]:
    began = time.monotonic()
    answer = server.request(method, path, **options)
    return answer.status_code, time.monotonic() - began


def test_a_node_that_stands_still(server: Server, node: EmbeddedNode) -> None:
    (attachment,) = server.upload(("a", b"aa"), session="kept")
    files = [("files", ("b", b"b")), ("files", ("c", b"c"))]
    with Pauses() as pauses, ThreadPoolExecutor(50) as pool:
        os.kill(node.pid, signal.SIGSTOP)
        try:
            waiting = [pool.submit(_timed, server, "GET", "/attachment/_search") for _ in range(25)]
            waiting += [pool.submit(_timed, server, "POST", f"/chat/u{n}/_upload", files=files) for n in range(25)]
            # Until the gate knows that it stands still, every thread may wait; from then on a quarter of them does not.
            time.sleep(SLOW + 0.3)
            downloads = []
            while not all(each.done() for each in waiting):
                downloads.append(server.get(f"/attachment/{attachment}").status_code)
            health = _timed(server, "GET", "/health")
            answers = [each.result() for each in waiting]
            chats = {"Coder-Session-Token": server.token}
            again = [_timed(server, method, path, headers=chats) for method, path in AGAIN * 5]
            said = requests.get(f"{server.url}/health", timeout=60).json()
        finally:
            os.kill(node.pid, signal.SIGCONT)
    print("slowest of 50:", max(took for _, took in answers), "downloads meanwhile:", len(downloads))
    assert {status for status, _ in answers} == {503}
    assert max(took for _, took in answers) - pauses.seconds < BOUND
    # Those that Elasticsearch owes an answer end all at once: who waits for one of them gets few downloads until then.
    assert set(downloads) == {200}
    assert len(downloads) > 5
    assert health[0] == 503
    assert health[1] - pauses.seconds < BOUND
    assert "Elasticsearch" in str(said["reasons"])
    assert {status for status, _ in again} == {503}
    assert max(took for _, took in again) - pauses.seconds < BOUND
    await_settled(server, 60)
    for number in range(25):
        assert_all_or_none(server, f"u{number}", 2)
    assert server.upload(("d", b"d"), session="kept")
    assert len(server.hits("session=kept")) == 2


def test_a_node_that_is_gone_and_comes_back(server: Server, node: EmbeddedNode) -> None:
    (attachment,) = server.upload(("a", b"aa"), session="gone")
    node.kill()
    try:
        for method, path, options in (
            ("GET", "/attachment/_search", {}),
            ("POST", "/chat/gone/_upload", {"files": [("files", ("b", b"b"))]}),
            ("DELETE", f"/attachment/{attachment}", {}),
            ("GET", "/health", {}),
        ):
            with Pauses() as pauses:
                status, took = _timed(server, method, path, **options)
            assert status == 503
            assert took - pauses.seconds < BOUND
        assert server.get(f"/attachment/{attachment}").content == b"aa"
        assert server.request("HEAD", f"/attachment/{attachment}").headers["Content-Length"] == "2"
    finally:
        node.start()
    await_settled(server, 60)
    assert_all_or_none(server, "gone", 1)
    assert server.upload(("c", b"c"), session="gone")


def test_a_server_starts_while_the_node_is_gone(server: Server, node: EmbeddedNode) -> None:
    (attachment,) = server.upload(("a", b"aa"))
    server.stop()
    node.kill()
    try:
        server.start()
        assert server.get(f"/attachment/{attachment}").content == b"aa"
        assert server.get("/health").status_code == 503
    finally:
        node.start()
    await_settled(server, 60)
    assert server.upload(("b", b"b"))
