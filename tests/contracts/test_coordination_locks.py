"""The contract of app/coordination/contract.py: locks and slots, over everything that keeps it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.coordination.contract import Coordination
from app.errors import Conflict, IndexUnavailable, StorageFailed, StorageFull
from tests.contracts.coordinations import OnOneMachine

# What tells two waits apart: one that is over at once, and one that is not over while a test looks on.
LOOK = 0.2


@pytest.fixture
def medium(coordinated: OnOneMachine) -> OnOneMachine:
    return coordinated


@pytest.fixture
def coordination(medium: OnOneMachine) -> Coordination:
    return medium.coordination


def over() -> float:
    raise IndexUnavailable()


# The change lock


def test_changes_go_side_by_side_and_nobody_is_alone_meanwhile(medium: OnOneMachine) -> None:
    one, other = medium.coordination.change_lock, medium.another().change_lock
    first, second = one.shared(), other.shared()
    alone = threading.Event()

    def wait() -> None:
        with other.exclusive():
            alone.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    first.close()
    assert not alone.wait(LOOK)
    second.close()
    assert alone.wait(60)
    thread.join()


def test_no_change_begins_while_somebody_is_alone(medium: OnOneMachine) -> None:
    lock = medium.another().change_lock
    with medium.process("with coordination.change_lock.exclusive():\n print('alone', flush=True)\n input()") as process:
        assert process.hear() == "alone"
        held = medium.held()
        for patience in (0, 0.05):
            with pytest.raises(IndexUnavailable):
                lock.shared(patience)
        assert medium.held() == held
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lock.shared, 60.0)
            time.sleep(LOOK)
            assert not waiting.done()
            process.go_on()
            waiting.result(60).close()


def test_two_are_never_alone_at_once(medium: OnOneMachine) -> None:
    """And each change is whole for who is alone: processes count in one file, and lose no number."""
    count = medium.folder.with_name("count")
    count.write_text("0")
    code = f"""
count = Path({str(count)!r})
for number in range(20):
    with contextlib.closing(coordination.change_lock.shared(60.0)):
        pass
    with coordination.change_lock.exclusive():
        count.write_text(str(int(count.read_text()) + 1))
"""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(medium.process(code)) for _ in range(2)]
        assert [each.end() for each in processes] == [0, 0]
    assert count.read_text() == "40"


def test_a_change_within_a_change_gets_through_to_who_waits_to_be_alone(medium: OnOneMachine) -> None:
    lock, waiting = medium.coordination.change_lock, medium.another().change_lock
    outer, alone = lock.shared(), threading.Event()

    def wait() -> None:
        with waiting.exclusive():
            alone.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    time.sleep(LOOK)
    lock.shared(60.0).close()
    assert not alone.is_set()
    outer.close()
    assert alone.wait(60)
    thread.join()


def test_a_busy_store_lets_somebody_be_alone(medium: OnOneMachine) -> None:
    """Changes that overlap, so that there is always one, until none begins any more."""
    stop, alone = threading.Event(), threading.Event()

    def change() -> None:
        lock = medium.another().change_lock
        present = lock.shared(60.0)
        while not stop.is_set():
            time.sleep(0.001)
            try:
                following = lock.shared(0.05)
            except IndexUnavailable:
                present.close()
                present = lock.shared(60.0)
            else:
                present.close()
                present = following
        present.close()

    def wait() -> None:
        with medium.coordination.change_lock.exclusive():
            alone.set()

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(change) for _ in range(3)]
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        try:
            assert alone.wait(60)
        finally:
            stop.set()
        thread.join()
        for each in working:
            each.result(120)


def test_a_hold_is_let_go_once(medium: OnOneMachine) -> None:
    lock = medium.coordination.change_lock
    first = lock.shared()
    first.close()
    second = lock.shared()
    first.close()
    alone = threading.Event()

    def wait() -> None:
        with medium.another().change_lock.exclusive():
            alone.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert not alone.wait(LOOK)
    second.close()
    assert alone.wait(60)
    thread.join()
    assert medium.held() == 0


@pytest.mark.parametrize(
    "how", ["contextlib.closing(coordination.change_lock.shared())", "coordination.change_lock.exclusive()"]
)
def test_a_killed_process_holds_no_change_lock(medium: OnOneMachine, how: str) -> None:
    with medium.process(f"with {how}:\n print('held', flush=True)\n input()") as process:
        assert process.hear() == "held"
        process.kill()
        with medium.coordination.change_lock.exclusive():
            pass
        medium.coordination.change_lock.shared(0).close()


def test_a_child_holds_nothing_of_its_parent(medium: OnOneMachine) -> None:
    """As the readers of documents are, which may outlive a server for a moment."""
    code = """
