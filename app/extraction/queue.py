"""The queue of extraction: a small file for each attachment, so that nobody has to look through all records.

    <root>/extraction/<id>           {"tenant": ..., "left": [stage, ...], "begun": n, "tried": n, "refused": n, "unfit": n,
                                     "put_back": n, "again": bool}; an earlier version wrote `pictures` (bool) for `left`,
                                     or no tenant, or nothing
    <root>/extraction/.scanned       in which boot of the machine, and for which files, all records were looked through
    <root>/extraction/.readers       the readers at that time
    <root>/extraction/.unfit-<kind>  what keeps this machine from reading such documents; missing when it reads them

An entry is made before its upload is acknowledged and removed when the text is in the index. The process that works on it
holds its lock, which ends with the process. Nothing is synced for it: a killed process loses no file; a power cut may, and
then all names are looked through once (what counts is that an extractable attachment has no `.extraction` file).

The work on an attachment has stages, each with a lane of its own (app/extraction/extractor.py): its text is extracted, its
thumbnails are drawn, the text in its pictures is recognized. An entry says which stages are left, the next one first, and
its counts are those of the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from app.extraction.kinds import Kind
from app.files import FILE_MODE, FOLDER_MODE, locked, sync_folder, typed_errors
from app.ids import is_id

#: The most fresh uploads of this process that are remembered and taken first; the others are found in the folder.
FRESH = 10_000
_BOOT = Path("/proc/sys/kernel/random/boot_id")
#: The fields of an entry that are written to its file.
_SAID = ("tenant", "left", "begun", "tried", "refused", "unfit", "put_back", "again")

Stage = Literal["text", "thumbnail", "recognition"]
#: All stages, in the order in which they are done.
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass
class Entry:
    """One attachment to extract, locked by this object until `close` or `done`."""

    id: str
    path: Path
    descriptor: int
    #: How often work on it began, and how often it ended without success.
    begun: int = 0
    tried: int = 0
    #: How often Elasticsearch did not take its text.
    refused: int = 0
    #: How often it could not be read because of this machine.
    unfit: int = 0
    #: How often reading it was stopped in favour of others' documents.
    put_back: int = 0
    #: Whether it is to be done again although it was done before.
    again: bool = False
    #: The stages that are left, the next one first; empty when the entry, of an earlier version, does not tell.
    left: tuple[Stage, ...] = ()
    #: The tenant of the attachment; None when the entry does not tell.
    tenant: str | None = None

    @property
    def late(self) -> bool:
        """Whether it failed or was stopped before, and so waits behind documents that may be quick."""
        return max(self.tried, self.refused, self.unfit, self.put_back) > 0

    @property
    def stage(self) -> Stage:
        """The next stage."""
        return self.left[0] if self.left else "text"

    @property
    def reads(self) -> bool:
        """Whether something of its text is left to do."""
        return not self.left or set(self.left) != {"thumbnail"}

    def go_on(self) -> bool:
        """Go on to the next stage, with counts at zero: the one at hand is done. Returns whether none was left. Raises
        StorageFull or StorageFailed."""
        self.left = self.left[1:]
        if not self.left:
            self.done()
            return True
        self.begun = self.tried = self.refused = self.unfit = self.put_back = 0
        self.save()
        return False

    def save(self) -> None:
        """Write the entry to its file. Raises StorageFull or StorageFailed."""
        content = json.dumps({name: getattr(self, name) for name in _SAID}).encode()
        with typed_errors():
            os.pwrite(self.descriptor, content, 0)
            os.ftruncate(self.descriptor, len(content))

    def secure(self) -> None:
        """Make the entry survive a power cut: from here on there may be a text that the index does not know."""
        with typed_errors():
            os.fsync(self.descriptor)
            sync_folder(self.path.parent)

    def done(self) -> None:
        """Remove the entry: nothing is left to do. A failure to remove it is no error: it is then looked at once more."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the entry, done or not."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Queue:
    """The entries of one store."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "extraction"
        #: By stage.
        self.fresh: dict[Stage, queue.Queue[tuple[str, str | None]]] = {each: queue.Queue(FRESH) for each in STAGES}
        with typed_errors():
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    def add(
        self, attachment_id: str, tenant: str | None = None, *, left: tuple[Stage, ...] = (), again: bool = False
    ) -> None:
        """Have an attachment extracted. `tenant`: its tenant; None: the one in its record. `left`: the stages to do, in
        order; empty: those that follow from its record. `again`: even if it was done before. Raises StorageFull or
        StorageFailed."""
        path = self._path(attachment_id)
        with typed_errors():
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            except FileExistsError:
                self._add_to(attachment_id, tenant, left, again)
            else:
                made = Entry(attachment_id, path, descriptor, tenant=tenant, left=left, again=again)
                with contextlib.closing(made):
                    made.save()
        self.hand_over(attachment_id, tenant, left[0] if left else "text")

    def _add_to(self, attachment_id: str, tenant: str | None, left: tuple[Stage, ...], again: bool) -> None:
        # An entry that is locked is being worked on.
        entry = self.take(attachment_id)
        if entry is None:
            return
        with contextlib.closing(entry):
            if again:
                entry.begun = entry.tried = entry.refused = entry.unfit = entry.put_back = 0
                entry.tenant, entry.again, entry.left = tenant, True, left
                entry.save()
            elif entry.left and not set(left) <= set(entry.left):
                entry.left = (*entry.left, *(each for each in left if each not in entry.left))
                entry.save()

    def hand_over(self, attachment_id: str, tenant: str | None, stage: Stage) -> None:
        """Tell the threads of this process that do the entry's stage; otherwise they would find it after a while."""
        with contextlib.suppress(queue.Full):
            self.fresh[stage].put_nowait((attachment_id, tenant))

    def has(self, attachment_id: str) -> bool:
        """Whether anything is left to do with the attachment."""
        return self._path(attachment_id).exists()

    def reads(self, attachment_id: str) -> bool:
        """Whether something of its text is left to do. Raises StorageFailed."""
        said = self._peeked(attachment_id)
        return said is not None and said.reads

    def draws(self, attachment_id: str) -> bool:
        """Whether its thumbnails are left to draw. Raises StorageFailed."""
        said = self._peeked(attachment_id)
        return said is not None and "thumbnail" in said.left

    def ids(self) -> Iterator[str]:
        """The ids of all entries, read lazily, in no order. Raises StorageFailed."""
        with typed_errors(), os.scandir(self.folder) as entries:
            for entry in entries:
                if is_id(entry.name):
                    yield entry.name

    def count(self) -> int:
        """How many entries there are. Raises StorageFailed."""
        return sum(1 for _ in self.ids())

    def take(self, attachment_id: str) -> Entry | None:
        """The entry, locked for the caller; None when there is none or somebody has it. Raises StorageFailed."""
        path = self._path(attachment_id)
        with typed_errors():
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            try:
                if locked(descriptor) and _same(path, descriptor):
                    return _read(Entry(attachment_id, path, descriptor))
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        return None

    def peek(self, attachment_id: str) -> Entry:
        """The content of the entry, without locking it; empty when it is gone. Raises StorageFailed."""
        return self._peeked(attachment_id) or Entry(attachment_id, self._path(attachment_id), -1)

    def _peeked(self, attachment_id: str) -> Entry | None:
        path = self._path(attachment_id)
        with typed_errors():
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            with contextlib.closing(_read(Entry(attachment_id, path, descriptor))) as entry:
                return entry

    # What this machine can't read, whatever the document: for all processes, and for /health

    def note_unfit(self, kind: str, detail: str | None) -> None:
        """Note what keeps this machine from reading documents of a kind; None: nothing does. A failure to write the
        note is no error: it is part of what is wrong with the machine."""
        path = self.folder / f".unfit-{kind}"
        with contextlib.suppress(OSError):
            if detail is None:
                path.unlink(missing_ok=True)
            else:
                _write(path, detail)

    def unfit(self) -> list[str]:
        """The kinds of document that this machine can't read, sorted. Raises StorageFailed."""
        with typed_errors():
            return [kind for kind in sorted(get_args(Kind)) if (self.folder / f".unfit-{kind}").exists()]

    # Entries that a power cut, a time without extraction or another set of kinds may have left out

    @contextlib.contextmanager
    def scan(self, condition: str, readers: str) -> Iterator[Literal["missing", "failed"] | None]:
        """What to look for in all records now. None: nothing, because that was done since the machine started, under
        the same `condition` and for these `readers`, or because another process does it; otherwise missing entries, and
        for other readers than before also attachments that failed. It is noted as done when the block ends without
        error."""
        wanted = f"{_BOOT.read_text().strip() if _BOOT.exists() else ''} {condition}".encode()
        with typed_errors():
            descriptor = os.open(self._scanned, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            with typed_errors():
                others = not self._readers.exists() or self._readers.read_text() != readers
            due = locked(descriptor) and (others or os.pread(descriptor, 1000, 0) != wanted)
            yield ("failed" if others else "missing") if due else None
            if due:
                with typed_errors():
                    _write(self._readers, readers)
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, wanted, 0)
        finally:
            os.close(descriptor)

    def forget_scan(self) -> None:
        """Have all records looked through at the next start, because entries may be missing. Raises StorageFailed."""
        with typed_errors():
            self._scanned.unlink(missing_ok=True)

    @property
    def _scanned(self) -> Path:
        return self.folder / ".scanned"

    @property
    def _readers(self) -> Path:
        return self.folder / ".readers"

    def _path(self, attachment_id: str) -> Path:
        if not is_id(attachment_id):
            raise ValueError("not an id")
        return self.folder / attachment_id


