"""Writes are made by another thread, early, in their order, and no error of making them is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from app.index.ahead import PORTION, PORTION_LETTERS, ahead
from app.index.documents import Write


def write(number: int, letters: int = 1) -> Write:
    return Write(str(number), 1, {"content": "x" * letters, "size": number})


@pytest.mark.parametrize("count", [0, 1, PORTION, PORTION + 1, 3 * PORTION])
def test_all_come_in_their_order(count: int) -> None:
    portions = list(ahead(write(number) for number in range(count)))
    assert [each.id for portion in portions for each in portion] == [str(each) for each in range(count)]
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
            yield write(number, PORTION_LETTERS)

    taken = ahead(writes())
    next(taken)
    deadline = time.monotonic() + 30
    while len(reached) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    # Of so many letters two are a portion.
    assert reached == [0, 1, 2, 3]
    taken.close()


def test_error_comes_after_what_was_made_before_it() -> None:
    def writes() -> Iterator[Write]:
        yield from map(write, range(PORTION + 5))
        raise ValueError("unreadable")

    taken = ahead(writes())
    found = [each.id for portion in (next(taken), next(taken)) for each in portion]
    with pytest.raises(ValueError, match="unreadable"):
        next(taken)
    assert found == [str(number) for number in range(PORTION + 5)]


def test_removals_have_no_letters() -> None:
    (portion,) = ahead([Write("gone", 1, None), write(2)])
    assert [each.id for each in portion] == ["gone", "2"]
