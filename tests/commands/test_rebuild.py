"""The index is made again from the records: the same documents, nothing lost, nothing brought back."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.commands.doors import door, findings, lines
from tests.support.app import ROOT, Server, ServerFactory


def documents(server: Server) -> dict[str, tuple[int, dict[str, Any]]]:
    url = f"{server.elasticsearch_url}/{server.index}"
    requests.post(f"{url}/_refresh", timeout=10)
    answer = requests.post(f"{url}/_search", json={"size": 5000, "version": True}, timeout=10).json()
    return {hit["_id"]: (hit["_version"], hit["_source"]) for hit in answer["hits"]["hits"]}


def test_lost_index_comes_back_field_for_field(start_server: ServerFactory) -> None:
    server = start_server()
    server.upload(("Ä report.PDF", b"%PDF-1.4"), ("no extension", b"x"), session="s1")
    gone = server.upload(("gone.txt", b"x"))[0]
    assert server.delete(f"/attachment/{gone}").ok
    before = documents(server)
    assert len(before) == 2
    server.stop()
    requests.delete(f"{server.elasticsearch_url}/{server.index}-000001", timeout=10)
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
    assert sorted(requests.get(indices, timeout=10).json()) == [f"{server.index}-{n:06d}" for n in (1, 2)]
    assert door(server, "store", "rebuild", "--remove-old").returncode == 0
    assert list(requests.get(indices, timeout=10).json()) == [f"{server.index}-000003"]
    assert len(server.hits()) == 1
    server.upload(("two.txt", b"x"))
    assert len(server.hits()) == 2


def test_under_load_nothing_is_lost_and_nothing_comes_back(start_server: ServerFactory) -> None:
    server = start_server()
    kept: list[str] = []
    deleted: list[str] = []
    failed: list[str] = []
    stop = threading.Event()

    def work(number: int) -> None:
        try:
            while not stop.is_set():
                session = f"s{number}-{time.monotonic_ns()}"
                one, two = server.upload(("a.txt", b"a"), ("b.txt", b"b"), session=session)
                if len(server.hits(f"session={session}")) != 2:
                    failed.append(f"{session} was not found at once")
                assert server.delete(f"/attachment/{one}").ok
                if [hit["_id"] for hit in server.hits(f"session={session}")] != [two]:
                    failed.append(f"{one} was found after its delete")
                kept.append(two)
                deleted.append(one)
        except BaseException as error:
            failed.append(repr(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    try:
        for _ in range(4):
            result = door(server, "store", "rebuild", "--remove-old")
            assert result.returncode == 0, result.stderr
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert failed == []
    assert len(kept) > 20
    assert documents(server).keys() == set(kept)
    assert findings(server) == (0, [])


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4])
def test_killed_rebuild_is_taken_up(delay: float, start_server: ServerFactory) -> None:
    server = start_server(MAX_FILES="1000", MAX_FORM_FIELDS="1000")
    for _ in range(5):
        server.upload(*((f"{number}.txt", b"x") for number in range(400)))
    before = documents(server)
    process = subprocess.Popen(
        [str(ROOT / "scripts" / "store"), "rebuild"], env={**os.environ, **server.environment}, cwd=ROOT
    )
    second = f"{server.elasticsearch_url}/{server.index}-000002"
    while process.poll() is None and requests.get(second, timeout=10).status_code == 404:
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # What came and went in the meantime.
    gone = next(iter(before))
    assert server.delete(f"/attachment/{gone}").ok
    (new,) = server.upload(("new.txt", b"new"))
    result = door(server, "store", "rebuild", "--remove-old", "--json")
    assert result.returncode == 0, result.stderr
    after = documents(server)
    assert after.pop(new)[1]["name"] == "new.txt"
    assert after == {each: content for each, content in before.items() if each != gone}
    left = requests.get(f"{server.elasticsearch_url}/{server.index}-*", timeout=10).json()
    assert len(left) == 1
    assert "building" not in next(iter(left.values()))["mappings"]["_meta"]


def test_damaged_record_is_named_and_the_rest_is_rebuilt(start_server: ServerFactory) -> None:
    server = start_server()
    one, two = server.upload(("one.txt", b"x")) + server.upload(("two.txt", b"x"))
    path = next(Path(server.data).rglob(f"{one}.json"))
    path.write_text("{")
    result = door(server, "store", "rebuild")
    assert result.returncode == 1
    assert f"damaged-record: {path.relative_to(server.data)}" in result.stderr
    assert documents(server).keys() == {two}
