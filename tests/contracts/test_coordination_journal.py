"""The contract of app/coordination/contract.py: the journal, over everything that keeps it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.coordination.contract import Coordination, JournalEntry, Kind
from app.errors import IndexUnavailable, StorageFailed, StorageFull
from tests.contracts.coordinations import OnDevice, OnOneMachine

KINDS: list[Kind] = ["upload", "delete", "change"]


@pytest.fixture
def medium(coordinated: OnOneMachine) -> OnOneMachine:
    return coordinated


def found(coordination: Coordination) -> list[tuple[Kind, list[str]]]:
    """The entries that are taken up, each let go again."""
    entries: list[JournalEntry] = []
    for entry in coordination.journal.abandoned():
        entries.append(entry)
        entry.close()
    return sorted((each.kind, each.ids) for each in entries)


def settle(coordination: Coordination) -> None:
    for entry in coordination.journal.abandoned():
        entry.settled()


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("ids", [["a"], ["a", "b"], ["ü" * 100, "x/../y"]])
def test_the_life_of_an_entry(medium: OnOneMachine, ids: list[str], durable: bool) -> None:
    journal, other = medium.coordination.journal, medium.another().journal
    for kind in KINDS:
        entry = journal.begin(kind, ids, durable=durable)
        for each in (journal, other):
            assert (each.count(), each.ids(), each.ids(kind)) == (1, set(ids), set(ids))
            assert [each.ids(which) for which in KINDS if which != kind] == [set(), set()]
            assert (each.undecided(), list(each.abandoned())) == ([], [])
        entry.close()
        entry.close()
        assert len(other.undecided()) == 1
        assert medium.another().holds(other.undecided()[0])
        (name,) = other.undecided()
        (taken,) = other.abandoned()
        assert (taken.kind, taken.ids) == (kind, ids)
        assert taken.name in name
        assert (journal.undecided(), list(journal.abandoned()), journal.ids()) == ([], [], set(ids))
        for _ in range(2):
            taken.settled(durable=durable)
        taken.close()
        for each in (journal, other, medium.another().journal):
            assert (each.count(), each.ids(), each.undecided(), list(each.abandoned())) == (0, set(), [], [])
        assert not medium.another().holds(name)


def test_what_was_settled_has_no_part_in_what_follows(medium: OnOneMachine) -> None:
    journal = medium.coordination.journal
    first = journal.begin("upload", ["first" * 20], durable=False)
    first.settled()
    second = journal.begin("upload", ["b"], durable=False)
    first.settled()
    first.close()
    assert found(medium.another()) == []
    assert journal.ids() == {"b"}
    second.close()
    assert found(medium.another()) == [("upload", ["b"])]


def test_of_several_who_look_one_has_it(medium: OnOneMachine) -> None:
    for number in range(40):
        medium.coordination.journal.begin("delete", [str(number)], durable=False).close()
    code = """
for entry in coordination.journal.abandoned():
    print(entry.ids[0], flush=True)
    entry.settled()
print("end", flush=True)
"""
    had: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        for process in [stack.enter_context(medium.process(code)) for _ in range(3)]:
            while (said := process.hear()) != "end":
                had[said] += 1
    assert had == Counter(map(str, range(40)))
    assert medium.coordination.journal.count() == 0


def test_the_entry_of_a_killed_process(medium: OnOneMachine) -> None:
    code = """
entries = [coordination.journal.begin(kind, [kind], durable=False) for kind in ("upload", "delete", "change")]
coordination.journal.begin("upload", ["settled"], durable=False).settled()
print("begun", flush=True)
input()
"""
    with medium.process(code) as process:
        assert process.hear() == "begun"
        assert (found(medium.coordination), medium.coordination.journal.undecided()) == ([], [])
        process.kill()
    assert len(medium.coordination.journal.undecided()) == 3
    assert found(medium.coordination) == [(kind, [kind]) for kind in sorted(KINDS)]
    with medium.coordination.change_lock.exclusive():
        pass


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("ids", [["a"], ["a" * 100, "b"]])
def test_who_is_killed_at_any_step_leaves_a_whole_entry_or_none(
    medium: OnOneMachine, ids: list[str], durable: bool
) -> None:
    # Not of the one that was settled before, which is used again.
    code = f"""
wanted, left = left, 1_000_000
coordination.journal.begin("upload", ["before"], durable=False).settled()
left = wanted
for _ in range(2):
    coordination.journal.begin("upload", {ids!r}, durable={durable}).settled(durable={durable})
