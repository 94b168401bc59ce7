"""Writing documents so that they are searchable on return: group commit.

A thread that writes while no other does becomes the leader: it sends one `_bulk` with one refresh, at once and in its
own thread. Writers that come meanwhile wait, and the first of them leads the next bulk with all the writes that have
gathered. So a lone upload does not wait, and a hundred share one refresh. Leaders of several processes take turns too
(`BulkLock`).

A bulk is bounded by its bytes as well as by its documents: Elasticsearch holds all of it in memory several times over
while it indexes, and answers a bulk that is too large with 429, or runs out of memory.

A refresh costs Elasticsearch as much as ninety documents in it, so a leader waits for the writes that are announced:
those of uploads that have all their bytes and are making them durable. It waits no longer than the last bulk took, and
a lone upload has no other to wait for.

Rejected: waiting for uploads whose bytes are still coming (as slow as their clients), `refresh=wait_for` (a second for
each upload), a refresh for each document (far too slow under concurrency), and a committer thread (two thread switches
for the lone upload, and one more thread to start and stop around a fork).

Every write has an external version (microseconds of the change), which is accepted when it is not lower than the
document's. A repeated write is therefore harmless, and a write that arrives after the delete it lost against has no
effect: Elasticsearch remembers deleted versions for `index.gc_deletes`. All removals have the same version, higher than
any clock: an id is never used again, and of two removals of one document neither is older.

Only the generation from which a document was deleted remembers the delete. So a document is written to that
generation's own alias (`mappings.target`), which is removed when another one takes its place: a write that arrives
later is refused. A removal is sent to the index in use, whichever that is, because it does no harm in any.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from app.coordination.contract import BulkLock
from app.errors import (
    IndexIncomplete,
    IndexMoved,
    IndexOutcomeUnknown,
    IndexRejected,
    IndexUnavailable,
    StoreError,
)
from app.index.admission import time_left
from app.index.connection import Connection, to_json
from app.model.schema import existing
from app.telemetry import measures

#: Operations in one bulk, and bytes of them; more wait for the next one. The writes of one caller are never divided, so
#: that all of them are done or none. Bytes: a hundredth of the smallest heap, as indexing takes twenty times a text and
#: more.
MAX_BATCH = 1000
MAX_BULK_BYTES = 4 * 1024 * 1024

REMOVAL_VERSION = 2**62

_NO_INDEX = "index_not_found_exception"

_PASSAGES, _MODEL = existing("passages", "passages_model")

#: Sent before removals. `require_alias` holds for writes, but for a removal with a version Elasticsearch would still
#: create an index by that name. This line has no effect, because no attachment has such an id.
_DEMAND: tuple[dict[str, Any], dict[str, Any]] = ({"update": {"_id": "-"}}, {"doc": {}})

#: Seconds: a writer with less time left does not lead, because the bulk has the writes of others that have more.
LEAST_TO_LEAD = 0.5

#: Seconds that a leader waits at most for announced writes, however long the last bulk took.
MOST_GATHERING = 0.05


@dataclass(frozen=True)
class Write:
    """Put `source` under `id`, or remove `id` when `source` is None."""

    id: str
    version: int
    source: dict[str, Any] | None

    def lines(self, target: str | None = None) -> tuple[bytes, bytes | None]:
        """Its two lines in a bulk; the second is None for a removal. `target`: the index into which a document is put,
        None where the path of the call names it; for a removal the path always does."""
        header = {"_id": self.id, "version": self.version, "version_type": "external_gte"}
        if self.source is None:
            return to_json({"delete": header}), None
        return to_json({"index": header if target is None else {"_index": target, **header}}), to_json(self.source)

    def without(self, fields: Collection[str]) -> Write:
        """The same without these fields."""
        if self.source is None:
            return self
        return replace(self, source={name: value for name, value in self.source.items() if name not in fields})

    @property
    def dimensions(self) -> int | None:
        """How many numbers each of its vectors has; None where it has no vector."""
        passages = (self.source or {}).get(_PASSAGES)
        return len(passages[0]["vector"]) // 2 if passages else None

    def fitting(self, dimensions: int | None) -> Write:
        """The same without its vectors, where an index whose vectors have so many numbers can't have them. None: it has none
        yet, and can have any."""
        own = self.dimensions
        return self if None in (own, dimensions) or own == dimensions else self.without((_PASSAGES, _MODEL))

    @property
    def letters(self) -> int:
        """The number of characters in the texts on its first level and in its passages, as a measure of its size."""
        values = list((self.source or {}).values())
        for each in list(values):
            if isinstance(each, list):
                values += (value for inner in each if isinstance(inner, dict) for value in inner.values())
        return sum(len(each) for each in values if isinstance(each, str))


# Compared by identity: two removals of one document have equal values.
@dataclass(eq=False)
class _Waiting:
    writes: Sequence[Write]
    #: The lines that are sent to Elasticsearch.
    lines: Sequence[bytes]
    done: bool = False
    sent: bool = False
    error: StoreError | None = None

    @cached_property
    def size(self) -> int:
        return sum(map(len, self.lines))


class Documents:
    """The documents behind one alias."""

    def __init__(self, connection: Connection, alias: str, timeout: float, bulk_lock: BulkLock) -> None:
        """`timeout`: seconds that a write waits in all, in the queue and for the answer, where no gate bounds it.
        `bulk_lock`: the lock that all who write these documents share."""
        self._connection = connection
        # Without `require_alias`, a write after the alias was lost would create an index by that name, with guessed
        # fields.
        kept = "items.*.status,items.*.error.type"
        self._path = f"/{alias}/_bulk?refresh=true&require_alias=true&filter_path={kept}"
        self._timeout = timeout
        self._bulk_lock = bulk_lock
        self._least_to_lead = min(LEAST_TO_LEAD, timeout / 8)
        lock = threading.Lock()
        self._turn = threading.Condition(lock)
        self._queue: list[_Waiting] = []
        self._leading = False
        #: Notified when the last of the announced writes has come.
        self._all_here = threading.Condition(lock)
        self._announced = 0
        #: The duration of the last bulk in seconds.
        self._took = 0.0

    @contextlib.contextmanager
    def announced(self) -> Iterator[None]:
        """Announce a write that follows in a moment: a bulk that is about to be sent waits for it, if that may be worth
        it."""
        with self._turn:
            self._announced += 1
        try:
            yield
        finally:
            with self._turn:
                self._announced -= 1
                if not self._announced:
                    self._all_here.notify()

    def write(self, writes: Sequence[Write], target: str) -> None:
        """Apply `writes` to documents under the alias `target`; on return every search finds them.

        Raises IndexMoved when `target` is gone, and nothing was done; IndexUnavailable when certainly none of them was
        done and trying later makes sense; IndexRejected when certainly none was done and never will be; IndexIncomplete
        when some were done and some refused; IndexOutcomeUnknown when it is unknown.
        """
        # Done here, and not in the leader, because all others wait for the leader.
        mine = _Waiting(writes, _lines(writes, target))
        deadline = time.monotonic() + time_left(self._timeout)
        with self._turn:
            self._queue.append(mine)
        try:
            measures.queued(len(self._queue))
            while self._is_to_lead(mine, deadline):
                self._lead()
        except BaseException:
            # A writer whose time is over withdraws its unsent writes, and another one may lead.
            with self._turn:
                if mine in self._queue:
                    self._queue.remove(mine)
                self._turn.notify_all()
            raise
        if mine.error is not None:
            raise mine.error

    def _is_to_lead(self, mine: _Waiting, deadline: float) -> bool:
        """Wait until `mine` is done (False) or there is no leader (True): then this thread is the leader and must call
        `_lead`."""
        with self._turn:
            while self._leading and not mine.done:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise IndexOutcomeUnknown() if mine.sent else IndexUnavailable()
                self._turn.wait(left)
            if mine.done:
                return False
            if deadline - time.monotonic() < self._least_to_lead:
                raise IndexUnavailable()
            self._leading = True
            return True

    def _gather(self) -> None:
        """Wait for the announced writes, but not for longer than it would take to send them in a bulk of their own."""
        until = time.monotonic() + min(MOST_GATHERING, self._took)
        with self._turn:
            while self._announced and (left := until - time.monotonic()) > 0:
                self._all_here.wait(left)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        count = size = 0
        while self._queue:
            waiting = self._queue[0]
            count += len(waiting.writes)
            size += waiting.size
            if batch and (count > MAX_BATCH or size > MAX_BULK_BYTES):
                break
            del self._queue[0]
            waiting.sent = True
            batch.append(waiting)
        return batch

    def _lead(self) -> None:
        batch: list[_Waiting] = []
        try:
            # From here on, whatever happens must end in `finally`: otherwise no thread would ever lead again.
            with self._bulk_lock.held():
                self._gather()
                with self._turn:
                    batch = self._take()
                measures.queued(len(self._queue))
                measures.bulk(sum(len(waiting.writes) for waiting in batch))
                self._send(batch)
        except StoreError as error:
            for waiting in batch:
                waiting.error = error
        except BaseException:
            for waiting in batch:
                waiting.error = IndexOutcomeUnknown()
            raise
        finally:
            with self._turn:
                self._leading = False
                for waiting in batch:
                    waiting.done = True
                self._turn.notify_all()

    def _send(self, batch: list[_Waiting]) -> None:
        lines: list[bytes] = []
        demanded = any(write.source is None for waiting in batch for write in waiting.writes)
        if demanded:
            lines += map(to_json, _DEMAND)
        for waiting in batch:
            lines += waiting.lines
        began = time.monotonic()
        with measures.step("bulk"):
            answer = self._connection.bulk(self._path, lines)
        self._took = time.monotonic() - began
        try:
            results = [_Result.of(next(iter(item.values()))) for item in json.loads(answer.content)["items"]]
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
            raise IndexOutcomeUnknown() from error
        if demanded:
            results = results[1:]
        if len(results) != sum(len(waiting.writes) for waiting in batch):
            raise IndexOutcomeUnknown()
        position = 0
        for waiting in batch:
            own = results[position : position + len(waiting.writes)]
            position += len(waiting.writes)
            waiting.error = _verdict(waiting.writes, own)
            if waiting.error is not None and answer.done_before:
                # What is refused now may have been done by the attempt at another node.
                waiting.error = IndexOutcomeUnknown()


def _lines(writes: Sequence[Write], target: str) -> list[bytes]:
    return [line for write in writes for line in write.lines(target) if line is not None]


@dataclass(frozen=True)
class _Result:
    """The outcome of one operation. `error`: the type of error that Elasticsearch names, None for success."""

    status: int
    error: str | None

    @classmethod
    def of(cls, item: dict[str, Any]) -> _Result:
        return cls(int(item["status"]), item.get("error", {}).get("type"))

    def done(self, write: Write) -> bool:
        # The delete of a missing document has the result that was wanted.
        return 200 <= self.status < 300 or (write.source is None and self.status == 404 and self.error is None)


def _verdict(writes: Sequence[Write], results: Sequence[_Result]) -> StoreError | None:
    refused = [result for write, result in zip(writes, results, strict=True) if not result.done(write)]
    if not refused:
        return None
    statuses = {result.status for result in refused}
    if any(status >= 500 for status in statuses):
        return IndexOutcomeUnknown()
    if len(refused) < len(writes):
        return IndexIncomplete()
    if all(result.error == _NO_INDEX for result in refused):
        return IndexMoved()
    # 404 is a lost index, 403 one that is read-only for now, 429 a server with too much to do.
    return IndexUnavailable() if statuses <= {403, 404, 429} else IndexRejected()
