"""What the processes of a queue share out among them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.coordination.local import Local
from app.extraction.queue import Queue


def test_what_a_machine_can_read_is_found_out_by_one(tmp_path: Path) -> None:
    one, other = Queue(Local(tmp_path).claims), Queue(Local(tmp_path).claims)
    began = time.time() - 1
    with one.control(began) as wanted:
        assert wanted is True
        with other.control(began) as meanwhile:
            assert meanwhile is None
    with other.control(began) as wanted:
        assert wanted is False
    # Who starts later asks anew: the machine may be mended.
    with other.control(time.time() + 1) as wanted:
        assert wanted is True


def test_who_fails_at_it_leaves_it_to_others(tmp_path: Path) -> None:
    one, other = Queue(Local(tmp_path).claims), Queue(Local(tmp_path).claims)
    began = time.time() - 1
    with pytest.raises(ZeroDivisionError), one.control(began):
        raise ZeroDivisionError
    with other.control(began) as wanted:
        assert wanted is True


def test_where_nothing_can_be_noted_each_finds_out_for_itself(tmp_path: Path) -> None:
    one, other = Queue(Local(tmp_path).claims), Queue(Local(tmp_path).claims)
    (tmp_path / "extraction" / ".controlled").mkdir()
    with one.control(0.0) as first, other.control(0.0) as second:
        assert (first, second) == (True, True)
