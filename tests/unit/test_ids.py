"""Ids: unique, sortable, and the only text of a caller that becomes part of a path."""

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ids import is_id, new_uuid, new_xid


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


def test_a_fork_draws_its_own_process_part() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_xid().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    # Characters 7 to 14 lie wholly within the process part.
    assert theirs[7:14] != new_xid()[7:14]


def test_sortable_by_the_second() -> None:
    first = new_xid()
    time.sleep(1.01)
    assert first < new_xid()
