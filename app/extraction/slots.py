"""The slots in which documents are read, a fixed number for a store: what is read in each, and how long tenants used
them.

The time that was used is halved every `HALF_LIFE` seconds, so that a tenant is not held back for long. Other documents
that must not delay these (those in whose pictures text is recognized) have slots of their own, with another name.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from app.coordination.contract import Json, WorkSlot, WorkSlots

HALF_LIFE = 60.0
#: Seconds of use below which a tenant is forgotten.
LEAST = 0.01


@dataclass(frozen=True)
class Held:
    """A slot that is held. `tenant`: whose document is read in it, None while none was chosen. `late`: whether that
    document was stopped or failed before. `leaves`: whether it is about to be stopped in favour of others."""

    tenant: str | None = None
    late: bool = False
    leaves: bool = False


class Slot:
    """A slot that this object holds."""

    def __init__(self, slot: WorkSlot) -> None:
        self._slot = slot
        self.number = slot.number

    def say(self, held: Held) -> None:
        """Tell the others what is read in it. Raises StorageFull or StorageFailed."""
        self._slot.say(asdict(held))


class Slots:
    """The slots of one store for documents of one stage."""

    def __init__(self, slots: WorkSlots) -> None:
        self.count = slots.count
        self._slots = slots

    @contextlib.contextmanager
    def free(self) -> Iterator[Slot | None]:
        """A free slot, held within the block; None when others hold all. Raises StorageFull or StorageFailed."""
        with self._slots.free() as slot:
            yield None if slot is None else Slot(slot)

    def held(self, besides: Slot | None = None) -> list[Held]:
        """What is read in the slots that are held. Raises StorageFailed."""
        found = self._slots.said(None if besides is None else besides.number)
        return [Held(said.get("tenant"), bool(said.get("late")), bool(said.get("leaves"))) for said in found]

    @contextlib.contextmanager
    def turn(self) -> Iterator[dict[str, float]]:
        """Be the only one within the block that decides what is read next. Yields the seconds of slots that each tenant
        has used lately; they are kept as they are at the end of the block. Raises StorageFull or StorageFailed."""
        with self._slots.turn() as said:
            used = _faded(said, time.time())
            before = dict(used)
            yield used
            if used != before:
                at = round(time.time(), 3)
                said.clear()
                said.update({tenant: [round(seconds, 3), at] for tenant, seconds in used.items()})


def _faded(said: Json, now: float) -> dict[str, float]:
    """What is left of the used time. A time in the future is from a clock that was put back since."""
    found = {}
    with contextlib.suppress(ValueError, TypeError):
        for tenant, (seconds, at) in said.items():
            left = float(seconds) * 0.5 ** (max(0.0, now - at) / HALF_LIFE)
            if left >= LEAST:
                found[tenant] = left
    return found
