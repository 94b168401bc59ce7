"""Which document is read next: tenants take turns, and slow documents wait behind those that may be quick.

The next turn is that of the tenant whose documents have the fewest slots now, and among several the one that has used
slots least lately. Its new documents come first, then those that failed or were stopped before (late ones). One slot is
always free of late ones: those of all tenants together have one slot less than there are. A document that has been read
for `QUICK` seconds is stopped when all slots are taken and another tenant, with fewer of them, waits with a new
document; it is late then. So a new document waits at most some seconds for those of one tenant, whatever they are, and
a tenant that is alone has all slots. With one slot only, a late document can be stopped as well, `PATIENCE` times.

The names in the queue's folder, and one read of each entry, show which documents wait; records are not read.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from app.extraction.queue import STAGES, Queue, QueueEntry, Stage
from app.extraction.slots import Held, Slot, Slots

#: Seconds for which a document is read before it may be stopped in favour of others.
QUICK = 3.0
#: How often a document is stopped in favour of others.
PATIENCE = 3
#: Seconds between two reads of the queue while documents are read.
LOOK = 0.5
#: The same in the later lanes, which also check the entries of the earlier ones, because these may have moved to a
#: later lane.
LATER_LOOK = 5.0


class Turns:
    """The waiting documents, as this process knows them. For any number of threads."""

    def __init__(self, queue: Queue, slots: Slots, tenant_of: Callable[[str], str], stage: Stage = "text") -> None:
        """`tenant_of`: the tenant of an attachment whose entry, of an earlier version, does not say it. `stage`: the
        stage of this lane."""
        self._queue = queue
        self._stage = stage
        self._pause = LOOK if stage == STAGES[0] else LATER_LOOK
        self._slots = slots
        self._tenant_of = tenant_of
        self._lock = threading.Lock()
        self._new: dict[str, dict[str, None]] = {}
        self._late: dict[str, dict[str, None]] = {}
        #: By entry in the folder: its tenant, and whether it was chosen since all were read.
        self._tenants: dict[str, str] = {}
        self._chosen: set[str] = set()
        self._looked = 0.0

    def add(self, attachment_id: str, tenant: str | None) -> None:
        """Add a new entry, without reading the folder."""
        tenant = self._tenant_of(attachment_id) if tenant is None else tenant
        with self._lock:
            self._tenants[attachment_id] = tenant
            self._new.setdefault(tenant, {})[attachment_id] = None

    def look(self, *, again: bool = False) -> None:
        """Read the folder. `again`: include entries that were chosen before. Raises StorageFailed."""
        names = set(self._queue.ids())
        with self._lock:
            self._looked = time.monotonic()
            if again:
                self._chosen.clear()
            self._chosen &= names
            self._tenants = {each: tenant for each, tenant in self._tenants.items() if each in names}
            waiting = {each for lane in (self._new, self._late) for ids in lane.values() for each in ids}
            # In the order in which they were made, as far as their ids say that.
            for each in sorted(names - waiting - self._chosen):
                said = self._queue.peek(each)
                if said.stage != self._stage:
                    if STAGES.index(said.stage) > STAGES.index(self._stage):
                        # An entry hardly comes back to this lane; in the other direction it does.
                        self._chosen.add(each)
                    continue
                tenant = self._tenants.get(each, said.tenant)
                if tenant is None:
                    tenant = self._tenant_of(each)
                self._tenants[each] = tenant
                (self._late if said.late else self._new).setdefault(tenant, {})[each] = None

    def waits(self) -> bool:
        """Whether there is anything to choose."""
        with self._lock:
            return any(self._new.values()) or any(self._late.values())

    def begin(self, slot: Slot, ready: Callable[[QueueEntry], bool]) -> tuple[QueueEntry, str] | None:
        """Take the entry whose turn it is, for that slot. Returns it with its tenant; None when no entry is `ready`.
        Raises StorageFull or StorageFailed."""
        if time.monotonic() - self._looked > self._pause:
            self.look()
        with self._slots.turn() as used:
            held = self._slots.held(besides=slot)
            late = sum(each.late for each in held) < max(1, self._slots.count - 1)
            while (chosen := self._next(held, used, late)) is not None:
                entry = self._queue.take(chosen[0])
                if entry is not None:
                    if entry.stage == self._stage and ready(entry) and (late or not entry.late):
                        entry.tenant = chosen[1]
                        slot.say(Held(chosen[1], entry.late))
                        return entry, chosen[1]
                    entry.close()
        return None

    def _next(self, held: list[Held], used: dict[str, float], late: bool) -> tuple[str, str] | None:
        with self._lock:
            lanes = (self._new, self._late) if late else (self._new,)
            tenant = whose([each for lane in lanes for each, ids in lane.items() if ids], held, used)
            if tenant is None:
                return None
            ids = next(lane[tenant] for lane in lanes if lane.get(tenant))
            found = next(iter(ids))
            del ids[found]
            self._chosen.add(found)
            return found, tenant

    def end(self, tenant: str, seconds: float) -> None:
        """Note how long a slot was used. Raises StorageFull or StorageFailed."""
        with self._slots.turn() as used:
            used[tenant] = used.get(tenant, 0.0) + seconds

    def gives_way(self, entry: QueueEntry, tenant: str, slot: Slot) -> bool:
        """Whether the document that has been read in `slot` for `QUICK` seconds has to be stopped in favour of others.
        Raises StorageFailed."""
        if entry.put_back >= PATIENCE or (entry.late and self._slots.count > 1):
            return False
        if time.monotonic() - self._looked > self._pause:
            self.look()
        with self._lock:
            others = {each: len(ids) for each, ids in self._new.items() if ids and each != tenant}
        if not others:
            return False
        with self._slots.turn():
            held = self._slots.held(besides=slot)
            if len(held) < self._slots.count - 1 or any(each.leaves for each in held):
                return False
            counts = Counter(each.tenant for each in held)
            # Another process is reading some of these entries, in a slot.
            if not any(counts[each] <= counts[tenant] and waiting > counts[each] for each, waiting in others.items()):
                return False
            slot.say(replace(Held(tenant, entry.late), leaves=True))
            return True


def whose(tenants: list[str], held: list[Held], used: dict[str, float]) -> str | None:
    """The tenant whose turn it is among those that wait, in the order of `tenants`; None when none waits."""
    counts = Counter(each.tenant for each in held)
    return min(tenants, key=lambda tenant: (counts[tenant], used.get(tenant, 0.0)), default=None)
