"""The threads that extract: in every worker process of the server, sharing the work through the queue's locks.

One attachment: text durable -> outcome durable (`<id>.extraction`, from here on nothing is extracted again) -> document
with the text, searchable -> queue entry away. Whatever is killed in between, the entry stays and the rest is done later,
once. A delete that comes meanwhile wins: its removal has a higher version than any document, and who finds the record
gone takes away the text that it just wrote.

A text that Elasticsearch won't take, though it takes the document without it, is tried again later and later, and has failed
in the end; the others go on. One that it refuses for good has failed at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from app.attachment import Attachment, now
from app.blobs.filesystem import StagedText
from app.document import TEXT_FIELDS, document_of
from app.errors import IndexOutcomeUnknown, IndexRejected, IndexUnavailable
from app.extraction import sandbox
from app.extraction.queue import Entry, Queue
from app.extraction.record import Extraction, Reason
from app.extraction.sandbox import Limits, Verdict
from app.monitoring import measures
from app.settings import Settings
from app.store import Store
from app.turnstile import Turnstile

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


class Extractor:
    """Works through the queue of one store until stopped."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._queue: Queue = store.queue
        self._settings = settings
        self._limits = Limits(settings.extraction_timeout, settings.extraction_memory, settings.max_indexed_text)
        self._turnstile = Turnstile(settings.data)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number == 0,), name=f"extractor-{number}", daemon=True)
            for number in range(settings.extraction_workers)
        ]

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
        return sum(self._one(each) for each in self._ids())

    def _run(self, first: bool) -> None:
        while not self._stop.is_set():
            try:
                if first:
                    self._scan()
                    first = False
                self.work()
            except IndexUnavailable:
                # It is said by every request and by /health; here it only means: later.
                pass
            except sandbox.Stopped:
                return
            except Exception:
                log.exception("extracting failed; it goes on")
            # Wakes up at once for an upload of this process.
            with contextlib.suppress(queue.Empty):
                self._wake(self._queue.fresh.get(timeout=self._settings.reconcile_interval))

    def _wake(self, attachment_id: str) -> None:
        with contextlib.suppress(queue.Full):
            self._queue.fresh.put_nowait(attachment_id)

    def _ids(self) -> Iterator[str]:
        """Fresh uploads before everything that lies in the queue."""
        for each in self._queue.ids():
            yield from self._fresh()
            yield each
        yield from self._fresh()

    def _fresh(self) -> Iterator[str]:
        while not self._stop.is_set():
            try:
                yield self._queue.fresh.get_nowait()
            except queue.Empty:
                return

    def _scan(self) -> None:
        with self._queue.scan(f"recognition={self._store.recognition}") as due:
            if due:
                count = self._store.queue_missing()
                log.info("looked through all records: %d to extract", count)

    def _one(self, attachment_id: str) -> bool:
        """Extract one if it is to be done now and nobody does it; whether its entry is gone."""
        while not self._stop.is_set():
            with self._queue.slot(self._settings.extraction_workers) as free:
                if free:
                    entry = self._queue.take(attachment_id)
                    if entry is None or _too_soon(entry):
                        if entry is not None:
                            entry.close()
                        return False
                    with contextlib.closing(entry):
                        return self._extract(entry)
            self._stop.wait(SLOT_SECONDS)
        return False

    def _extract(self, entry: Entry) -> bool:
        attachment = self._store.attachment(entry.id)
        if attachment is None:
            self._forget(entry)
            return True
        if entry.again or self._store.extraction(entry.id) is None:
            outcome = self._outcome(entry, attachment)
            if outcome is None:
                return False
            extraction, text = self._later(entry, outcome[0]), outcome[1]
            # The files and the document change together: a rebuild has both or none.
            with contextlib.nullcontext() if text is None else contextlib.closing(text), self._change():
                entry.secure()
                self._store.blobs.keep_extraction(entry.id, extraction.to_record(), text)
                measures.extracted(extraction.reason or "completed")
                if entry.again or entry.refused:
                    entry.again, entry.refused = False, 0
                    entry.save()
                return self._index(entry, attachment)
        with self._change():
            return self._index(entry, attachment)

    def _later(self, entry: Entry, extraction: Extraction) -> Extraction:
        """`extraction`, later than the one before it, whatever the clock says: its time is the document's version."""
        before = self._store.extraction(entry.id)
        if before is None or before.at < extraction.at:
            return extraction
        return replace(extraction, at=before.at + timedelta(microseconds=1))

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        work = self._turnstile.enter()
        try:
            yield
        finally:
            os.close(work)

    def _index(self, entry: Entry, attachment: Attachment) -> bool:
        """Make the text searchable; whether nothing is left to do."""
        if self._store.attachment(entry.id) is not None and not self._indexed(entry, attachment):
            return False
        if self._store.attachment(entry.id) is None:
            self._forget(entry)
        else:
            entry.done()
        return True

    def _indexed(self, entry: Entry, attachment: Attachment) -> bool:
        """Whether the document is in the index: with its text, or without one that Elasticsearch won't take."""
        document = document_of(self._store.blobs, attachment)
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
            self._store.blobs.keep_extraction(entry.id, self._later(entry, failed).to_record(), None)
            self._store.index.put_documents([document_of(self._store.blobs, attachment)])
            return True
        entry.save()
        return False

    def _forget(self, entry: Entry) -> None:
        """The attachment was deleted: nothing of its text may stay."""
        self._store.blobs.remove_text(entry.id)
        self._store.index.remove([entry.id])
        entry.done()

    def _outcome(self, entry: Entry, attachment: Attachment) -> tuple[Extraction, StagedText | None] | None:
        """How it ended, with the text; None when it is to be tried again."""
        if entry.begun - entry.tried >= INTERRUPTIONS:
            return self._failed(entry, "interrupted", "the server ended each time"), None
        if attachment.size > self._settings.extraction_max_file_size:
            return self._failed(entry, "too-large", f"{attachment.size} bytes"), None
        way = self._store.way(attachment)
        if way is None:
            return Extraction(now(), entry.tried), None
        document = self._store.blobs.open(entry.id)
        if document is None:
            return self._failed(entry, "missing-bytes", ""), None
        entry.begun += 1
        entry.save()
        with document:
            text = self._store.blobs.stage_text()
            try:
                with measures.step("extract"):
                    verdict = sandbox.run(way, document, text.file, self._limits, self._stop.is_set)
                if verdict.reason is None:
                    return _completed(entry, verdict, text), text
            except BaseException:
                text.close()
                raise
            text.close()
        entry.tried += 1
        log.info("extracting %s failed: %s %s", entry.id, verdict.reason, verdict.detail)
        if verdict.reason is not None and (verdict.final or entry.tried >= self._settings.extraction_attempts):
            return self._failed(entry, verdict.reason, verdict.detail), None
        entry.save()
        return None

    def _failed(self, entry: Entry, reason: Reason, detail: str) -> Extraction:
        return Extraction(now(), entry.tried, reason, detail)


def _completed(entry: Entry, verdict: Verdict, text: StagedText) -> Extraction:
    content = text.content()
    # What the process wrote is not believed to be text.
    content.decode()
    digest = hashlib.sha256(content).hexdigest() if content else None
    return Extraction(
        now(), entry.tried + 1, size=len(content), sha256=digest, characters=verdict.characters, cut=verdict.cut
    )


def _too_soon(entry: Entry) -> bool:
    """Whether it failed just now, and is to be left alone for a while."""
    if entry.tried == entry.refused == 0:
        return False
    wait = max(RETRY_SECONDS * entry.tried, min(MOST_SECONDS, RETRY_SECONDS * 2**entry.refused) if entry.refused else 0)
    # A time to come is one of a clock that was put back since: nobody waits until it is reached again.
    return 0 <= time.time() - os.fstat(entry.descriptor).st_mtime < wait
