"""A migration while clients work, and one that is killed: nothing acknowledged is lost, doubled, or brought back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import requests

from tests.integration.commands.doors import door, findings, lines
from tests.support.app import ROOT, Server, ServerFactory
from tests.support.seed import seed
from tests.support.traffic import Traffic

#: Runs scripts/index, and kills the process (SIGKILL, nothing is cleaned up) before or after the n-th call of a step.
KILLED = """
import os, signal, sys
from app.upkeep import migration
from app.commands import index
from app.index.generations import Generations

step, when, number, *words = sys.argv[1:]
migration.NOTE_EVERY = 100
original, calls = getattr(Generations, step), 0

def last(*arguments, **options):
    global calls
    calls += 1
    if calls == int(number) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*arguments, **options)
    if calls == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(Generations, step, last)
sys.exit(index.main(words))
"""


def documents(server: Server) -> dict[str, tuple[int, dict[str, Any]]]:
    url = f"{server.elasticsearch_url}/{server.index}"
    requests.post(f"{url}/_refresh", timeout=60)
    answer = requests.post(f"{url}/_search", json={"size": 10_000, "version": True}, timeout=60).json()
    return {hit["_id"]: (hit["_version"], hit["_source"]) for hit in answer["hits"]["hits"]}


@pytest.mark.timeout(600)
def test_under_load(start_server: ServerFactory) -> None:
    server = start_server()
    seeded = seed(server.data, 4_000)
    assert door(server, "store", "rebuild").returncode == 0
    reports = []
    with Traffic(server) as traffic:
        for command in (("migrate", "coco_attachment", "--force"), ("rollback", "coco_attachment")):
            result = door(server, "index", *command, "--json")
            assert result.returncode == 0, result.stderr
            reports += lines(result)
    assert traffic.failed == []
    # Each of the clients went round more than once.
    assert len(traffic.kept) > 4
    assert all(each["done"] and each["copied"] >= len(seeded) for each in reports)
    total = requests.get(f"{server.elasticsearch_url}/{server.index}/_count", timeout=60).json()["count"]
    assert total == len(seeded) + len(traffic.kept)
    (deleted,) = [requests.post(f"{server.elasticsearch_url}/{server.index}/_mget", json={"ids": traffic.deleted})]
    assert not any(each["found"] for each in deleted.json()["docs"])
    assert findings(server) == (0, [])
    print(reports, f"slowest write {traffic.slowest_write:.2f} s, read {traffic.slowest_read:.2f} s")


STEPS = {
    "the new index is there": ("create", "after", 1),
    "some documents are copied": ("fill", "after", 2),
    "and that is noted": ("mark", "after", 2),
    "all is brought, before the exchange": ("swap", "before", 1),
    "after the exchange": ("swap", "after", 1),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed(step: str, start_server: ServerFactory) -> None:
    server = start_server()
    seed(server.data, 600)
    assert door(server, "store", "rebuild", "--remove-old").returncode == 0
    before = documents(server)
    words = [str(word) for word in STEPS[step]]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words, "migrate", "coco_attachment", "--force"],
        env={**os.environ, **server.environment, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    assert documents(server) == before
    gone = next(iter(before))
    assert server.delete(f"/attachment/{gone}").ok
    (new,) = server.upload(("new.txt", b"new"), session="new")
    assert [hit["_id"] for hit in server.hits("session=new")] == [new]

    (result,) = lines(door(server, "index", "migrate", "coco_attachment", "--force", "--json"))
    assert result["done"]
    # After the exchange there is nothing to take up: what was asked for a second time is done a second time.
    assert result["resumed"] is (step != "after the exchange")
    after = documents(server)
    assert after.pop(new)[1]["name"] == "new.txt"
    assert after == {each: content for each, content in before.items() if each != gone}
    (status,) = lines(door(server, "index", "status", "coco_attachment", "--json"))
    assert [each["unfinished"] for each in status["generations"]] == [False] * len(status["generations"])
    assert findings(server) == (0, [])


def test_a_build_for_another_file_is_cleared_away(start_server: ServerFactory) -> None:
    server = start_server()
    server.upload(("a.txt", b"a"))
    subprocess.run(
        [sys.executable, "-c", KILLED, "swap", "before", "1", "migrate", "coco_attachment", "--shards", "2"],
        env={**os.environ, **server.environment, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    (status,) = lines(door(server, "index", "status", "coco_attachment", "--json"))
    assert [each["unfinished"] for each in status["generations"]] == [False, True]
    (result,) = lines(door(server, "index", "migrate", "coco_attachment", "--force", "--json"))
    assert result["resumed"] is False
    (status,) = lines(door(server, "index", "status", "coco_attachment", "--json"))
    assert [each["current"] for each in status["generations"]] == [False, True]
    assert len(server.hits()) == 1
