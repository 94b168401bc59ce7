"""Which records were added, changed and removed: a partition of the storage is read again only when something in it has
changed.

It keeps in memory the ids that were read, about 21 bytes each.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from app.storage.contract import PARTITIONS, Storage, partition_of


@dataclass(frozen=True)
class Change:
    """The changes of a partition: ids whose record is gone, ids whose record is new or changed, and ids that have an
    outcome of an extraction."""

    gone: set[str]
    new: list[str]
    extracted: set[str]


class Partitions:
    """The known state of the partitions of `storage`; empty at first."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        # By partition: when it was read last (seconds since 1970), and the ids that were in it.
        self._read_at = [0.0] * PARTITIONS
        self._ids = [""] * PARTITIONS

    def assume(self, ids: Iterable[str], moment: float, partitions: int = PARTITIONS) -> None:
        """Assume that the first `partitions` were read at `moment`, and that these are all ids in them."""
        found: list[list[str]] = [[] for _ in range(PARTITIONS)]
        for attachment_id in ids:
            found[partition_of(attachment_id)].append(attachment_id)
        self._ids = ["\n".join(each) for each in found]
        self._read_at[:partitions] = [moment] * partitions

    def add(self, ids: Iterable[str]) -> None:
        """Assume that these ids are in their partitions, whenever those were read."""
        for attachment_id in ids:
            self._ids[partition_of(attachment_id)] += f"\n{attachment_id}"

    def changed(self) -> list[int]:
        """The partitions that have changed since they were read, by number. Raises StorageFailed."""
        return self._storage.changed(self._read_at)

    def read(self, number: int) -> Change:
        """Read a partition; returns what has changed in it since the last time. Raises StorageFailed."""
        before = set(self._ids[number].split())
        since = self._read_at[number]
        self._read_at[number] = time.time()
        # An extracted text changes the document as the record does. An id that was not there is new in either case.
        found = self._storage.changes(number, since, before)
        self._ids[number] = "\n".join(found.records)
        new = [each for each in found.records if each not in before or each in found.modified]
        return Change(before - found.records, new, found.outcomes)