import subprocess
hold = coordination.change_lock.shared()
stack = contextlib.ExitStack()
slot = stack.enter_context(coordination.work_slots(1).free())
stack.enter_context(coordination.search_slots(1).place(lambda: 0.0))
stack.enter_context(coordination.bulk_lock("documents").held())
code = "print(flush=True); input()"
child = subprocess.Popen([sys.executable, "-c", code], close_fds=False, stdout=subprocess.PIPE)
# Its own program runs: what it had of its parent until then is closed.
child.stdout.readline()
print('held', flush=True)
input()
"""
    with medium.process(code) as process:
        assert process.hear() == "held"
        process.kill()
        with medium.coordination.change_lock.exclusive():
            pass
        with medium.coordination.work_slots(1).free() as slot:
            assert slot is not None
        with medium.coordination.search_slots(1).place(over):
            pass


@pytest.mark.parametrize("kind", ["shared", "exclusive", "slot", "turn", "maintenance"])
def test_a_medium_that_is_gone(medium: OnOneMachine, kind: str) -> None:
    ways: dict[str, Callable[[Coordination], object]] = {
        "shared": lambda each: each.change_lock.shared(0),
        "exclusive": lambda each: each.change_lock.exclusive().__enter__(),
        "slot": lambda each: each.work_slots(1).free().__enter__(),
        "turn": lambda each: each.work_slots(1).turn().__enter__(),
        "maintenance": lambda each: each.maintenance().__enter__(),
    }
    with medium.gone(), pytest.raises(StorageFailed):
        ways[kind](medium.another())
    assert medium.held() == 0


@pytest.mark.needs("root")
def test_a_read_only_medium(medium: OnOneMachine) -> None:
    coordination = medium.another()
    slots = coordination.work_slots(1)
    with medium.read_only():
        with pytest.raises(StorageFailed):
            coordination.change_lock.shared(0)
        with pytest.raises(StorageFailed), coordination.change_lock.exclusive():
            pass
        with pytest.raises(StorageFailed), slots.free():
            pass
        with pytest.raises(StorageFailed), coordination.maintenance():
            pass
        with coordination.bulk_lock("documents").held(), coordination.search_slots(1).place(over):
            pass
        assert slots.said() == []
    assert medium.held() == 0


# The bulk lock


def test_a_bulk_waits_for_another_and_not_for_ever(medium: OnOneMachine) -> None:
    went = threading.Event()

    def send(patience: float | None) -> None:
        with medium.another().bulk_lock("documents", patience).held():
            went.set()

    with ThreadPoolExecutor(1) as pool:
        with medium.coordination.bulk_lock("documents").held():
            waiting = pool.submit(send, 60.0)
            assert not went.wait(LOOK)
        waiting.result(60)
        went.clear()
        # One that stands still in it stops nobody.
        with medium.process(
            "with coordination.bulk_lock('documents').held():\n print('in', flush=True)\n input()"
        ) as other:
            assert other.hear() == "in"
            for patience in (0.0, 0.05, None):
                pool.submit(send, patience).result(60)
                assert went.is_set()
                went.clear()
            waiting = pool.submit(send, 60.0)
            other.kill()
            waiting.result(60)


def test_bulks_of_another_kind_are_not_waited_for(medium: OnOneMachine) -> None:
    with ThreadPoolExecutor(1) as pool, medium.coordination.bulk_lock("documents").held():

        def send() -> None:
            with medium.another().bulk_lock("texts", 3600.0).held():
                pass

        pool.submit(send).result(60)


def test_nobody_is_kept_from_a_bulk_or_a_search_by_a_medium_that_is_gone(medium: OnOneMachine) -> None:
    with medium.gone():
        coordination = medium.another()
        with coordination.bulk_lock("documents").held(), coordination.bulk_lock("documents").held():
            pass
        with coordination.search_slots(1).place(over), coordination.search_slots(1).place(over):
            pass


# Places of searches


def test_as_many_searches_as_there_are_places(medium: OnOneMachine) -> None:
    code = """
with coordination.search_slots(2).place(lambda: 0.0):
    print("in", flush=True)
    input()
"""
    slots = medium.coordination.search_slots(2)
    with medium.process(code) as process:
        assert process.hear() == "in"
        with slots.place(over), pytest.raises(IndexUnavailable), slots.place(over):
            pass
        process.kill()
        with slots.place(over), slots.place(over), pytest.raises(IndexUnavailable), slots.place(over):
            pass
    assert medium.held() == 0


def test_a_place_is_held_on_by_who_takes_it(medium: OnOneMachine) -> None:
    slots = medium.coordination.search_slots(1)
    with slots.place(over) as held:
        kept = held.pop_all()
    with pytest.raises(IndexUnavailable), medium.another().search_slots(1).place(over):
        pass
    kept.close()
    with medium.another().search_slots(1).place(over):
        pass


# Slots of work


def test_a_slot_is_had_by_one(medium: OnOneMachine) -> None:
    one, other = medium.coordination.work_slots(2), medium.another().work_slots(2)
    with one.free() as first, other.free() as second:
        assert first is not None
        assert second is not None
        assert {first.number, second.number} == {0, 1}
        with one.free() as third:
            assert third is None
        # Under another name they are others.
        with one.free() as none, medium.another().work_slots(1, "pictures").free() as apart:
            assert none is None
            assert apart is not None
    with one.free() as again:
        assert again is not None
    assert medium.held() == 0


def test_what_is_said_in_a_slot_is_heard_while_it_is_had(medium: OnOneMachine) -> None:
    slots, others = medium.coordination.work_slots(2), medium.another().work_slots(2)
    assert others.said() == []
    with slots.free() as slot:
        assert slot is not None
        assert others.said() == [{}]
        for content in ({"tenant": "a" * 100, "late": True}, {"tenant": None}, {"tenant": "ä"}):
            slot.say(content)
            assert others.said() == [content]
            assert others.said(besides=slot.number) == []
            assert others.said(besides=1 - slot.number) == [content]
        slot.close()
        slot.close()
        assert others.said() == []
    with slots.free() as slot:
        # Nothing of who had it before.
        assert others.said() == [{}]


def test_what_a_killed_process_said_counts_for_nothing(medium: OnOneMachine) -> None:
    code = """