def _write(path: Path, content: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(path, flags, FILE_MODE), "w", encoding="utf-8") as file:
        file.write(content)


def _same(path: Path, descriptor: int) -> bool:
    """Whether the open file still has its name: another process may have finished it before it was locked here."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read(entry: Entry) -> Entry:
    try:
        content = json.loads(os.pread(entry.descriptor, 1000, 0))
        entry.begun, entry.tried = int(content["begun"]), int(content["tried"])
        entry.again = bool(content["again"])
        entry.refused, entry.unfit = int(content.get("refused", 0)), int(content.get("unfit", 0))
        entry.put_back = int(content.get("put_back", 0))
        entry.left = _left(content)
        entry.tenant = None if content.get("tenant") is None else str(content["tenant"])
    except (ValueError, KeyError, TypeError):
        # New, or its writer was killed: the counts start at zero.
        entry.begun = entry.tried = 0
        entry.left = ()
    return entry


def _left(content: dict[str, Any]) -> tuple[Stage, ...]:
    """The stages that an entry names. Raises ValueError, TypeError."""
    if "left" not in content:
        # An entry of an earlier version, which drew nothing.
        return ("recognition", "thumbnail") if content.get("pictures", False) else ()
    return tuple(STAGES[STAGES.index(each)] for each in content["left"])
