"""Copies the documents of one generation to another while the store goes on (app/upkeep/exchange.py).

They keep their versions, and are read from the index, so that chats, which have no files, are copied too. The function
that an upload uses makes the fields that are derived from the name and the text again (those that differ between
mapping versions). The text is read from its file: extraction, the expensive part, is not repeated, and Elasticsearch
does not have to send pages of texts. Elasticsearch numbers every operation on a shard (`_seq_no`), and a checkpoint
tells up to which number all are done: a document with a higher one is new or has changed since. Removals leave no
document: the partitions of the storage show those of attachments (app/upkeep/partitions.py), and in the end the
documents are counted on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice

from app.errors import IndexRejected
from app.index.documents import REMOVAL_VERSION, Write
from app.index.generations import Generations
from app.upkeep.exchange import Json
from app.upkeep.partitions import Partitions

#: Documents between two notes of progress.
NOTE_EVERY = 5000
#: Ids in one request.
_PAGE = 1000

#: Reports progress: documents copied, and documents in all.
Progress = Callable[[int, int], None]


class Copy:
    """The documents of the index `origin` as the source of an exchange. `copied`: how many were copied."""

    kind = "copy"

    def __init__(
        self,
        generations: Generations,
        origin: str,
        partitions: Partitions | None,
        drop: Collection[str] = (),
        progress: Progress = lambda done, total: None,
        derived: Collection[str] = (),
        derive: Callable[[Json], Json] = lambda source: source,
    ) -> None:
        """`partitions`: those of the records, None for documents without records. `drop`: fields to leave out. `derived`:
        fields that are not read, because `derive` makes them again from the rest."""
        self.copied = 0
        self._generations = generations
        self._origin = origin
        self._partitions = partitions
        self._drop = frozenset(drop)
        self._derived = derived
        self._derive = derive
        self._progress = progress
        #: By shard: all operations up to this sequence number are in the index that is filled.
        self._marks: dict[int, int] = {}
        self._followed = False

    def fill(self, name: str, state: Json | None) -> Iterator[Json]:
        resumable = state is not None and state.get("origin") == self._origin
        if state is not None and resumable:
            self._marks = {int(shard): int(mark) for shard, mark in state["marks"].items()}
        yield self._state()
        total = self._generations.count(self._origin)
        done = self._generations.count(name) if resumable else 0
        checkpoints = self._checkpoints()
        for shard, checkpoint in checkpoints.items():
            changes = self._changes(shard)
            last = -1
            while page := self._write(name, islice(changes, NOTE_EVERY)):
                count, last = page
                done += count
                # A number may be assigned and not yet visible while higher ones are; up to the checkpoint all are
                # visible.
                self._marks[shard] = max(self._marks.get(shard, -1), min(last, checkpoint))
                yield self._state()
                self._progress(min(done, total), total)
            self._marks[shard] = max(self._marks.get(shard, -1), checkpoint)
        yield self._state()

    def _changes(self, shard: int) -> Iterator[Json]:
        return self._generations.changes(self._origin, shard, self._marks.get(shard, -1), self._derived)

    def _state(self) -> Json:
        return {"origin": self._origin, "marks": {str(shard): mark for shard, mark in self._marks.items()}}

    def _checkpoints(self) -> dict[int, int]:
        # Read before the refresh, so that everything up to them is visible after it.
        checkpoints = self._generations.checkpoints(self._origin)
        self._generations.refresh(self._origin)
        return checkpoints

    def _write(self, name: str, hits: Iterator[Json]) -> tuple[int, int] | None:
        """Write these documents; returns how many there were and the highest number, or None when there was none."""
        last = -1
        known = self._partitions if self._followed else None

        def writes() -> Iterator[Write]:
            nonlocal last
            for hit in hits:
                last = hit["_seq_no"]
                if known is not None:
                    # A record may be added and removed between two checks of its folder.
                    known.add([hit["_id"]])
                source = self._derive(hit["_source"])
                source = {key: value for key, value in source.items() if key not in self._drop}
                yield Write(hit["_id"], hit["_version"], source)

        count = self._generations.fill(name, writes())
        self.copied += count
        return (count, last) if count else None

    def follow(self, name: str) -> int:
        count = 0
        for shard, checkpoint in self._checkpoints().items():
            changes = self._changes(shard)
            while page := self._write(name, islice(changes, NOTE_EVERY)):
                count += page[0]
            self._marks[shard] = max(self._marks.get(shard, -1), checkpoint)
        return count + self._follow_removals(name)

    def _follow_removals(self, name: str) -> int:
        if self._partitions is None:
            return 0
        if not self._followed:
            # Moment 0: everything that was removed while this or an earlier run copied.
            self._generations.refresh(name)
            self._partitions.assume(self._generations.ids(name), 0.0)
            self._followed = True
        gone = [each for number in self._partitions.changed() for each in self._partitions.read(number).gone]
        return self._remove(name, gone)

    def _remove(self, name: str, ids: list[str]) -> int:
        """Remove the documents that the origin no longer has; returns how many."""
        count = 0
        for first in range(0, len(ids), _PAGE):
            page = ids[first : first + _PAGE]
            left = self._generations.existing(self._origin, page)
            removals = [Write(each, REMOVAL_VERSION, None) for each in page if each not in left]
            count += self._generations.fill(name, removals)
        return count

    def finish(self, name: str) -> None:
        self.follow(name)
        self._generations.refresh(name)
        if self._equal(name):
            return
        # Documents that were removed without the removal of a record, as may happen with chats.
        left = set(self._generations.ids(self._origin))
        self._remove(name, [each for each in self._generations.ids(name) if each not in left])
        self._generations.refresh(name)
        if not self._equal(name):
            raise IndexRejected(f"the copy [{name}] is not complete: nothing was exchanged")

    def _equal(self, name: str) -> bool:
        return self._generations.count(self._origin) == self._generations.count(name)
