"""Writes are made by another thread, early, in their order, and no error of making them is lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from app.index.documents import Write
from app.index.prefetch import PORTION, PORTION_BYTES, Lines, ahead


def write(number: int, size: int = 1) -> Write:
    return Write(str(number), 1, {"content": "x" * size, "number": number})


def id_of(lines: Lines) -> str:
    (action,) = json.loads(lines[0]).values()
    return str(action["_id"])


@pytest.mark.parametrize("count", [0, 1, PORTION, PORTION + 1, 3 * PORTION])
def test_all_come_in_their_order(count: int) -> None:
    portions = list(ahead(write(number) for number in range(count)))
    assert [id_of(each) for portion in portions for each in portion] == [str(each) for each in range(count)]
    assert all(0 < len(portion) <= PORTION for portion in portions)


def test_next_portion_is_made_meanwhile() -> None:
    threads = set()
    made = threading.Event()

    def writes() -> Iterator[Write]:
        for number in range(PORTION + 1):
            threads.add(threading.get_ident())
            yield write(number)
        made.set()

    taken = ahead(writes())
    next(taken)
    assert made.wait(30)
    assert threading.get_ident() not in threads
    taken.close()


def test_no_more_than_one_portion_early() -> None:
    reached = []

    def writes() -> Iterator[Write]:
        for number in range(9):
            reached.append(number)
            yield write(number, PORTION_BYTES)

    taken = ahead(writes())
    next(taken)
    deadline = time.monotonic() + 30
    while len(reached) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    # Of such a size one is a portion.
    assert reached == [0, 1]
    taken.close()


def test_error_comes_after_what_was_made_before_it() -> None:
    def writes() -> Iterator[Write]:
        yield from map(write, range(PORTION + 5))
        raise ValueError("unreadable")

    taken = ahead(writes())
    found = [id_of(each) for portion in (next(taken), next(taken)) for each in portion]
    with pytest.raises(ValueError, match="unreadable"):
        next(taken)
    assert found == [str(number) for number in range(PORTION + 5)]


def test_lines_are_those_of_a_bulk() -> None:
    ((removal, nothing), (action, source)) = next(ahead([Write("gone", 1, None), Write("ü", 2, {"name": "ü\ud800"})]))
    assert json.loads(removal) == {"delete": {"_id": "gone", "version": 1, "version_type": "external_gte"}}
    assert nothing is None
    assert json.loads(action) == {"index": {"_id": "ü", "version": 2, "version_type": "external_gte"}}
    assert source == '{"name":"ü\ud800"}'.encode("utf-8", "surrogatepass")
