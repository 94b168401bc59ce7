"""The journal: a small file for each entry. The process that works on an entry holds the file's lock, which ends with
the process.

    <root>/journal/<random>.upload    {"ids": [...]}: committed when every id has its record, else to be undone
    <root>/journal/<random>.delete    {"ids": [...]}: to be finished
    <root>/journal/<random>.change    {"ids": [...]}: records that were written anew, and whose documents are to follow
    <root>/journal/<random>.spare     stands for nothing: the entry of a settled upload, kept for the next one

For a new file ext4 searches for an inode past all that were deleted lately, in the whole group. If every upload made
and removed an entry, that would make the entry and the upload's own two files slower; taking an old entry is several
times faster. Only entries of uploads of one file are kept: after a power cut, the file may have its earlier content
under its new name, and such an entry changes nothing that was not decided already. (An entry of two files, one of them
deleted since, would say that the other is half an upload.)

Rejected: scanning all records at start (grows with the store, and can't tell half a unit from a whole one), and a grace
time instead of locks (either too short for a slow upload or too long for the next search).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.coordination.contract import Hold, Kind
from app.coordination.local.change_lock import ChangeLock
from app.coordination.local.folder import Folder
from app.files import FILE_MODE, FOLDER_MODE, locked, storage_errors, sync_folder

log = logging.getLogger(__name__)

_KINDS: dict[str, Kind] = {".upload": "upload", ".delete": "delete", ".change": "change"}

#: How many settled entries a process keeps, each with its descriptor: as many as it has uploads under way at once.
MOST_SPARES = 16

#: Seconds after which the process that made an entry without a name has ended: naming takes milliseconds.
NAMING_SECONDS = 60.0


@dataclass
class JournalEntry:
    """One undecided piece of work, locked by this object until `close` or `settled`."""

    kind: Kind
    ids: list[str]
    path: Path
    descriptor: int
    #: The hold on the change lock: while this entry is open, nobody exchanges the index.
    work: Hold | None
    #: Where the file goes when the entry is settled, with its lock; None when it is removed then.
    spares: deque[tuple[Path, int]] | None = None

    @property
    def name(self) -> str:
        return self.path.name

    def settled(self, *, durable: bool = False) -> None:
        try:
            if self.descriptor >= 0 and self.spares is not None and len(self.spares) < MOST_SPARES:
                spare = self.path.with_suffix(".spare")
                os.rename(self.path, spare)
                self.spares.append((spare, self.descriptor))
                self.descriptor = -1
            else:
                self.path.unlink(missing_ok=True)
            if durable:
                sync_folder(self.path.parent)
        except OSError as error:
            log.warning("journal entry %s could not be removed: %s", self.path.name, error.strerror)
            if durable:
                self._void()
        self.close()

    def _void(self) -> None:
        """Empty the entry, in case a power cut brings it back: its content is synced, its name is not."""
        try:
            os.ftruncate(self.descriptor, 0)
            os.fsync(self.descriptor)
        except OSError as error:
            log.error("journal entry %s could not be emptied either: %s", self.path.name, error.strerror)

    def close(self) -> None:
        # First, so that no number is ever closed twice: by then it may be another file's.
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            # A device that fails says so here too; the descriptor and its lock are gone all the same.
            with contextlib.suppress(OSError):
                os.close(descriptor)
        if self.work is not None:
            self.work.close()


class Journal:
    """The entries of one store."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "journal"
        self._spares: deque[tuple[Path, int]] = deque()
        self._looked = False
        self._change_lock = ChangeLock(root)
        self._root = Folder(root)
        with storage_errors():
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    def begin(self, kind: Kind, ids: list[str], *, durable: bool, alone: bool = False) -> JournalEntry:
        if alone:
            return self._begin(kind, ids, durable, None)
        work = self._change_lock.shared()
        try:
            return self._begin(kind, ids, durable, work)
        except BaseException:
            work.close()
            raise

    def _begin(self, kind: Kind, ids: list[str], durable: bool, work: Hold | None) -> JournalEntry:
        path = self.folder / f"{secrets.token_hex(16)}.{kind}"
        # Entries of several files are not kept: see above.
        spares = self._spares if len(ids) == 1 and not durable else None
        with storage_errors():
            while True:
                temporary, descriptor = self._file(spares)
                try:
                    self._write(descriptor, json.dumps({"ids": ids}).encode(), durable)
                    os.rename(temporary, path)
                    if durable:
                        sync_folder(self.folder)
                    break
                except BaseException as error:
                    for name in (temporary, path):
                        with contextlib.suppress(OSError):
                            name.unlink()
                    with contextlib.suppress(OSError):
                        os.close(descriptor)
                    # A spare that somebody removed had no meaning: the next one, or a new file, serves as well.
                    if not (isinstance(error, FileNotFoundError) and temporary.suffix == ".spare"):
                        raise
        return JournalEntry(kind, ids, path, descriptor, work, spares)

    def _write(self, descriptor: int, content: bytes, durable: bool) -> None:
        written = 0
        # It may be written in part where the disk is full: half an entry would have no meaning.
        while written < len(content):
            written += os.pwrite(descriptor, content[written:], written)
        os.ftruncate(descriptor, written)
        if durable:
            os.fsync(descriptor)

    def _file(self, spares: deque[tuple[Path, int]] | None) -> tuple[Path, int]:
        """A locked file whose name gives it no meaning yet, to write an entry into. Raises OSError."""
        if spares:
            with contextlib.suppress(IndexError):
                return spares.pop()
        path = self.folder / f"{secrets.token_hex(16)}.new"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        # Locked before it has its name: nobody ever sees it unlocked.
        locked(descriptor)
        return path, descriptor

    def count(self) -> int:
        with storage_errors():
            return sum(not name.endswith(".spare") for name in os.listdir(self.folder))

    def abandoned(self) -> Iterator[JournalEntry]:
        with storage_errors():
            names = sorted(os.listdir(self.folder))
        # The process that takes the place of an ended one removes what that left behind, at its first look.
        if self._looked:
            names = [name for name in names if not name.endswith(".spare")]
        self._looked = True
        for name in names:
            entry = self._claim(self.folder / name)
            if entry is not None:
                yield entry

    def _claim(self, path: Path) -> JournalEntry | None:
        """The entry at `path`, locked; None when a process works on it, it is gone, or it can't be read now."""
        try:
            if path.suffix == ".new" and time.time() - path.stat().st_mtime < NAMING_SECONDS:
                # The process that makes it may not have its lock yet, and would lose both file and lock here.
                return None
            entry = JournalEntry("upload", [], path, -1, self._change_lock.shared(patience=0))
            try:
                entry.descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                if not locked(entry.descriptor) or not path.exists():
                    entry.close()
                    return None
                content = os.read(entry.descriptor, 1 << 20)
            except BaseException:
                entry.close()
                raise
        except FileNotFoundError:
            return None
        except OSError as error:
            # One that can't be read must not keep the others from being decided.
            log.error("journal entry %s can't be read: %s", path.name, error.strerror)
            return None
        try:
            entry.ids = [str(each) for each in json.loads(content)["ids"]]
        except (ValueError, KeyError, TypeError):
            entry.ids = []
        kind = _KINDS.get(path.suffix)
        if kind is None or not entry.ids:
            # The process was killed before the entry was whole: there was no effect yet.
            entry.settled()
            return None
        entry.kind = kind
        return entry

    def ids(self, kind: Kind | None = None) -> set[str]:
        found: set[str] = set()
        with storage_errors():
            names = os.listdir(self.folder)
        for name in names:
            if not name.endswith(f".{kind}" if kind is not None else tuple(_KINDS)):
                continue
            # An entry that is removed in the meantime is decided; for one that is not whole there was no effect yet.
            with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
                found.update(json.loads((self.folder / name).read_bytes())["ids"])
        return found

    def undecided(self) -> list[str]:
        return self._root.undecided()
