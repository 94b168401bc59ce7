"""Every call to Elasticsearch fails once, in every way that a network and a node can fail."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from app.coordination.local.data_folder import open_data_folder
from app.index import mappings
from tests.faults.conftest import assert_all_or_none, await_settled, descriptors, threads, undecided
from tests.support.app import ROOT, Server, ServerFactory
from tests.support.breaking import Fault, Proxy

FAULTS = {
    "reset before Elasticsearch sees it": Fault(reset_request=True),
    "reset after it has done the work": Fault(reset_after=True),
    "reset in the middle of the answer": Fault(cut_answer_at=90),
    "answer later than the client waits": Fault(hold_answer_until=threading.Event()),
    "request arrives after the client gave up": Fault(hold_until=threading.Event()),
    "too many requests": Fault(replace_answer=("429 Too Many Requests", b'{"error":{"type":"x"},"status":429}')),
    "bad gateway": Fault(replace_answer=("502 Bad Gateway", b'{"error":{"type":"x"},"status":502}')),
    "unavailable": Fault(replace_answer=("503 Service Unavailable", b'{"error":{"type":"x"},"status":503}')),
    "unavailable, and it has done the work": Fault(
        replace_answer=("503 Service Unavailable", b'{"error":{"type":"x"},"status":503}'), replace_after=True
    ),
    "forbidden": Fault(replace_answer=("403 Forbidden", b'{"error":{"type":"x"},"status":403}')),
    "an answer without its items": Fault(replace_answer=("200 OK", b'{"items":[]}')),
    "half an answer": Fault(replace_answer=("200 OK", b'{"items":[{"index":')),
}


def _unavailable(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["status"] == 503
    # In time: tests/faults/test_slow_index.py looks at it closely. Without a limit the client here would give up.
    assert answer.elapsed.total_seconds() < 30


def _fault(name: str, path: str) -> Fault:
    """One of them, for the next request to `path`, with moments of its own."""
    fault = replace(FAULTS[name], path=path, times=1)
    for each in ("hold_until", "hold_answer_until"):
        if getattr(fault, each) is not None:
            setattr(fault, each, threading.Event())
    return fault


def _calm(proxied: Server, proxy: Proxy, fault: Fault) -> None:
    """Let everything through again, wait for what was held back to arrive, and for the store to settle."""
    proxy.fault = None
    for held in (fault.hold_until, fault.hold_answer_until):
        if held is not None:
            held.set()
            assert fault.through.wait(60)
    await_settled(proxied)


@pytest.mark.parametrize("name", FAULTS)
def test_upload(proxied: Server, proxy: Proxy, name: str) -> None:
    (kept,) = proxied.upload(("kept", b"kept"))
    fault = proxy.fault = _fault(name, "_bulk")
    session = f"up{list(FAULTS).index(name)}"
    _unavailable(proxied.post(f"/chat/{session}/_upload", files=[("files", ("a", b"aa")), ("files", ("b", b"b"))]))
    assert fault.hit == 1
    _calm(proxied, proxy, fault)
    assert_all_or_none(proxied, session, 2)
    assert proxied.get(f"/attachment/{kept}").content == b"kept"


@pytest.mark.parametrize("name", FAULTS)
def test_delete(proxied: Server, proxy: Proxy, name: str) -> None:
    session = f"del{list(FAULTS).index(name)}"
    (attachment,) = proxied.upload(("a", b"aa"), session=session)
    fault = proxy.fault = _fault(name, "_bulk")
    _unavailable(proxied.delete(f"/attachment/{attachment}"))
    assert fault.hit == 1
    _calm(proxied, proxy, fault)
    found = assert_all_or_none(proxied, session, 1)
    assert proxied.get(f"/attachment/{attachment}").status_code == (200 if found else 404)


@pytest.mark.parametrize("name", FAULTS)
def test_search(proxied: Server, proxy: Proxy, name: str) -> None:
    fault = proxy.fault = _fault(name, "_search")
    answer = proxied.get("/attachment/_search?session=nobody")
    if name not in ("half an answer", "an answer without its items"):
        # What Elasticsearch sent whole is handed through undecoded.
        _unavailable(answer)
    _calm(proxied, proxy, fault)
    assert proxied.hits("session=nobody") == []


def test_connection_refused(proxied: Server, proxy: Proxy) -> None:
    (attachment,) = proxied.upload(("a", b"aa"), session="refused")
    before = proxied.stored_files()
    proxy.refuse()
    try:
        _unavailable(proxied.post("/chat/refused/_upload", files=[("files", ("b", b"b"))]))
        _unavailable(proxied.get("/attachment/_search"))
        _unavailable(proxied.delete(f"/attachment/{attachment}"))
        assert proxied.get(f"/attachment/{attachment}").content == b"aa"
        assert proxied.get("/health").status_code == 503
        # A connection that was open is reset, which leaves the outcome open; a new one is refused for certain.
        for _ in range(3):
            proxied.post("/chat/refused/_upload", files=[("files", ("c", b"c"))])
        assert set(before) <= set(proxied.stored_files())
    finally:
        proxy.accept()
    await_settled(proxied)
    assert_all_or_none(proxied, "refused", 1)


@pytest.mark.parametrize("rebuilt", [False, True], ids=["the same index", "rebuilt meanwhile"])
def test_late_write_brings_nothing_back(start_server: ServerFactory, proxy: Proxy, rebuilt: bool) -> None:
    """The bulk of an upload arrives after its client gave up, and after the attachment was settled and deleted."""
    server = start_server(elasticsearch_url=proxy.url, WEB_WORKERS="1", ELASTICSEARCH_TIMEOUT="4")
    server.upload(("kept", b"kept"), session="kept")
    fault = proxy.fault = Fault("_bulk", hold_until=threading.Event(), times=1)
    assert fault.hold_until is not None
    try:
        _unavailable(server.post("/chat/late/_upload", files=[("files", ("a", b"aa"))]))
        await_settled(server)
        (hit,) = server.hits("session=late")
        assert server.delete(f"/attachment/{hit['_id']}").status_code == 200
        if rebuilt:
            # The new generation does not remember what was deleted before it was made.
            _rebuild(server)
    finally:
        fault.hold_until.set()
    assert fault.through.wait(30)
    requests.post(f"{server.elasticsearch_url}/{server.index}/_refresh", timeout=30).raise_for_status()
    assert server.hits("session=late") == []
    assert [found["_source"]["name"] for found in server.hits()] == ["kept"]
    assert server.get(f"/attachment/{hit['_id']}").status_code == 404
    assert not [path for path in server.stored_files() if hit["_id"] in path]
    # The worker has found the generation in use by itself.
    assert server.upload(("b", b"b"), session="late")
    assert len(server.hits("session=late")) == 1


def _rebuild(server: Server) -> None:
    rebuilt = subprocess.run(
        [sys.executable, "-m", "app.commands.store", "rebuild"],
        cwd=ROOT,
        env={**os.environ, **server.environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert rebuilt.returncode == 0, rebuilt.stderr


def test_two_deletes_at_once_agree(start_server: ServerFactory, proxy: Proxy) -> None:
    """Two workers delete the same attachment, and what the first sends arrives last: no failure, it is gone."""
    server = start_server(elasticsearch_url=proxy.url, WEB_WORKERS="2")
    for _ in range(6):
        (attachment,) = server.upload(("a", b"aa"))
        proxy.fault = Fault("_bulk", hold_request=1.0, times=1)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(server.delete, [f"/attachment/{attachment}"] * 4))
        assert {answer.status_code for answer in answers} <= {200, 404}
        assert 200 in {answer.status_code for answer in answers}
    proxy.fault = None
    assert server.stored_files() == []


def test_one_item_refused(start_server: ServerFactory) -> None:
    """Elasticsearch takes one document of an upload and refuses the other: nothing of it stays."""
    server = start_server(start=False, WEB_WORKERS="1")
    definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
    definition["mappings"]["properties"]["name"] = {"type": "integer"}
    definition["mappings"]["_meta"]["store_id"] = open_data_folder(server.data)
    made = requests.put(
        f"{server.elasticsearch_url}/{mappings.generation(server.index, 1)}",
        json={**definition, "aliases": {server.index: {"is_write_index": True}}},
        timeout=30,
    )
    assert made.ok, made.text
    server.start()
    answer = server.post("/chat/s/_upload", files=[("files", ("1", b"taken")), ("files", ("x", b"refused"))])
    assert answer.status_code == 503
    # At once, or by the reconciler where that takes too long.
    await_settled(server)
    assert server.hits("session=s") == []
    assert server.stored_files() == []
    # One that would be refused again is no matter of waiting.
    answer = server.post("/chat/s/_upload", files=[("files", ("x", b"refused"))])
    assert answer.status_code == 500
    assert server.stored_files() == []


@pytest.mark.parametrize("block", ["write", "read_only", "read_only_allow_delete"])
def test_read_only_index(start_server: ServerFactory, block: str) -> None:
    """What an administrator does, and what Elasticsearch does by itself when its disk runs full."""
    server = start_server(WEB_WORKERS="1")
    (attachment,) = server.upload(("a", b"aa"), session="s")
    settings = f"{server.elasticsearch_url}/{mappings.generation(server.index, 1)}/_settings"
    requests.put(settings, json={f"index.blocks.{block}": True}, timeout=30).raise_for_status()
    try:
        _unavailable(server.post("/chat/s/_upload", files=[("files", ("b", b"b")), ("files", ("c", b"c"))]))
        assert len(server.hits("session=s")) == 1
        assert server.get(f"/attachment/{attachment}").content == b"aa"
        assert undecided(server) == []
        answer = server.delete(f"/attachment/{attachment}")
        if block == "read_only_allow_delete" and answer.ok:
            assert server.stored_files() == []
        else:
            _unavailable(answer)
            assert len(server.hits("session=s")) == 1
            assert server.get(f"/attachment/{attachment}").content == b"aa"
    finally:
        requests.put(settings, json={f"index.blocks.{block}": None}, timeout=30).raise_for_status()
    assert server.post("/chat/s/_upload", files=[("files", ("b", b"b"))]).status_code == 200


def _lose_index(server: Server) -> None:
    generation = f"{server.elasticsearch_url}/{mappings.generation(server.index, 1)}"
    requests.delete(generation, timeout=30).raise_for_status()


def test_a_lost_index_is_said_and_not_made_anew(start_server: ServerFactory) -> None:
    """An empty index in its place would hide what was acknowledged: searches and writes are refused until a rebuild."""
    server = start_server(WEB_WORKERS="1")
    (attachment,) = server.upload(("a", b"aa"), session="s")
    _lose_index(server)
    before = server.stored_files()
    for restarted in (False, True):
        if restarted:
            assert server.stop() == 0
            server.start()
        for _ in range(2):
            _unavailable(server.get("/attachment/_search?session=s"))
            _unavailable(server.post("/chat/s/_upload", files=[("files", ("b", b"b")), ("files", ("c", b"c"))]))
            _unavailable(server.delete(f"/attachment/{attachment}"))
        said = server.get("/health")
        assert said.status_code == 503
        assert said.json()["reasons"] == ["The index is missing: run scripts/store rebuild"]
        assert server.get("/attachment/_search?session=s").json()["error"]["reason"] == said.json()["reasons"][0]
        assert server.get(f"/attachment/{attachment}").content == b"aa"
    assert server.stored_files() == before
    _rebuild(server)
    assert [hit["_id"] for hit in server.hits("session=s")] == [attachment]
    server.await_health()
    assert server.upload(("b", b"b"), session="s")


def test_a_lost_index_refuses_deletes_too(start_server: ServerFactory) -> None:
    """The first to notice that the index is gone is a delete: it makes none, least of all by the alias' name."""
    server = start_server(WEB_WORKERS="1")
    (attachment,) = server.upload(("a", b"aa"), session="s")
    _lose_index(server)
    _unavailable(server.delete(f"/attachment/{attachment}"))
    assert requests.get(f"{server.elasticsearch_url}/{server.index}", timeout=60).status_code == 404
    assert server.get(f"/attachment/{attachment}").content == b"aa"
    _rebuild(server)
    assert server.delete(f"/attachment/{attachment}").status_code == 200
    assert server.hits() == []


