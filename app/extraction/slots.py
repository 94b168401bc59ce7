"""The places in which documents are read, so many for a store, over all its processes and servers.

    <root>/extraction/.slot-<n>   locked by who reads a document: {"tenant": ..., "late": bool, "leaves": bool}
    <root>/extraction/.turns      locked by whose turn it is to choose a document: {"<tenant>": [seconds, time]}

The locks go with their process; what a file says that nobody has locked counts for nothing. What tenants used of the slots
fades by half every `HALF_LIFE` seconds, so that nobody pays for long. Documents of another sort that must not hold up these
(those in whose pictures text is recognized) have a lane with slots of their own, and its name is in those of its files.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.files import FILE_MODE, locked, typed_errors

HALF_LIFE = 60.0
#: Seconds of use that are forgotten.
LEAST = 0.01
_MOST_READ = 1 << 20


@dataclass(frozen=True)
class Held:
    """A slot that somebody has. `tenant`: whose document is read in it, None while none was chosen. `late`: whether that
    one was stopped or failed before. `leaves`: whether it is about to be stopped for others."""

    tenant: str | None = None
    late: bool = False
    leaves: bool = False


class Slot:
    """A slot that this object has until `close`."""

    def __init__(self, number: int, descriptor: int) -> None:
        self.number = number
        self._descriptor = descriptor

    def say(self, held: Held) -> None:
        """Tell the others what is read in it. Raises StorageFull or StorageFailed."""
        with typed_errors():
            _write(self._descriptor, {"tenant": held.tenant, "late": held.late, "leaves": held.leaves})

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


class Slots:
    """The slots of one store."""

    def __init__(self, folder: Path, count: int, lane: str = "") -> None:
        self.count = count
        self._folder = folder
        self._lane = f"-{lane}" if lane else ""

    @contextlib.contextmanager
    def free(self) -> Iterator[Slot | None]:
        """One of them, had within the block; None when others have all. Raises StorageFull or StorageFailed."""
        slot = self._taken()
        try:
            yield slot
        finally:
            if slot is not None:
                slot.close()

    def _taken(self) -> Slot | None:
        for number in range(self.count):
            with typed_errors():
                descriptor = os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
                if locked(descriptor):
                    os.ftruncate(descriptor, 0)
                    return Slot(number, descriptor)
                os.close(descriptor)
        return None

    def held(self, besides: Slot | None = None) -> list[Held]:
        """What is read in the slots that somebody has. Raises StorageFailed."""
        found = []
        for number in range(self.count):
            if besides is not None and number == besides.number:
                continue
            with typed_errors(), contextlib.suppress(FileNotFoundError):
                descriptor = os.open(self._path(number), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if not locked(descriptor, shared=True):
                        said = _read(descriptor)
                        found.append(Held(said.get("tenant"), bool(said.get("late")), bool(said.get("leaves"))))
                finally:
                    os.close(descriptor)
        return found

    @contextlib.contextmanager
    def turn(self) -> Iterator[dict[str, float]]:
        """Be the only one, within the block, who decides what is read next; seconds of slots that each tenant used lately,
        kept as they are at its end. Raises StorageFull or StorageFailed."""
        with typed_errors():
            descriptor = os.open(self._folder / f".turns{self._lane}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            with typed_errors():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            used = _faded(_read(descriptor), time.time())
            before = dict(used)
            yield used
            if used != before:
                at = round(time.time(), 3)
                with typed_errors():
                    _write(descriptor, {tenant: [round(seconds, 3), at] for tenant, seconds in used.items()})
        finally:
            os.close(descriptor)

    def _path(self, number: int) -> Path:
        return self._folder / f".slot{self._lane}-{number}"


def _faded(said: dict[str, Any], now: float) -> dict[str, float]:
    """What is left of what was used. A time to come is one of a clock that was put back since."""
    found = {}
    with contextlib.suppress(ValueError, TypeError):
        for tenant, (seconds, at) in said.items():
            left = float(seconds) * 0.5 ** (max(0.0, now - at) / HALF_LIFE)
            if left >= LEAST:
                found[tenant] = left
    return found


def _read(descriptor: int) -> dict[str, Any]:
    """What the file says; nothing where it is new, or its writer was killed."""
    try:
        found = json.loads(os.pread(descriptor, _MOST_READ, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write(descriptor: int, content: dict[str, Any]) -> None:
    encoded = json.dumps(content).encode()
    os.pwrite(descriptor, encoded, 0)
    os.ftruncate(descriptor, len(encoded))
