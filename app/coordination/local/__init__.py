"""Coordination of the processes of one machine: files in the data folder, and their locks (flock), which end with a
process.

docs/format.md describes the files. Each part of the contract has a module; `Local` puts them together.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from app.coordination.contract import Bulks, Stray
from app.coordination.local.bulk_lock import BulkLock
from app.coordination.local.change_lock import ChangeLock
from app.coordination.local.claims import Claims
from app.coordination.local.folder import Folder
from app.coordination.local.journal import Journal
from app.coordination.local.moments import Moments
from app.coordination.local.registry import PointsInTime, SignIns, Tokens
from app.coordination.local.search_slots import SearchSlots
from app.coordination.local.work_slots import WorkSlots
from app.errors import Conflict
from app.files import FILE_MODE, FOLDER_MODE, locked, storage_errors

_BULK_LOCKS: dict[Bulks, str] = {"documents": ".bulk.lock", "texts": ".text.lock"}


class Local:
    """The coordination of the store in a data folder. Implements `app.coordination.contract.Coordination`."""

    def __init__(self, root: Path) -> None:
        """`root`: the data folder."""
        self.root = root
        self._folder = Folder(root)

    @functools.cached_property
    def change_lock(self) -> ChangeLock:
        return ChangeLock(self.root)

    def bulk_lock(self, bulks: Bulks, patience: float | None = None) -> BulkLock:
        return BulkLock(self.root / _BULK_LOCKS[bulks], patience)

    def search_slots(self, count: int) -> SearchSlots:
        return SearchSlots(self.root, count)

    def work_slots(self, count: int, name: str = "") -> WorkSlots:
        folder = self.root / "extraction"
        with storage_errors():
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        return WorkSlots(folder, count, name)

    @functools.cached_property
    def journal(self) -> Journal:
        return Journal(self.root)

    @functools.cached_property
    def claims(self) -> Claims:
        return Claims(self.root)

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.root)

    @property
    def sign_ins(self) -> SignIns:
        return SignIns(self.root)

    @property
    def points_in_time(self) -> PointsInTime:
        return PointsInTime(self.root)

    def sign_in_attempts(self, most: int) -> Moments:
        return Moments(self.root, most)

    def strays(self, grace: float) -> Iterator[Stray]:
        return self._folder.strays(grace)

    def holds(self, name: str) -> bool:
        return self._folder.holds(name)

    def remove_leftover(self, name: str, grace: float) -> None:
        self._folder.remove_leftover(name, grace)

    @contextlib.contextmanager
    def maintenance(self) -> Iterator[None]:
        with storage_errors():
            descriptor = os.open(self.root / ".rebuild.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        with open(descriptor, "ab"):
            if not locked(descriptor):
                raise Conflict("another rebuild or migration of this store is running")
            yield
