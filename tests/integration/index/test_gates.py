"""Searches that take long, and large texts, on a real node: so few at once, whatever is asked, and in nobody's way."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app import processing
from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder
from app.errors import ClientGone, IndexUnavailable, TooLate
from app.index import admission as gate
from app.index import connection
from app.index.admission import time_left
from app.index.attachments import HEAVY_PAGE, LARGE, AttachmentIndex
from app.index.connection import UNKNOWN
from app.index.documents import Write
from app.processing import LOOK, Processing
from app.settings import Settings
from app.telemetry.observation import Observation, observe
from tests.support.app import delete_index, unique_index
from tests.support.breaking import Fault, Proxy

THREADS = 16
#: After which what does not come is taken never to come.
SECONDS = 60.0
EVERYTHING: dict[str, Any] = {"query": {"match_all": {}}}
SLOW: dict[str, Callable[[AttachmentIndex, str], Any]] = {
    "marks": lambda index, tenant: index.search({**EVERYTHING, "highlight": {"fields": {"content": {}}}}, tenant),
    "a large page": lambda index, tenant: index.search({**EVERYTHING, "size": HEAVY_PAGE + 1}, tenant),
    "a caller's own": lambda index, tenant: index.ask(EVERYTHING, tenant),
    "several of a caller's own": lambda index, tenant: index.ask_several([EVERYTHING] * 2, tenant, finish=dict),
    "a count": lambda index, tenant: index.count(EVERYTHING, tenant),
}
#: What Elasticsearch is asked, where it is no search.
ASKED = {"several of a caller's own": "_msearch?max_concurrent_searches=1", "a count": "_count"}


@pytest.fixture(autouse=True)
def no_request_at_hand() -> Iterator[None]:
    """Whatever another test left."""
    observe(None)
    yield
    observe(None)


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    with Proxy(elasticsearch_url) as made:
        yield made


@pytest.fixture
def opened(tmp_path: Path, elasticsearch_url: str, proxy: Proxy) -> Iterator[Callable[[], AttachmentIndex]]:
    """Another process's view of one store's index, through the proxy."""
    settings = Settings(
        data=tmp_path,
        index=unique_index(),
        elasticsearch_url=proxy.url,
        elasticsearch_timeout=60.0,
        web_threads=THREADS,
    )
    with contextlib.ExitStack() as stack:

        def make() -> AttachmentIndex:
            return stack.enter_context(
                contextlib.closing(AttachmentIndex(settings, open_data_folder(tmp_path), Local(tmp_path)))
            )

        make().prepare()
        yield make
    delete_index(elasticsearch_url, settings.index)


def until(what: Callable[[], bool], *threads: Future[Any]) -> None:
    """Wait until it is so; not after one of `threads` has ended, which it must not."""
    deadline = time.monotonic() + SECONDS
    while not what():
        assert not any(each.done() for each in threads)
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kind", SLOW)
def test_slow_searches_take_few_places_and_none_of_others(
    opened: Callable[[], AttachmentIndex], proxy: Proxy, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While some are kept back: of one tenant one is on its way, others wait or are refused; other searches go on."""
    monkeypatch.setattr(gate, "SLOW", 0.0)
    index, ask = opened(), SLOW[kind]
    index.search({**EVERYTHING, "size": 1})
    fault = proxy.fault = Fault(ASKED.get(kind, "_search"), hold_until=threading.Event())
    assert fault.hold_until is not None
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            first = pool.submit(ask, index, "one")
            until(lambda: fault.hit == 1, first)
            own = [pool.submit(ask, index, "one") for _ in range(THREADS // 2)]
            # What finds no place to wait is refused, and leaves its thread to others.
            patient = THREADS * 3 // 8 - 1
            until(lambda: sum(each.done() for each in own) == len(own) - patient, first)
            assert {type(each.exception()) for each in own if each.done()} == {IndexUnavailable}
            assert fault.hit == 1
            second = pool.submit(ask, index, "other")
            until(lambda: fault.hit == 2, first, second)
            # A third tenant waits: both places are taken.
            third = pool.submit(ask, index, "third")
            until(lambda: index._slow_gate._before["third"] == 1, first, second, third)
            assert fault.hit == 2
            # All others go another way.
            proxy.fault = None
            assert json.loads(index.search({**EVERYTHING, "size": 1}))["hits"]["total"]["value"] == 0
        finally:
            fault.hold_until.set()
        for each in (first, second, third):
            each.result()
    assert sum(each.exception() is None for each in own) == patient
    assert not index.connection.gate.stalled


def test_what_people_type_has_places_of_its_own(opened: Callable[[], AttachmentIndex], proxy: Proxy) -> None:
    """While one is kept back, its tenant has no other on its way; slow searches and quick ones are not kept up by it."""
    index = opened()
    index.search({**EVERYTHING, "size": 1})
    fault = proxy.fault = Fault("_search", hold_until=threading.Event())
    assert fault.hold_until is not None
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            first = pool.submit(index.search, EVERYTHING, "one", doubtful=True)
            until(lambda: fault.hit == 1, first)
            second = pool.submit(index.search, EVERYTHING, "one", doubtful=True)
            other = pool.submit(index.search, EVERYTHING, "other", doubtful=True)
            until(lambda: fault.hit == 2, first, second, other)
            proxy.fault = None
            for found in (index.search(EVERYTHING, "one"), index.search(EVERYTHING, "one", slow=True)):
                assert json.loads(found)["hits"]["total"]["value"] == 0
            assert not second.done()
        finally:
            fault.hold_until.set()
        for each in (first, second, other):
            each.result()


@pytest.mark.parametrize("kind", ["slow", "doubtful"])
def test_a_place_is_given_back_once_elasticsearch_is_done(
    opened: Callable[[], AttachmentIndex], proxy: Proxy, kind: str
) -> None:
    """Its tasks say that there is no such search any more, long before the time of what nobody can see is over."""
    index = opened()
    index.search({**EVERYTHING, "size": 1})
    proxy.fault = Fault("_search", reset_after=True)
    observe(Observation("a-request"))
    began = time.monotonic()
    with pytest.raises(IndexUnavailable):
        index.search(EVERYTHING, "one", slow=kind == "slow", doubtful=True)
    place = index._slow_gate if kind == "slow" else index._doubtful_gate
    until(lambda: not place._inside)
    assert time.monotonic() - began < UNKNOWN


@pytest.mark.parametrize("kind", ["slow", "doubtful"])
def test_a_place_stays_taken_when_nobody_waits_any_more(
    opened: Callable[[], AttachmentIndex], proxy: Proxy, kind: str
) -> None:
    """Whether Elasticsearch is done with the search is not known here, as no request asks."""
    index = opened()
    index.search({**EVERYTHING, "size": 1})
    fault = proxy.fault = Fault("_search", hold_until=threading.Event())
    assert fault.hold_until is not None
    here, there = socket.socketpair()
    with here, ThreadPoolExecutor(1) as pool:
        try:
            left = pool.submit(index.search, EVERYTHING, "one", client=here, slow=kind == "slow", doubtful=True)
            until(lambda: fault.hit == 1, left)
            there.close()
            with pytest.raises(ClientGone):
                left.result()
        finally:
            fault.hold_until.set()
    place = index._slow_gate if kind == "slow" else index._doubtful_gate
    assert place._inside == {"one": 1}


@pytest.mark.parametrize("kind", ["ask", "search", "several"])
def test_what_is_made_of_an_answer_has_the_place_and_the_time_of_its_search(
    opened: Callable[[], AttachmentIndex], kind: str
) -> None:
    index, working, done = opened(), threading.Event(), threading.Event()
    marks = {**EVERYTHING, "highlight": {"fields": {"content": {}}}}

    def finish(answer: Any) -> bytes:
        working.set()
        assert done.wait(SECONDS)
        return b"made"

    asks: dict[str, Callable[[Callable[[Any], bytes]], bytes]] = {
        "ask": lambda finish: index.ask(EVERYTHING, "one", finish=finish),
        "search": lambda finish: index.search(marks, "one", finish),
        "several": lambda finish: index.ask_several([EVERYTHING], "one", finish=finish),
    }
    with ThreadPoolExecutor(2) as pool:
        try:
            first = pool.submit(asks[kind], finish)
            until(working.is_set, first)
            # Another one of the tenant waits for that, though Elasticsearch has answered.
            second = pool.submit(index.ask, EVERYTHING, "one")
            assert index._slow_gate._inside["one"] == 1
        finally:
            done.set()
        assert first.result() == b"made"
        second.result()

    def too_long(answer: Any) -> bytes:
        processing.begin(Processing(lambda: False))
        with processing.within(time_left(0.0) - 60.0):
            processing.spend(LOOK)
        return b""

    with pytest.raises(TooLate):
        asks[kind](too_long)
    processing.begin(None)
    # That is not Elasticsearch's fault.
    assert not index.connection.gate.stalled


def test_a_search_without_an_answer_says_nothing_of_the_node(
    opened: Callable[[], AttachmentIndex], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "SLOW", 0.0)
    # The place of each stays taken so long.
    monkeypatch.setattr(connection, "UNKNOWN", 1.0)
    index = opened()
    proxy.fault = Fault("_search", reset_after=True)
    for ask in (SLOW["marks"], SLOW["a large page"], SLOW["a caller's own"]):
        with pytest.raises(IndexUnavailable):
            ask(index, "one")
    proxy.fault = None
    assert not index.connection.gate.stalled
    index.search(EVERYTHING, "one")
    for ask in SLOW.values():
        ask(index, "one")


def test_large_texts_of_several_processes_go_one_after_the_other(
    opened: Callable[[], AttachmentIndex], proxy: Proxy, tmp_path: Path
) -> None:
    text = "some more words " * (LARGE // 16 + 1)
    processes = [opened(), opened()]
    for each in processes:
        each.prepare()
    fault = proxy.fault = Fault("_bulk", hold_until=threading.Event())
    assert fault.hold_until is not None

    def write(number: int) -> None:
        source = {"id": f"d{number}", "content_words": text}
        processes[number].put_documents([Write(f"d{number}", 1, source)])

    lock = tmp_path / ".text.lock"
    with ThreadPoolExecutor(2) as pool:
        try:
            first = pool.submit(write, 0)
            until(lambda: fault.hit == 1, first)
            second = pool.submit(write, 1)
            # It has the lock's file open too, and stays in front of it.
            until(lambda: opened_here(lock) == 2, first, second)
            assert fault.hit == 1
        finally:
            fault.hold_until.set()
        first.result()
        second.result()
    assert fault.hit == 2
    assert opened_here(lock) == 0


def opened_here(file: Path) -> int:
    """How many descriptors of this process are of `file`."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += each.readlink() == file
    return found
