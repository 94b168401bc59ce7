"""What a migration meets besides uploads: a rollback, killed or with a write of the last moment, a second one, chats."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.dialects.coder.client import CHATS, call, chat
from tests.faults.test_migration import KILLED, documents
from tests.integration.commands.doors import door, findings, lines
from tests.support.app import ROOT, Server, ServerFactory
from tests.support.breaking import Fault, Proxy
from tests.support.seed import seed

STEPS = {
    "before anything": ("fill", "before", 1),
    "some documents are brought": ("fill", "after", 2),
    "all is brought, before the exchange": ("swap", "before", 1),
    "after the exchange": ("swap", "after", 1),
}


def generations(server: Server) -> dict[str, Any]:
    (status,) = lines(door(server, "index", "status", "coco_attachment", "--json"))
    return {each["name"]: each for each in status["generations"]}


def in_use(server: Server) -> str:
    (name,) = requests.get(f"{server.elasticsearch_url}/_alias/{server.index}", timeout=60).json()
    return str(name)


@pytest.mark.parametrize("step", STEPS)
def test_killed_rollback(step: str, start_server: ServerFactory) -> None:
    server = start_server()
    early = server.upload(("a.txt", b"a"), ("b.txt", b"b"))
    assert door(server, "index", "migrate", "coco_attachment", "--force").returncode == 0
    # What the older generation lacks: enough for several notes of the killed run, and a delete.
    late = [server.upload(*((f"{n}-{m}.txt", b"c") for m in range(50)))[0] for n in range(6)]
    assert server.delete(f"/attachment/{early[0]}").ok
    before, old, new = documents(server), f"{server.index}-000001", f"{server.index}-000002"
    words = [str(word) for word in STEPS[step]]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words, "rollback", "coco_attachment"],
        env={**os.environ, **server.environment, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    done = step == "after the exchange"
    assert in_use(server) == (old if done else new)
    assert documents(server) == before
    # The store works on, and what happens now is in what the second run makes.
    assert server.delete(f"/attachment/{late[0]}").ok
    (added,) = server.upload(("new.txt", b"new"), session="new")
    assert [hit["_id"] for hit in server.hits("session=new")] == [added]

    if not done:
        (result,) = lines(door(server, "index", "rollback", "coco_attachment", "--json"))
        assert (result["done"], result["to"]) == (True, old)
    assert in_use(server) == old
    after = documents(server)
    assert after.pop(added)[1]["name"] == "new.txt"
    assert after == {each: content for each, content in before.items() if each != late[0]}
    assert findings(server) == (0, [])


def test_two_migrations_at_once(start_server: ServerFactory) -> None:
    server = start_server()
    seed(server.data, 3_000)
    assert door(server, "store", "rebuild", "--remove-old").returncode == 0
    (old,) = generations(server)
    command = [str(ROOT / "scripts" / "index"), "migrate", "coco_attachment", "--force", "--json"]
    first = subprocess.Popen(
        command, env={**os.environ, **server.environment}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while len(requests.get(f"{server.elasticsearch_url}/{server.index}-0*", timeout=60).json()) < 2:
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # Held in the middle, however fast this machine is, until the second one was tried.
        os.killpg(first.pid, signal.SIGSTOP)
        assert in_use(server) == old
        for words in (("migrate", "--force"), ("rollback",), ("delete", "--yes")):
            second = door(server, "index", words[0], "coco_attachment", *words[1:])
            assert (second.returncode, second.stdout) == (3, "")
            assert second.stderr == "another rebuild or migration of this store is running\n"
        assert len(server.hits("session=seeded&size=1000")) == 1000
    finally:
        os.killpg(first.pid, signal.SIGCONT)
        said, _ = first.communicate(timeout=120)
    assert first.returncode == 0
    assert json.loads(said)["done"] is True
    found = generations(server)
    assert [each["documents"] for each in found.values()] == [3_000, 3_000]
    assert [each["unfinished"] for each in found.values()] == [False, False]
    assert in_use(server) == json.loads(said)["to"]


def test_chats_under_load(start_server: ServerFactory) -> None:
    server = start_server()
    alias = f"{server.index}_chat"
    stop = threading.Event()

    def work(number: int) -> list[tuple[str, bool]]:
        """Make chats, archive every second one and find both at once; what was acknowledged."""
        made: list[tuple[str, bool]] = []
        while not stop.is_set():
            title = f"{number}-{len(made)}"
            chat_id = chat(server, title=title)["id"]
            archived = len(made) % 2 == 0
            if archived:
                answer = call(server, "POST", f"{CHATS}/{chat_id}/archive")
                assert answer.ok, answer.text
            got = call(server, "GET", f"{CHATS}/{chat_id}")
            assert (got.status_code, got.json()["archived"]) == (200, archived)
            made.append((chat_id, archived))
        return made

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(work, number) for number in range(3)]
        try:
            for command in (("create", "coco_chat"), ("migrate", "coco_chat", "--force"), ("rollback", "coco_chat")):
                result = door(server, "index", *command, "--json")
                assert result.returncode == 0, result.stderr
        finally:
            stop.set()
        made = [each for future in working for each in future.result()]
    # Each of them went round more than once.
    assert len(made) > 3
    url = f"{server.elasticsearch_url}/{alias}/_search"
    hits = requests.post(url, json={"size": 10_000}, timeout=30).json()["hits"]["hits"]
    assert sorted((hit["_id"], hit["_source"]["archived"]) for hit in hits) == sorted(made)


def somebody_waits(server: Server) -> bool:
    """Whether a command waits to be alone: it keeps the door of the change lock closed for as long."""
    with (server.data / ".door.lock").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_is_written_while_a_rollback_waits_to_be_alone_is_taken_along(
    start_server: ServerFactory, proxy: Proxy, elasticsearch_url: str
) -> None:
    """A new document, and one that only changes: of that no count of documents tells."""
    server = start_server(elasticsearch_url=proxy.url, ELASTICSEARCH_TIMEOUT="60")
    server.upload(("first.txt", b"first"))
    chat_id = chat(server)["id"]
    changes: dict[str, tuple[str, Callable[[], object]]] = {
        "coco_attachment": ("_bulk", lambda: server.upload(("last.txt", b"last"), session="last")),
        "coco_chat": ("PUT /", lambda: call(server, "POST", f"{CHATS}/{chat_id}/archive").raise_for_status()),
    }
    for index, (written, change) in changes.items():

        def run(*words: str, index: str = index) -> dict[str, Any]:
            result = door(server, "index", words[0], index, *words[1:], "--json", ELASTICSEARCH_URL=elasticsearch_url)
            assert result.returncode == 0, result.stderr
            (said,) = lines(result)
            return said

        run("migrate", "--force")
        arrived = threading.Event()
        fault = proxy.fault = Fault(written, hold_until=arrived, times=1)
        with ThreadPoolExecutor(2) as pool:
            try:
                changing = pool.submit(change)
                wait_until(lambda fault=fault: fault.hit == 1)  # type: ignore[misc]
                going_back = pool.submit(run, "rollback")
                wait_until(lambda: somebody_waits(server))
            finally:
                arrived.set()
            changing.result()
            assert going_back.result()["to"].endswith("-000001")
    assert [hit["_source"]["name"] for hit in server.hits("session=last")] == ["last.txt"]
    assert call(server, "GET", f"{CHATS}/{chat_id}").json()["archived"] is True
    assert findings(server) == (0, [])
