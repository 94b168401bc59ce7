"""Put another index in the place of the present one while the store goes on, as every rebuild and every migration does.

The next generation is filled beside the present one, so searches answer as before, downloads are not affected, and an
exchange that is killed leaves nothing but a half-filled index, which the next run goes on with.

Uploads and deletes meanwhile change the present generation, not the next one. So what has changed is brought over again
and again until it is hardly anything. What changed in the last moments is brought while no change is under way
(`ChangeLock`: they wait, some tenths of a second), and in that stillness the alias moves. Whatever was acknowledged
before is in the next generation; whatever comes after is written to it. Journal entries that nobody finished stay, and are
settled in the next generation.

Rejected: a second pass after the swap (until it ends, acknowledged uploads are not found and deleted ones are); writing
to both generations from the start (every upload would pay for it, and a worker that has not heard of it yet loses
documents); a write block on the present generation (a killed run leaves it behind).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

from app.coordination.contract import ChangeLock
from app.index.generations import Generations

#: Fewer changes than this are brought in the pause; and the most passes until then, as a busy store never gets there.
FEW = 64
PASSES = 5

#: A note of a build's progress changes the state of the cluster, which takes milliseconds or seconds. So notes take no more
#: than this share of the time, and are at least so many seconds apart.
NOTE_SHARE = 0.05
NOTE_SECONDS = 0.25

Json = dict[str, Any]


class Source(Protocol):
    """The source of the documents. `name` is always the index to fill."""

    #: Its kind in the mark of an unfinished build: the run that goes on must be of the same kind.
    kind: str

    def fill(self, name: str, state: Json | None) -> Iterator[Json]:
        """Bring everything; yields, now and then, a state from which a later run can go on. `state`: go on from there."""
        ...

    def follow(self, name: str) -> int:
        """Bring what has changed since `fill` or the last `follow` read it; returns how many changes there were."""
        ...

    def finish(self, name: str) -> None:
        """In the pause: bring the last changes, and make sure that nothing is missing. Raises IndexRejected."""
        ...


class Exchange:
    """One exchange; `run` does it. Only one at a time may run on a store: the caller holds the lock.

    `resumed`: whether an unfinished build was taken up. `paused`: the seconds in which changes had to wait.
    """

    def __init__(self, generations: Generations, change_lock: ChangeLock) -> None:
        """`change_lock`: that which all who change attachments or chats hold."""
        self.resumed = False
        self.paused = 0.0
        self._generations = generations
        self._change_lock = change_lock

    def run(self, source: Source, into: str | None = None) -> str:
        """Fill the next generation, or the whole one named `into`, and put it behind the alias; returns its name.

        Raises WrongIndex (nothing was changed), the other errors of the index (another run goes on), and
        StorageFailed.
        """
        generations = self._generations
        # Killed after the last swap and before the mark was removed: it is whole, and in use.
        present = generations.current()
        if present is not None:
            generations.mark(present, None)
        name, state = (into, None) if into is not None else self._begin(source.kind)
        # Always the first one: the run that goes on must know when the build began.
        due = time.monotonic()
        for reached in source.fill(name, state):
            now = time.monotonic()
            if into is None and now >= due:
                generations.mark(name, {"kind": source.kind, **reached})
                noted = time.monotonic()
                due = noted + max(NOTE_SECONDS, (noted - now) / NOTE_SHARE)
        for _ in range(PASSES):
            if source.follow(name) <= FEW:
                break
        generations.refresh(name)
        with self._change_lock.exclusive():
            began = time.monotonic()
            source.finish(name)
            generations.swap(name)
            self.paused = time.monotonic() - began
        generations.mark(name, None)
        return name

    def _begin(self, kind: str) -> tuple[str, Json | None]:
        """Take up what an earlier run of this kind left unfinished, or begin anew and remove what is of no use."""
        taken: tuple[str, Json | None] | None = None
        for each in self._generations.unfinished():
            if taken is None and self._generations.fits(each) and (each.building or {}).get("kind") == kind:
                taken = each.name, each.building
            else:
                self._generations.remove(each.name)
        self.resumed = taken is not None
        return taken or (self._generations.create({"kind": kind}), None)
