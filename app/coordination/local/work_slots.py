"""Slots for work that takes long: a file for each, whose lock (flock) ends with its process.

    <root>/extraction/.slot-<n>   locked by its holder: what is done in it, a JSON object
    <root>/extraction/.turns      locked by the process whose turn it is: what the last one left, a JSON object

The content of a file that nobody has locked does not count. The names of files contain the name of the slots, if any.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from app.coordination.contract import Json
from app.files import FILE_MODE, locked, storage_errors

_MOST_READ = 1 << 20


class WorkSlot:
    """A slot that this object holds until `close`."""

    def __init__(self, number: int, descriptor: int) -> None:
        self.number = number
        self._descriptor = descriptor

    def say(self, content: Json) -> None:
        with storage_errors():
            _write(self._descriptor, content)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class WorkSlots:
    """The slots of one data folder under one name."""

    def __init__(self, folder: Path, count: int, name: str = "") -> None:
        self.count = count
        self._folder = folder
        self._suffix = f"-{name}" if name else ""

    @contextlib.contextmanager
    def free(self) -> Iterator[WorkSlot | None]:
        slot = self._taken()
        try:
            yield slot
        finally:
            if slot is not None:
                slot.close()

    def _taken(self) -> WorkSlot | None:
        for number in range(self.count):
            with storage_errors():
                descriptor = os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
                try:
                    if locked(descriptor):
                        os.ftruncate(descriptor, 0)
                        return WorkSlot(number, descriptor)
                except BaseException:
                    os.close(descriptor)
                    raise
                os.close(descriptor)
        return None

    def said(self, besides: int | None = None) -> list[Json]:
        found = []
        for number in range(self.count):
            if number == besides:
                continue
            with storage_errors(), contextlib.suppress(FileNotFoundError):
                descriptor = os.open(self._path(number), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if not locked(descriptor, shared=True):
                        found.append(_read(descriptor))
                finally:
                    os.close(descriptor)
        return found

    @contextlib.contextmanager
    def turn(self) -> Iterator[Json]:
        with storage_errors():
            descriptor = os.open(
                self._folder / f".turns{self._suffix}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE
            )
        try:
            with storage_errors():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                content = _read(descriptor)
            before = dict(content)
            yield content
            if content != before:
                with storage_errors():
                    _write(descriptor, content)
        finally:
            os.close(descriptor)

    def _path(self, number: int) -> Path:
        return self._folder / f".slot{self._suffix}-{number}"


def _read(descriptor: int) -> Json:
    """The content of the file; empty where it is new, or its writer was killed."""
    try:
        found = json.loads(os.pread(descriptor, _MOST_READ, 0))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(descriptor: int, content: Json) -> None:
    encoded = json.dumps(content).encode()
    os.pwrite(descriptor, encoded, 0)
    os.ftruncate(descriptor, len(encoded))
