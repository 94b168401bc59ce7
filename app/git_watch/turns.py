"""Turns for tasks of an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.turns import Turns


class AwaitedTurns:
    """`places` in all, of which a tenant has at most `of_one` at a time (app.turns). For one event loop, in its thread."""

    def __init__(self, places: int, of_one: int) -> None:
        self._turns: Turns[asyncio.Future[None]] = Turns(places, of_one)

    async def take(self, tenant: str) -> Callable[[], None]:
        """Wait for a place. The returned function gives it back, and must be called once."""
        turn = asyncio.get_running_loop().create_future()
        if not self._turns.take(tenant, turn):
            try:
                await turn
            except asyncio.CancelledError:
                if turn.cancelled():
                    self._turns.leave(tenant, turn)
                else:
                    # The place was given at the moment when the wait was cancelled.
                    self._give_back(tenant)
                raise
        return lambda: self._give_back(tenant)

    def _give_back(self, tenant: str) -> None:
        while (following := self._turns.give_back(tenant)) is not None:
            tenant, turn = following
            if not turn.done():
                turn.set_result(None)
                return
            # The wait was cancelled, and its task does not know yet.
