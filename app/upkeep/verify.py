"""Checks whether files and index are as they should be: it changes nothing and yields typed findings.

Uploads and deletes may go on meanwhile. What looks wrong is checked again after a moment, twice. An id in the journal
is undecided: it is not a finding, except for the entry itself when no process works on it.

Memory does not grow with the store: records are read partition by partition, documents page by page.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from app.coordination.contract import Coordination
from app.embeddings.contract import ModelId
from app.errors import StorageFailed, StoreError
from app.extraction.queue import Queue
from app.ids import is_id
from app.index.generations import Generations
from app.model.attachment import Attachment
from app.services.indexing import (
    DERIVED_FIELDS,
    TEXT_FIELDS,
    check_text,
    check_thumbnail,
    extraction_of,
    kept_passages,
    outdated_passages,
    visible_source,
)
from app.storage.contract import PARTITIONS, Artefact, Content, Storage, name_of, partition_of

#: Codes of findings, for programs: docs/commands.md says what each means. A code never changes its meaning.
CODES = (
    "missing-bytes",
    "truncated-bytes",
    "overlong-bytes",
    "wrong-digest",
    "damaged-record",
    "missing-record",
    "record-without-document",
    "document-without-record",
    "differing-document",
    "bytes-without-record",
    "stale-temporary",
    "undecided-entry",
    "unknown-file",
    "unreadable",
    "missing-index",
    "damaged-text",
    "text-without-record",
    "damaged-thumbnail",
    "thumbnail-without-record",
    "damaged-passages",
    "passages-without-record",
    "outdated-passages",
)

#: Findings that a pending extraction or drawing explains.
EXTRACTED = (
    "damaged-text",
    "text-without-record",
    "differing-document",
    "damaged-thumbnail",
    "thumbnail-without-record",
    "damaged-passages",
    "passages-without-record",
    "outdated-passages",
)

#: Ids in one request to the index; and seconds between two checks of what seems wrong.
BATCH = 500
MOMENT = 1.0
LOOKS = 2

#: Reports progress: the stage (folders or documents), how many are done, and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Finding:
    """`path` is relative to the data folder, None for a document; `id` is None if it belongs to no attachment.
    `stored`: whether the path is a name of the storage, otherwise of the coordination."""

    code: str
    path: str | None
    id: str | None = None
    detail: str = ""
    stored: bool = field(default=False, compare=False)


class Checker:
    """Checks one store. `attachments` and `documents` count those that were checked."""

    def __init__(
        self,
        storage: Storage,
        coordination: Coordination,
        queue: Queue,
        generations: Generations,
        *,
        grace: float,
        read_data: bool = False,
        model: ModelId | None = None,
    ) -> None:
        """`grace`: seconds after which a temporary file that nobody holds is stale. `model`: the one that makes vectors of
        passages; None where none does: then no text lacks them."""
        self.attachments = 0
        self.documents = 0
        self._storage = storage
        self._coordination = coordination
        self._journal = coordination.journal
        self._queue = queue
        self._generations = generations
        self._grace = grace
        self._read_data = read_data
        self._by = None if model is None else (model.name, model.version, model.dimensions)
        self._index: str | None = None
        #: How many numbers its vectors have; None as long as it has none.
        self._dimensions: int | None = None
        #: Fields in which the documents of that index may differ from what this version makes.
        self._left_out: frozenset[str] = frozenset()

    def run(
        self, part: int = 1, parts: int = 1, progress: Progress = lambda stage, done, total: None
    ) -> Iterator[Finding]:
        """The findings in the `part`-th (from 1) of `parts`: each attachment is in exactly one of them.

        Raises WrongIndex, IndexUnavailable or IndexOutcomeUnknown when the index can't be compared, StorageFailed.
        """
        self._index = self._generations.current()
        if self._index is not None:
            self._left_out = self._generations.lacking(self._index)
            self._dimensions = self._generations.dimensions(self._index)
        if self._left_out:
            # The index is of an older version, which made other words of the same names. A migration makes them again.
            self._left_out |= frozenset(DERIVED_FIELDS)
        numbers = range(part - 1, PARTITIONS, parts)
        if part == 1:
            if self._index is None:
                yield Finding("missing-index", None, detail=self._generations.alias)
            yield from self._known()
            yield from self._entries()
        yield from self._folders(numbers, progress)
        if self._index is not None:
            yield from self._documents(numbers, progress)

    # Attachments

    def _folders(self, numbers: range, progress: Progress) -> Iterator[Finding]:
        # Collected over several partitions: most have few ids, and a request to the index and a wait before the next
        # check take the same time for one id as for hundreds.
        ids: list[str] = []
        suspects: list[str] = []
        for done, number in enumerate(numbers, 1):
            # Orphaned documents come later.
            found = self._storage.listing(number)
            yield from (Finding("unknown-file", each, stored=True) for each in found.foreign)
            self.attachments += len(found.ids)
            ids += found.ids
            last = done == len(numbers)
            if last or len(ids) >= BATCH:
                suspects += (each for batch in _batches(ids) for each in self._suspects(batch))
                ids = []
            if last or len(suspects) >= BATCH:
                for batch in _batches(suspects):
                    yield from (each for each in self._confirmed(batch) if each.code != "document-without-record")
                suspects = []
            progress("folders", done, len(numbers))

    def _suspects(self, ids: list[str]) -> list[str]:
        return list(dict.fromkeys(finding.id for finding in self.examine(ids, self._read_data) if finding.id))

    def _confirmed(self, ids: list[str]) -> Iterator[Finding]:
        """The findings of `ids` that persist through all checks; none for an id with a change under way."""
        found: list[Finding] = []
        for _ in range(LOOKS if ids else 0):
            time.sleep(MOMENT)
            # Read before and after: a change that begins or ends during the check is in one of the two.
            under_way = self._journal.ids()
            found = list(self.examine(ids, self._read_data))
            under_way |= self._journal.ids()
            found = [
                each
                for each in found
                # Extraction will give text, document or removal to an id that waits for it.
                if each.id not in under_way and not self._awaited(each)
            ]
            ids = list(dict.fromkeys(each.id for each in found if each.id))
            if not ids:
                return
        yield from found

    def _awaited(self, finding: Finding) -> bool:
        """Whether an entry in the queue will repair it. Pending thumbnails leave a text as it is."""
        if finding.id is None or finding.code not in EXTRACTED:
            return False
        return self._queue.reads(finding.id) if finding.code == "damaged-text" else self._queue.has(finding.id)

    def examine(self, ids: list[str], read_data: bool = False) -> Iterator[Finding]:
        """What is wrong with these ids at this moment; a change under way may look like a finding."""
        sources = self._generations.sources(self._index, ids) if self._index is not None else {}
        for attachment_id in ids:
            yield from self._examine(attachment_id, sources, read_data)

    def _examine(self, attachment_id: str, sources: Mapping[str, Any], read_data: bool) -> Iterator[Finding]:
        source = sources.get(attachment_id)
        if source is not None:
            source = {key: value for key, value in source.items() if key not in TEXT_FIELDS}

        def finding(code: str, artefact: Artefact | None, detail: str = "") -> Finding:
            path = None if artefact is None else name_of(attachment_id, artefact)
            return Finding(code, path, attachment_id, detail, stored=artefact is not None)

        try:
            record = self._storage.record(attachment_id)
            if record is None:
                has_bytes = self._storage.size(attachment_id) is not None
                if source is not None and has_bytes:
                    # No upload or delete leaves this, however it ends: there was a record, which is lost.
                    yield finding("missing-record", Artefact.RECORD)
                    return
                if source is not None:
                    yield finding("document-without-record", None)
                if has_bytes:
                    yield finding("bytes-without-record", Artefact.BYTES)
                for artefact in (Artefact.OUTCOME, Artefact.TEXT):
                    if self._storage.size(attachment_id, artefact) is not None:
                        yield finding("text-without-record", artefact)
                if self._storage.size(attachment_id, Artefact.THUMBNAIL) is not None:
                    yield finding("thumbnail-without-record", Artefact.THUMBNAIL)
                if self._storage.size(attachment_id, Artefact.PASSAGES) is not None:
                    yield finding("passages-without-record", Artefact.PASSAGES)
                return
            attachment = Attachment.from_record(record)
            if attachment.id != attachment_id:
                raise ValueError(f"it is the record of {attachment.id}")
        except (StoreError, ValueError) as error:
            if isinstance(error.__cause__, OSError):
                yield finding("unreadable", Artefact.RECORD, _reason(error))
            else:
                yield finding("damaged-record", Artefact.RECORD, str(error))
            return
        try:
            yield from (finding(code, Artefact.BYTES, detail) for code, detail in self._bytes(attachment, read_data))
        except StorageFailed as error:
            yield finding("unreadable", Artefact.BYTES, _reason(error))
        try:
            check_thumbnail(self._storage, attachment_id, read_data)
        except ValueError as error:
            yield finding("damaged-thumbnail", Artefact.THUMBNAIL, str(error))
        except StorageFailed as error:
            yield finding("unreadable", Artefact.THUMBNAIL, _reason(error))
        kept, readable = None, False
        try:
            kept, readable = kept_passages(self._storage, attachment_id), True
        except ValueError as error:
            yield finding("damaged-passages", Artefact.PASSAGES, str(error))
        except StorageFailed as error:
            yield finding("unreadable", Artefact.PASSAGES, _reason(error))
        try:
            extraction = extraction_of(self._storage, attachment_id)
            if extraction is not None:
                check_text(self._storage, attachment_id, extraction, read_data)
        except ValueError as error:
            yield finding("damaged-text", Artefact.OUTCOME, str(error))
            return
        except StorageFailed as error:
            yield finding("unreadable", Artefact.OUTCOME, _reason(error))
            return
        if readable and self._by is not None:
            why = outdated_passages(self._storage, attachment_id, extraction, self._by)
            if why is not None:
                yield finding("outdated-passages", Artefact.PASSAGES, why)
        if self._index is None:
            return
        if source is None:
            yield finding("record-without-document", Artefact.RECORD)
            return
        if kept is not None and kept.places and self._dimensions not in (None, kept.dimensions):
            # Which the index can't have.
            kept = None
        wanted = self._compared(visible_source(attachment, extraction, kept))
        source = self._compared(source)
        if wanted != source:
            names = sorted(each for each in wanted.keys() | source.keys() if wanted.get(each) != source.get(each))
            yield finding("differing-document", None, ", ".join(names))

    def _compared(self, source: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in source.items() if key not in self._left_out}

    def _bytes(self, attachment: Attachment, read_data: bool) -> Iterator[tuple[str, str]]:
        content = self._storage.open(attachment.id)
        if content is None:
            yield "missing-bytes", ""
            return
        with closing(content):
            size = content.size
            if size != attachment.size:
                code = "truncated-bytes" if size < attachment.size else "overlong-bytes"
                yield code, f"{size} bytes instead of {attachment.size}"
            elif read_data and _digest(content) != attachment.sha256:
                yield "wrong-digest", ""

    def _documents(self, numbers: range, progress: Progress) -> Iterator[Finding]:
        assert self._index is not None
        total = self._generations.count(self._index)
        suspects: list[str] = []
        for position, attachment_id in enumerate(self._generations.ids(self._index), 1):
            if not is_id(attachment_id):
                yield Finding("document-without-record", None, attachment_id, "no attachment has such an id")
            elif partition_of(attachment_id) in numbers:
                self.documents += 1
                if self._storage.version(attachment_id) is None:
                    suspects.append(attachment_id)
            if len(suspects) >= BATCH:
                yield from self._orphans(suspects)
                suspects = []
            if position % BATCH == 0:
                progress("documents", position, total)
        yield from self._orphans(suspects)

    def _orphans(self, ids: list[str]) -> Iterator[Finding]:
        # Their files, if any, were found in their folder, and their findings are reported here.
        yield from (each for each in self._confirmed(ids) if each.code == "document-without-record")

    # Files

    def _known(self) -> Iterator[Finding]:
        """Files in the wrong place, and temporary files that nobody needs, but not the embedded node's data."""
        for each in self._coordination.strays(self._grace):
            yield Finding("stale-temporary" if each.temporary else "unknown-file", each.name)
        for stray in self._storage.strays(self._grace):
            yield Finding("stale-temporary" if stray.temporary else "unknown-file", stray.name, stored=True)

    def _entries(self) -> Iterator[Finding]:
        abandoned = self._journal.undecided()
        if not abandoned:
            return
        # A running server settles them by itself, within seconds when Elasticsearch answers.
        time.sleep(LOOKS * MOMENT + 2)
        still = set(self._journal.undecided())
        yield from (Finding("undecided-entry", name) for name in abandoned if name in still)


def _batches(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def _digest(content: Content) -> str:
    digest = hashlib.sha256()
    for chunk in content.chunks(0, content.size):
        digest.update(chunk)
    return digest.hexdigest()


def _reason(error: BaseException) -> str:
    """The system's message for a failed read."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return str(cause.strerror if isinstance(cause, OSError) else cause)
