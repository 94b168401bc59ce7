"""The contract of app/coordination/contract.py: what is to be done, over everything that keeps it."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.coordination.contract import Claim, Claims
from app.errors import StorageFailed, StorageFull
from app.ids import new_uuid, new_xid
from tests.contracts.coordinations import OnDevice, OnOneMachine

NO_NAMES = ["", ".scanned", "../x", "a/b", "cu737jrq50kcaicgn7p0\0", "CU737JRQ50KCAICGN7P0", "\ud800"]
NO_NOTES = [
    "",
    "other",
    "unfit",
    "unfit-",
    "unfit-a/b",
    "unfit-..",
    "../scanned",
    "scanned\n",
    "unfit-\0",
    "unfit-ü",
    "slot-0",
]


@pytest.fixture
def medium(coordinated: OnOneMachine) -> OnOneMachine:
    return coordinated


def taken(claims: Claims, name: str) -> Claim:
    claim = claims.take(name)
    assert claim is not None
    return claim


@pytest.mark.parametrize("name", [new_xid(), new_uuid()], ids=["xid", "uuid"])
def test_the_life_of_a_claim(medium: OnOneMachine, name: str) -> None:
    claims, other = medium.coordination.claims, medium.another().claims
    assert (claims.take(name), claims.read(name), claims.has(name), list(claims.names())) == (None, None, False, [])
    assert claims.add(name, b"one")
    assert not other.add(name, b"another")
    for each in (claims, other, medium.another().claims):
        assert (each.read(name), each.has(name), list(each.names())) == (b"one", True, [name])
    claim = taken(claims, name)
    assert claim.content == b"one"
    assert (other.take(name), claims.take(name), other.add(name, b"x")) == (None, None, False)
    for content in (b"two" * 300, b"3", b""):
        before = time.time()
        claim.save(content)
        assert before - 2.0 <= claim.saved() <= time.time() + 2.0
        assert other.read(name) == content
    claim.save(b"left")
    for _ in range(2):
        claim.close()
    again = taken(other, name)
    assert again.content == b"left"
    again.done()
    again.close()
    for each in (claims, other, medium.another().claims):
        assert (each.take(name), each.read(name), each.has(name), list(each.names())) == (None, None, False, [])
    assert claims.add(name, b"anew")
    assert medium.held() == 0


def test_of_several_each_is_done_by_one(medium: OnOneMachine) -> None:
    names = [new_xid() for _ in range(40)]
    for name in names:
        assert medium.coordination.claims.add(name, b"{}")
    code = """
import random
names = list(coordination.claims.names())
random.shuffle(names)
for name in names:
    claim = coordination.claims.take(name)
    if claim is not None:
        print(name, flush=True)
        claim.done()
print("end", flush=True)
"""
    done: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        for process in [stack.enter_context(medium.process(code)) for _ in range(3)]:
            while (said := process.hear()) != "end":
                done[said] += 1
    assert done == Counter(names)
    assert list(medium.coordination.claims.names()) == []


def test_one_that_is_done_while_it_is_taken_is_not_done_again(medium: OnOneMachine) -> None:
    """Whoever looked before it was done finds nothing, or one that was added since: each is done once."""
    name, rounds = new_xid(), 300

    def work() -> int:
        claims, done = medium.another().claims, 0
        while ended < rounds:
            claim = claims.take(name)
            if claim is not None:
                done += claim.content == b"work"
                claim.done()
        return done

    ended, added = 0, 0
    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(work) for _ in range(2)]
        while ended < rounds:
            added += medium.coordination.claims.add(name, b"work")
            ended += 1
        done = sum(each.result(120) for each in working)
    last = medium.coordination.claims.take(name)
    # One may have been taken before its content was there.
    assert done <= added
    assert last is None or done < added
    assert medium.coordination.claims.has(name) == (last is not None)


def test_a_killed_process_has_nothing(medium: OnOneMachine) -> None:
    name = new_xid()
    code = f"""
coordination.claims.add({name!r}, b"one")
claim = coordination.claims.take({name!r})
claim.save(b"two")
note = coordination.claims.take_note("scanned")
print("had", flush=True)
input()
"""
    claims = medium.coordination.claims
    with medium.process(code) as process:
        assert process.hear() == "had"
        assert (claims.take(name), claims.take_note("scanned")) == (None, None)
        assert (claims.read(name), claims.has(name)) == (b"two", True)
        process.kill()
    assert taken(claims, name).content == b"two"
    assert claims.take_note("scanned") is not None


def test_who_is_killed_at_any_step_keeps_nobody_from_it(medium: OnOneMachine) -> None:
    """Whatever is in it then: it is there until it is done, and can be taken."""
    name = new_xid()
    code = f"""
