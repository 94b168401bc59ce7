"""Makes the index again from the records while the store goes on (see `exchange`). It keeps in memory the ids that were
read."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from app.coordination.contract import ChangeLock
from app.errors import StorageUnavailable, StoreError
from app.index.documents import REMOVAL_VERSION, Write
from app.index.generations import Generations
from app.model.attachment import Attachment
from app.services.indexing import document_of
from app.storage.contract import PARTITIONS, Storage
from app.upkeep.exchange import Exchange, Json
from app.upkeep.partitions import Partitions

#: Reports progress: partitions done, partitions in all, and documents written so far.
Progress = Callable[[int, int, int], None]


class Rebuild:
    """One rebuild; `run` does it. `damaged`: the records that could not be read and therefore have no document."""

    kind = "records"

    def __init__(self, storage: Storage, generations: Generations, change_lock: ChangeLock) -> None:
        """`change_lock`: as in `Exchange`."""
        self.damaged: set[str] = set()
        self.written = 0
        self.resumed_from = 0
        self._storage = storage
        self._change_lock = change_lock
        self._generations = generations
        self._partitions = Partitions(storage)
        self._progress: Progress = lambda done, total, documents: None

    def run(self, progress: Progress | None = None) -> str:
        """Fill the next generation from the records and put it behind the alias. Returns its name. Errors as in
        `Exchange.run`."""
        self._progress = progress or self._progress
        return Exchange(self._generations, self._change_lock).run(self)

    def fill(self, name: str, state: Json | None) -> Iterator[Json]:
        began, done = time.time(), 0
        if state and "folders" in state:
            began, done = float(state["began"]), int(state["folders"])
            self.resumed_from = done
            # Also when no partition is done: there may be documents of the one that was being read. What the index has
            # counts as read when the build began: everything that changed since is read again.
            self._generations.refresh(name)
            self._partitions.assume(self._generations.ids(name), began, done)
        yield {"began": began, "folders": done}
        # Partitions that have been read, each with the number of writes until then: it is done when these writes are
        # done.
        read: deque[tuple[int, int]] = deque()

        def writes() -> Iterator[Write]:
            count = 0
            for number in range(done, PARTITIONS):
                for write in self._read(number):
                    count += 1
                    yield write
                read.append((number + 1, count))

        for count in self._generations.pour(name, writes()):
            self.written = count
            reached = 0
            while read and read[0][1] <= count:
                reached, _ = read.popleft()
            if reached:
                yield {"began": began, "folders": reached}
                self._progress(reached, PARTITIONS, self.written)
        yield {"began": began, "folders": PARTITIONS}
        self._progress(PARTITIONS, PARTITIONS, self.written)

    def follow(self, name: str) -> int:
        # Not counted: within the margin of a change, the same documents are written more than once.
        return self._bring(name, self._partitions.changed())

    def finish(self, name: str) -> None:
        self.follow(name)
        self._generations.refresh(name)

    def _bring(self, name: str, partitions: Iterable[int]) -> int:
        """Update the documents of these partitions from their records. Returns how many were written or removed."""
        return self._generations.fill(name, (write for each in partitions for write in self._read(each)))

    def _read(self, number: int) -> Iterator[Write]:
        change = self._partitions.read(number)
        for each in change.gone:
            yield Write(each, REMOVAL_VERSION, None)
        for attachment_id in change.new:
            try:
                record = self._storage.record(attachment_id)
                if record is None:
                    continue
                attachment = Attachment.from_record(record)
                if attachment.id != attachment_id:
                    raise ValueError("the record of another attachment")
                # With the extracted text: extraction is not repeated.
                document = document_of(self._storage, attachment, attachment_id in change.extracted)
            except StorageUnavailable:
                # No record is damaged: the rebuild goes on later where it was.
                raise
            except (StoreError, ValueError):
                self.damaged.add(attachment_id)
            else:
                yield document
