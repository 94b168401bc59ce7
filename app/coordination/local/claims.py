"""Claims and notes: a file for each, in one folder; a lock (flock) says that it is held, and ends with its process.

<root>/extraction/<id>        a claim
<root>/extraction/.<note>     a note
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from app.files import FILE_MODE, FOLDER_MODE, locked, storage_errors, sync_folder
from app.ids import is_id

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NOTE = re.compile(r"(scanned|readers|controlled|unfit-\w{1,50})", re.ASCII)
_MOST_READ = 1000


class Claim:
    """A file that this object has locked until `close`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.content = os.pread(descriptor, _MOST_READ, 0)

    def saved(self) -> float:
        with storage_errors():
            return os.fstat(self._descriptor).st_mtime

    def save(self, content: bytes) -> None:
        with storage_errors():
            _write(self._descriptor, content)

    def secure(self) -> None:
        with storage_errors():
            os.fsync(self._descriptor)
            sync_folder(self._path.parent)

    def done(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Claims:
    """The claims of one data folder."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "extraction"
        with storage_errors():
            self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    def add(self, name: str, content: bytes) -> bool:
        path = self._path(name)
        with storage_errors():
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            except FileExistsError:
                return False
            try:
                _write(descriptor, content)
            finally:
                os.close(descriptor)
        return True

    def take(self, name: str) -> Claim | None:
        return self._taken(self._path(name), os.O_RDWR | os.O_CLOEXEC)

    def read(self, name: str) -> bytes | None:
        return self._read(self._path(name))

    def has(self, name: str) -> bool:
        path = self._path(name)
        with storage_errors():
            return path.exists()

    def names(self) -> Iterator[str]:
        with storage_errors(), os.scandir(self._folder) as entries:
            for entry in entries:
                if is_id(entry.name):
                    yield entry.name

    @property
    def epoch(self) -> str:
        return _BOOT.read_text().strip() if _BOOT.exists() else ""

    def take_note(self, note: str) -> Claim | None:
        return self._taken(self._note(note), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)

    def note(self, note: str, content: bytes | None) -> None:
        path = self._note(note)
        with storage_errors():
            if content is None:
                path.unlink(missing_ok=True)
                return
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                _write(descriptor, content)
            finally:
                os.close(descriptor)

    def noted(self, note: str) -> bytes | None:
        return self._read(self._note(note))

    def _taken(self, path: Path, flags: int) -> Claim | None:
        with storage_errors():
            try:
                descriptor = os.open(path, flags, FILE_MODE)
            except FileNotFoundError:
                if flags & os.O_CREAT:
                    raise
                return None
            try:
                if locked(descriptor) and _same(path, descriptor):
                    return Claim(path, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        return None

    def _read(self, path: Path) -> bytes | None:
        with storage_errors():
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            try:
                return os.pread(descriptor, _MOST_READ, 0)
            finally:
                os.close(descriptor)

    def _path(self, name: str) -> Path:
        if not is_id(name):
            raise ValueError("not an id")
        return self._folder / name

    def _note(self, note: str) -> Path:
        if not _NOTE.fullmatch(note):
            raise ValueError("not a note")
        return self._folder / f".{note}"


def _write(descriptor: int, content: bytes) -> None:
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))


def _same(path: Path, descriptor: int) -> bool:
    """Whether the open file still has its name: another process may have finished it before it was locked here."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
