"""Temporary files in `<data>/incoming`, each locked by the process that writes it: the storage's and the
coordination's."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.files import held, listed, locked, older, storage_errors
from app.storage.contract import Stray

INCOMING = "incoming"
TEMPORARY = re.compile(r"[0-9a-f]{32}")


def strays_in(
    data: Path,
    folder: Path,
    grace: float,
    temporary: re.Pattern[str] = TEMPORARY,
    known: re.Pattern[str] | None = None,
) -> Iterator[Stray]:
    """As `Storage.strays`, in one folder of the data folder. `temporary`: names of temporary files; `known`: other names
    that belong there. Raises StorageFailed."""
    for path in listed(folder):
        name = str(path.relative_to(data))
        if temporary.fullmatch(path.name):
            with storage_errors():
                stale = older(path, grace) and not held(path)
            if stale:
                yield Stray(name, temporary=True)
        elif known is None or not known.fullmatch(path.name):
            yield Stray(name, temporary=False)


def sweep(incoming: Path, grace: float, clock: Callable[[], float] = time.time) -> list[str]:
    """Remove the files there that were written more than `grace` seconds ago and that nobody holds. Returns their names.
    Raises StorageFailed."""
    removed = []
    with storage_errors(), os.scandir(incoming) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if clock() - entry.stat().st_mtime < grace:
                    continue
                descriptor = os.open(entry.path, os.O_RDONLY)
                try:
                    if locked(descriptor):
                        os.unlink(entry.path)
                        removed.append(entry.name)
                finally:
                    os.close(descriptor)
    return removed


def remove_leftover(path: Path, grace: float) -> None:
    """Remove a file unless it was written less than `grace` seconds ago or somebody holds it. Raises StorageFailed."""
    with storage_errors():
        if older(path, grace) and not held(path):
            path.unlink(missing_ok=True)
