"""What is still to be extracted: a small file for each attachment, so that nobody has to look through all records.

    <root>/extraction/<id>           {"tenant": ..., "begun": n, "tried": n, "refused": n, "unfit": n, "put_back": n,
                                     "again": bool, "pictures": bool}; an earlier version wrote no tenant, or nothing
    <root>/extraction/.scanned       under which boot of the machine, and for which files, all records were looked through
    <root>/extraction/.readers       which readers do what was found then
    <root>/extraction/.unfit-<kind>  what keeps this machine from reading such documents; not there when it reads them

An entry is made before its upload is acknowledged and removed when the text is in the index. Its lock is held by whoever
works on it and goes with the process. Nothing is synced for it: a killed process loses no file, and after a power cut,
which may, all names are looked through once (the truth is that an extractable attachment has no `.extraction` file).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from app.extraction.kinds import Kind
from app.files import FILE_MODE, FOLDER_MODE, locked, sync_folder, typed_errors
from app.ids import is_id

#: Fresh uploads of this process that are taken before what lies in the folder; more are found there.
FRESH = 10_000
_BOOT = Path("/proc/sys/kernel/random/boot_id")
#: What is written down of an entry.
_SAID = ("tenant", "begun", "tried", "refused", "unfit", "put_back", "again", "pictures")


@dataclass
class Entry:
    """One attachment to extract, locked by this object until `close` or `done`."""

    id: str
    path: Path
    descriptor: int
    #: How often work on it began, and how often it came to an end without success.
    begun: int = 0
    tried: int = 0
    #: How often Elasticsearch did not take its text.
    refused: int = 0
    #: How often this machine could not read it, whatever it is.
    unfit: int = 0
    #: How often reading it was stopped for the documents of others.
    put_back: int = 0
    #: Whether it is to be done although it was done before.
    again: bool = False
    #: Whether what is left to do is to recognize the text in its pictures: that is another lane's.
    pictures: bool = False
    #: Whether it came to be so just now, which is not written down.
    moved: bool = False
    #: Whose attachment it is; None where the entry does not say so.
    tenant: str | None = None

    @property
    def late(self) -> bool:
        """Whether it failed or was stopped before, and waits behind what may be quick."""
        return max(self.tried, self.refused, self.unfit, self.put_back) > 0

    def save(self) -> None:
        """Write down what this object says. Raises StorageFull or StorageFailed."""
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
        """Nothing is left to do. A failure to remove the entry is no error: it is looked at once more."""
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
        self.fresh: queue.Queue[tuple[str, str | None]] = queue.Queue(FRESH)
        with typed_errors():
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    def add(self, attachment_id: str, tenant: str | None = None, *, again: bool = False) -> None:
        """Have an attachment extracted. `tenant`: whose it is, or None: its record says so. `again`: also when it was
        before. Raises StorageFull or StorageFailed."""
        path = self._path(attachment_id)
        with typed_errors():
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
                with contextlib.closing(Entry(attachment_id, path, descriptor, tenant=tenant)) as made:
                    made.save()
            except FileExistsError:
                if not again:
                    return
            if again:
                # One that somebody works on is being done just now.
                entry = self.take(attachment_id)
                if entry is not None:
                    with contextlib.closing(entry):
                        entry.begun = entry.tried = entry.refused = entry.unfit = entry.put_back = 0
                        entry.tenant = tenant
                        entry.again, entry.pictures = True, False
                        entry.save()
        with contextlib.suppress(queue.Full):
            self.fresh.put_nowait((attachment_id, tenant))

    def has(self, attachment_id: str) -> bool:
        """Whether the attachment is still to be extracted."""
        return self._path(attachment_id).exists()

    def ids(self) -> Iterator[str]:
        """The ids of all entries, read as they are asked for; in no order. Raises StorageFailed."""
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
        """What the entry says, whoever works on it; one that is gone says nothing. Raises StorageFailed."""
        path = self._path(attachment_id)
        with typed_errors():
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return Entry(attachment_id, path, -1)
            with contextlib.closing(_read(Entry(attachment_id, path, descriptor))) as entry:
                return entry

    # What this machine can't read, whatever the document: for all processes, and for whoever asks how they are

    def note_unfit(self, kind: str, detail: str | None) -> None:
        """Write down what keeps this machine from reading documents of a kind; None: nothing does. A failure to write it
        is no error: it is what is wrong with the machine."""
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

    # What a power cut, a time without extraction or another set of kinds may have left out

    @contextlib.contextmanager
    def scan(self, condition: str, readers: str) -> Iterator[Literal["missing", "failed"] | None]:
        """What to look for in all records now: None when that was done since the machine started, under the same `condition`
        and for these `readers`, or when another process is at it; what is missing; or also what failed, which other readers
        did. Noted as done when the block ends without error."""
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
        """Have all records looked through at the next start: something may have been left out. Raises StorageFailed."""
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
        entry.pictures = bool(content.get("pictures", False))
        entry.tenant = None if content.get("tenant") is None else str(content["tenant"])
    except (ValueError, KeyError, TypeError):
        # New, or killed while it was written: counts from the start.
        entry.begun = entry.tried = 0
    return entry
