"""Records: a file for each. Shared content: one file for all of it.

    <root>/sign-ins/<name>          mode 0600, durable
    <root>/points/<group>/<name>    its modification time is when it expires
    <root>/tokens.json              mode 0600, durable

Each is written in `incoming` and renamed into its place, so that a killed process leaves a temporary file and no part
of a record.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from app.coordination.contract import Record, Version
from app.coordination.local.data_folder import exclusive, write_durably
from app.errors import StorageFailed
from app.files import FOLDER_MODE, Writer, replacing, storage_errors

_GROUP = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class SignIns:
    """Records that are written once, without a lock."""

    _MODE = 0o600
    _NAME = re.compile(r"[0-9a-f]{64}")

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "sign-ins"

    def add(self, name: str, content: bytes) -> None:
        path = self._path(name)
        with storage_errors():
            self._folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            write_durably(self._root, path, content, self._MODE)

    def read(self, name: str) -> bytes | None:
        with storage_errors():
            try:
                return self._path(name).read_bytes()
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        with storage_errors():
            self._path(name).unlink(missing_ok=True)

    def written(self) -> dict[str, float]:
        found = {}
        with storage_errors(), contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if self._NAME.fullmatch(entry.name):
                        found[entry.name] = entry.stat().st_mtime
        return found

    def _path(self, name: str) -> Path:
        if not self._NAME.fullmatch(name):
            raise ValueError("not the name of a sign-in")
        return self._folder / name


class PointsInTime:
    """Records that expire and whose number is bounded; adding, replacing or removing one needs a lock."""

    _NAME = re.compile(r"[A-Za-z0-9_-]{43}")

    def __init__(self, root: Path) -> None:
        self._folder = root / "points"
        self._incoming = root / "incoming"
        self._lock = root / ".points.lock"

    def add(self, group: str, name: str, content: bytes, until: float, most: int) -> bool:
        path = self._path(group, name)
        with storage_errors(), exclusive(self._lock):
            for folder in (self._folder, path.parent, self._incoming):
                folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            self._sweep()
            if sum(1 for _ in path.parent.iterdir()) >= most:
                return False
            self._write(path, content, until)
        return True

    def replace(self, group: str, name: str, content: bytes, until: float) -> bool:
        path = self._path(group, name)
        with storage_errors(), contextlib.suppress(FileNotFoundError):
            if path.read_bytes() == content:
                _touch(path, until)
                return True
            with exclusive(self._lock):
                path.stat()
                self._write(path, content, until)
            return True
        return False

    def read(self, group: str, name: str) -> Record | None:
        path = self._path(group, name)
        with storage_errors():
            try:
                # Asked first: a renewal in between leaves an earlier time here, and the next read sees the new one.
                until = path.stat().st_mtime
                return Record(path.read_bytes(), until)
            except FileNotFoundError:
                return None

    def remove(self, group: str, name: str) -> None:
        path = self._path(group, name)
        # Not between the check that it is there and its replacement: it would come back.
        with storage_errors(), exclusive(self._lock):
            path.unlink(missing_ok=True)

    def _path(self, group: str, name: str) -> Path:
        if not _GROUP.fullmatch(group) or not self._NAME.fullmatch(name):
            raise ValueError("not the name of a point in time")
        return self._folder / group / name

    def _sweep(self) -> None:
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time():
                    path.unlink()

    def _write(self, path: Path, content: bytes, until: float) -> None:
        with replacing(path, self._incoming) as file:
            Writer(file).write(content)
            _touch(file.fileno(), until)


def _touch(path: Path | int, until: float) -> None:
    os.utime(path, (until, until))


class Tokens:
    """One content for all processes; changing it needs a lock."""

    _MODE = 0o600

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "tokens.json"
        self._lock = root / ".tokens.lock"

    def version(self) -> Version | None:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed() from error
        return status.st_mtime_ns, status.st_ino, status.st_size

    def read(self) -> bytes | None:
        with storage_errors():
            try:
                return self._path.read_bytes()
            except FileNotFoundError:
                return None

    def change(self, change: Callable[[bytes | None], bytes | None]) -> None:
        with storage_errors(), exclusive(self._lock):
            changed = change(self.read())
            if changed is not None:
                write_durably(self._root, self._path, changed, self._MODE)
