"""The threads that extract: in every worker process of the server, sharing the work through the queue's locks.

One attachment: text durable -> outcome durable (`<id>.extraction`, from here on nothing is extracted again) -> document
with the text, searchable -> queue entry away. Whatever is killed in between, the entry stays and the rest is done later,
once. A delete that comes meanwhile wins: its removal has a higher version than any document, and who finds the record
gone takes away the text that it just wrote.

There are three stages, each with a lane of its own, which has slots and turns of its own: documents are read, thumbnails are
drawn, and the text in pictures is recognized, which takes seconds for each. So neither photos keep a text waiting nor scans
a thumbnail. A picture has nothing to read in the first one. A document with pictures inside, or with pages that are
pictures, goes on to the last one when the rest of its text can be found. There it is read once more, pictures and all; where
that fails, the text that it has stays, and is told as cut.

Thumbnails: drawn -> durable in one step (`<id>.thumbnail`, also where there are none) -> stage done. They are no part of the
document in the index, and what becomes of them changes nothing of the text or its state. Where the machine is the reason
that they can't be drawn, the entry's other stages go first.

Where this machine is the reason that a document could not be read (app/extraction/control.py), the outcome says so and the
entry stays: it is tried again later and later, and at the next start.

A text that Elasticsearch won't take, though it takes the document without it, is tried again later and later, and has failed
in the end; the others go on. One that it refuses for good has failed at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from app.attachment import Attachment, now
from app.document import TEXT_FIELDS, document_of
from app.errors import IndexOutcomeUnknown, IndexRejected, IndexUnavailable, StorageFailed, StorageFull, StoreError
from app.extraction import drawing, reading, sandbox
from app.extraction.control import DOCUMENTS, Controls
from app.extraction.kinds import DRAWERS, READERS, RECOGNIZED, Kind, Way, forms
from app.extraction.queue import STAGES, Entry, Queue, Stage
from app.extraction.record import Extraction, Reason
from app.extraction.sandbox import Limits, Verdict
from app.extraction.slots import Slot, Slots
from app.extraction.thumbnail import Thumbnail, listed
from app.extraction.turns import LOOK, QUICK, Turns
from app.monitoring import measures
from app.settings import Settings
from app.storage.contract import StagedText
from app.store import Store

log = logging.getLogger(__name__)

#: Seconds before a document that failed is tried again, times the tries it had.
RETRY_SECONDS = 2.0
#: How often Elasticsearch may refuse a text, or not be done with it, while it takes the rest of the document; and seconds
#: between two tries at most, which double each time.
REFUSALS = 8
MOST_SECONDS = 300.0
#: How often work on a document may be cut off by the end of the server before the document is held to be the reason.
INTERRUPTIONS = 10
#: Seconds between two looks for a free slot.
SLOT_SECONDS = 0.05
#: What the files of a stage's lane are called by.
_LANES: dict[Stage, str] = {"text": "", "thumbnail": "thumbnails", "recognition": "pictures"}


@dataclass(frozen=True)
class Lane:
    """Documents that wait for each other. `fresh`: those of which this process knows without a look, with their tenants."""

    name: str
    stage: Stage
    slots: Slots
    turns: Turns
    fresh: queue.Queue[tuple[str, str | None]]

    def hear(self) -> bool:
        """Take up the fresh ones; whether there were any."""
        found = False
        with contextlib.suppress(queue.Empty):
            while True:
                self.turns.add(*self.fresh.get_nowait())
                found = True
        return found


class Extractor:
    """Works through the queue of one store until stopped."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._queue: Queue = store.queue
        self._settings = settings
        self._limits = Limits(
            settings.extraction_timeout,
            settings.extraction_memory,
            settings.max_indexed_text,
            settings.recognition_languages,
        )
        self._controls = Controls(self._limits)
        self._began = time.time()
        self._change_lock = store.coordination.change_lock
        counts = (settings.extraction_workers, settings.thumbnail_workers, settings.recognition_workers)
        self._lanes = [self._lane(stage, count) for stage, count in zip(STAGES, counts, strict=True)]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(lane, number == 0), name=f"{lane.name}-{number}", daemon=True)
            for lane in self._lanes
            for number in range(lane.slots.count)
        ]

    def _lane(self, stage: Stage, count: int) -> Lane:
        name = _LANES[stage]
        slots = Slots(self._store.coordination.work_slots(count, name))
        turns = Turns(self._queue, slots, self._tenant_of, stage)
        return Lane(f"extractor-{name or 'texts'}", stage, slots, turns, self._queue.fresh[stage])

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop; a document at hand stays in the queue. Waits for it."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def work(self) -> int:
        """Do what can be done of the queue now, in this thread; how many were done."""
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

    def _tenant_of(self, attachment_id: str) -> str:
        try:
            attachment = self._store.attachment(attachment_id)
        except StorageFailed:
            return ""
        return "" if attachment is None else attachment.tenant

    def _run(self, lane: Lane, first: bool) -> None:
        while not self._stop.is_set():
            try:
                if first and lane.stage == "text":
                    self._scan()
                if first and lane.stage == "recognition":
                    # Of each kind one: seconds in all, for which no text is to wait.
                    self._control()
                first = False
                self._work(lane)
            except IndexUnavailable:
                # It is said by every request and by /health; here it only means: later.
                pass
            except sandbox.Stopped:
                return
            except Exception:
                log.exception("extracting failed; it goes on")
            # Wakes up at once for an upload of this process.
            with contextlib.suppress(queue.Empty):
                lane.turns.add(*lane.fresh.get(timeout=self._settings.reconcile_interval))

    def _scan(self) -> None:
        condition = f"{forms()} thumbnails={self._settings.thumbnails}"
        with self._queue.scan(condition, f"{READERS} recognition={self._store.recognition}") as due:
            if due is not None:
                count = self._store.queue_missing(failed=due == "failed")
                log.info("looked through all records: %d to extract", count)

    def _control(self) -> None:
        """See whether this machine can read documents, before any comes."""
        for kind in DOCUMENTS:
            wanted = self._store.recognition if kind in RECOGNIZED else kind not in DRAWERS or self._store.draws
            if wanted:
                self._unfit(kind)
            else:
                # Nobody recognizes text here, or draws, so nothing of it fails.
                self._queue.note_unfit(kind, None)

    def _unfit(self, kind: Kind) -> str | None:
        """What keeps this machine from reading documents of this kind, noted for everybody; None when nothing does."""
        detail = self._controls.failing(kind, self._stop.is_set)
        if detail is not None and kind not in self._queue.unfit():
            log.error("this machine can't read documents of the kind %s: %s", kind, detail)
        self._queue.note_unfit(kind, detail)
        return detail

    def _one(self, entry: Entry, tenant: str, lane: Lane, slot: Slot) -> bool:
        """Extract it unless it has to give way to others; whether its entry is gone."""
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

        try:
            return self._draw(entry, stopping) if lane.stage == "thumbnail" else self._extract(entry, stopping)
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

    def _extract(self, entry: Entry, stopping: Callable[[], bool]) -> bool:
        attachment = self._store.attachment(entry.id)
        if attachment is None:
            self._forget(entry)
            return True
        if not entry.left:
            stages = self._store.stages_anew if entry.again else self._store.stages
            entry.left = stages(attachment) or ("text",)
            entry.save()
            if entry.stage != "text":
                return False
        recognizing = entry.stage == "recognition"
        known = self._store.extraction(entry.id)
        if entry.again or entry.unfit or recognizing or known is None:
            has_text = recognizing and known is not None and known.size > 0
            outcome = self._outcome(entry, attachment, stopping)
            if outcome == "later":
                # What text it has is in its pictures.
                with self._change():
                    return not self._overtaken(entry, attachment) and entry.go_on()
            if outcome is None or (has_text and outcome[0].reason == "environment"):
                return False
            if has_text and outcome[0].reason is not None:
                with self._change():
                    return not self._overtaken(entry, attachment) and self._index(entry, attachment)
            extraction, text = self._later(entry, outcome[0]), outcome[1]
            # The files and the document change together: a rebuild has both or none.
            with contextlib.nullcontext() if text is None else contextlib.closing(text), self._change():
                if self._overtaken(entry, attachment):
                    return False
                entry.secure()
                self._store.storage.keep_text(entry.id, extraction.to_record(), text)
                measures.extracted(extraction.reason or "completed")
                if entry.again or entry.refused:
                    entry.again, entry.refused = False, 0
                    entry.save()
                return self._index(entry, attachment)
        with self._change():
            return not self._overtaken(entry, attachment) and self._index(entry, attachment)

    def _overtaken(self, entry: Entry, attachment: Attachment) -> bool:
        """Whether the record was written anew since, so that its text and thumbnails may be others: then all is to be done
        anew, which whoever wrote it could not say in the entry. Nobody writes it within `_change`."""
        present = self._store.attachment(attachment.id)
        if present is None or present.updated == attachment.updated:
            return False
        entry.left, entry.again = (), True
        entry.save()
        return True

    def _later(self, entry: Entry, extraction: Extraction) -> Extraction:
        """`extraction`, later than the one before it, whatever the clock says: its time is the document's version."""
        before = self._store.extraction(entry.id)
        if before is None or before.at < extraction.at:
            return extraction
        return replace(extraction, at=before.at + timedelta(microseconds=1))

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        with contextlib.closing(self._change_lock.shared()):
            yield

    def _index(self, entry: Entry, attachment: Attachment) -> bool:
        """Make the text searchable; whether nothing is left to do."""
        if self._store.attachment(entry.id) is not None and not self._indexed(entry, attachment):
            return False
        if self._store.attachment(entry.id) is None:
            self._forget(entry)
        else:
            return not entry.unfit and entry.go_on()
        return True

    def _indexed(self, entry: Entry, attachment: Attachment) -> bool:
        """Whether the document is in the index: with its text, or without one that Elasticsearch won't take."""
        document = document_of(self._store.storage, attachment)
        try:
            self._store.index.put_documents([document])
            return True
        except (IndexRejected, IndexUnavailable, IndexOutcomeUnknown) as error:
            if document.source is None or not document.source.get("content_words"):
                if isinstance(error, IndexRejected):
                    log.info("the document of %s is not indexed: %s", entry.id, error)
                    return True
                raise
            refused = error
        bare = {name: value for name, value in document.source.items() if name not in TEXT_FIELDS}
        try:
            # Taken, it was the text; else it is Elasticsearch, which nobody's text is to blame for.
            self._store.index.put_documents([replace(document, source=bare)])
        except IndexRejected as error:
            # A delete was faster, which is looked for next; or somebody who knew more.
            log.info("the text of %s is not indexed: %s", entry.id, error)
            return True
        entry.refused += 1
        log.warning("Elasticsearch did not take the text of %s: %s", entry.id, refused)
        if isinstance(refused, IndexRejected) or entry.refused >= REFUSALS:
            failed = self._failed(entry, "too-large", "Elasticsearch did not take the text")
            self._store.storage.keep_text(entry.id, self._later(entry, failed).to_record(), None)
            self._store.index.put_documents([document_of(self._store.storage, attachment)])
            return True
        entry.save()
        return False

    def _forget(self, entry: Entry) -> None:
        """The attachment was deleted: nothing of its text may stay."""
        self._store.storage.remove_text(entry.id)
        self._store.storage.remove_thumbnail(entry.id)
        self._store.index.remove([entry.id])
        entry.done()

    # Thumbnails

    def _draw(self, entry: Entry, stopping: Callable[[], bool]) -> bool:
        """Draw its thumbnails; whether nothing is left to do."""
        attachment = self._store.attachment(entry.id)
        if attachment is None:
            self._forget(entry)
            return True
        way = self._store.drawing(attachment)
        drawn = None if way is None else self._drawn(entry, attachment, way, stopping)
        if way is not None and drawn is None:
            return False
        with self._change():
            if self._overtaken(entry, attachment):
                return False
            if drawn is not None:
                try:
                    self._store.storage.keep_thumbnail(entry.id, drawn[0].to_head(), drawn[1])
                except (StorageFull, StorageFailed) as error:
                    log.warning("the thumbnails of %s can't be kept now: %s", entry.id, error)
                    return self._not_now(entry)
                measures.drawn(drawn[0].reason or "completed")
            elif self._store.draws:
                self._store.storage.remove_thumbnail(entry.id)
            if self._store.attachment(entry.id) is None:
                self._forget(entry)
                return True
            return entry.go_on()

    def _not_now(self, entry: Entry) -> Literal[False]:
        """The machine is why it can't be drawn: nothing else that is left of it waits until that is put right."""
        entry.begun = max(0, entry.begun - 1)
        entry.unfit += 1
        entry.left = (*entry.left[1:], entry.left[0])
        entry.save()
        return False

    def _drawn(
        self, entry: Entry, attachment: Attachment, way: Way, stopping: Callable[[], bool]
    ) -> tuple[Thumbnail, tuple[bytes, ...]] | None:
        """How drawing ended, with the pictures; None when it is to be tried again."""
        if entry.begun - entry.tried >= INTERRUPTIONS:
            return Thumbnail(now(), entry.tried, "interrupted", "the server ended each time"), ()
        if attachment.size > self._settings.extraction_max_file_size:
            return Thumbnail(now(), 0, "too-large", f"{attachment.size} bytes"), ()
        content = self._store.storage.open(entry.id)
        if content is None:
            return Thumbnail(now(), 0, "missing-bytes"), ()
        entry.begun += 1
        entry.save()
        with contextlib.closing(content), measures.step("draw"):
            verdict, pictures = drawing.draw(way, content, self._limits, stopping)
        if verdict.reason is None:
            self._queue.note_unfit(way.kind, None)
            return Thumbnail(now(), entry.tried + 1, pictures=listed(pictures)), pictures
        log.info("drawing %s failed: %s %s", entry.id, verdict.reason, verdict.detail)
        if verdict.reason == "environment" or (verdict is not drawing.NO_PREVIEW and self._unfit(way.kind) is not None):
            self._not_now(entry)
            return None
        entry.tried += 1
        if verdict.final or entry.tried >= self._settings.extraction_attempts:
            return Thumbnail(now(), entry.tried, verdict.reason, verdict.detail), ()
        entry.save()
        return None

    def _outcome(
        self, entry: Entry, attachment: Attachment, stopping: Callable[[], bool]
    ) -> tuple[Extraction, StagedText | None] | Literal["later"] | None:
        """How it ended, with the text; None when it is to be tried again, `later` when there is none but in its pictures."""
        if entry.begun - entry.tried >= INTERRUPTIONS:
            return self._failed(entry, "interrupted", "the server ended each time"), None
        if attachment.size > self._settings.extraction_max_file_size:
            return self._failed(entry, "too-large", f"{attachment.size} bytes"), None
        way = self._store.way(attachment)
        if way is None:
            return self._failed(entry, "unsupported" if attachment.size else "empty", ""), None
        content = self._store.storage.open(entry.id)
        if content is None:
            return self._failed(entry, "missing-bytes", ""), None
        entry.begun += 1
        entry.save()
        with contextlib.closing(content):
            text = self._store.storage.stage_text()
            try:
                with measures.step("extract"):
                    recognizing = entry.stage == "recognition"
                    verdict = reading.read(
                        way, content.local(), text.file, self._limits, stopping, pictures=recognizing
                    )
                if verdict.reason is None:
                    entry.unfit = 0
                    if verdict.waits:
                        if "recognition" not in entry.left:
                            entry.left = (*entry.left, "recognition")
                            entry.save()
                        verdict = replace(verdict, cut=True, characters=None)
                    # Whatever was wrong before, this machine reads them now.
                    self._queue.note_unfit(way.kind, None)
                    completed = self._completed(entry, verdict, text)
                    if completed is not None:
                        return completed, text
                    text.close()
                    if verdict.waits:
                        return "later"
                    entry.tried += 1
                    return self._failed(entry, "empty", "", verdict), None
            except BaseException:
                text.close()
                raise
            text.close()
        log.info("extracting %s failed: %s %s", entry.id, verdict.reason, verdict.detail)
        detail = verdict.detail if verdict.reason == "environment" else self._unfit(way.kind)
        if detail is not None:
            return self._of_the_machine(entry, detail)
        entry.tried += 1
        if verdict.reason is not None and (verdict.final or entry.tried >= self._settings.extraction_attempts):
            return self._failed(entry, verdict.reason, verdict.detail, verdict), None
        entry.save()
        return None

    def _of_the_machine(self, entry: Entry, detail: str) -> tuple[Extraction, None] | None:
        """The outcome when the machine is the reason; None when it is known already. The entry stays."""
        entry.begun -= 1
        entry.unfit += 1
        entry.again = False
        entry.save()
        known = self._store.extraction(entry.id)
        if known is not None and known.reason == "environment":
            return None
        return Extraction(now(), entry.tried, "environment", detail), None

    def _failed(self, entry: Entry, reason: Reason, detail: str, verdict: Verdict | None = None) -> Extraction:
        """The outcome when the document is the reason: it waits for no machine any more."""
        entry.unfit = 0
        return Extraction(now(), entry.tried, reason, detail, recognition=self._recognition(verdict))

    def _completed(self, entry: Entry, verdict: Verdict, text: StagedText) -> Extraction | None:
        """The outcome where there is a text; None where it is blank."""
        content = text.content()
        if not content.strip():
            return None
        digest = hashlib.sha256(content).hexdigest()
        return Extraction(
            now(),
            entry.tried + 1,
            size=len(content),
            sha256=digest,
            characters=verdict.characters,
            cut=verdict.cut,
            parts=verdict.parts,
            recognition=self._recognition(verdict),
        )

    def _recognition(self, verdict: Verdict | None) -> tuple[str, ...] | None:
        return self._store.recognition_data() if verdict is not None and verdict.pictured else None


def _too_soon(entry: Entry, began: float) -> bool:
    """Whether it failed just now, and is to be left alone for a while. `began`: when this process did; a machine may have
    been put right since."""
    doubled = min(max(entry.tried, entry.refused, entry.unfit), 10)
    if doubled == 0:
        return False
    wait = min(MOST_SECONDS, RETRY_SECONDS * 2**doubled)
    saved = entry.saved()
    if entry.unfit and saved < began:
        return False
    # A time to come is one of a clock that was put back since: nobody waits until it is reached again.
    return bool(0 <= time.time() - saved < wait)
