"""Which vectors of queries are kept, for whom, and for how long."""

from __future__ import annotations

from array import array

from app.embeddings.remembered import EACH, TENANTS, Process, Read, Remembered

FIRST, SECOND = Process("/dev/shm/x/socket", 1), Process("/dev/shm/x/socket", 2)


def read(number: float) -> Read:
    return array("f", [number, 1.0]), 3


def test_a_tenant_finds_what_it_asked_and_nothing_of_others() -> None:
    found = Remembered()
    found.keep(FIRST, "one", "a question", read(1))
    assert found.find(FIRST, "one", "a question") == read(1)
    assert found.find(FIRST, "one", "a question ") is None
    assert found.find(FIRST, "two", "a question") is None
    found.keep(FIRST, "two", "a question", read(2))
    assert found.find(FIRST, "one", "a question") == read(1)


def test_what_another_process_answered_does_not_count() -> None:
    found = Remembered()
    found.keep(FIRST, "one", "x", read(1))
    assert found.find(SECOND, "one", "x") is None
    found.keep(SECOND, "one", "y", read(2))
    assert found.find(FIRST, "one", "x") is None
    assert found.find(SECOND, "one", "x") is None
    assert found.find(SECOND, "one", "y") == read(2)


def test_a_tenant_pushes_out_only_its_own() -> None:
    found = Remembered()
    found.keep(FIRST, "quiet", "x", read(0))
    for number in range(4 * EACH):
        found.keep(FIRST, "busy", str(number), read(number))
        # What is asked again stays.
        assert found.find(FIRST, "busy", "0") == read(0)
    assert found.find(FIRST, "quiet", "x") == read(0)
    kept = [number for number in range(4 * EACH) if found.find(FIRST, "busy", str(number))]
    assert kept == [0, *range(3 * EACH + 1, 4 * EACH)]


def test_there_is_a_bound_for_all_together() -> None:
    found = Remembered()
    for number in range(2 * TENANTS):
        found.keep(FIRST, str(number), "x", read(number))
        assert found.find(FIRST, "0", "x") == read(0)
    kept = [number for number in range(2 * TENANTS) if found.find(FIRST, str(number), "x")]
    assert kept == [0, *range(TENANTS + 1, 2 * TENANTS)]


def test_texts_of_any_size_and_kind_are_kept_alike() -> None:
    found = Remembered()
    for text in ("\0", "x" * 2048, "\u202e", "🙂", "e\u0301"):
        found.keep(FIRST, "one", text, read(len(text)))
        assert found.find(FIRST, "one", text) == read(len(text))
