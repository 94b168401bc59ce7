"""How reading or drawing a document ends: with an outcome, or with another try."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from app.extraction import drawing, reading
from app.extraction.control import DOCUMENTS, Controls
from app.extraction.kinds import DRAWERS, RECOGNIZED, Kind, Way
from app.extraction.queue import Queue, QueueEntry, in_order
from app.extraction.record import Extraction, Reason
from app.extraction.sandbox import Limits, Stopped, Verdict
from app.extraction.thumbnail import Thumbnail, listed
from app.model.attachment import Attachment, now
from app.services.records import Records
from app.services.steps import Steps
from app.settings import Settings
from app.storage.contract import StagedText, Storage
from app.telemetry import measures

log = logging.getLogger(__name__)

#: How often the server may end while it works on a document, before the document counts as the reason.
INTERRUPTIONS = 10
#: Seconds between two looks whether another process has found out what this machine can read.
LOOK = 0.2


class Outcomes:
    """Reads and draws documents in the sandbox. Notes in their entries what was tried; keeps nothing else."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        queue: Queue,
        records: Records,
        steps: Steps,
        stopped: Callable[[], bool],
    ) -> None:
        """`stopped`: whether the server is stopping."""
        self._storage, self._queue, self._records, self._steps = storage, queue, records, steps
        self._limits = Limits(
            settings.extraction_timeout,
            settings.extraction_memory,
            settings.max_indexed_text,
            settings.recognition_languages,
        )
        self._controls = Controls(self._limits)
        self._most_size = settings.extraction_max_file_size
        self._attempts = settings.extraction_attempts
        self._stopped = stopped

    def control(self) -> None:
        """Find out whether this machine can read documents, before any arrives: one of the processes that start together
        does, the others wait for it, and one of them continues if it is killed. Raises Stopped."""
        began, wanted = time.time(), None
        while wanted is None:
            with self._queue.control(began) as wanted:
                if wanted:
                    self._control()
            if wanted is None:
                if self._stopped():
                    raise Stopped
                time.sleep(LOOK)

    def _control(self) -> None:
        for kind in DOCUMENTS:
            wanted = self._steps.recognition if kind in RECOGNIZED else kind not in DRAWERS or self._steps.draws
            if wanted:
                self._unfit(kind)
            else:
                # Recognition or drawing is off here, so it can't fail.
                self._queue.note_unfit(kind, None)

    def _unfit(self, kind: Kind) -> str | None:
        """What keeps this machine from reading documents of this kind, noted for all processes; None when nothing does."""
        detail = self._controls.failing(kind, self._stopped)
        if detail is not None and kind not in self._queue.unfit():
            log.error("this machine can't read documents of the kind %s: %s", kind, detail)
        self._queue.note_unfit(kind, detail)
        return detail

    def text(
        self, entry: QueueEntry, attachment: Attachment, stopping: Callable[[], bool]
    ) -> tuple[Extraction, StagedText | None] | Literal["later"] | None:
        """The outcome, with the text; None when it is to be tried again, `later` when its only text is in pictures."""
        if entry.begun - entry.tried >= INTERRUPTIONS:
            return self.failed(entry, "interrupted", "the server ended each time"), None
        if attachment.size > self._most_size:
            return self.failed(entry, "too-large", f"{attachment.size} bytes"), None
        way = self._steps.way(attachment)
        if way is None:
            return self.failed(entry, "unsupported" if attachment.size else "empty", ""), None
        content = self._storage.open(entry.id)
        if content is None:
            return self.failed(entry, "missing-bytes", ""), None
        entry.begun += 1
        entry.save()
        with contextlib.closing(content):
            text = self._storage.stage_text()
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
                            entry.left = in_order((*entry.left, "recognition"))
                            entry.save()
                        verdict = replace(verdict, cut=True, characters=None)
                    # Whatever was wrong before, this machine can read such documents now.
                    self._queue.note_unfit(way.kind, None)
                    completed = self._completed(entry, verdict, text)
                    if completed is not None:
                        return completed, text
                    text.close()
                    if verdict.waits:
                        return "later"
                    entry.tried += 1
                    return self.failed(entry, "empty", "", verdict), None
            except BaseException:
                text.close()
                raise
            text.close()
        log.info("extracting %s failed: %s %s", entry.id, verdict.reason, verdict.detail)
        detail = verdict.detail if verdict.reason == "environment" else self._unfit(way.kind)
        if detail is not None:
            return self._of_the_machine(entry, detail)
        entry.tried += 1
        if verdict.reason is not None and (verdict.final or entry.tried >= self._attempts):
            return self.failed(entry, verdict.reason, verdict.detail, verdict), None
        entry.save()
        return None

    def thumbnail(
        self, entry: QueueEntry, attachment: Attachment, way: Way, stopping: Callable[[], bool]
    ) -> tuple[Thumbnail, tuple[bytes, ...]] | None:
        """The outcome of drawing, with the pictures; None when it is to be tried again."""
        if entry.begun - entry.tried >= INTERRUPTIONS:
            return Thumbnail(now(), entry.tried, "interrupted", "the server ended each time"), ()
        if attachment.size > self._most_size:
            return Thumbnail(now(), 0, "too-large", f"{attachment.size} bytes"), ()
        content = self._storage.open(entry.id)
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
            self.not_now(entry)
            return None
        entry.tried += 1
        if verdict.final or entry.tried >= self._attempts:
            return Thumbnail(now(), entry.tried, verdict.reason, verdict.detail), ()
        entry.save()
        return None

    def not_now(self, entry: QueueEntry) -> Literal[False]:
        """It can't be drawn because of the machine: the stages that are left don't wait until that is mended."""
        entry.begun = max(0, entry.begun - 1)
        entry.unfit += 1
        entry.left = in_order((*entry.left[1:], entry.left[0]))
        entry.save()
        return False

    def _of_the_machine(self, entry: QueueEntry, detail: str) -> tuple[Extraction, None] | None:
        """The outcome when the machine is the reason; None when that is noted already. The entry stays."""
        entry.begun -= 1
        entry.unfit += 1
        entry.again = False
        entry.save()
        known = self._records.extraction(entry.id)
        if known is not None and known.reason == "environment":
            return None
        return Extraction(now(), entry.tried, "environment", detail), None

    def failed(self, entry: QueueEntry, reason: Reason, detail: str, verdict: Verdict | None = None) -> Extraction:
        """The outcome when the document is the reason: it no longer waits for the machine."""
        entry.unfit = 0
        return Extraction(now(), entry.tried, reason, detail, recognition=self._recognition(verdict))

    def _completed(self, entry: QueueEntry, verdict: Verdict, text: StagedText) -> Extraction | None:
        """The outcome when there is a text; None when it is blank."""
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
            language=verdict.language or "",
        )

    def _recognition(self, verdict: Verdict | None) -> tuple[str, ...] | None:
        return self._steps.recognition_data() if verdict is not None and verdict.pictured else None
