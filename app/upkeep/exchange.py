"""Replaces the index by another one while the store goes on, as every rebuild and every migration does.

The next generation is filled beside the present one, so searches answer as before, downloads are not affected, and a
killed exchange leaves only a half-filled index, with which the next run goes on.

Meanwhile uploads and deletes change the present generation, not the next one. So the changes are copied again and again
until there are few. The last changes are copied while no change is under way (`ChangeLock`: changes wait, some tenths
of a second), and then the alias moves. Everything that was acknowledged before is in the next generation; everything
after is written to it. Unfinished journal entries stay, and are settled in the next generation.

Rejected: a second pass after the swap (until it ends, acknowledged uploads are not found and deleted ones are); writing
to both generations from the start (every upload would be slower, and a worker that does not know of it yet would lose
documents); a write block on the present generation (a killed run leaves it behind).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

from app.coordination.contract import ChangeLock
from app.index.generations import Generations

#: Fewer changes than this are copied in the pause; and the most passes until then, because a busy store never has that
#: few.
FEW = 64
PASSES = 5

#: A note of a build's progress changes the cluster state, which takes milliseconds or seconds. So notes take at most
#: this fraction of the time, and are at least this many seconds apart.
NOTE_SHARE = 0.05
NOTE_SECONDS = 0.25

Json = dict[str, Any]


class Source(Protocol):
    """The source of the documents. `name` is always the index to fill."""

    #: Its kind in the mark of an unfinished build: the run that continues it must be of the same kind.
    kind: str

    def fill(self, name: str, state: Json | None) -> Iterator[Json]:
        """Copy everything; yields, now and then, a state from which a later run can go on. `state`: where to go on."""
        ...

    def follow(self, name: str) -> int:
        """Copy what has changed since `fill` or the last `follow` read it. Returns how many changes there were."""
        ...

    def finish(self, name: str) -> None:
        """In the pause: copy the last changes, and make sure that nothing is missing. Raises IndexRejected."""
        ...


class Exchange:
    """One exchange; `run` does it. Only one at a time may run on a store: the caller holds the maintenance lock.

    `resumed`: whether an unfinished build was continued. `paused`: the seconds for which changes had to wait.
    """

    def __init__(self, generations: Generations, change_lock: ChangeLock) -> None:
        """`change_lock`: the lock that everything that changes attachments or chats holds."""
        self.resumed = False
        self.paused = 0.0
        self._generations = generations
        self._change_lock = change_lock

    def run(self, source: Source, into: str | None = None) -> str:
        """Fill the next generation, or the complete one named `into`, and put it behind the alias. Returns its name.

        Raises WrongIndex (nothing was changed), the other errors of the index (the next run goes on), and
        StorageFailed.
        """
        generations = self._generations
        # The run was killed after the last swap and before the mark was removed: it is complete, and in use.
        present = generations.current()
        if present is not None:
            generations.mark(present, None)
        name, state = (into, None) if into is not None else self._begin(source.kind)
        # Always the first state: the run that continues the build must know when it began.
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
        """Continue what an earlier run of this kind left unfinished, or begin anew and remove what can't be used."""
        taken: tuple[str, Json | None] | None = None
        for each in self._generations.unfinished():
            if taken is None and self._generations.fits(each) and (each.building or {}).get("kind") == kind:
                taken = each.name, each.building
            else:
                self._generations.remove(each.name)
        self.resumed = taken is not None
        return taken or (self._generations.create({"kind": kind}), None)
