"""Several addresses of one Elasticsearch, each behind a proxy that breaks it: where a call goes to, and how often."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder
from app.errors import IndexOutcomeUnknown, IndexRejected, IndexUnavailable
from app.index import node as module_of_node
from app.index import nodes as module_of_nodes
from app.index.attachments import AttachmentIndex
from app.index.documents import Write
from app.index.node import Node, _dropped
from app.model.attachment import now
from app.model.chat import Chat
from app.services.chats import AlreadySo, Chats
from app.settings import Settings
from tests.support.app import delete_index, unique_index
from tests.support.breaking import Fault, Proxy

EVERYTHING: dict[str, Any] = {"query": {"match_all": {}}}
SECONDS = 60.0
#: What a node says that has lost its master.
NO_MASTER = ("503 Service Unavailable", b'{"error":{"type":"master_not_discovered_exception"},"status":503}')


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a node that serves takes longer to say so."""
    for each in (module_of_node, module_of_nodes):
        monkeypatch.setattr(each, "SLOW", 2.0)


@pytest.fixture
def proxies(elasticsearch_url: str) -> Iterator[list[Proxy]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Proxy(elasticsearch_url)) for _ in range(3)]


@pytest.fixture
def settings(tmp_path: Path, proxies: list[Proxy]) -> Settings:
    return Settings(
        data=tmp_path,
        index=unique_index(),
        elasticsearch_url=",".join(each.url for each in proxies),
        elasticsearch_timeout=20.0,
        web_threads=8,
    )


@pytest.fixture
def index(settings: Settings, elasticsearch_url: str) -> Iterator[AttachmentIndex]:
    with contextlib.closing(AttachmentIndex(settings, open_data_folder(settings.data), Local(settings.data))) as made:
        made.prepare()
        yield made
    delete_index(elasticsearch_url, settings.index)


@pytest.fixture
def chats(settings: Settings, index: AttachmentIndex) -> Chats:
    made = Chats(settings, open_data_folder(settings.data), index.connection, Local(settings.data).change_lock)
    made.create(chat("first"))
    return made


def chat(name: str) -> Chat:
    moment = now()
    return Chat(name, "one", "o", None, moment, moment, False, name, None, (), ())


def listed(chats: Chats) -> list[Chat]:
    return [Chat.from_source(json.loads(each)) for each in chats.page("one", written, archived=False, size=10).chats]


def written(each: Chat) -> bytes:
    return json.dumps(each.to_source()).encode()


def nodes_of(index: AttachmentIndex, proxies: list[Proxy]) -> list[Node]:
    """The node of each proxy."""
    found = {each.config.port: each for each in index.connection._nodes._pool.all() if isinstance(each, Node)}
    return [found[each.port] for each in proxies]


@pytest.fixture
def first(index: AttachmentIndex, proxies: list[Proxy]) -> Node:
    """The node at the first address, to which all calls go first: the others are told that they have enough to do."""
    node, *others = nodes_of(index, proxies)
    for each in others:
        each._begun.update((object(), time.monotonic() + 3600) for _ in range(100))
    return node


def write(name: str, version: int = 1) -> Write:
    return Write(name, version, {"id": name})


def total(index: AttachmentIndex) -> int:
    return int(json.loads(index.search(EVERYTHING))["hits"]["total"]["value"])


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def take_back(index: AttachmentIndex, node: Node) -> None:
    """Have the next call go there, as if it had answered again."""
    node.failed = False
    index.connection._nodes._pool.mark_live(node)


def counted(proxies: list[Proxy], path: str) -> list[Fault]:
    """Has the proxies count the requests with this path."""
    for each in proxies:
        each.fault = Fault(path)
    return [each.fault for each in proxies if each.fault is not None]


def test_calls_are_shared_by_what_is_under_way(index: AttachmentIndex, proxies: list[Proxy]) -> None:
    """Also by calls that have no answer yet: a node that lets wait has its part of them, and no more."""
    faults, go = counted(proxies, "_search"), threading.Event()
    for each in faults:
        each.hold_until = go
    with ThreadPoolExecutor(6) as pool:
        try:
            found = [pool.submit(total, index) for _ in range(6)]
            until(lambda: sum(each.hit for each in faults) == 6)
            assert [each.hit for each in faults] == [2, 2, 2]
        finally:
            go.set()
        assert [each.result() for each in found] == [0] * 6