"""
    calls, seen = 0, Counter[bool]()
    while medium.killed_in(code, calls):
        calls += 1
        assert medium.coordination.journal.ids() in (set(), set(ids))
        entries = found(medium.another())
        assert entries in ([], [("upload", ids)])
        assert len(medium.another().journal.undecided()) == len(entries)
        seen[bool(entries)] += 1
        settle(medium.another())
        assert found(medium.another()) == []
    assert calls >= 6
    assert min(seen[True], seen[False]) > 0


def test_nobody_sees_a_part_of_an_entry(medium: OnOneMachine) -> None:
    """And none without its holder: a second process takes up what it can, and finds nothing."""
    code = """
for number in range(300):
    entry = coordination.journal.begin("upload", [f"{number}-a" * 20, f"{number}-b" * 20], durable=False)
    entry.settled()
    coordination.journal.begin("upload", [str(number)], durable=False).settled()
print("end", flush=True)
"""
    other = medium.another().journal
    with medium.process(code) as process:
        ended = threading.Event()

        def hear() -> None:
            assert process.hear() == "end"
            ended.set()

        with ThreadPoolExecutor(1) as pool:
            hearing = pool.submit(hear)
            while not ended.is_set():
                assert list(other.abandoned()) == []
                ids = {each for each in other.ids() if len(each) > 20}
                assert {each[-1] for each in ids} in (set(), {"a", "b"})
            hearing.result()


def test_a_change_is_under_way_as_long_as_its_entry_is_held(medium: OnOneMachine) -> None:
    lock = medium.another().change_lock
    for let_go in (JournalEntry.close, JournalEntry.settled):
        entry, alone = medium.coordination.journal.begin("upload", ["a"], durable=False), threading.Event()

        def wait(alone: threading.Event = alone) -> None:
            with lock.exclusive():
                alone.set()

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        assert not alone.wait(0.2)
        {JournalEntry.close: entry.close, JournalEntry.settled: entry.settled}[let_go]()
        assert alone.wait(60)
        thread.join()


def test_nothing_begins_and_nothing_is_taken_up_while_somebody_is_alone(medium: OnOneMachine) -> None:
    journal, other = medium.coordination.journal, medium.another().journal
    journal.begin("delete", ["a"], durable=False).close()
    held = medium.held()
    with medium.another().change_lock.exclusive():
        with pytest.raises(IndexUnavailable):
            other.begin("upload", ["b"], durable=False)
        with pytest.raises(IndexUnavailable):
            list(other.abandoned())
        assert journal.ids() == {"a"}
        # But for who is alone itself.
        with contextlib.closing(other.begin("change", ["c"], durable=True, alone=True)):
            assert journal.ids() == {"a", "c"}
    assert medium.held() == held
    assert found(medium.another()) == [("change", ["c"]), ("delete", ["a"])]


@pytest.mark.parametrize("kind", KINDS)
def test_no_entry_where_the_medium_is_full(medium: OnOneMachine, kind: Kind) -> None:
    """Not a part either, and nothing is held; an entry that is there can be settled."""
    journal = medium.coordination.journal
    entry = journal.begin(kind, ["a" * 100], durable=False)
    held = medium.held()
    for size in (0, 5):
        for ids in (["b"], ["b" * 100, "c"]):
            with medium.full(size), pytest.raises(StorageFull):
                journal.begin(kind, ids, durable=False)
    assert (journal.ids(), journal.count(), medium.held()) == ({"a" * 100}, 1, held)
    with medium.full():
        entry.settled(durable=True)
    assert (journal.count(), found(medium.another())) == (0, [])
    with medium.another().change_lock.exclusive():
        pass


def test_a_medium_that_is_gone(medium: OnOneMachine) -> None:
    journal = medium.coordination.journal
    with medium.gone():
        for durable in (False, True):
            with pytest.raises(StorageFailed):
                journal.begin("upload", ["a"], durable=durable)
        for ask in (journal.count, journal.ids, lambda: list(journal.abandoned())):
            with pytest.raises(StorageFailed):
                ask()
    assert (medium.held(), journal.count()) == (0, 0)


@pytest.mark.needs("root")
def test_a_read_only_medium(medium: OnOneMachine) -> None:
    """What is under way can be seen; it can't be settled, which is no error: it is decided once more."""
    journal = medium.coordination.journal
    entry = journal.begin("delete", ["a"], durable=True)
    with medium.read_only():
        # As whoever comes now sees it.
        other = medium.another().journal
        with pytest.raises(StorageFailed):
            other.begin("upload", ["b"], durable=False)
        assert (other.ids(), other.count()) == ({"a"}, 1)
        with contextlib.suppress(StorageFailed):
            assert list(other.abandoned()) == []
    entry.close()
    assert found(medium.another()) == [("delete", ["a"])]


