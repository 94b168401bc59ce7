"""Reading plain files of a workspace: a path that ends in a link is refused, and no pipe or device is waited for."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class MalformedFile(ValueError):
    """The file is not a regular one, is too large, or is not text where text is expected."""


def copy(source: Path, target: Path, limit: int) -> int:
    """Copy a file with its time, because git compares the time of the index with those of the files in it; returns its size
    in bytes.

    A missing file is not copied. Raises MalformedFile, and OSError when it can't be read.
    """
    try:
        file = _opened(source, limit)
    except FileNotFoundError:
        return 0
    with file, target.open("wb") as made:
        found = os.fstat(file.fileno())
        shutil.copyfileobj(file, made)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    return found.st_size


def text_of(path: Path, limit: int) -> str:
    """The text of a file, decoded as paths are. Raises MalformedFile or OSError."""
    with _opened(path, limit) as file:
        return os.fsdecode(file.read(limit))


def open_folder(path: Path) -> int:
    """A descriptor of the folder at this absolute path, in which no part is a link. Raises OSError when there is none."""
    descriptor = os.open("/", _FOLDER)
    for name in path.parts[1:]:
        try:
            below = os.open(name, _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _opened(path: Path, limit: int) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
        os.close(descriptor)
        raise MalformedFile(path.name)
    return open(descriptor, "rb")