with coordination.work_slots(1).free() as slot:
    slot.say({"tenant": "killed"})
    print("said", flush=True)
    input()
"""
    slots = medium.coordination.work_slots(1)
    with medium.process(code) as process:
        assert process.hear() == "said"
        assert slots.said() == [{"tenant": "killed"}]
        with slots.free() as slot:
            assert slot is None
        process.kill()
        assert slots.said() == []
        with slots.free() as slot:
            assert slot is not None
            assert medium.another().work_slots(1).said() == [{}]


def test_who_is_killed_while_it_speaks(medium: OnOneMachine) -> None:
    code = """
with coordination.work_slots(1).free() as slot:
    slot.say({"tenant": "long" * 100})
    slot.say({"tenant": "short"})
with coordination.work_slots(1).turn() as said:
    said["a"] = [1.0, 2.0]
"""
    calls = 0
    while medium.killed_in(code, calls):
        calls += 1
        slots = medium.another().work_slots(1)
        assert slots.said() == []
        with slots.free() as slot:
            assert slot is not None
            assert medium.another().work_slots(1).said() == [{}]
        with slots.turn() as left:
            assert left in ({}, {"a": [1.0, 2.0]})
    assert calls >= 7


def test_turns_are_had_by_one_and_lose_nothing(medium: OnOneMachine) -> None:
    code = """
for number in range(50):
    with coordination.work_slots(1).turn() as said:
        said["count"] = said.get("count", 0) + 1
"""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(medium.process(code)) for _ in range(3)]
        assert [each.end() for each in processes] == [0, 0, 0]
    slots = medium.coordination.work_slots(1)
    with slots.turn() as said:
        assert said == {"count": 150}
        said.clear()
    with medium.another().work_slots(1).turn() as said:
        assert said == {}
    with medium.another().work_slots(1, "pictures").turn() as said:
        assert said == {}


def test_a_turn_that_fails_leaves_what_was_there(medium: OnOneMachine) -> None:
    slots = medium.coordination.work_slots(1)
    with slots.turn() as said:
        said["a"] = 1
    with contextlib.suppress(RuntimeError), slots.turn() as said:
        said["a"] = 2
        raise RuntimeError
    with slots.turn() as said:
        assert said == {"a": 1}


def test_a_turn_ends_with_its_process(medium: OnOneMachine) -> None:
    code = "with coordination.work_slots(1).turn() as said:\n said['a'] = 1\n print('in', flush=True)\n input()"
    with medium.process(code) as process, ThreadPoolExecutor(1) as pool:
        assert process.hear() == "in"

        def wait() -> dict[str, object]:
            with medium.another().work_slots(1).turn() as said:
                return dict(said)

        waiting = pool.submit(wait)
        time.sleep(LOOK)
        assert not waiting.done()
        process.kill()
        assert waiting.result(60) == {}


def test_a_full_medium_is_said_and_costs_no_slot(medium: OnOneMachine) -> None:
    slots = medium.coordination.work_slots(1)
    with slots.free() as slot:
        assert slot is not None
        with medium.full(), pytest.raises(StorageFull):
            slot.say({"tenant": "a"})
        with medium.full(), pytest.raises(StorageFull), slots.turn() as said:
            said["a"] = 1
        slot.say({"tenant": "b"})
        assert medium.another().work_slots(1).said() == [{"tenant": "b"}]
    with slots.free() as slot, slots.turn() as said:
        assert slot is not None
        assert said == {}
    assert medium.held() == 0


# Maintenance


def test_one_command_at_a_time(medium: OnOneMachine) -> None:
    with medium.process("with coordination.maintenance():\n print('in', flush=True)\n input()") as process:
        assert process.hear() == "in"
        for _ in range(2):
            with pytest.raises(Conflict), medium.coordination.maintenance():
                pass
        process.kill()
        with medium.coordination.maintenance(), pytest.raises(Conflict), medium.another().maintenance():
            pass
        with medium.another().maintenance():
            pass
    assert medium.held() == 0