def test_one_that_can_not_be_read_keeps_nobody_from_the_others(medium: OnOneMachine) -> None:
    for name in ("a", "b", "c"):
        medium.coordination.journal.begin("delete", [name], durable=False).close()
    medium.damage(medium.coordination.journal.undecided()[1])
    assert len(found(medium.another())) == 2
    assert medium.held() == 0


@pytest.mark.needs("root")
def test_a_durable_entry_survives_the_power(powered: OnDevice) -> None:
    journal = powered.coordination.journal
    powered.sync()
    first = journal.begin("delete", ["a", "b"], durable=True)
    with powered.after_power_cut() as after:
        assert found(after) == [("delete", ["a", "b"])]
    first.settled(durable=True)
    with powered.after_power_cut() as after:
        assert found(after) == []
    second = journal.begin("delete", ["c"], durable=True)
    with powered.after_power_cut() as after:
        assert found(after) == [("delete", ["c"])]
    second.close()


# What was left behind


def test_what_does_not_belong_there(medium: OnOneMachine) -> None:
    coordination = medium.coordination
    entry = coordination.journal.begin("upload", ["a"], durable=False)
    coordination.journal.begin("upload", ["b"], durable=False).settled()
    coordination.journal.begin("delete", ["c"], durable=True).close()
    with coordination.work_slots(1).free(), coordination.work_slots(1, "pictures").turn() as said:
        said["a"] = 1
    with coordination.search_slots(2).place(lambda: 0.0), coordination.bulk_lock("texts").held():
        pass
    with coordination.maintenance(), coordination.bulk_lock("documents").held():
        pass
    assert list(medium.another().strays(0.0)) == []
    medium.intrude("notes")
    assert [each.temporary for each in medium.another().strays(0.0)] == [False]
    entry.close()


def test_what_a_killed_process_left_is_removed_after_its_grace(medium: OnOneMachine) -> None:
    code = "coordination.journal.begin('upload', ['a', 'b'], durable=True)"
    calls = 0
    while medium.killed_in(code, calls):
        calls += 1
    settle(medium.another())
    coordination = medium.another()
    left = [each.name for each in coordination.strays(0.0)]
    assert left
    assert [each.temporary for each in coordination.strays(0.0)] == [True] * len(left)
    assert list(coordination.strays(3600.0)) == []
    for name in left:
        assert coordination.holds(name)
        coordination.remove_leftover(name, 3600.0)
        assert coordination.holds(name)
        coordination.remove_leftover(name, 0.0)
        coordination.remove_leftover(name, 0.0)
        assert not coordination.holds(name)
    assert list(coordination.strays(0.0)) == []


def test_what_somebody_holds_is_no_leftover(medium: OnOneMachine) -> None:
    """As what is settled and kept for the next one, however long ago."""
    medium.coordination.journal.begin("upload", ["a"], durable=False).settled()
    time.sleep(0.01)
    assert list(medium.another().strays(0.0)) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "store.json",
        "tokens.json",
        "journal",
        "/etc/passwd",
        "journal/../store.json",
        "../outside.new",
        "journal/\0.new",
        f"journal/../journal/{'0' * 32}.new",
        f"attachments/{'0' * 32}.new",
        "points/../.x.new",
        "points/a/../../.x.new",
        "sign-ins/" + "0" * 64,
    ],
)
def test_what_is_no_name_is_no_leftover(medium: OnOneMachine, name: str) -> None:
    for ask in (medium.coordination.holds, lambda each: medium.coordination.remove_leftover(each, 0.0)):
        with pytest.raises(ValueError, match="name"):
            ask(name)


def test_an_entry_is_no_leftover(medium: OnOneMachine) -> None:
    medium.coordination.journal.begin("upload", ["a"], durable=False).close()
    (name,) = medium.coordination.journal.undecided()
    with pytest.raises(ValueError, match="temporary"):
        medium.coordination.remove_leftover(name, 0.0)
    assert medium.coordination.holds(name)
