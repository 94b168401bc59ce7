"""Elasticsearch gone or silent: what needs it is refused in time, downloads go on, and it recovers by itself."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app.embedded_node import EmbeddedNode
from tests.dialects.coco.wire import eventually
from tests.support.app import Server, running_server
from tests.support.pauses import Pauses

#: Seconds that a request waits for Elasticsearch, as by default.
LIMIT = 4.0
#: Seconds within which a refusal comes, however Elasticsearch fails, less what this machine stood still: 5 are promised,
#: and it may be busy. Whoever waits a second time takes twice the limit.
PATIENCE = 7.0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, own_node: EmbeddedNode) -> Iterator[Server]:
    """A server on the node that may be stopped."""
    folder = tmp_path_factory.mktemp("alone")
    with running_server(folder, own_node.url, ELASTICSEARCH_TIMEOUT=str(LIMIT)) as server:
        yield server


def send(server: Server, what: str, attachment_id: str) -> requests.Response:
    if what == "upload":
        return server.post("/chat/outage/_upload", files=[("files", ("new.txt", b"new"))])
    if what == "search":
        return server.get("/attachment/_search?session=outage")
    return server.delete(f"/attachment/{attachment_id}")


def assert_refused_in_time(server: Server, what: str, attachment_id: str) -> None:
    with Pauses() as pauses:
        begun = time.monotonic()
        answer = send(server, what, attachment_id)
        took = time.monotonic() - begun
    assert took - pauses.seconds < PATIENCE, what
    assert answer.status_code == 503, (what, answer.text)
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json() == {"error": {"reason": answer.json()["error"]["reason"]}, "status": 503}


@contextlib.contextmanager
def killed(node: EmbeddedNode) -> Iterator[None]:
    node.kill()
    try:
        yield
    finally:
        node.start()


@contextlib.contextmanager
def stalled(node: EmbeddedNode) -> Iterator[None]:
    os.kill(node.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.pid, signal.SIGCONT)


def test_killed(alone: Server, own_node: EmbeddedNode) -> None:
    (kept,) = alone.upload(("kept.txt", b"kept"), session="outage")
    before = alone.stored_files()
    with killed(own_node):
        for what in ("upload", "search", "delete"):
            assert_refused_in_time(alone, what, kept)
        # It was certainly not done, so nothing waits to be decided.
        assert alone.stored_files() == before
        assert alone.get("/health").status_code == 503
        answer = alone.get(f"/attachment/{kept}", headers={"Range": "bytes=1-2"})
        assert (answer.status_code, answer.content) == (206, b"ep")
        assert alone.request("HEAD", f"/attachment/{kept}").status_code == 200
        assert alone.get(f"/attachment/{kept}/status").status_code == 200
    alone.await_health(200)
    assert [hit["_id"] for hit in alone.hits("session=outage")] == [kept]
    assert alone.delete(f"/attachment/{kept}").status_code == 200


def test_stalled(alone: Server, own_node: EmbeddedNode) -> None:
    kept, removed = alone.upload(("kept.txt", b"kept"), ("removed.txt", b"removed"), session="outage")
    failures: list[BaseException] = []
    with stalled(own_node):
        threads = [
            threading.Thread(target=seen, args=(failures, alone, what, removed))
            for what in ("upload", "search", "delete", "upload", "search")
        ]
        for thread in threads:
            thread.start()
        begun = time.monotonic()
        assert alone.get(f"/attachment/{kept}").content == b"kept"
        # It did not wait for Elasticsearch.
        assert time.monotonic() - begun < LIMIT
        for thread in threads:
            thread.join()
        assert failures == []
        assert alone.get("/health").status_code == 503
    alone.await_health(200)
    # Whatever was sent and not answered is decided: the journal empties, and files and index agree.
    eventually(lambda: not [name for name in alone.stored_files() if name.startswith("journal")])
    found = {hit["_id"] for hit in alone.hits("session=outage")}
    assert kept in found
    stored = {Path(name).stem for name in alone.stored_files() if name.endswith(".json")}
    assert found == stored
    assert all(alone.get(f"/attachment/{each}").status_code == 200 for each in found)
    (again,) = alone.upload(("after.txt", b"after"), session="outage")
    assert again in {hit["_id"] for hit in alone.hits("session=outage")}


def seen(failures: list[BaseException], server: Server, what: str, attachment_id: str) -> None:
    try:
        assert_refused_in_time(server, what, attachment_id)
    except BaseException as error:
        failures.append(error)