def test_one_after_the_other_in_turn(index: AttachmentIndex, proxies: list[Proxy]) -> None:
    faults = counted(proxies, "_search")
    for _ in range(9):
        assert total(index) == 0
    assert [each.hit for each in faults] == [3, 3, 3]


def test_a_refused_connection_is_another_nodes_call(
    index: AttachmentIndex, chats: Chats, proxies: list[Proxy], first: Node
) -> None:
    """Whatever the call: nothing was sent."""
    proxies[0].refuse()
    chats.set_archived("first", "one", True)
    assert (first.failed, first.failures) == (True, 1)
    index.put_documents([write("a")])
    assert total(index) == 1


def test_where_all_refuse_it_was_certainly_not_done(index: AttachmentIndex, chats: Chats, proxies: list[Proxy]) -> None:
    for each in proxies:
        each.refuse()
    # What is sent over a connection that is reset just then is sent.
    kept = [connection for each in nodes_of(index, proxies) for connection in each._idle]
    until(lambda: all(map(_dropped, kept)))
    for call in (
        lambda: index.search(EVERYTHING),
        lambda: index.put_documents([write("a")]),
        lambda: chats.set_archived("first", "one", True),
    ):
        with pytest.raises(IndexUnavailable) as raised:
            call()
        assert type(raised.value) is IndexUnavailable
    assert index.connection.not_serving() == [1, 2, 3]
    for each in proxies:
        each.accept()
    until(lambda: index.connection.not_serving() == [])
    index.put_documents([write("a")])
    assert total(index) == 1


@pytest.mark.parametrize("fault", [Fault("_bulk", reset_after=True), Fault("_bulk", cut_answer_at=20)])
def test_a_bulk_without_an_answer_is_sent_again(
    index: AttachmentIndex, proxies: list[Proxy], first: Node, fault: Fault
) -> None:
    """Its versions make the second time harmless, of documents and of removals."""
    faults = counted(proxies, "_bulk")
    faults[0] = proxies[0].fault = replace(fault)
    index.put_documents([write("a"), write("b")])
    assert [each.hit for each in faults[1:]] in ([0, 1], [1, 0])
    assert total(index) == 2
    take_back(index, first)
    index.remove(["a"])
    assert total(index) == 1
    assert sum(each.hit for each in faults[1:]) == 2


@pytest.mark.parametrize(
    "answer",
    [
        ("429 Too Many Requests", b"{}"),
        ("400 Bad Request", b"{}"),
        ("200 OK", b'{"items":[{"index":{"status":429,"error":{"type":"es_rejected_execution_exception"}}}]}'),
    ],
)
def test_what_is_refused_the_second_time_may_have_been_done(
    index: AttachmentIndex, proxies: list[Proxy], first: Node, answer: tuple[str, bytes]
) -> None:
    proxies[0].fault = Fault("_bulk", reset_after=True)
    for each in proxies[1:]:
        each.fault = Fault("_bulk", replace_answer=answer)
    with pytest.raises(IndexOutcomeUnknown):
        index.put_documents([write("a")])
    for each in proxies:
        each.fault = None
    assert total(index) == 1


def test_what_is_refused_the_first_time_is_not_sent_again(
    index: AttachmentIndex, proxies: list[Proxy], first: Node
) -> None:
    faults = counted(proxies, "_bulk")
    faults[0].replace_answer = ("429 Too Many Requests", b"{}")
    with pytest.raises(IndexUnavailable) as raised:
        index.put_documents([write("a")])
    assert type(raised.value) is IndexUnavailable
    assert [each.hit for each in faults] == [1, 0, 0]


def test_a_change_of_a_chat_without_an_answer_is_not_sent_again(
    index: AttachmentIndex, chats: Chats, proxies: list[Proxy], first: Node
) -> None:
    """It names the state that it was decided on, so the second time would be refused because of the first."""
    faults = counted(proxies, "PUT /")
    faults[0].reset_after = True
    with pytest.raises(IndexOutcomeUnknown):
        chats.set_archived("first", "one", True)
    assert [each.hit for each in faults] == [1, 0, 0]
    with pytest.raises(AlreadySo):
        chats.set_archived("first", "one", True)
    # What reads is sent again.
    faults = counted(proxies, "GET /")
    take_back(index, first)
    faults[0].reset_after = True
    assert chats.get("first", "one").archived
    assert sum(each.hit for each in faults) == 2


