"""Who is let through to an Elasticsearch that stands still."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import ClientGone, IndexUnavailable, SearchTimedOut
from app.index import admission as module
from app.index.admission import Gate


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gate after a call that had no answer."""
    monkeypatch.setattr(module, "SLOW", 0.0)
    stalled = Gate(60, 4)
    _fail(stalled)
    return stalled


def _fail(gate: Gate, *, probe: bool = False) -> None:
    with pytest.raises(IndexUnavailable), gate.passage(probe=probe):
        raise IndexUnavailable()


def _refused(gate: Gate, *, probe: bool = False) -> bool:
    try:
        with gate.passage(probe=probe):
            raise AssertionError("let through")
    except IndexUnavailable:
        return True


def test_nobody_but_a_probe_is_let_through(gate: Gate) -> None:
    assert gate.stalled
    assert _refused(gate)
    _fail(gate, probe=True)
    assert _refused(gate)
    with gate.passage(probe=True):
        pass
    assert not gate.stalled
    with gate.passage():
        pass


def test_one_probe_at_a_time(gate: Gate) -> None:
    with gate.passage(probe=True):
        refused = []
        others = [threading.Thread(target=lambda: refused.append(_refused(gate, probe=True))) for _ in range(3)]
        for each in others:
            each.start()
        for each in others:
            each.join()
    assert refused == [True] * 3


def test_where_nobody_probes_the_next_caller_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW", 0.0)
    gate = Gate(60, 4, unattended=0.0)
    _fail(gate)
    assert gate.stalled
    with gate.passage():
        pass
    assert not gate.stalled


def test_a_tenant_at_the_gate_leaves_places_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call each at once, and all but one of the places to wait in while a call is slow."""
    monkeypatch.setattr(module, "SLOW", 0.0)
    gate = Gate(60, 2, each=1, patient=2)
    entered: list[str] = []

    def call(tenant: str) -> None:
        with gate.passage(tenant=tenant):
            entered.append(tenant)

    with ThreadPoolExecutor(4) as others:
        with gate.passage(tenant="a"):
            waits = others.submit(call, "a")
            while not gate._before["a"]:
                assert not waits.done()
            assert isinstance(others.submit(call, "a").exception(), IndexUnavailable)
            others.submit(call, "b").result()
            assert entered == ["b"]
        waits.result()
    assert entered == ["b", "a"]
    assert not gate._inside | gate._before


def test_whose_time_outs_tell_nothing_of_elasticsearch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW", 0.0)
    gate = Gate(60, 1, telling=False)
    _fail(gate)
    assert not gate.stalled
    with gate.passage():
        pass


def test_a_search_that_elasticsearch_ended_tells_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW", 0.0)
    gate = Gate(60, 1)
    for error in (SearchTimedOut, ClientGone):
        with pytest.raises(error), gate.passage():
            raise error
        assert not gate.stalled
    _fail(gate)
    assert gate.stalled


def test_a_place_that_is_held_is_taken_for_its_tenant_alone() -> None:
    gate = Gate(0.3, 4, each=1)
    with gate.passage(tenant="a"):
        release = gate.hold("a")
    with pytest.raises(IndexUnavailable), gate.passage(tenant="a"):
        pass
    with gate.passage(tenant="b"):
        pass
    release()
    with gate.passage(tenant="a"):
        pass
