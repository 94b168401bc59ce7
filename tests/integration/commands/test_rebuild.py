"""The index is made again from the records: the same documents, nothing lost, nothing brought back."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder
from app.index import mappings
from app.index.connection import Connection
from app.index.documents import Write
from app.index.generations import Generations
from app.index.source import source_of
from app.model.attachment import Attachment
from app.settings import Settings
from app.storage.contract import Artefact
from app.storage.filesystem import Filesystem
from app.upkeep.rebuild import Rebuild
from tests.integration.commands.doors import door, findings, lines
from tests.support.app import ROOT, Server, ServerFactory
from tests.support.artefacts import path_of
from tests.support.breaking import Fault, Proxy
from tests.support.seed import seed
from tests.support.traffic import Traffic

#: How often the index is rebuilt while clients work; more in a long run.
TIMES = int(os.environ.get("TIMES") or 2)


def documents(server: Server) -> dict[str, tuple[int, dict[str, Any]]]:
    url = f"{server.elasticsearch_url}/{server.index}"
    requests.post(f"{url}/_refresh", timeout=60)
    answer = requests.post(f"{url}/_search", json={"size": 10000, "version": True}, timeout=60).json()
    return {hit["_id"]: (hit["_version"], hit["_source"]) for hit in answer["hits"]["hits"]}


def test_lost_index_comes_back_field_for_field(start_server: ServerFactory) -> None:
    server = start_server()
    server.upload(("Ä report.PDF", b"%PDF-1.4"), ("no extension", b"x"), session="s1")
    gone = server.upload(("gone.txt", b"x"))[0]
    assert server.delete(f"/attachment/{gone}").ok
    before = documents(server)
    assert len(before) == 2
    server.stop()
    requests.delete(f"{server.elasticsearch_url}/{server.index}-000001", timeout=60)
    result = door(server, "store", "rebuild", "--json")
    assert result.returncode == 0, result.stderr
    assert lines(result)[0]["documents"] == 2
    assert documents(server) == before
    assert findings(server) == (0, [])


def test_old_generation_goes_only_when_told(start_server: ServerFactory) -> None:
    server = start_server()
    server.upload(("one.txt", b"x"))
    indices = f"{server.elasticsearch_url}/{server.index}-*"
    assert lines(door(server, "store", "rebuild", "--json"))[0]["removed"] == []
    assert sorted(requests.get(indices, timeout=60).json()) == [f"{server.index}-{n:06d}" for n in (1, 2)]
    assert door(server, "store", "rebuild", "--remove-old").returncode == 0
    assert list(requests.get(indices, timeout=60).json()) == [f"{server.index}-000003"]
    assert len(server.hits()) == 1
    server.upload(("two.txt", b"x"))
    assert len(server.hits()) == 2


def test_under_load_nothing_is_lost_and_nothing_comes_back(start_server: ServerFactory) -> None:
    server = start_server()
    with Traffic(server) as traffic:
        for _ in range(TIMES):
            downloads = traffic.downloads
            result = door(server, "store", "rebuild", "--remove-old")
            assert result.returncode == 0, result.stderr
            assert traffic.downloads > downloads, "no download while the index was rebuilt"
    assert traffic.failed == []
    # Each of the clients went round more than once.
    assert len(traffic.kept) > 4
    assert documents(server).keys() == set(traffic.kept)
    assert findings(server) == (0, [])


class Interrupted(Generations):
    """Generations that call `before_last_pass` right before a rebuild lets nobody change anything, and `before_swap`
    right before the alias moves."""

    def __init__(self, server: Server) -> None:
        self.connection = Connection(Settings.from_environ(server.environment))
        definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
        super().__init__(self.connection, server.index, definition, open_data_folder(server.data))
        self.before_last_pass: Callable[[], None] = lambda: None
        self.before_swap: Callable[[], None] = lambda: None
        self.after_writes: Callable[[], None] = lambda: None

    def fill(self, name: str, writes: Iterable[Write]) -> int:
        done = super().fill(name, writes)
        if done:
            self.after_writes()
        return done

    def refresh(self, name: str) -> None:
        now, self.before_last_pass = self.before_last_pass, lambda: None
        now()
        super().refresh(name)

    def swap(self, name: str) -> None:
        self.before_swap()
        super().swap(name)


def test_what_changes_in_the_last_moment_is_brought_over(start_server: ServerFactory) -> None:
    server = start_server()
    first, second = server.upload(("a.txt", b"a"), ("b.txt", b"b"))
    present = {second}

    def change() -> None:
        present.update(server.upload(("c.txt", b"c")))
        assert server.delete(f"/attachment/{first}").ok

    generations = Interrupted(server)
    generations.before_last_pass = change
    with closing(generations.connection):
        Rebuild(Filesystem(server.data), generations, Local(server.data).change_lock).run()
    assert len(present) == 2
    assert {hit["_id"] for hit in server.hits()} == documents(server).keys() == present


def test_what_a_killed_build_wrote_and_was_deleted_since_stays_away(
    start_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server()
    first, second = server.upload(("a.txt", b"a"), ("b.txt", b"b"))

    def stop() -> None:
        raise InterruptedError

    # Nothing is noted in between, as in a build that is killed early.
    monkeypatch.setattr("app.upkeep.exchange.NOTE_SECONDS", 3600.0)
    generations = Interrupted(server)
    generations.after_writes = stop
    with closing(generations.connection):
        with pytest.raises(InterruptedError):
            Rebuild(Filesystem(server.data), generations, Local(server.data).change_lock).run()
        assert server.delete(f"/attachment/{first}").ok
        assert server.delete(f"/attachment/{second}").ok
        generations.after_writes = lambda: None
        assert (
            Rebuild(Filesystem(server.data), generations, Local(server.data).change_lock).run()
            == f"{server.index}-000002"
        )
    assert documents(server) == {}


def test_no_change_goes_on_while_the_alias_moves(start_server: ServerFactory) -> None:
    server = start_server()
    first, second = server.upload(("a.txt", b"a"), ("b.txt", b"b"))
    answers: list[requests.Response] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(server.post("/attachment/_upload", files=[("files", ("c.txt", b"c"))]))
        ),
        threading.Thread(target=lambda: answers.append(server.delete(f"/attachment/{first}"))),
    ]
    acknowledged: list[int] = []

    def change() -> None:
        for each in threads:
            each.start()
        time.sleep(0.7)
        acknowledged.append(len(answers))
        # Downloads and searches do not wait.
        assert server.get(f"/attachment/{second}").content == b"b"
        assert len(server.hits()) == 2

    generations = Interrupted(server)
    generations.before_swap = change
    with closing(generations.connection):
        Rebuild(Filesystem(server.data), generations, Local(server.data).change_lock).run()
    for each in threads:
        each.join()
    assert acknowledged == [0]
    # Kept waiting for too long they may be refused, and then have done nothing.
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert {hit["_id"] for hit in server.hits()} == documents(server).keys()
    assert findings(server) == (0, [])


def folders_done(url: str) -> int:
    """How many folders the unfinished build in the index at `url` has noted as done; -1 before there is one."""
    answer = requests.get(url, timeout=60)
    if answer.status_code == 404:
        return -1
    (index,) = answer.json().values()
    return int(index["mappings"]["_meta"].get("building", {}).get("folders", 0))


def test_killed_rebuild_is_taken_up_where_it_was(start_server: ServerFactory, elasticsearch_url: str) -> None:
    server = start_server()
    storage = Filesystem(server.data)
    hour_ago = time.time() - 3600
    for each in seed(server.data, 6000):
        # Long there: what changed right before the build began is read again, done or not.
        os.utime(path_of(server.data, each, Artefact.RECORD), (hour_ago, hour_ago))
    for generation, reached in ((2, 0), (3, 1)):
        name = f"{server.index}-{generation:06d}"
        before = documents(server)
        with Proxy(elasticsearch_url) as proxy:
            # Each of its bulks takes a second, so that it is not at its end before it is killed.
            proxy.fault = Fault("_bulk", hold_request=1.0)
            environment = {**os.environ, **server.environment, "ELASTICSEARCH_URL": proxy.url}
            process = subprocess.Popen([str(ROOT / "scripts" / "store"), "rebuild"], env=environment, cwd=ROOT)
            while (done := folders_done(f"{server.elasticsearch_url}/{name}")) < reached:
                assert process.poll() is None
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert documents(server) == before
        # What came and went in the meantime.
        gone = next(storage.ids())
        assert server.delete(f"/attachment/{gone}").ok
        (new,) = server.upload(("new.txt", b"new"))
        records = [Attachment.from_record(record) for each in storage.ids() if (record := storage.record(each))]

        (said,) = lines(door(server, "store", "rebuild", "--remove-old", "--json"))
        assert said["index"] == name
        assert done <= said["resumed"] < 4096
        # Only the rest was written, with room for the folders not being equally full.
        assert said["documents"] <= len(records) * (1 - 0.8 * said["resumed"] / 4096) + 10
        after = documents(server)
        assert {each: source for each, (_, source) in after.items()} == {each.id: source_of(each) for each in records}
        assert after[new][1]["name"] == "new.txt"
        left = requests.get(f"{server.elasticsearch_url}/{server.index}-*", timeout=60).json()
        assert list(left) == [name]
        assert "building" not in left[name]["mappings"]["_meta"]


def test_damaged_record_is_named_and_the_rest_is_rebuilt(start_server: ServerFactory) -> None:
    server = start_server()
    one, two = server.upload(("one.txt", b"x")) + server.upload(("two.txt", b"x"))
    path = next(Path(server.data).rglob(f"{one}.json"))
    path.write_text("{")
    result = door(server, "store", "rebuild")
    assert result.returncode == 1
    assert f"damaged-record: {path.relative_to(server.data)}" in result.stderr
    assert documents(server).keys() == {two}
