"""The threads that work through the queue: in every worker process of the server, sharing the work through its locks.

There are four stages: documents are read, thumbnails are drawn, the text in pictures is recognized, which takes seconds
for each, and passages are given vectors, where EMBEDDINGS is not `off`. Each stage has a lane with slots and turns of
its own, so no text waits for photos, no thumbnail waits for scans, and nothing waits for vectors. The caller says what
is done with an entry (`Work`).
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.coordination.contract import Coordination
from app.errors import IndexUnavailable, StorageUnavailable, StoreError
from app.extraction import sandbox
from app.extraction.queue import STAGES, Queue, QueueEntry, Stage
from app.extraction.slots import Slot, Slots
from app.extraction.turns import LOOK, QUICK, Turns
from app.settings import Settings

log = logging.getLogger(__name__)

#: Seconds before a document that failed is tried again, multiplied by the number of tries.
RETRY_SECONDS = 2.0
#: The most seconds between two tries; the pause doubles each time.
MOST_SECONDS = 300.0
#: Seconds between two attempts to get a free slot.
SLOT_SECONDS = 0.05
#: The part of the file names that distinguishes the lanes of the stages.
_LANES: dict[Stage, str] = {"text": "", "thumbnail": "thumbnails", "recognition": "pictures", "passages": "passages"}

#: Does the next step with an entry of this stage. Returns whether the entry is gone; raises sandbox.Stopped when the
#: function that it is given returns True.
Work = Callable[[QueueEntry, Stage, Callable[[], bool]], bool]


@dataclass(frozen=True)
class Lane:
    """The queue of documents of one stage. `fresh`: those that this process knows without reading the folder, with
    their tenants."""

    name: str
    stage: Stage
    slots: Slots
    turns: Turns
    fresh: queue.Queue[tuple[str, str | None]]

    def hear(self) -> bool:
        """Add the fresh ones to the turns. Returns whether there were any."""
        found = False
        with contextlib.suppress(queue.Empty):
            while True:
                self.turns.add(*self.fresh.get_nowait())
                found = True
        return found


class Lanes:
    """Works through one queue until stopped."""

    def __init__(
        self,
        entries: Queue,
        coordination: Coordination,
        settings: Settings,
        work: Work,
        tenant_of: Callable[[str], str],
        first: Mapping[Stage, Callable[[], None]],
    ) -> None:
        """`tenant_of`: the tenant of an attachment, empty if unknown. `first`: what one thread of a stage's lane does
        before everything else."""
        self._queue = entries
        self._coordination = coordination
        self._interval = settings.reconcile_interval
        self._do, self._tenant_of, self._first = work, tenant_of, first
        self._began = time.time()
        # The model reads one text at a time.
        embedded = int(settings.embeddings != "off")
        counts = (settings.extraction_workers, settings.thumbnail_workers, settings.recognition_workers, embedded)
        self._lanes = [self._lane(stage, count) for stage, count in zip(STAGES, counts, strict=True) if count]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(lane, number == 0), name=f"{lane.name}-{number}", daemon=True)
            for lane in self._lanes
            for number in range(lane.slots.count)
        ]

    def _lane(self, stage: Stage, count: int) -> Lane:
        name = _LANES[stage]
        slots = Slots(self._coordination.work_slots(count, name))
        turns = Turns(self._queue, slots, self._tenant_of, stage)
        return Lane(f"extractor-{name or 'texts'}", stage, slots, turns, self._queue.fresh[stage])

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop and wait for the threads to end; a document that is being read stays in the queue."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def work(self) -> int:
        """Do what can be done of the queue now, in this thread. Returns how many entries were done."""
        return sum(self._work(lane) for lane in self._lanes)

    def _work(self, lane: Lane) -> int:
        done = 0
        lane.turns.look(again=True)
        while not self._stop.is_set() and (lane.hear() or lane.turns.waits()):
            with lane.slots.free() as slot:
                if slot is not None:
                    begun = lane.turns.begin(slot, lambda entry: not _too_soon(entry, self._began))
                    if begun is None:
                        return done
                    with contextlib.closing(begun[0]):
                        done += self._one(*begun, lane, slot)
                    if begun[0].left and begun[0].stage != lane.stage:
                        self._queue.hand_over(begun[0].id, begun[1], begun[0].stage)
            if slot is None:
                self._stop.wait(SLOT_SECONDS)
        return done

    def stopped(self) -> bool:
        """Whether the lanes are stopping."""
        return self._stop.is_set()

    def _run(self, lane: Lane, first: bool) -> None:
        while not self._stop.is_set():
            try:
                if first and lane.stage in self._first:
                    self._first[lane.stage]()
                first = False
                self._work(lane)
            except (IndexUnavailable, StorageUnavailable):
                # Every request and /health report it; here it only means that it is done later.
                pass
            except sandbox.Stopped:
                return
            except Exception:
                log.exception("extracting failed; it goes on")
            # Wakes up at once for an upload of this process.
            with contextlib.suppress(queue.Empty):
                lane.turns.add(*lane.fresh.get(timeout=self._interval))

    def _one(self, entry: QueueEntry, tenant: str, lane: Lane, slot: Slot) -> bool:
        """Extract one attachment, unless it has to give way to others. Returns whether its entry is gone."""
        began = looked = time.monotonic()

        def stopping() -> bool:
            nonlocal looked
            if self._stop.is_set():
                return True
            now = time.monotonic()
            if now - began < QUICK or now - looked < LOOK:
                return False
            looked = now
            lane.hear()
            return lane.turns.gives_way(entry, tenant, slot)

        begun = entry.begun
        try:
            return self._do(entry, lane.stage, stopping)
        except StorageUnavailable:
            # It is the object store that interrupted it, and not the document.
            if entry.begun > begun:
                entry.begun = begun
                entry.save()
            raise
        except sandbox.Stopped:
            if self._stop.is_set():
                raise
            entry.begun -= 1
            entry.put_back += 1
            entry.save()
            return False
        finally:
            with contextlib.suppress(StoreError):
                lane.turns.end(tenant, time.monotonic() - began)


def _too_soon(entry: QueueEntry, began: float) -> bool:
    """Whether it failed recently and has to wait before the next try. `began`: when this process started; the machine
    may have been mended since."""
    doubled = min(max(entry.tried, entry.refused, entry.unfit), 10)
    if doubled == 0:
        return False
    wait = min(MOST_SECONDS, RETRY_SECONDS * 2**doubled)
    saved = entry.saved()
    if entry.unfit and saved < began:
        return False
    # A time in the future means that the clock was put back since: it is not waited for.
    return bool(0 <= time.time() - saved < wait)
