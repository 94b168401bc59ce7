"""A real node that refuses: with 429 because it has too much to do, with 503 because it has no state of its cluster yet.

What no node says by itself (502, half an answer) comes from the proxy of test_index_steps.py.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.coordination.local.data_folder import reaching
from app.embedded_node import EmbeddedNode
from app.extraction import lanes
from app.ids import new_uuid, new_xid
from app.index import generations
from app.index.connection import Connection
from app.index.documents import Write
from app.model.attachment import Attachment
from app.opening import open_store
from app.services import extracting
from app.services.extracting import Extractor
from app.services.uploads import Draft
from app.settings import Settings
from tests.faults.conftest import await_settled, undecided
from tests.support.app import Server, running_server, unique_index

#: Bytes that the node takes of writes at once: one document, not twenty.
PRESSURE = 4096
#: Writes that the node takes at once, one for each shard of a bulk: one at work and one waiting.
QUEUED = {"thread_pool.write.size": "1", "thread_pool.write.queue_size": "1"}
NODE_SECONDS = 60.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNode]:
    settings = {"indexing_pressure.memory.limit": f"{PRESSURE}b", **QUEUED}
    with EmbeddedNode(tmp_path_factory.mktemp("node"), settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, node: EmbeddedNode) -> Iterator[Server]:
    # A node without a state has writes wait for one.
    settings: dict[str, Any] = {"WEB_WORKERS": "1", "GRACE_TIME": "1", "ELASTICSEARCH_TIMEOUT": "4"}
    with running_server(tmp_path_factory.mktemp("refused"), node.url, **settings) as running:
        yield running


def _refused(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0


def _files(count: int) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{number}-{'n' * 200}", b"x")) for number in range(count)]


def test_too_much_to_do(server: Server, node: EmbeddedNode) -> None:
    """The write is refused for certain: nothing of it stays, and what is smaller is taken."""
    (kept,) = server.upload(("a", b"aa"), session="busy")
    before = server.stored_files()
    said = requests.post(
        f"{node.url}/{server.index}/_bulk",
        data="\n".join(['{"delete":{"_id":"none"}}', '{"index":{}}', f'{{"name":"{"n" * PRESSURE}"}}', ""]),
        headers={"Content-Type": "application/x-ndjson"},
        timeout=30,
    )
    assert said.status_code == 429, said.text
    _refused(server.post("/chat/busy/_upload", files=_files(20)))
    assert undecided(server) == []
    assert server.stored_files() == before
    assert [hit["_id"] for hit in server.hits("session=busy")] == [kept]
    assert server.delete(f"/attachment/{kept}").status_code == 200


def test_a_text_that_is_never_taken(node: EmbeddedNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again later, so many times, and the others are not kept waiting; found by its name it is all the while."""
    environment = {"DATA": str(tmp_path / "data"), "INDEX": unique_index(), "DISK_RESERVE": "0", "EMBEDDINGS": "off"}
    settings = Settings.from_environ(reaching(node.url, environment))
    store = open_store(settings)
    worker = Extractor(store, settings)

    def uploaded(content: bytes) -> Attachment:
        draft = Draft(
            new_xid(), "heliotrope.txt", store.uploads.stage([content], 1 << 20), "default", "test", "coco", "s"
        )
        try:
            return store.uploads.upload([draft])[0]
        finally:
            draft.staged.discard()

    def counted(**field: str) -> int:
        return int(json.loads(store.index.count({"query": {"term": field}}))["count"])

    with contextlib.closing(store.index):
        small = [uploaded(b"quokka") for _ in range(5)]
        large = uploaded(b"quokka " * PRESSURE)
        assert worker.work() == 5
        assert [store.steps.extraction_state(each)[0] for each in small] == ["completed"] * 5
        assert store.steps.extraction_state(large)[0] == "pending"
        # Not now.
        assert worker.work() == 0
        (entry,) = (store.queue.take(each) for each in store.queue.ids())
        assert entry is not None
        assert (entry.id, entry.refused, entry.begun) == (large.id, 1, 1)
        entry.close()
        monkeypatch.setattr(lanes, "RETRY_SECONDS", 0.0)
        monkeypatch.setattr(extracting, "REFUSALS", 3)
        assert [worker.work() for _ in range(3)] == [0, 1, 0]
        assert store.queue.count() == 0
        assert store.steps.extraction_state(large)[0] == "failed"
        known = store.records.extraction(large.id)
        assert known is not None
        assert (known.reason, known.size) == ("too-large", 0)
        assert (counted(content_words="quokka"), counted(name_words="heliotrope")) == (5, 6)
        assert counted(**{"extraction.reason": "too-large"}) == 1


def test_no_state_yet(server: Server, node: EmbeddedNode) -> None:
    """A node that waits for others before it recovers what it has: 503 to all that is asked of it, and later it is back."""
    (kept,) = server.upload(("a", b"aa"), session="early")
    node.stop()
    node._settings["gateway.recover_after_data_nodes"] = "2"
    node.launch()
    try:
        node._http_port = node._report(time.monotonic() + NODE_SECONDS)
        said = requests.post(f"{node.url}/{server.index}/_search", timeout=30)
        assert said.status_code == 503, said.text
        asked: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("GET", "/attachment/_search", {}),
            ("POST", "/chat/early/_upload", {"files": _files(1)}),
            ("DELETE", f"/attachment/{kept}", {}),
        )
        for method, path, options in asked:
            _refused(server.request(method, path, **options))
        assert server.get("/health").status_code == 503
        assert server.get(f"/attachment/{kept}").content == b"aa"
    finally:
        node.kill()
        del node._settings["gateway.recover_after_data_nodes"]
        node.start()
    await_settled(server, 60)
    # Nobody knows what a 503 did: the upload is whole or not there, the delete done or not.
    for hit in server.hits("session=early"):
        assert server.get(hit["_source"]["url"]).ok
    assert server.upload(("b", b"b"), session="early")


def test_what_is_poured_is_counted_when_all_before_it_is_there(
    node: EmbeddedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a bulk for eight shards some are refused, and sent again after the rest of it was done: who notes by the count
    how far it came loses nothing to a kill."""
    monkeypatch.setattr(generations, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(generations, "RETRIES", 8)
    connection = Connection(Settings.from_environ(reaching(node.url, {})))
    definition = {"settings": {"number_of_shards": 8, "number_of_replicas": 0}, "mappings": {"_meta": {}}}
    made = generations.Generations(connection, unique_index(), definition, new_uuid())
    name = made.create({})
    try:
        writes = [Write(f"{number}", 1, {}) for number in range(16)]
        counts = []
        for count in made.pour(name, writes):
            counts.append(count)
            assert made.existing(name, [each.id for each in writes[:count]]) == {each.id for each in writes[:count]}
        assert counts[-1] == len(writes)
    finally:
        made.remove(name)
        connection.close()
    pools = requests.get(f"{node.url}/_nodes/stats/thread_pool", timeout=30).json()["nodes"]
    assert all(each["thread_pool"]["write"]["rejected"] > 0 for each in pools.values())
