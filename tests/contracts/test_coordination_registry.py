"""The contract of app/coordination/contract.py: tokens, sign-ins, points in time, moments, over everything that keeps it."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from app.coordination.contract import RECORDS, Coordination, Version
from app.errors import StorageFailed, StorageFull
from tests.contracts.coordinations import OnDevice, OnOneMachine

NAME, POINT = "0123456789abcdef" * 4, "aZ_-5" * 8 + "xyz"
NO_NAMES = ["", ".", "..", "../" + "0" * 61, "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "\n", "0" * 63 + "\0", "\ud800"]
NO_POINTS = ["", "..", "../../" + "x" * 37, "x" * 42, "x" * 44, "x" * 42 + "/", "x" * 42 + "\n", "ü" * 43]
NO_GROUPS = ["", ".", "..", "../x", "a/b", "A", "-a", "a" * 64, "a\n", "a\0", "ü"]


@pytest.fixture
def medium(coordinated: OnOneMachine) -> OnOneMachine:
    return coordinated


@pytest.fixture
def coordination(medium: OnOneMachine) -> Coordination:
    return medium.coordination


class Refusal(Exception):
    """What somebody raises who changes something."""


# What all share: the tokens


def test_the_content_is_what_was_written_last(medium: OnOneMachine) -> None:
    tokens, other = medium.coordination.tokens, medium.another().tokens
    assert (tokens.version(), tokens.read()) == (None, None)
    seen: list[bytes | None] = []
    versions = [tokens.version()]
    for content in (b"one", b"", b"two", b"2wo"):

        def note(before: bytes | None, content: bytes = content) -> bytes:
            seen.append(before)
            return content

        tokens.change(note)
        assert tokens.read() == other.read() == medium.another().tokens.read() == content
        assert tokens.version() == other.version() == medium.another().tokens.version()
        assert tokens.version() not in versions
        versions.append(tokens.version())
    assert seen == [None, b"one", b"", b"two"]


def test_a_change_that_is_none_changes_nothing(medium: OnOneMachine) -> None:
    tokens = medium.coordination.tokens

    def refuse(content: bytes | None) -> bytes | None:
        raise Refusal

    for _ in range(2):
        before = tokens.version(), tokens.read()
        tokens.change(lambda content: None)
        with pytest.raises(Refusal):
            tokens.change(refuse)
        assert (tokens.version(), tokens.read()) == before
        tokens.change(lambda content: b"content")
    assert medium.held() == 0


def test_no_change_is_lost(medium: OnOneMachine) -> None:
    # Each takes a moment, in which the others would come.
    code = """
import time
def change(content):
    time.sleep(0.002)
    return str(int(content or b"0") + 1).encode()
print("ready", flush=True)
input()
for _ in range(30):
    coordination.tokens.change(change)
"""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(medium.process(code)) for _ in range(3)]
        for each in processes:
            assert each.hear() == "ready"
        for each in processes:
            each.go_on()
        assert [each.end() for each in processes] == [0, 0, 0]
    assert medium.coordination.tokens.read() == b"90"


def test_whoever_reads_finds_a_whole_content_of_its_version_or_later(medium: OnOneMachine) -> None:
    code = """
for number in range(200):
    coordination.tokens.change(lambda content: str(number % 10).encode() * (100_000 - number))
