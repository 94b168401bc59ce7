"""Which records came, changed and went: the folders of a store, read again only when they have changed.

Every record comes and goes by a rename or an unlink in its folder, so the folder's own mtime tells. Memory: the ids that
were read, about 21 bytes each.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from app.blobs.files import typed_errors
from app.blobs.filesystem import Filesystem
from app.ids import is_id

FOLDERS = 4096
#: Seconds that a folder's mtime may lag behind the clock; within them a folder counts as changed.
MARGIN = 2.0


@dataclass(frozen=True)
class Change:
    """What has become of a folder: ids whose record went, ids whose record is new or changed, and those that the
    outcome of an extraction lies there of."""

    gone: set[str]
    new: list[str]
    extracted: set[str]


class Folders:
    """What is known of the folders of `blobs`; nothing at first."""

    def __init__(self, blobs: Filesystem) -> None:
        self._blobs = blobs
        self._prefix = f"{blobs.attachments}/"
        # By folder: when it was read last (seconds since 1970), and the ids that were in it.
        self._read_at = [0.0] * FOLDERS
        self._ids = [""] * FOLDERS

    def assume(self, ids: Iterable[str], moment: float, folders: int = FOLDERS) -> None:
        """Take it that the first `folders` were read at `moment` and that these ids are in all of them together."""
        found: list[list[str]] = [[] for _ in range(FOLDERS)]
        for attachment_id in ids:
            found[int(self._blobs.folder(attachment_id).name, 16)].append(attachment_id)
        self._ids = ["\n".join(each) for each in found]
        self._read_at[:folders] = [moment] * folders

    def add(self, ids: Iterable[str]) -> None:
        """Take it that these ids are in their folders, whenever those were read."""
        for attachment_id in ids:
            self._ids[int(self._blobs.folder(attachment_id).name, 16)] += f"\n{attachment_id}"

    def changed(self) -> list[int]:
        """The folders that have changed since they were read, by number. Raises StorageFailed."""
        with typed_errors():
            return [
                number
                for number in range(FOLDERS)
                if os.stat(self._path(number)).st_mtime >= self._read_at[number] - MARGIN
            ]

    def read(self, number: int) -> Change:
        """Read a folder; what has changed in it since the last time. Raises StorageFailed."""
        before = set(self._ids[number].split())
        since = self._read_at[number] - MARGIN
        self._read_at[number] = time.time()
        records: set[str] = set()
        extracted: set[str] = set()
        modified: set[str] = set()
        with typed_errors(), os.scandir(self._path(number)) as entries:
            for entry in entries:
                stem, _, suffix = entry.name.rpartition(".")
                if suffix in ("json", "extraction") and is_id(stem):
                    # An extracted text changes the document as the record does. What was not there is new in any case.
                    with contextlib.suppress(FileNotFoundError):
                        if stem in before and entry.stat().st_mtime >= since:
                            modified.add(stem)
                        (records if suffix == "json" else extracted).add(stem)
        self._ids[number] = "\n".join(records)
        return Change(before - records, [each for each in records if each not in before or each in modified], extracted)

    def _path(self, number: int) -> str:
        # Thousands of them, and a Path takes longer to make than the system to answer.
        return f"{self._prefix}{number:03x}"
