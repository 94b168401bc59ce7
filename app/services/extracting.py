"""What is done with a document after its upload. Order of effects:

Text: durable -> outcome durable (`<id>.extraction`; after this nothing is extracted again) -> document with the text,
searchable -> queue entry removed. When a process is killed in between, the entry stays and the rest is done later,
once. A delete that comes meanwhile wins: its removal has a higher version than any document, and an extractor that
finds no record removes the text that it has just written.

A picture skips the first stage. A document with pictures inside, or with pages that are pictures, goes on to the last
stage once the rest of its text can be found. In that stage it is read once more, pictures included; when that fails,
the text that it has stays, and counts as cut.

Thumbnails: drawn -> durable in one step (`<id>.thumbnail`, also when there are none) -> stage done. They are not part
of the document in the index, and their outcome changes neither the text nor its state. When they can't be drawn because
of the machine, the entry's other stages come first.

Passages, where EMBEDDINGS is not `off`: once the text is whole and can be found, it is cut, and a model gives each
passage a vector, one call after the other, with a rest between two while uploads are under way -> durable in one step
(`<id>.passages`) -> document with text and vectors, searchable -> stage done. Where no vectors can be had now, the
stage is tried again at growing intervals; until then the attachment is found by its words. Vectors that Elasticsearch
does not accept are removed, so that the words stay.

When a document could not be read because of this machine (app/extraction/control.py), the outcome says so and the entry
stays: it is tried again at growing intervals, and at the next start.

When Elasticsearch does not accept a text, although it accepts the document without it, the text is tried again at
growing intervals and fails in the end; other documents go on. A text that it refuses for good fails at once.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import timedelta

from app.errors import (
    EmbeddingsUnavailable,
    IndexOutcomeUnknown,
    IndexRejected,
    IndexUnavailable,
    StorageFailed,
    StorageFull,
    StoreError,
    TextRefused,
    TextTooLong,
)
from app.extraction.kinds import READERS, forms
from app.extraction.lanes import Lanes
from app.extraction.queue import QueueEntry, Stage
from app.extraction.record import Extraction
from app.model.attachment import Attachment
from app.passages.cutting import CUTTER
from app.passages.keeping import Kept
from app.services.indexing import HEAVY_FIELDS, document_of, passages_of, text_of
from app.services.outcomes import Outcomes
from app.services.passages import GivingWay, Maker, by, label, made
from app.services.store import Store
from app.settings import Settings
from app.telemetry import measures

log = logging.getLogger(__name__)

#: How often Elasticsearch may refuse a text, or not index it in time, while it accepts the rest of the document.
REFUSALS = 8


class Extractor:
    """Works through the queue of one store until stopped."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._storage, self._index, self._queue = store.storage, store.index, store.queue
        self._records, self._steps, self._change_lock = store.records, store.steps, store.coordination.change_lock
        self._thumbnails = settings.thumbnails
        self._embeddings, self._journal = store.embeddings, store.journal
        self._model_name = settings.embeddings_model if settings.embeddings != "builtin" else None
        # The control reads one document of each kind, which takes seconds in all: no text should wait for that.
        first: dict[Stage, Callable[[], None]] = {
            "text": self._scan,
            "recognition": self._control,
            "passages": self._ask_for_model,
        }
        self._lanes = Lanes(store.queue, store.coordination, settings, self._one, self._tenant_of, first)
        self._outcomes = Outcomes(settings, store.storage, store.queue, store.records, store.steps, self._lanes.stopped)

    def start(self) -> None:
        """Start the threads."""
        self._lanes.start()

    def stop(self) -> None:
        """Stop and wait for the threads to end; a document that is being read stays in the queue."""
        self._lanes.stop()

    def work(self) -> int:
        """Do what can be done of the queue now, in this thread. Returns how many entries were done."""
        return self._lanes.work()

    def _one(self, entry: QueueEntry, stage: Stage, stopping: Callable[[], bool]) -> bool:
        if stage == "thumbnail":
            return self._draw(entry, stopping)
        return self._embed(entry, stopping) if stage == "passages" else self._extract(entry, stopping)

    def _tenant_of(self, attachment_id: str) -> str:
        try:
            attachment = self._records.attachment(attachment_id)
        except StorageFailed:
            return ""
        return "" if attachment is None else attachment.tenant

    def _scan(self) -> None:
        if not self._steps.embeds:
            self._leave_passages_out()
        by = self._model()
        condition = f"{forms()} thumbnails={self._thumbnails}"
        if by is not None:
            condition += f" passages={CUTTER} {label(*by[:2])}"
        with self._queue.scan(condition, f"{READERS} recognition={self._steps.recognition}") as due:
            if due is not None:
                count = self._steps.queue_missing(failed=due == "failed", by=by)
                log.info("looked through all records: %d to extract", count)

    def _leave_passages_out(self) -> None:
        """Stop waiting for passages that were to be made before EMBEDDINGS was set to `off`. When it is set to
        something else again, all records are searched for texts without passages."""
        for each in self._queue.ids():
            if "passages" not in self._queue.peek(each).left or (entry := self._queue.take(each)) is None:
                continue
            with closing(entry):
                if "passages" in entry.left:
                    entry.leave_out("passages")

    def _go_on(self, entry: QueueEntry) -> bool:
        """As `QueueEntry.go_on`, but without the stage of passages if none are made any more."""
        if not self._steps.embeds and entry.left[1:] == ("passages",):
            entry.left = entry.left[:1]
        return entry.go_on()

    def _model(self) -> Maker | None:
        """The model that makes vectors, as in `outdated_passages`; None if there is none."""
        if not self._steps.embeds:
            return None
        if self._model_name is not None:
            # The model of another server, which may not be there now, and has no version.
            return self._model_name, "", None
        try:
            model = self._embeddings.model()
        except EmbeddingsUnavailable:
            return None
        return model.name, model.version, model.dimensions

    def _ask_for_model(self) -> None:
        """Learn how many numbers the vectors of another server have: /health needs this to say whether the index has
        such vectors."""
        with contextlib.suppress(EmbeddingsUnavailable):
            self._embeddings.model()

    def _control(self) -> None:
        self._outcomes.control()

    def _extract(self, entry: QueueEntry, stopping: Callable[[], bool]) -> bool:
        attachment = self._records.attachment(entry.id)
        if attachment is None:
            self._forget(entry)
            return True
        if not entry.left:
            stages = self._steps.stages_anew if entry.again else self._steps.stages
            entry.left = stages(attachment) or ("text",)
            entry.save()
            if entry.stage != "text":
                return False
        recognizing = entry.stage == "recognition"
        known = self._records.extraction(entry.id)
        if entry.again or entry.unfit or recognizing or known is None:
            has_text = recognizing and known is not None and known.size > 0
            outcome = self._outcomes.text(entry, attachment, stopping)
            if outcome == "later":
                # All of its text is in its pictures.
                with closing(self._change_lock.shared()):
                    return not self._overtaken(entry, attachment) and self._go_on(entry)
            if outcome is None or (has_text and outcome[0].reason == "environment"):
                return False
            if has_text and outcome[0].reason is not None:
                with closing(self._change_lock.shared()):
                    return not self._overtaken(entry, attachment) and self._make_searchable(entry, attachment)
            extraction, text = self._later(entry, outcome[0]), outcome[1]
            # The files and the document change together: a rebuild finds both or neither.
            with nullcontext() if text is None else closing(text), closing(self._change_lock.shared()):
                if self._overtaken(entry, attachment):
                    return False
                entry.secure()
                self._storage.keep_text(entry.id, extraction.to_record(), text)
                measures.extracted(extraction.reason or "completed")
                if entry.again or entry.refused:
                    entry.again, entry.refused = False, 0
                    entry.save()
                return self._make_searchable(entry, attachment)
        with closing(self._change_lock.shared()):
            return not self._overtaken(entry, attachment) and self._make_searchable(entry, attachment)

    def _overtaken(self, entry: QueueEntry, attachment: Attachment) -> bool:
        """Whether the record was written again since, so that its text and thumbnails may differ. Then everything has
        to be done again, and the writer could not note that in the entry. Nobody writes the record under the change
        lock."""
        present = self._records.attachment(attachment.id)
        if present is None or present.updated == attachment.updated:
            return False
        entry.left, entry.again = (), True
        entry.save()
        return True

    def _later(self, entry: QueueEntry, extraction: Extraction) -> Extraction:
        """`extraction` with a time later than that of the earlier outcome, whatever the clock says: the time is the
        document's version."""
        before = self._records.extraction(entry.id)
        if before is None or before.at < extraction.at:
            return extraction
        return replace(extraction, at=before.at + timedelta(microseconds=1))

    def _make_searchable(self, entry: QueueEntry, attachment: Attachment) -> bool:
        """Make the text searchable; returns whether nothing is left to do."""
        if self._records.attachment(entry.id) is not None and not self._indexed(entry, attachment):
            return False
        if self._records.attachment(entry.id) is None:
            self._forget(entry)
        else:
            return not entry.unfit and self._go_on(entry)
        return True

    def _indexed(self, entry: QueueEntry, attachment: Attachment) -> bool:
        """Whether the document is in the index: with its text, or without a text that Elasticsearch does not accept."""
        document = document_of(self._storage, attachment)
        try:
            self._index.put_documents([document])
            return True
        except (IndexRejected, IndexUnavailable, IndexOutcomeUnknown) as error:
            if document.source is None or not document.source.get("content_words"):
                if isinstance(error, IndexRejected):
                    log.info("the document of %s is not indexed: %s", entry.id, error)
                    return True
                raise
            refused = error
        bare = {name: value for name, value in document.source.items() if name not in HEAVY_FIELDS}
        try:
            # If Elasticsearch accepts this, the text was the reason; otherwise the reason is Elasticsearch and not the
            # text.
            self._index.put_documents([replace(document, source=bare)])
        except IndexRejected as error:
            # A delete came first, which is checked next; or another writer had a later version.
            log.info("the text of %s is not indexed: %s", entry.id, error)
            return True
        entry.refused += 1
        log.warning("Elasticsearch did not take the text of %s: %s", entry.id, refused)
        if isinstance(refused, IndexRejected) or entry.refused >= REFUSALS:
            failed = self._outcomes.failed(entry, "too-large", "Elasticsearch did not take the text")
            self._storage.keep_text(entry.id, self._later(entry, failed).to_record(), None)
            self._index.put_documents([document_of(self._storage, attachment)])
            return True
        entry.save()
        return False

    def _forget(self, entry: QueueEntry) -> None:
        """Remove the text and everything made from the attachment, as it was deleted."""
        self._storage.remove_text(entry.id)
        self._storage.remove_thumbnail(entry.id)
        self._storage.remove_passages(entry.id)
        self._index.remove([entry.id])
        entry.done()

    # Thumbnails

    def _draw(self, entry: QueueEntry, stopping: Callable[[], bool]) -> bool:
        """Draw the thumbnails; returns whether nothing is left to do."""
        attachment = self._records.attachment(entry.id)
        if attachment is None:
            self._forget(entry)
            return True
        way = self._steps.drawing(attachment)
        drawn = None if way is None else self._outcomes.thumbnail(entry, attachment, way, stopping)
        if way is not None and drawn is None:
            return False
        with closing(self._change_lock.shared()):
            if self._overtaken(entry, attachment):
                return False
            if drawn is not None:
                try:
                    self._storage.keep_thumbnail(entry.id, drawn[0].to_head(), drawn[1])
                except (StorageFull, StorageFailed) as error:
                    log.warning("the thumbnails of %s can't be kept now: %s", entry.id, error)
                    return self._outcomes.not_now(entry)
                measures.drawn(drawn[0].reason or "completed")
            elif self._steps.draws:
                self._storage.remove_thumbnail(entry.id)
            if self._records.attachment(entry.id) is None:
                self._forget(entry)
                return True
            return self._go_on(entry)

    # Passages

    def _embed(self, entry: QueueEntry, stopping: Callable[[], bool]) -> bool:
        """Make the vectors of the text's passages; returns whether nothing is left to do."""
        attachment = self._records.attachment(entry.id)
        if attachment is None:
            self._forget(entry)
            return True
        extraction = self._records.extraction(entry.id)
        rest = GivingWay(lambda: self._journal.count() > 0, stopping)
        try:
            kept = None if extraction is None else self._passages(entry, attachment.tenant, extraction, rest)
        except EmbeddingsUnavailable as error:
            return self._without_vectors(entry, error)
        # Even if the extractor is to stop, what follows is done: the vectors that were made are kept.
        rest()
        with closing(self._change_lock.shared()):
            if self._overtaken(entry, attachment):
                return False
            if self._records.extraction(entry.id) != extraction:
                # The text has been replaced meanwhile. This is done once more, with the new text.
                entry.save()
                return False
            if kept is None:
                self._storage.remove_passages(entry.id)
                return entry.go_on()
            entry.secure()
            try:
                self._storage.keep_passages(entry.id, kept.encoded())
            except (StorageFull, StorageFailed) as error:
                return self._without_vectors(entry, error)
            try:
                self._index.put_documents([document_of(self._storage, attachment)])
            except IndexRejected as error:
                # Elasticsearch refused the vectors, or a delete came first, which is checked next.
                log.warning("the passages of %s are not indexed: %s", entry.id, error)
                self._storage.remove_passages(entry.id)
            if self._records.attachment(entry.id) is None:
                self._forget(entry)
                return True
            return entry.go_on()

    def _passages(
        self, entry: QueueEntry, tenant: str, extraction: Extraction, stopping: Callable[[], bool]
    ) -> Kept | None:
        """The passages of the text. They are made again only if those that are kept are of another text or model. None
        if the text has none. Raises EmbeddingsUnavailable, StorageFailed, Stopped."""
        if not extraction.size or extraction.sha256 is None:
            return None
        known = passages_of(self._storage, entry.id, extraction)
        if known is not None and not entry.again and by(known, self._embeddings.model()):
            return known
        try:
            text = text_of(self._storage, entry.id, extraction)
            parts = extraction.parts or ()
            return made(self._embeddings, text, extraction.sha256, parts, tenant, stopping)
        except (ValueError, TextRefused, TextTooLong) as error:
            # The text is damaged, which `scripts/store verify` finds; or the index can't have such vectors.
            log.warning("%s has no passages: %s", entry.id, error)
            return None

    def _without_vectors(self, entry: QueueEntry, error: StoreError) -> bool:
        """Note that it can't be done now, and is to be tried again at growing intervals. Returns False."""
        log.info("the passages of %s have to wait: %s", entry.id, error)
        entry.unfit += 1
        entry.save()
        return False
