"""Places of all processes together."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from app.coordination.local.search_slots import SearchSlots
from app.errors import IndexUnavailable


def over() -> float:
    raise IndexUnavailable()


def test_as_many_as_there_are(tmp_path: Path) -> None:
    # As two processes see them.
    one, other = SearchSlots(tmp_path, 2), SearchSlots(tmp_path, 2)
    with one.place(over), other.place(over):
        for each in (one, other):
            with pytest.raises(IndexUnavailable), each.place(over):
                pass
    with other.place(over), other.place(over):
        pass


def test_who_waits_gets_the_next_that_is_free(tmp_path: Path) -> None:
    slots, inside = SearchSlots(tmp_path, 1), threading.Event()

    def wait() -> None:
        with slots.place(lambda: 60.0):
            inside.set()

    with slots.place(over):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.05)
        assert not inside.is_set()
    assert inside.wait(60)
    thread.join()


def test_nobody_waits_where_there_is_no_folder(tmp_path: Path) -> None:
    slots = SearchSlots(tmp_path / "gone", 1)
    with slots.place(over), slots.place(over):
        pass
