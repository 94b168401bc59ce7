"""What is still to be extracted: a small file for each attachment, so that nobody has to look through all records.

    <root>/extraction/<id>           {"begun": n, "tried": n, "refused": n, "again": bool}, or nothing yet
    <root>/extraction/.slot-<n>      locked by who extracts: at most so many at once, over all processes
    <root>/extraction/.scanned       under which boot of the machine the records were last looked through

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

from app.blobs.files import FILE_MODE, FOLDER_MODE, locked, sync_folder, typed_errors
from app.ids import is_id

#: Fresh uploads of this process that are taken before what lies in the folder; more are found there.
FRESH = 10_000
_BOOT = Path("/proc/sys/kernel/random/boot_id")


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
    #: Whether it is to be done although it was done before.
    again: bool = False

    def save(self) -> None:
        """Write down what this object says. Raises StorageFull or StorageFailed."""
        said = {"begun": self.begun, "tried": self.tried, "refused": self.refused, "again": self.again}
        content = json.dumps(said).encode()
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
        self.fresh: queue.Queue[str] = queue.Queue(FRESH)
        with typed_errors():
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    def add(self, attachment_id: str, *, again: bool = False) -> None:
        """Have an attachment extracted. `again`: also when it was before. Raises StorageFull or StorageFailed."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with typed_errors():
            try:
                os.close(os.open(self._path(attachment_id), flags, FILE_MODE))
            except FileExistsError:
                if not again:
                    return
            if again:
                # One that somebody works on is being done just now.
                entry = self.take(attachment_id)
                if entry is not None:
                    with contextlib.closing(entry):
                        entry.begun = entry.tried = entry.refused = 0
                        entry.again = True
                        entry.save()
        with contextlib.suppress(queue.Full):
            self.fresh.put_nowait(attachment_id)

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

    @contextlib.contextmanager
    def slot(self, slots: int) -> Iterator[bool]:
        """Whether one of `slots` was free; it is held within the block. Raises StorageFull or StorageFailed."""
        for number in range(slots):
            with typed_errors():
                path = self.folder / f".slot-{number}"
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                if locked(descriptor):
                    yield True
                    return
            finally:
                os.close(descriptor)
        yield False

    # What a power cut, a time without extraction or another set of kinds may have left out

    @contextlib.contextmanager
    def scan(self, condition: str) -> Iterator[bool]:
        """Whether to look through all records now, for `condition`: not when it was done since the machine started and
        under the same condition, nor when another process is at it. Noted as done when the block ends without error."""
        wanted = f"{_BOOT.read_text().strip() if _BOOT.exists() else ''} {condition}".encode()
        with typed_errors():
            descriptor = os.open(self._scanned, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            due = locked(descriptor) and os.pread(descriptor, 1000, 0) != wanted
            yield due
            if due:
                with typed_errors():
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

    def _path(self, attachment_id: str) -> Path:
        if not is_id(attachment_id):
            raise ValueError("not an id")
        return self.folder / attachment_id


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
        entry.refused = int(content.get("refused", 0))
    except (ValueError, KeyError, TypeError):
        # New, or killed while it was written: counts from the start.
        entry.begun = entry.tried = 0
    return entry
