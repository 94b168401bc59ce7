"""Places and turns: tenants one after the other, and nobody has them all."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable

import pytest

from app.errors import TooManyWebSockets, WebSocketsFull
from app.git_watch.places import Places
from app.git_watch.turns import AwaitedTurns
from app.git_watch.unread import MAX_UNREAD, Unread
from app.turns import Turns
from tests.support.loops import run


class Order:
    """Who got a place, in this order, and how each gives it back."""

    def __init__(self, turns: AwaitedTurns) -> None:
        self.turns = turns
        self.got: list[str] = []
        self.backs: list[Callable[[], None]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def want(self, *names: str) -> None:
        self.tasks += [asyncio.get_running_loop().create_task(self._wait(name)) for name in names]
        await self.settle()

    async def _wait(self, name: str) -> None:
        back = await self.turns.take(name[0])
        self.got.append(name)
        self.backs.append(back)

    async def free(self, number: int) -> None:
        self.backs[number]()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for each in self.tasks:
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await each


def test_tenants_take_turns_whatever_each_of_them_wants() -> None:
    async def act() -> None:
        order = Order(AwaitedTurns(3, 2))
        await order.want("a1", "a2", "a3", "a4", "b1")
        assert order.got == ["a1", "a2", "b1"]
        await order.want("b2", "c1", "b3", "c2")
        for number in range(6):
            await order.free(number)
        assert order.got == ["a1", "a2", "b1", "a3", "b2", "c1", "a4", "b3", "c2"]
        await order.end()

    run(act())


def test_a_tenant_that_has_its_places_does_not_hold_up_those_behind_it() -> None:
    async def act() -> None:
        order = Order(AwaitedTurns(3, 2))
        await order.want(*(f"a{number}" for number in range(50)), "b1")
        assert order.got == ["a0", "a1", "b1"]
        await order.free(2)
        assert len(order.got) == 3
        await order.want("c1")
        assert order.got[-1] == "c1"
        await order.end()

    run(act())


def test_a_turn_does_not_come_to_who_was_cancelled_just_before() -> None:
    async def act() -> None:
        order = Order(AwaitedTurns(1, 1))
        await order.want("a1", "b1", "c1")
        order.tasks[1].cancel()
        await order.free(0)
        assert order.got == ["a1", "c1"]
        await order.free(1)
        await order.want("d1")
        assert order.got == ["a1", "c1", "d1"]
        await order.end()

    run(act())


def test_a_place_goes_to_the_tenant_whose_turn_it_is_whoever_gives_it_back() -> None:
    turns: Turns[str] = Turns(4, 2)
    came = ["a1", "a2", "a3", "b1", "a4", "c1", "b2", "b3", "c2"]
    assert [each for each in came if turns.take(each[0], each)] == ["a1", "a2", "b1", "c1"]
    # b and c have one each and have waited since; a has waited longer and has as many as it may.
    got = [turns.give_back("c"), turns.give_back("b"), turns.give_back("a")]
    assert got == [("b", "b2"), ("c", "c2"), ("a", "a3")]
    turns.leave("b", "b3")
    turns.leave("b", "b3")
    turns.leave("d", "d1")
    assert turns.give_back("b") is None
    assert turns.give_back("a") == ("a", "a4")
    assert [turns.give_back(each) for each in "aac"] == [None, None, None]
    assert [each for each in came if turns.take(each[0], each)] == ["a1", "a2", "b1", "c1"]


def test_who_does_not_want_any_more_leaves_its_place_in_the_line_and_its_turn() -> None:
    async def act() -> None:
        order = Order(AwaitedTurns(1, 1))
        await order.want("a1", "b1", "c1")
        order.tasks[1].cancel()
        await order.settle()
        # It is called and cancelled in the same moment.
        order.backs[0]()
        order.tasks[2].cancel()
        await order.settle()
        await order.want("d1")
        assert order.got == ["a1", "d1"]
        await order.end()

    run(act())


def test_places_are_bounded_by_tenant_and_in_all() -> None:
    places = Places(3, 2)
    ours = [places.take("a"), places.take("a")]
    with pytest.raises(TooManyWebSockets):
        places.take("a")
    theirs = places.take("b")
    with pytest.raises(WebSocketsFull):
        places.take("c")
    ours[0].give_back()
    ours[0].give_back()
    kept = places.take("a")
    with pytest.raises(TooManyWebSockets):
        places.take("a")
    theirs.give_back()
    places.take("c").give_back()
    assert kept.tenant == "a"


def test_a_place_that_nobody_has_any_more_is_free() -> None:
    places = Places(1, 1)
    places.take("a")
    gc.collect()
    places.take("a").give_back()


def test_what_is_not_taken_yet_is_bounded() -> None:
    unread = Unread()
    told: list[str] = []

    def tell(name: str) -> None:
        if unread.admits(name, lambda: tell(name)):
            told.append(name)
            unread.hold(name, MAX_UNREAD // 2)

    for name in ("a", "b", "c", "d", "e"):
        tell(name)
    assert told == ["a", "b"]
    unread.release("d")
    unread.release("a")
    assert told == ["a", "b", "c"]
    unread.release("b")
    unread.release("c")
    assert told == ["a", "b", "c", "e"]
