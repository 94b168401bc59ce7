"""Calls that fail hold nothing: neither their own descriptor nor those of connections that died with them."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from app.errors import ClientGone, IndexOutcomeUnknown
from app.index.calls import Calls
from app.index.node import _dropped
from app.settings import Settings
from tests.support.breaking import Fault, Proxy
from tests.support.calls import calls_to, idle
from tests.support.descriptors import of_others, sockets


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    with Proxy(elasticsearch_url) as running:
        yield running


@pytest.fixture
def calls(proxy: Proxy) -> Iterator[Calls]:
    made = calls_to(Settings(elasticsearch_url=proxy.url))
    yield made
    made.close()


def ask(calls: Calls) -> bytes:
    path = "/_cluster/health?filter_path=status"
    return calls.ask(path, b"", "application/json", "application/json", None, lambda: 30.0, method="GET").content


def await_descriptors(before: set[str], proxy: Proxy) -> None:
    """Wait until this process has no socket more than `before` that is not somebody else's: the proxy's own go a moment
    after the call."""
    deadline = time.monotonic() + 60
    while more := sockets() - before - of_others(proxy.port):
        assert time.monotonic() < deadline, more
        time.sleep(0.02)


@pytest.mark.parametrize(
    "fault",
    [Fault(reset_request=True), Fault(reset_after=True), Fault(cut_answer_at=20), Fault(cut_answer_at=60)],
    ids=["before the work", "after the work", "in the head", "further on"],
)
def test_a_reset_call_holds_no_descriptor(calls: Calls, proxy: Proxy, fault: Fault) -> None:
    """Also while somebody keeps the error, and with it the frames that it came through."""
    before = sockets()
    proxy.fault = replace(fault)
    kept = []
    for _ in range(3):
        with pytest.raises(IndexOutcomeUnknown) as raised:
            ask(calls)
        kept.append(raised.value)
    await_descriptors(before, proxy)
    assert len(kept) == 3


def test_a_failed_call_takes_the_dead_connections_along(calls: Calls, proxy: Proxy) -> None:
    before = sockets()
    proxy.fault = Fault(hold_until=threading.Event())
    assert proxy.fault.hold_until is not None
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, calls) for _ in range(4)]
        while proxy.fault.hit < 4:
            time.sleep(0.01)
        proxy.fault.hold_until.set()
        assert [answer.result() for answer in answers] == [answers[0].result()] * 4
    assert len(idle(calls)) == 4
    # All but the one that is used next.
    dying = list(idle(calls)[:-1])
    proxy.reset({connection.getsockname() for connection in dying})
    while not all(map(_dropped, dying)):
        time.sleep(0.01)
    proxy.fault = Fault(reset_request=True)
    with pytest.raises(IndexOutcomeUnknown):
        ask(calls)
    assert idle(calls) == []
    await_descriptors(before, proxy)


def test_connections_that_live_are_kept(calls: Calls, proxy: Proxy) -> None:
    """A call that fails by itself leaves the others their connections."""
    ask(calls)
    (alive,) = idle(calls)
    idle(calls).clear()
    proxy.fault = Fault(hold_until=threading.Event())
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, calls)
        while proxy.fault.hit < 1:
            time.sleep(0.01)
        idle(calls).append(alive)
        assert proxy.fault.hold_until is not None
        proxy.fault.reset_after = True
        proxy.fault.hold_until.set()
        with pytest.raises(IndexOutcomeUnknown):
            answer.result()
    assert idle(calls) == [alive]


def test_who_leaves_takes_the_call_along(calls: Calls, proxy: Proxy) -> None:
    """The connection to Elasticsearch is closed at once: by that it stops a search."""
    before = sockets()
    proxy.fault = Fault(hold_answer_until=threading.Event())
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        path = "/_cluster/health?filter_path=status"
        answer = pool.submit(
            calls.ask, path, b"", "application/json", "application/json", None, lambda: 120.0, method="GET", client=ours
        )
        assert proxy.fault.through.wait(60)
        # What it sends meanwhile is no end.
        theirs.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(TimeoutError):
            answer.result(0.2)
        theirs.close()
        with pytest.raises(ClientGone):
            answer.result(60)
    assert proxy.fault.hold_answer_until is not None
    proxy.fault.hold_answer_until.set()
    await_descriptors(before, proxy)


def test_who_stays_has_the_answer(calls: Calls) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        path = "/_cluster/health?filter_path=status"
        answer = calls.ask(
            path, b"", "application/json", "application/json", None, lambda: 30.0, method="GET", client=ours
        )
    assert b"status" in answer.content