def test_an_empty_store_makes_its_index_again(start_server: ServerFactory) -> None:
    """What is only being uploaded was promised to nobody, and hides nothing."""
    server = start_server(WEB_WORKERS="1")
    server.get("/health")
    _lose_index(server)
    _unavailable(server.get("/attachment/_search?session=s"))
    assert server.upload(("a", b"a"), ("b", b"b"), session="s")
    assert len(server.hits("session=s")) == 2


def test_nothing_leaks(proxied: Server, proxy: Proxy) -> None:
    (pid,) = proxied.worker_pids()
    url = proxied.url

    def work() -> None:
        for fault in (
            Fault("_bulk", reset_request=True),
            Fault("_bulk", cut_answer_at=40),
            Fault("_bulk", reset_after=True),
        ):
            proxy.fault = fault
            for _ in range(4):
                _unavailable(
                    proxied.post("/attachment/_upload", files=[("files", ("a", b"aa")), ("files", ("b", b""))])
                )
        proxy.fault = None
        await_settled(proxied)

    work()
    before = descriptors(pid), threads(pid)
    work()
    work()
    requests.get(f"{url}/health", timeout=60)
    deadline = time.monotonic() + 60
    # A few connections that are kept open, and threads that gunicorn's pool starts when it first needs them.
    while (after := (descriptors(pid), threads(pid)))[0] > before[0] + 8 or after[1] > before[1] + 8:
        assert time.monotonic() < deadline, (before, after)
        time.sleep(0.1)
    assert undecided(proxied) == []
    assert not list(Path(proxied.data / "incoming").iterdir())