coordination.tokens.change(lambda content: b"end")
"""
    tokens = medium.coordination.tokens
    known: dict[Version | None, int] = {}
    with medium.process(code):
        while (content := tokens.read()) != b"end":
            version = tokens.version()
            content = tokens.read()
            assert len(set(content or b"")) <= 1 or content == b"end"
            # What was read under a version before is never newer than what is read under it now.
            size = len(content or b"") if content != b"end" else 0
            assert size <= known.setdefault(version, size) or version is None


def test_who_is_killed_while_it_changes_leaves_the_old_or_the_new(medium: OnOneMachine) -> None:
    code = "coordination.tokens.change(lambda content: b'new' * 1000)"
    old, new = b"old" * 2000, b"new" * 1000
    calls, seen = 0, set()
    while True:
        medium.another().tokens.change(lambda content: old)
        if not medium.killed_in(code, calls):
            break
        calls += 1
        found = medium.another().tokens.read()
        assert found in (old, new)
        seen.add(found)
    assert seen == {old, new}
    assert calls >= 5


def _always(content: bytes, before: bytes | None) -> bytes:
    return content


@pytest.mark.needs("root")
def test_a_change_is_durable(powered: OnDevice) -> None:
    for content in (b"one", b"two"):
        powered.coordination.tokens.change(functools.partial(_always, content))
        with powered.after_power_cut() as after:
            assert after.tokens.read() == content


# Sign-ins


def test_the_life_of_a_sign_in(medium: OnOneMachine) -> None:
    sign_ins, other = medium.coordination.sign_ins, medium.another().sign_ins
    assert (sign_ins.read(NAME), sign_ins.written()) == (None, {})
    sign_ins.remove(NAME)
    before = time.time()
    sign_ins.add(NAME, b"content")
    sign_ins.add("f" * 64, b"")
    for each in (sign_ins, other):
        assert (each.read(NAME), each.read("f" * 64), each.read("0" * 64)) == (b"content", b"", None)
        assert set(each.written()) == {NAME, "f" * 64}
        assert all(before - 2.0 <= written <= time.time() + 2.0 for written in each.written().values())
    for _ in range(2):
        other.remove(NAME)
    for each in (sign_ins, other):
        assert (each.read(NAME), set(each.written())) == (None, {"f" * 64})


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_of_a_sign_in(medium: OnOneMachine, name: str) -> None:
    sign_ins = medium.coordination.sign_ins
    asks: tuple[Callable[[], object], ...] = (
        lambda: sign_ins.add(name, b"x"),
        lambda: sign_ins.read(name),
        lambda: sign_ins.remove(name),
    )
    for ask in asks:
        with pytest.raises(ValueError, match="name"):
            ask()
    assert sign_ins.written() == {}


def test_who_is_killed_while_it_signs_in_leaves_a_whole_record_or_none(medium: OnOneMachine) -> None:
    calls, seen = 0, set()
    while medium.killed_in(f"coordination.sign_ins.add({NAME!r}, b'content' * 1000)", calls):
        calls += 1
        sign_ins = medium.another().sign_ins
        found = sign_ins.read(NAME)
        assert found in (None, b"content" * 1000)
        assert set(sign_ins.written()) == ({NAME} if found else set())
        seen.add(found)
        sign_ins.remove(NAME)
    assert len(seen) == 2
    assert calls >= 5


@pytest.mark.needs("root")
def test_a_sign_in_is_durable(powered: OnDevice) -> None:
    for name in (NAME, "f" * 64):
        powered.coordination.sign_ins.add(name, b"content")
        with powered.after_power_cut() as after:
            assert after.sign_ins.read(name) == b"content"


# Points in time


def test_the_life_of_a_point_in_time(medium: OnOneMachine) -> None:
    points, other = medium.coordination.points_in_time, medium.another().points_in_time
    later = time.time() + 60
    assert points.read("a", POINT) is None
    points.remove("a", POINT)
    assert not points.replace("a", POINT, b"x", later)
    assert points.add("a", POINT, b"", later, 2)
    for content, until in ((b"x" * 1000, later), (b"x" * 1000, later + 60), (b"y", later - 30), (b"", later)):
        assert other.replace("a", POINT, content, until)
        for each in (points, other, medium.another().points_in_time):
            found = each.read("a", POINT)
            assert found is not None
            assert (found.content, round(found.until)) == (content, round(until))
            assert each.read("b", POINT) is None
    points.remove("b", POINT)
    assert other.read("a", POINT) is not None
    for _ in range(2):
        points.remove("a", POINT)
    assert other.read("a", POINT) is None
    assert not other.replace("a", POINT, b"x", later)
    assert other.read("a", POINT) is None


def test_a_group_has_so_many_and_what_has_expired_makes_room(medium: OnOneMachine) -> None:
    points = medium.coordination.points_in_time
    past, later = time.time() - 1, time.time() + 60
    names = [secrets.token_urlsafe(32) for _ in range(5)]
    assert points.add("a", names[0], b"", later, 2)
    assert points.add("a", names[1], b"", later, 2)
    assert not points.add("a", names[2], b"", later, 2)
    assert points.read("a", names[2]) is None
    assert points.add("b", names[2], b"", later, 2)
    assert points.replace("a", names[0], b"", past)
    assert points.add("a", names[3], b"", later, 2)
    assert not points.add("a", names[4], b"", later, 2)
    # Of any group: nobody else may come there again.
    assert points.replace("b", names[2], b"", past)
    points.remove("a", names[3])
    assert points.add("a", names[4], b"", later, 2)
    assert points.read("b", names[2]) is None


def test_of_several_who_add_at_once_none_is_one_too_many(medium: OnOneMachine) -> None:
    code = """
import secrets, time
rename = os.rename
def slow(*names):
    time.sleep(0.005)
    rename(*names)
os.rename = slow
print("ready", flush=True)
input()
for _ in range(20):
    added = coordination.points_in_time.add("a", secrets.token_urlsafe(32), b"", time.time() + 60, 7)
    print(added, flush=True)
