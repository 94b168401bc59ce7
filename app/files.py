"""Files of the data folder: their modes, locks, temporary files, and the store's own errors for the system's errors.

Used by everything that has files there: the storage on a filesystem, and the coordination."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from app.errors import StorageFailed, StorageFull

FILE_MODE = 0o640
FOLDER_MODE = 0o750

#: What desktops, filesystems and network shares leave behind.
LITTER = re.compile(
    r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini|\.directory|lost\+found|\.nfs.*|\.Trash.*", re.IGNORECASE
)

#: Bytes of a file after which the kernel is told to begin writing them to the disk; on its own it waits for half a minute.
WRITE_BACK = 8 * 1024 * 1024
# A C library other than glibc may not have it.
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)
_SYNC_FILE_RANGE_WRITE = 2

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what the filesystem raises into the store's own errors."""
    try:
        yield
    except OSError as error:
        raise (StorageFull() if error.errno in _FULL else StorageFailed()) from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def locked(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock of an open file, exclusive or `shared`, unless another process holds it. Returns whether it was
    taken."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def older(path: Path, seconds: float) -> bool:
    """Whether the file was last written more than `seconds` ago; False for a missing one. Raises OSError."""
    try:
        return time.time() - path.stat().st_mtime >= seconds
    except FileNotFoundError:
        return False


def held(path: Path) -> bool:
    """Whether a process holds the lock of this file; a missing one counts as held, because another process has just
    moved or removed it. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return not locked(descriptor)
    finally:
        os.close(descriptor)


def listed(folder: Path) -> list[Path]:
    """The names in a folder, sorted, except LITTER; none if the folder is missing. Raises StorageFailed."""
    try:
        return sorted(folder / name for name in os.listdir(folder) if not LITTER.fullmatch(name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageFailed(f"{folder} can't be read") from error


def create_temporary(incoming: Path, mode: int = FILE_MODE) -> tuple[Path, BinaryIO]:
    """A new file in the folder of temporary files, locked for as long as it is open. Raises OSError."""
    path = incoming / secrets.token_hex(16)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    file = os.fdopen(descriptor, "w+b", buffering=0)
    locked(descriptor)
    return path, file


@contextlib.contextmanager
def replacing(target: Path, incoming: Path, mode: int = FILE_MODE) -> Iterator[BinaryIO]:
    """A temporary file that replaces `target` at the end of the block, and is removed when the block fails.

    A killed process leaves it in `incoming`, where the sweep finds it. Raises OSError.
    """
    path, file = create_temporary(incoming, mode)
    try:
        with file:
            yield file
            os.rename(path, target)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


class Writer:
    """A raw file whose `write` writes everything, with the store's own errors.

    The kernel is told to write to the disk every `WRITE_BACK` bytes, so that the fsync at the end has little to do.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._position = self._sent = 0

    def write(self, data: bytes) -> int:
        with storage_errors():
            view = memoryview(data)
            while view:
                view = view[self.file.write(view) :]
        self._position += len(data)
        if self._position - self._sent >= WRITE_BACK:
            _begin_writing(self.file.fileno(), self._sent, self._position - self._sent)
            self._sent = self._position
        return len(data)


def _begin_writing(descriptor: int, offset: int, size: int) -> None:
    """Let the kernel begin to write, without waiting; the fsync reports any error (sync_file_range(2))."""
    if _sync_file_range is not None:
        _sync_file_range(descriptor, ctypes.c_int64(offset), ctypes.c_int64(size), _SYNC_FILE_RANGE_WRITE)
