"""What has become of a partition since it was read last."""

from __future__ import annotations

import time

import pytest

from app.ids import new_xid
from app.storage.contract import MARGIN, PARTITIONS, partition_of
from app.storage.memory import Memory
from app.upkeep.partitions import Change, Partitions

LONG_AGO = time.time() - 3600


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.moment = LONG_AGO

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(clock: Clock) -> Memory:
    return Memory(clock=clock)


def test_first_time_everything_is_new(storage: Memory) -> None:
    one, two = of_one_partition(count=2)
    storage.commit(one, {})
    storage.commit(two, {})
    storage.keep_text(two, {}, None)
    storage.stage([b"x"], 1).keep(one)
    # An outcome without a record is nobody's.
    (alone,) = of_one_partition(one, count=1)
    storage.keep_text(alone, {}, None)
    change = Partitions(storage).read(partition_of(one))
    assert (change.gone, set(change.new), change.extracted & {one, two}) == (set(), {one, two}, {two})


def test_later_only_what_changed(storage: Memory, clock: Clock) -> None:
    old, changed, extracted, removed = ids = of_one_partition(count=4)
    for each in ids:
        storage.commit(each, {})
        storage.keep_text(each, {}, None)
    partitions = Partitions(storage)
    number = partition_of(old)
    partitions.read(number)
    assert partitions.read(number) == Change(set(), [], set(ids))
    clock.moment = time.time()
    storage.commit(changed, {})
    clock.moment = time.time() - MARGIN / 2
    storage.keep_text(extracted, {}, None)
    storage.remove(removed)
    (new,) = of_one_partition(old, count=1)
    clock.moment = LONG_AGO
    storage.commit(new, {})
    change = partitions.read(number)
    assert (change.gone, set(change.new)) == ({removed}, {changed, extracted, new})
    assert change.extracted == {old, changed, extracted}


def test_only_partitions_that_changed_are_to_be_read(storage: Memory, clock: Clock) -> None:
    one, (two,) = new_xid(), of_one_partition(count=1)
    while partition_of(two) == partition_of(one):
        two = new_xid()
    storage.commit(one, {})
    storage.commit(two, {})
    partitions = Partitions(storage)
    assert partitions.changed() == list(range(PARTITIONS))
    # As a build that is gone on with: of what it read, one has gone since and one has come.
    (gone,) = of_one_partition(one, count=1)
    partitions.assume([one, gone], LONG_AGO + 60)
    assert partitions.changed() == []
    clock.moment = LONG_AGO + 120
    storage.commit(two, {})
    assert partitions.changed() == [partition_of(two)]
    assert partitions.read(partition_of(one)).gone == {gone}
    # What was taken on trust is not told as new, and its going is told.
    partitions.add([gone])
    assert partitions.read(partition_of(one)) == Change({gone}, [], set())


def of_one_partition(of: str | None = None, *, count: int) -> list[str]:
    """Ids of one partition."""
    found: dict[int, list[str]] = {}
    while True:
        made = new_xid()
        number = partition_of(made)
        if of is None or partition_of(of) == number:
            found.setdefault(number, []).append(made)
            if len(found[number]) == count:
                return found[number]