print("end", flush=True)
"""
    said: list[str] = []
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(medium.process(code)) for _ in range(3)]
        for process in processes:
            assert process.hear() == "ready"
        for process in processes:
            process.go_on()
        for process in processes:
            while (heard := process.hear()) != "end":
                said.append(heard)
    assert (said.count("True"), said.count("False")) == (7, 53)


def test_one_that_was_removed_stays_removed(medium: OnOneMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever replaces it at that moment, which is made a long one."""
    rename = os.rename

    def slow(*names: str) -> None:
        time.sleep(0.005)
        rename(*names)

    monkeypatch.setattr(os, "rename", slow)
    points, later = medium.another().points_in_time, time.time() + 3600
    name, stop = [POINT], threading.Event()

    def replace() -> None:
        mine, number = medium.another().points_in_time, 0
        while not stop.is_set():
            number += 1
            mine.replace("a", name[0], str(number).encode(), later)

    threads = [threading.Thread(target=replace) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        for _ in range(30):
            name[0] = secrets.token_urlsafe(32)
            assert points.add("a", name[0], b"", later, 1)
            time.sleep(0.002)
            points.remove("a", name[0])
            time.sleep(0.01)
            assert points.read("a", name[0]) is None
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert points.add("a", POINT, b"", later, 1)


def test_who_is_killed_while_it_adds_or_replaces_leaves_whole_records(medium: OnOneMachine) -> None:
    code = f"""
points = coordination.points_in_time
points.add("a", {POINT!r}, b"old" * 1000, 4e9, 1)
points.replace("a", {POINT!r}, b"new" * 10, 4.1e9)
points.remove("b", {POINT!r})
"""
    calls, seen = 0, set()
    while medium.killed_in(code, calls):
        calls += 1
        points = medium.another().points_in_time
        found = points.read("a", POINT)
        record = None if found is None else (found.content, found.until)
        assert record in (None, (b"old" * 1000, 4e9), (b"new" * 10, 4.1e9))
        seen.add(record)
        points.remove("a", POINT)
        # It takes nobody's place.
        assert points.add("a", "x" * 43, b"", 4e9, 1)
        points.remove("a", "x" * 43)
    assert len(seen) == 3
    assert calls >= 8


@pytest.mark.parametrize(
    ("group", "name"), [*(("a", name) for name in NO_POINTS), *((group, POINT) for group in NO_GROUPS)]
)
def test_what_is_no_name_of_a_point_in_time(medium: OnOneMachine, group: str, name: str) -> None:
    points = medium.coordination.points_in_time
    for ask in (
        lambda: points.add(group, name, b"", 4e9, 1),
        lambda: points.replace(group, name, b"", 4e9),
        lambda: points.read(group, name),
        lambda: points.remove(group, name),
    ):
        with pytest.raises(ValueError, match="name"):
            ask()


# Moments


def test_moments_are_each_clients_own(medium: OnOneMachine) -> None:
    ours, theirs = medium.coordination.sign_in_attempts(3), medium.another().sign_in_attempts(3)
    seen: list[Sequence[float]] = []

    def note(change: Sequence[float] | None) -> None:
        def told(moments: Sequence[float]) -> Sequence[float] | None:
            seen.append(list(moments))
            return change

        theirs.change("10.0.0.1", told)

    note([1.0, 2.0, 3.0])
    ours.change("10.0.0.2", lambda moments: [9.0, 9.0, 9.0])
    note(None)
    with pytest.raises(Refusal):
        ours.change("10.0.0.1", lambda moments: (_ for _ in ()).throw(Refusal))
    note([4.0, float("-inf"), 0.0])
    note(None)
    assert seen == [[0.0] * 3, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [4.0, float("-inf"), 0.0]]
    # With another number all begin anew.
    medium.coordination.sign_in_attempts(2).change("10.0.0.1", lambda moments: seen.append(list(moments)))
    assert seen[-1] == [0.0, 0.0]


def test_no_moment_is_lost(medium: OnOneMachine) -> None:
    code = """
for _ in range(50):
    coordination.sign_in_attempts(1).change("client", lambda moments: [moments[0] + 1])
"""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(medium.process(code)) for _ in range(3)]
        assert [each.end() for each in processes] == [0, 0, 0]
    found: list[float] = []
    medium.coordination.sign_in_attempts(1).change("client", lambda moments: found.extend(moments))
    assert found == [150.0]


