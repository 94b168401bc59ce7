"""Whether files and index are what they should be: a checker that changes nothing and yields typed findings.

Uploads and deletes may go on meanwhile. What looks wrong is looked at again after a moment, twice; an id that the
journal holds is undecided, and no finding but the entry's own when nobody works on it.

Memory does not grow with the store: records are read folder by folder, documents page by page.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from app.attachment import Attachment
from app.blobs.files import locked
from app.blobs.filesystem import Filesystem
from app.document import TEXT_FIELDS, check_text, check_thumbnail, extraction_of, visible_source
from app.errors import StorageFailed, StoreError
from app.extraction.queue import Queue
from app.ids import is_id
from app.index.generations import Generations
from app.journal import Journal
from app.tokens import is_tenant

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
)

#: What an extraction that is still to come explains, its drawing among it.
EXTRACTED = (
    "damaged-text",
    "text-without-record",
    "differing-document",
    "damaged-thumbnail",
    "thumbnail-without-record",
)

FOLDERS = 4096
#: Ids asked for at once; and seconds between two looks at what seems wrong.
BATCH = 500
MOMENT = 1.0
LOOKS = 2

#: What desktops, filesystems and network shares leave behind.
LITTER = re.compile(
    r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini|\.directory|lost\+found|\.nfs.*|\.Trash.*", re.IGNORECASE
)
_FOLDER = re.compile(r"[0-9a-f]{3}")
#: Of the files of an attachment, beside each other.
SUFFIXES = frozenset([".json", ".bytes", ".text", ".extraction", ".thumbnail"])
_TEMPORARY = re.compile(r"[0-9a-f]{32}")
_ENTRY = re.compile(r"[0-9a-f]{32}\.(upload|delete|change|new|spare)")
# What earlier versions wrote beside the file that it was to replace; now it is in `incoming`.
_REPLACEMENT = re.compile(r"\.[\w.-]+\.new")
_ROOT = {"store.json", "tokens.json", "attachments", "incoming", "journal", "extraction", "sign-ins", "points"}
# The second is what earlier versions wrote.
_ROOT |= {"elasticsearch", "sign-in-attempts", "sign-in-failures.json"}
_ROOT |= {".lock", ".tokens.lock", ".door.lock", ".work.lock", ".rebuild.lock", ".points.lock"}
_ROOT |= {".bulk.lock", ".text.lock"}
_PLACE = re.compile(r"\.search-\d+\.lock")
_WORK = re.compile(
    r"\.slot(-pictures|-thumbnails)?-\d+|\.turns(-pictures|-thumbnails)?|\.scanned|\.readers|\.unfit-\w+"
)
_SIGN_IN = re.compile(r"[0-9a-f]{64}")
_POINT = re.compile(r"[\w-]{43}", re.ASCII)

#: Told what goes on: the stage (folders or documents), done, of all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Finding:
    """`path` is relative to the data folder, None for a document; `id` is None for what belongs to no attachment."""

    code: str
    path: str | None
    id: str | None = None
    detail: str = ""


class Checker:
    """Checks one store. `attachments` and `documents` count what was looked at."""

    def __init__(self, blobs: Filesystem, generations: Generations, *, grace: float, read_data: bool = False) -> None:
        """`grace`: seconds after which a temporary file that nobody holds is stale."""
        self.attachments = 0
        self.documents = 0
        self._blobs = blobs
        self._journal = Journal(blobs.root)
        self._queue = Queue(blobs.root)
        self._generations = generations
        self._grace = grace
        self._read_data = read_data
        self._index: str | None = None

    def run(
        self, part: int = 1, parts: int = 1, progress: Progress = lambda stage, done, total: None
    ) -> Iterator[Finding]:
        """Findings of the `part`-th (from 1) of `parts`: each attachment is in exactly one of them.

        Raises WrongIndex, IndexUnavailable or IndexOutcomeUnknown when the index can't be compared, StorageFailed.
        """
        self._index = self._generations.current()
        numbers = range(part - 1, FOLDERS, parts)
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
        # Gathered over the folders: most hold few ids, and each question to the index and each moment of waiting for
        # suspects costs the same for one id as for hundreds.
        ids: list[str] = []
        suspects: list[str] = []
        for done, number in enumerate(numbers, 1):
            found, unknown = self._folder(number)
            yield from unknown
            self.attachments += len(found)
            ids += found
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
        """The findings of `ids` that are still there after the looks; none of an id that is under way."""
        found: list[Finding] = []
        for _ in range(LOOKS if ids else 0):
            time.sleep(MOMENT)
            # Asked before and after: a change that begins or ends during the look is in one of the two.
            under_way = self._journal.ids()
            found = list(self.examine(ids, self._read_data))
            under_way |= self._journal.ids()
            found = [
                each
                for each in found
                # What waits for its extraction gets its text, its document or its removal from there.
                if each.id not in under_way and not (each.code in EXTRACTED and each.id and self._queue.has(each.id))
            ]
            ids = list(dict.fromkeys(each.id for each in found if each.id))
            if not ids:
                return
        yield from found

    def examine(self, ids: list[str], read_data: bool = False) -> Iterator[Finding]:
        """What is wrong with these ids at this moment; a change under way may look like it."""
        sources = self._generations.sources(self._index, ids) if self._index is not None else {}
        for attachment_id in ids:
            yield from self._examine(attachment_id, sources, read_data)

    def _examine(self, attachment_id: str, sources: Mapping[str, Any], read_data: bool) -> Iterator[Finding]:
        record_path, bytes_path = self._blobs.record_path(attachment_id), self._blobs.bytes_path(attachment_id)
        source = sources.get(attachment_id)
        if source is not None:
            source = {key: value for key, value in source.items() if key not in TEXT_FIELDS}

        def finding(code: str, path: Path | None, detail: str = "") -> Finding:
            return Finding(code, None if path is None else self._relative(path), attachment_id, detail)

        try:
            record = self._blobs.record(attachment_id)
            if record is None:
                has_bytes = bytes_path.exists()
                if source is not None and has_bytes:
                    # No upload and no delete leaves that, however it ends: a record was there, and is lost.
                    yield finding("missing-record", record_path)
                    return
                if source is not None:
                    yield finding("document-without-record", None)
                if has_bytes:
                    yield finding("bytes-without-record", bytes_path)
                for path in (self._blobs.extraction_path(attachment_id), self._blobs.text_path(attachment_id)):
                    if path.exists():
                        yield finding("text-without-record", path)
                if self._blobs.thumbnail_path(attachment_id).exists():
                    yield finding("thumbnail-without-record", self._blobs.thumbnail_path(attachment_id))
                return
            attachment = Attachment.from_record(record)
            if attachment.id != attachment_id:
                raise ValueError(f"it is the record of {attachment.id}")
        except (StoreError, ValueError) as error:
            if isinstance(error.__cause__, OSError):
                yield finding("unreadable", record_path, _reason(error))
            else:
                yield finding("damaged-record", record_path, str(error))
            return
        try:
            yield from (finding(code, bytes_path, detail) for code, detail in self._bytes(attachment, read_data))
        except (OSError, StorageFailed) as error:
            yield finding("unreadable", bytes_path, _reason(error))
        try:
            check_thumbnail(self._blobs, attachment_id, read_data)
        except ValueError as error:
            yield finding("damaged-thumbnail", self._blobs.thumbnail_path(attachment_id), str(error))
        except (OSError, StorageFailed) as error:
            yield finding("unreadable", self._blobs.thumbnail_path(attachment_id), _reason(error))
        try:
            extraction = extraction_of(self._blobs, attachment_id)
            if extraction is not None:
                check_text(self._blobs, attachment_id, extraction, read_data)
        except ValueError as error:
            yield finding("damaged-text", self._blobs.extraction_path(attachment_id), str(error))
            return
        except (OSError, StorageFailed) as error:
            yield finding("unreadable", self._blobs.extraction_path(attachment_id), _reason(error))
            return
        if self._index is None:
            return
        if source is None:
            yield finding("record-without-document", record_path)
        elif (wanted := visible_source(attachment, extraction)) != source:
            names = sorted(each for each in wanted.keys() | source.keys() if wanted.get(each) != source.get(each))
            yield finding("differing-document", None, ", ".join(names))

    def _bytes(self, attachment: Attachment, read_data: bool) -> Iterator[tuple[str, str]]:
        file = self._blobs.open(attachment.id)
        if file is None:
            yield "missing-bytes", ""
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            if size != attachment.size:
                code = "truncated-bytes" if size < attachment.size else "overlong-bytes"
                yield code, f"{size} bytes instead of {attachment.size}"
            elif read_data and _digest(file) != attachment.sha256:
                yield "wrong-digest", ""

    def _documents(self, numbers: range, progress: Progress) -> Iterator[Finding]:
        assert self._index is not None
        total = self._generations.count(self._index)
        suspects: list[str] = []
        for position, attachment_id in enumerate(self._generations.ids(self._index), 1):
            if not is_id(attachment_id):
                yield Finding("document-without-record", None, attachment_id, "no attachment has such an id")
            elif int(self._blobs.folder(attachment_id).name, 16) in numbers:
                self.documents += 1
                if not self._blobs.record_path(attachment_id).exists():
                    suspects.append(attachment_id)
            if len(suspects) >= BATCH:
                yield from self._orphans(suspects)
                suspects = []
            if position % BATCH == 0:
                progress("documents", position, total)
        yield from self._orphans(suspects)

    def _orphans(self, ids: list[str]) -> Iterator[Finding]:
        # Whatever files there are of them were found in their folder, and these left for here.
        yield from (each for each in self._confirmed(ids) if each.code == "document-without-record")

    # Files

    def _folder(self, number: int) -> tuple[list[str], list[Finding]]:
        """The ids that have files in a folder, and what does not belong there. Orphaned documents come later."""
        folder = self._blobs.attachments / f"{number:03x}"
        ids: dict[str, None] = {}
        unknown = []
        for path in _listed(folder):
            if is_id(path.stem) and path.suffix in SUFFIXES and self._blobs.folder(path.stem) == folder:
                ids[path.stem] = None
            else:
                unknown.append(Finding("unknown-file", self._relative(path)))
        return list(ids), unknown

    def _known(self) -> Iterator[Finding]:
        """What does not belong where it is, and temporary files that nobody needs; the embedded node's data is its own."""
        root, points = self._blobs.root, self._blobs.root / "points"
        yield from self._unknown(root, lambda name: name in _ROOT or _PLACE.fullmatch(name))
        yield from self._unknown(self._blobs.attachments, _FOLDER.fullmatch)
        yield from self._unknown(self._blobs.incoming, lambda name: False, temporary=_TEMPORARY)
        yield from self._unknown(self._queue.folder, lambda name: is_id(name) or _WORK.fullmatch(name))
        yield from self._unknown(root / "sign-ins", _SIGN_IN.fullmatch)
        yield from self._unknown(points, is_tenant)
        for path in _listed(points):
            if path.is_dir():
                yield from self._unknown(path, _POINT.fullmatch)

    def _unknown(
        self, folder: Path, known: Callable[[str], object], temporary: re.Pattern[str] = _REPLACEMENT
    ) -> Iterator[Finding]:
        for path in _listed(folder):
            if temporary.fullmatch(path.name):
                if self._stale(path):
                    yield Finding("stale-temporary", self._relative(path))
            elif not known(path.name):
                yield Finding("unknown-file", self._relative(path))

    def _entries(self) -> Iterator[Finding]:
        abandoned = []
        for path in _listed(self._journal.folder):
            if not _ENTRY.fullmatch(path.name):
                yield Finding("unknown-file", self._relative(path))
            elif path.suffix in (".new", ".spare"):
                if self._stale(path):
                    yield Finding("stale-temporary", self._relative(path))
            elif not held(path):
                abandoned.append(path)
        if abandoned:
            # A running server settles them by itself, in a few seconds when Elasticsearch answers.
            time.sleep(LOOKS * MOMENT + 2)
        yield from (
            Finding("undecided-entry", self._relative(path)) for path in abandoned if path.exists() and not held(path)
        )

    def _stale(self, path: Path) -> bool:
        return older(path, self._grace) and not held(path)

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._blobs.root))


def older(path: Path, seconds: float) -> bool:
    """Whether the file was last written longer ago than that; a missing one was not."""
    try:
        return time.time() - path.stat().st_mtime >= seconds
    except FileNotFoundError:
        return False


def held(path: Path) -> bool:
    """Whether a process holds the lock of this file; a missing one counts as held: somebody is at it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return not locked(descriptor)
    finally:
        os.close(descriptor)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder / name for name in os.listdir(folder) if not LITTER.fullmatch(name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageFailed(f"{folder} can't be read") from error


def _batches(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _reason(error: BaseException) -> str:
    """The system's words for a failed read."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return str(cause.strerror if isinstance(cause, OSError) else cause)
