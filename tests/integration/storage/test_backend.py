"""check-backend finds each promise that a storage does not keep, and leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from app.errors import BrokenStorage, StorageFailed, StorageUnavailable
from app.ids import new_xid
from app.storage.contract import PARTITIONS, Artefact, Entry, Measured, Storage
from app.storage.filesystem import Filesystem
from app.storage.held import HeldContent
from app.storage.memory import Memory
from app.upkeep.backend import Backend, Fault, check_in_race, run_in_race, written_in_race


def alone(storage: Storage) -> Any:
    """A race that one process runs against itself."""
    return lambda attachment_id, seconds: [run_in_race(storage, attachment_id, 1, 0.2)]


def faults(storage: Storage) -> dict[str, str]:
    return {each.check: each.fault for each in Backend(storage).all(60, alone(storage)) if each.fault}


def leftovers(storage: Storage) -> list[Entry]:
    return [each for number in range(PARTITIONS) for each in storage.entries(number)]


def test_a_good_one_keeps_them_all(tmp_path: Path) -> None:
    for storage in (Memory(), Filesystem(tmp_path / "data")):
        found = list(Backend(storage).all(60, alone(storage)))
        assert [each.fault for each in found] == [""] * 11
        assert all(each.figure for each in found)
        assert [each.fault for each in Backend(storage).short()] == [""] * 6
        assert leftovers(storage) == []
        assert list(storage.strays(0.0)) == []


class Lagging(Memory):
    """A listing that has what was there before."""

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[int, list[Entry]] = {}

    def entries(self, partition: int) -> list[Entry]:
        before = self._before.get(partition, [])
        self._before[partition] = super().entries(partition)
        return before


class Stale(Memory):
    """A cache that has what was read before."""

    def __init__(self) -> None:
        super().__init__()
        self._cached: dict[tuple[str, Artefact], bytes] = {}

    def read(self, attachment_id: str, artefact: Artefact) -> bytes | None:
        found = super().read(attachment_id, artefact)
        return None if found is None else self._cached.setdefault((attachment_id, artefact), found)


class Whole(HeldContent):
    """Ranges that are not understood."""

    def read(self, start: int, stop: int) -> bytes:
        return super().read(0, self.size)


class WithoutRanges(Memory):
    def open(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> HeldContent | None:
        content = self.read(attachment_id, artefact)
        return None if content is None else Whole(content)


class Ahead(Memory):
    def __init__(self, seconds: float) -> None:
        super().__init__(clock=lambda: time.time() + seconds)


class WithoutEmpty(Memory):
    def put(self, attachment_id: str, artefact: Artefact, chunks: Iterable[bytes]) -> Measured:
        content = b"".join(chunks)
        if not content:
            raise StorageFailed("an empty one is refused")
        return super().put(attachment_id, artefact, [content])


class Clinging(Memory):
    """Removals that come later."""

    def _remove(self, attachment_id: str, artefacts: Iterable[Artefact]) -> None:
        pass


class Cut(Memory):
    """Large ones end after 8 MiB."""

    def put(self, attachment_id: str, artefact: Artefact, chunks: Iterable[bytes]) -> Measured:
        return super().put(attachment_id, artefact, [b"".join(chunks)[: 8 << 20]])


class Torn(Memory):
    """A reader finds a part of what is written later."""

    def put(self, attachment_id: str, artefact: Artefact, chunks: Iterable[bytes]) -> Measured:
        content, before = b"".join(chunks), self.read(attachment_id, artefact)
        measured = super().put(attachment_id, artefact, [content])
        if artefact is Artefact.THUMBNAIL and before:
            super().put(attachment_id, artefact, [content[:500] + before[500:]])
        return measured


class Following(Memory):
    """What is open changes with what is kept."""

    def open(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> HeldContent | None:
        memory = self

        class Live(HeldContent):
            def chunks(self, start: int, stop: int) -> Any:
                yield (memory.read(attachment_id, artefact) or b"")[start:stop]

        content = self.read(attachment_id, artefact)
        return None if content is None else Live(content)


@pytest.mark.parametrize(
    ("storage", "checks"),
    [
        (Lagging, {"list after write", "clock"}),
        (Stale, {"replace", "race"}),
        (WithoutRanges, {"ranges"}),
        (lambda: Ahead(5.0), {"clock"}),
        (lambda: Ahead(-5.0), {"clock"}),
        (WithoutEmpty, {"empty"}),
        (Clinging, {"list after write", "removal"}),
        (Cut, {"large"}),
        (Torn, {"race"}),
        (Following, {"open"}),
    ],
)
def test_each_promise_that_is_not_kept_is_found(storage: Any, checks: set[str]) -> None:
    made = storage()
    assert faults(made).keys() >= checks
    short = {each.check for each in Backend(made).short() if each.fault}
    assert short >= checks - {"large", "race", "open", "clock"}


def test_a_start_refuses_what_is_broken_and_not_what_is_away() -> None:
    with pytest.raises(BrokenStorage, match=r"list after write: what was written is not listed.*check-backend"):
        Backend(Lagging()).prove()
    Backend(Memory()).prove()

    class Away(Memory):
        def put(self, attachment_id: str, artefact: Artefact, chunks: Iterable[bytes]) -> Measured:
            raise StorageUnavailable()

    with pytest.raises(StorageUnavailable):
        Backend(Away()).prove()
    assert set(faults(Away())) > {"read after write", "race"}


def test_a_full_one_is_told_and_nothing_stays() -> None:
    storage = Memory(capacity=0)
    assert set(faults(storage)) >= {"read after write", "large"}
    assert leftovers(storage) == []


def test_what_is_not_begun_in_time_is_a_fault() -> None:
    storage = Memory()
    found = list(Backend(storage).all(0, alone(storage), spare=0))
    assert all(each.fault == "there was no time left for it" for each in found)
    assert len(found) == 11


def test_contents_of_a_race_say_who_wrote_them() -> None:
    assert check_in_race(written_in_race(3, 12)) == (3, 12)
    one, other = written_in_race(1, 1), written_in_race(2, 1)
    for broken in (None, b"", one[:-1], one[: len(one) // 2], one[:100] + other[100:], other[:100] + one[100:]):
        with pytest.raises(Fault):
            check_in_race(broken)


def test_an_attachment_beside_it_is_left_alone(tmp_path: Path) -> None:
    storage = Filesystem(tmp_path)
    attachment_id = new_xid()
    storage.put(attachment_id, Artefact.BYTES, [b"x"])
    storage.commit(attachment_id, {"id": attachment_id})
    assert faults(storage) == {}
    assert {(each.id, each.artefact) for each in leftovers(storage)} == {
        (attachment_id, Artefact.BYTES),
        (attachment_id, Artefact.RECORD),
    }
