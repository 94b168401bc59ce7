"""The slots in which documents are read, so many for a store: what is said in each, and what tenants used of them.

What was used fades by half every `HALF_LIFE` seconds, so that nobody pays for long. Documents of another sort that must not
hold up these (those in whose pictures text is recognized) have slots of their own, with another name.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from app.coordination.contract import Json, WorkSlot, WorkSlots

HALF_LIFE = 60.0
#: Seconds of use that are forgotten.
LEAST = 0.01


@dataclass(frozen=True)
class Held:
    """A slot that somebody has. `tenant`: whose document is read in it, None while none was chosen. `late`: whether that
    one was stopped or failed before. `leaves`: whether it is about to be stopped for others."""

    tenant: str | None = None
    late: bool = False
    leaves: bool = False


class Slot:
    """A slot that this object has."""

    def __init__(self, slot: WorkSlot) -> None:
        self._slot = slot
        self.number = slot.number

    def say(self, held: Held) -> None:
        """Tell the others what is read in it. Raises StorageFull or StorageFailed."""
        self._slot.say(asdict(held))


class Slots:
    """The slots of one store for documents of one sort."""

    def __init__(self, slots: WorkSlots) -> None:
        self.count = slots.count
        self._slots = slots

    @contextlib.contextmanager
    def free(self) -> Iterator[Slot | None]:
        """One of them, had within the block; None when others have all. Raises StorageFull or StorageFailed."""
        with self._slots.free() as slot:
            yield None if slot is None else Slot(slot)

    def held(self, besides: Slot | None = None) -> list[Held]:
        """What is read in the slots that somebody has. Raises StorageFailed."""
        found = self._slots.said(None if besides is None else besides.number)
        return [Held(said.get("tenant"), bool(said.get("late")), bool(said.get("leaves"))) for said in found]

    @contextlib.contextmanager
    def turn(self) -> Iterator[dict[str, float]]:
        """Be the only one, within the block, who decides what is read next; seconds of slots that each tenant used lately,
        kept as they are at its end. Raises StorageFull or StorageFailed."""
        with self._slots.turn() as said:
            used = _faded(said, time.time())
            before = dict(used)
            yield used
            if used != before:
                at = round(time.time(), 3)
                said.clear()
                said.update({tenant: [round(seconds, 3), at] for tenant, seconds in used.items()})


def _faded(said: Json, now: float) -> dict[str, float]:
    """What is left of what was used. A time to come is one of a clock that was put back since."""
    found = {}
    with contextlib.suppress(ValueError, TypeError):
        for tenant, (seconds, at) in said.items():
            left = float(seconds) * 0.5 ** (max(0.0, now - at) / HALF_LIFE)
            if left >= LEAST:
                found[tenant] = left
    return found
