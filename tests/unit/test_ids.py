"""Ids: unique, sortable, and the only text of a caller that becomes part of a path."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ids import is_id, new_uuid, new_xid, new_xids


def test_forms() -> None:
    assert is_id(new_xid())
    assert is_id(new_uuid())
    assert is_id(f"f-{new_uuid()}")
    assert is_id("cu737jrq50kcaicgn7p0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cu737jrq50kcaicgn7p",
        "cu737jrq50kcaicgn7p00",
        "CU737JRQ50KCAICGN7P0",
        "cu737jrq50kcaicgn7pz",
        "cu737jrq50kcaicgn7p0\n",
        "../../../etc/passwd0",
        "cu737jrq50/caicgn7p0",
        "x-01234567-89ab-cdef-0123-456789abcdef",
        "01234567-89AB-cdef-0123-456789abcdef",
        "0123456789abcdef0123456789abcdef",
        "f-f-01234567-89ab-cdef-0123-456789abcdef",
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


@given(st.text(max_size=60))
def test_an_id_is_safe_in_a_path(text: str) -> None:
    assert not is_id(text) or (text.isascii() and "/" not in text and "." not in text)


def test_unique_across_threads() -> None:
    found: list[list[str]] = []

    def make() -> None:
        found.append([new_xid() for _ in range(2000)])

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each for some in found for each in some}) == 16_000


def number_of(xid: str) -> int:
    """The 96 bits of an xid."""
    found = 0
    for each in xid:
        found = found << 5 | "0123456789abcdefghijklmnopqrstuv".index(each)
    return found >> 4


def test_those_of_one_request_are_in_order() -> None:
    ids = new_xids(100)
    assert ids == sorted(set(ids))
    assert len(ids) == 100
    assert new_xids(0) == []


def test_an_id_says_when_it_was_made() -> None:
    before = time.time_ns() // 1000
    number = number_of(new_xid())
    after = time.time_ns() // 1000
    assert before <= (number >> 64) * 1_000_000 + (number >> 44 & (1 << 20) - 1) <= after


@pytest.mark.parametrize("between", [0, 1, 7])
def test_nothing_counts_the_ids_of_others(between: int) -> None:
    """Two ids of one tenant, and some of others between them: the bits that are no time say nothing of how many."""
    differences = []
    for _ in range(200):
        mine = number_of(new_xid())
        for _ in range(between):
            new_xid()
        differences.append((number_of(new_xid()) ^ mine) & (1 << 44) - 1)
    # Each bit differs as often as not: of 200 within 50 of 100, which chance leaves once in 10^12.
    for bit in range(44):
        assert 50 <= sum(each >> bit & 1 for each in differences) <= 150, bit


def test_sortable_by_the_second() -> None:
    first = new_xid()
    time.sleep(1.01)
    assert first < new_xid()


def test_sortable_by_the_microsecond() -> None:
    made = []
    for _ in range(1000):
        made.append(new_xid())
        began = time.time_ns() // 1000
        while time.time_ns() // 1000 <= began:
            pass
    assert made == sorted(made)