def test_moments_take_bounded_room_and_nobody_foresees_who_shares_them(medium: OnOneMachine) -> None:
    moments = medium.coordination.sign_in_attempts(2)
    shared = 0
    moments.change("mine", lambda kept: [1.0, 2.0])
    for number in range(3000):
        before: list[float] = []

        def told(kept: Sequence[float], before: list[float] = before) -> Sequence[float]:
            before.extend(kept)
            return [5.0, 6.0]

        moments.change(str(number), told)
        shared += before != [0.0, 0.0]
    # Of 3000 some share one of so many records, and most don't.
    assert 0 < shared < 3000 * 3000 / RECORDS
    assert medium.room() <= 64 + RECORDS * 2 * 8


def test_who_is_killed_while_it_counts(medium: OnOneMachine) -> None:
    code = "coordination.sign_in_attempts(2).change('client', lambda moments: [1.0, 2.0])"
    calls = 0
    while medium.killed_in(code, calls):
        calls += 1
        found: list[float] = []

        def told(moments: Sequence[float], found: list[float] = found) -> None:
            found.extend(moments)

        medium.another().sign_in_attempts(2).change("client", told)
        assert found in ([0.0, 0.0], [1.0, 2.0])
    assert calls >= 2


# A medium that is full, read-only, or gone


def test_a_full_medium_keeps_what_was_there(medium: OnOneMachine) -> None:
    coordination = medium.coordination
    coordination.tokens.change(lambda content: b"old")
    assert coordination.points_in_time.add("a", POINT, b"old", 4e9, 5)
    coordination.sign_in_attempts(1).change("client", lambda moments: [1.0])
    with medium.full():
        with pytest.raises(StorageFull):
            coordination.tokens.change(lambda content: b"new")
        with pytest.raises(StorageFull):
            coordination.sign_ins.add(NAME, b"new")
        with pytest.raises(StorageFull):
            coordination.points_in_time.add("a", "x" * 43, b"new", 4e9, 5)
        with pytest.raises(StorageFull):
            coordination.points_in_time.replace("a", POINT, b"new", 4e9)
        with pytest.raises(StorageFull):
            coordination.sign_in_attempts(1).change("client", lambda moments: [2.0])
    assert coordination.tokens.read() == b"old"
    assert (coordination.sign_ins.read(NAME), coordination.sign_ins.written()) == (None, {})
    assert coordination.points_in_time.read("a", "x" * 43) is None
    found = coordination.points_in_time.read("a", POINT)
    assert found is not None
    assert found.content == b"old"
    moments: list[float] = []
    coordination.sign_in_attempts(1).change("client", lambda kept: moments.extend(kept))
    assert moments == [1.0]
    assert medium.held() == 0


def failing(coordination: Coordination) -> None:
    """All that has to write fails."""
    with pytest.raises(StorageFailed):
        coordination.tokens.change(lambda content: b"new")
    with pytest.raises(StorageFailed):
        coordination.sign_ins.add(NAME, b"new")
    with pytest.raises(StorageFailed):
        coordination.points_in_time.add("a", "x" * 43, b"new", 4e9, 5)
    with pytest.raises(StorageFailed):
        coordination.sign_in_attempts(1).change("client", lambda moments: [2.0])


@pytest.mark.needs("root")
def test_a_read_only_medium_can_be_read(medium: OnOneMachine) -> None:
    coordination = medium.coordination
    coordination.tokens.change(lambda content: b"old")
    coordination.sign_ins.add("f" * 64, b"old")
    assert coordination.points_in_time.add("a", POINT, b"old", 4e9, 5)
    with medium.read_only():
        failing(medium.another())
        for change in (
            lambda: coordination.points_in_time.replace("a", POINT, b"new", 4e9),
            lambda: coordination.points_in_time.remove("a", POINT),
            lambda: coordination.sign_ins.remove("f" * 64),
        ):
            with pytest.raises(StorageFailed):
                change()
        assert coordination.tokens.version() is not None
        assert (coordination.tokens.read(), coordination.sign_ins.read("f" * 64)) == (b"old", b"old")
        assert coordination.points_in_time.read("a", POINT) is not None
        assert set(coordination.sign_ins.written()) == {"f" * 64}
    assert medium.held() == 0


def test_a_medium_that_is_gone(medium: OnOneMachine) -> None:
    with medium.gone():
        failing(medium.another())
    assert medium.held() == 0


def test_what_lies_there_is_known(medium: OnOneMachine) -> None:
    coordination = medium.coordination
    coordination.tokens.change(lambda content: b"x")
    coordination.sign_ins.add(NAME, b"x")
    coordination.points_in_time.add("a", POINT, b"x", 4e9, 1)
    coordination.sign_in_attempts(1).change("client", lambda moments: [1.0])
    assert list(medium.another().strays(0.0)) == []