def test_a_node_that_stands_still(index: AttachmentIndex, chats: Chats, proxies: list[Proxy], first: Node) -> None:
    """It is left out, and taken back by itself; the others are not counted as stalled because of it."""
    fault = proxies[0].fault = Fault(hold_until=threading.Event())
    assert fault.hold_until is not None
    try:
        index.put_documents([write("a")])
        assert (first.failed, first.failures) == (True, 1)
        for _ in range(5):
            assert total(index) == 1
        until(lambda: index.connection.not_serving() == [1])
        # What is not sent again has no known outcome, if the node stood still just then.
        take_back(index, first)
        with pytest.raises(IndexOutcomeUnknown):
            chats.create(chat("late"))
        assert not index.connection.gate.stalled
        assert total(index) == 1
    finally:
        proxies[0].fault = None
        fault.hold_until.set()
    until(lambda: total(index) == 1 and not first.failed)
    until(lambda: [each.id for each in listed(chats)] == ["late", "first"])


def test_where_all_stand_still_the_gate_is_told(index: AttachmentIndex, proxies: list[Proxy]) -> None:
    go = threading.Event()
    for each in proxies:
        each.fault = Fault(hold_until=go)
    try:
        with pytest.raises(IndexOutcomeUnknown), index.connection.gate.passage(3.0):
            index.search(EVERYTHING)
        assert index.connection.gate.stalled
    finally:
        for each in proxies:
            each.fault = None
        go.set()
    index.look_after_stall()
    assert total(index) == 0


def test_a_slow_answer_of_a_node_that_serves_is_waited_for(
    index: AttachmentIndex, proxies: list[Proxy], first: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, serves = threading.Event(), first.serves

    def asking(seconds: float) -> bool:
        answer = serves(seconds)
        asked.set()
        return answer

    monkeypatch.setattr(first, "serves", asking)
    faults = counted(proxies, "_search")
    go = faults[0].hold_until = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            found = pool.submit(total, index)
            assert asked.wait(SECONDS)
        finally:
            go.set()
        assert found.result() == 0
    assert [each.hit for each in faults] == [1, 0, 0]
    assert not first.failed


def test_a_node_without_a_master(index: AttachmentIndex, proxies: list[Proxy], first: Node) -> None:
    faults = counted(proxies, "_search")
    faults[0] = proxies[0].fault = Fault(replace_answer=NO_MASTER)
    assert total(index) == 0
    assert first.failures == 1
    until(lambda: index.connection.not_serving() == [1])


def test_what_a_node_that_serves_can_not_answer_is_not_asked_again(
    index: AttachmentIndex, proxies: list[Proxy], first: Node
) -> None:
    """As a search with no copy of a shard left: every node would say the same."""
    faults = counted(proxies, "_search")
    faults[0].replace_answer = NO_MASTER
    with pytest.raises(IndexOutcomeUnknown):
        index.search(EVERYTHING)
    assert [each.hit for each in faults] == [1, 0, 0]
    assert not first.failed


def test_what_fails_together_counts_once(index: AttachmentIndex, proxies: list[Proxy], first: Node) -> None:
    """Otherwise a node with many calls under way would be left out for longer than one with few."""
    go = threading.Event()
    fault = proxies[0].fault = Fault("_search", hold_until=go, reset_after=True)
    with ThreadPoolExecutor(4) as pool:
        try:
            found = [pool.submit(total, index) for _ in range(4)]
            until(lambda: fault.hit == 4)
        finally:
            go.set()
        assert [each.result() for each in found] == [0] * 4
    assert first.failures == 1


def test_a_search_that_is_refused_is_refused_once(index: AttachmentIndex, proxies: list[Proxy], first: Node) -> None:
    faults = counted(proxies, "_search")
    with pytest.raises(IndexRejected):
        index.search({"query": {"no_such_query": {}}})
    assert [each.hit for each in faults] == [1, 0, 0]