coordination.claims.add({name!r}, b"long" * 100)
claim = coordination.claims.take({name!r})
claim.save(b"short")
claim.secure()
claim.done()
"""
    calls, seen = 0, []
    while medium.killed_in(code, calls):
        calls += 1
        claims = medium.another().claims
        claim = claims.take(name)
        assert (claim is not None) == claims.has(name) == (claims.read(name) is not None)
        seen.append(None if claim is None else claim.content)
        if claim is not None:
            claim.save(b"mended")
            claim.done()
        assert not claims.has(name)
        assert list(claims.names()) == []
    assert {None, b"", b"long" * 100, b"short"} <= set(seen)
    assert not medium.another().claims.has(name)
    assert medium.held() == 0


@pytest.mark.needs("root")
def test_what_was_secured_survives_the_power(powered: OnDevice) -> None:
    name, other = new_xid(), new_xid()
    claims = powered.coordination.claims
    powered.sync()
    assert claims.add(name, b"one")
    assert claims.add(other, b"other")
    claim = taken(claims, name)
    claim.save(b"two")
    claim.secure()
    with powered.after_power_cut() as after:
        assert after.claims.read(name) == b"two"
    claim.close()


def test_the_epoch_is_the_same_for_all(medium: OnOneMachine) -> None:
    with medium.process("print(coordination.claims.epoch, flush=True)") as process:
        assert process.hear() == medium.coordination.claims.epoch == medium.another().claims.epoch


def test_a_note_says_what_was_written_last(medium: OnOneMachine) -> None:
    claims, other = medium.coordination.claims, medium.another().claims
    for note in ("scanned", "readers", "controlled", "unfit-pdf"):
        assert claims.noted(note) is None
        claims.note(note, None)
        for content in (b"long" * 100, b"short", b"", "ü".encode()):
            claims.note(note, content)
            assert (claims.noted(note), other.noted(note)) == (content, content)
        claim = other.take_note(note)
        assert claim is not None
        assert claim.content == "ü".encode()
        assert claims.take_note(note) is None
        claim.save(b"saved")
        claim.close()
        assert claims.noted(note) == b"saved"
        claims.note(note, None)
        assert (claims.noted(note), other.noted(note)) == (None, None)
        made = claims.take_note(note)
        assert made is not None
        assert made.content == b""
        made.close()
    assert list(claims.names()) == []
    assert list(medium.another().strays(0.0)) == []
    assert medium.held() == 0


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name(medium: OnOneMachine, name: str) -> None:
    claims = medium.coordination.claims
    for ask in (claims.take, claims.read, claims.has, lambda each: claims.add(each, b"")):
        with pytest.raises(ValueError, match="id"):
            ask(name)


@pytest.mark.parametrize("note", NO_NOTES)
def test_what_is_no_note(medium: OnOneMachine, note: str) -> None:
    claims = medium.coordination.claims
    for ask in (
        claims.take_note,
        claims.noted,
        lambda each: claims.note(each, b""),
        lambda each: claims.note(each, None),
    ):
        with pytest.raises(ValueError, match="note"):
            ask(note)


def test_a_full_medium_is_said(medium: OnOneMachine) -> None:
    name, claims = new_xid(), medium.coordination.claims
    with medium.full():
        with pytest.raises(StorageFull):
            claims.add(name, b"content")
        with pytest.raises(StorageFull):
            claims.note("readers", b"content")
    claim = claims.take(name)
    if claim is None:
        assert claims.add(name, b"content")
        claim = taken(claims, name)
    with medium.full(), pytest.raises(StorageFull):
        claim.save(b"more content" * 10)
    with medium.full():
        claim.done()
    assert not claims.has(name)
    assert medium.held() == 0


def failing(medium: OnOneMachine, claims: Claims, name: str) -> None:
    for ask in (
        lambda: claims.add(name, b""),
        lambda: claims.take_note("scanned"),
        lambda: claims.note("readers", b""),
        lambda: claims.note("unfit-pdf", b""),
    ):
        with pytest.raises(StorageFailed):
            ask()


@pytest.mark.needs("root")
def test_a_read_only_medium_can_be_read(medium: OnOneMachine) -> None:
    name, claims = new_xid(), medium.coordination.claims
    assert claims.add(name, b"content")
    claim = taken(claims, name)
    with medium.read_only():
        other = medium.another().claims
        failing(medium, other, new_xid())
        assert (other.read(name), other.has(name), list(other.names())) == (b"content", True, [name])
        with pytest.raises(StorageFailed):
            other.take(name)
    claim.close()
    assert taken(claims, name).content == b"content"


def test_a_medium_that_is_gone(medium: OnOneMachine) -> None:
    claims = medium.coordination.claims
    with medium.gone():
        failing(medium, claims, new_xid())
        with pytest.raises(StorageFailed):
            list(claims.names())
    assert medium.held() == 0
