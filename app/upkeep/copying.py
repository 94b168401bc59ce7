"""Copies a store's attachments from one storage into another while the store goes on.

A run goes over all partitions, and then over those that have changed meanwhile, until few do. The last run is exclusive
(`ChangeLock`): it compares both listings of every partition, and what they do not have in common is brought or removed. Then
the target is whole.

**What is at the target is whole.** The artefacts of an attachment are brought in the reverse order of their removal, the
record last, and it only follows when the bytes, read from the target, are those of its SHA-256. A text is compared with its
outcome, read from the target, too; every other artefact is read back and compared with what was written.

**What is brought again.** A run notes at the target when it began and how many partitions it has done. An artefact that both
have, in the same size, is compared by content if its partition has changed since it was copied last (`Storage.changed`) and
it was written since, or so shortly before that the source's clock may be the reason. So a killed run that is started again
reads the contents of at most the partitions that were under way. The target's clock means nothing.

**What is gone.** The target is listed before the source: what only the target has was copied before, and has been removed at
the source since.

Damaged attachments (the source's bytes are not those of the record) are left out and told. A damaged text is left out too,
with its passages; the server makes it again.

Rejected: a comparison of the times of both sides (the clocks of two media), a list of what was copied (a file of a hundred
bytes for each attachment, which goes stale when somebody empties the target), a copy of the names alone by the tools of the
medium (they know neither the order nor the digests), and writing to both storages from the start (every upload would be
slower, and would fail with either).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from app.coordination.contract import ChangeLock
from app.errors import StorageFailed, WrongStore
from app.extraction.record import Extraction
from app.model.attachment import Attachment
from app.storage.contract import (
    MARGIN,
    PARTITIONS,
    Artefact,
    Entry,
    Measured,
    Storage,
    name_of,
    outcome_in,
    record_in,
)
from app.storage.identity import COPIED, COPY, MOVED, identity_of, plain
from app.upkeep.verify import Finding

#: Fewer changes than this are left to the exclusive run; and the most runs until then.
FEW = 64
PASSES = 5
#: Seconds between two notes of the state.
NOTE_SECONDS = 2.0
#: Seconds by which the source's clock may be wrong: an object store accepts no request beyond that.
CLOCKS = 900.0
#: How often a text is copied whose outcome changes meanwhile.
TRIES = 3
#: Partitions that are under way or done out of turn, for each worker.
AHEAD = 2

#: Findings of what the server makes again: a copy without them is whole.
MADE_AGAIN = frozenset({"damaged-text"})

#: Reports progress: partitions done, and partitions in all.
Progress = Callable[[int, int], None]
Json = dict[str, Any]
#: Of each id, what there is of it.
_Listed = dict[str, dict[Artefact, Entry]]


class _Damaged(Exception):
    """The source does not have what it should."""

    def __init__(self, code: str, artefact: Artefact, detail: str = "") -> None:
        super().__init__(code)
        self.code, self.artefact, self.detail = code, artefact, detail


class _Gone(Exception):
    """The source does not have it any more."""


class _Different(Exception):
    """What the source has is not what was expected."""

    def __init__(self, found: Measured) -> None:
        super().__init__(f"{found.size} bytes with another digest")
        self.found = found


class _Stopped(Exception):
    """The copy ends."""


class Rate:
    """Bytes a second that all threads together read from the source."""

    def __init__(self, bytes_per_second: float | None, stop: threading.Event) -> None:
        """None: as many as there are."""
        self._rate = bytes_per_second
        self._stop = stop
        self._lock = threading.Lock()
        self._due = 0.0

    def spend(self, size: int) -> None:
        """Wait for as long as these bytes take."""
        if self._rate is None:
            return
        with self._lock:
            self._due = max(self._due, time.monotonic()) + size / self._rate
            left = self._due - time.monotonic()
        if left > 0:
            self._stop.wait(left)


@dataclass
class State:
    """How far a copy has come. `began`: when the present run over the partitions began, `done`: how many of them it has
    done, `before`: when the last whole run began; 0.0 if there was none. In seconds since 1970."""

    began: float
    done: int = 0
    before: float = 0.0

    @classmethod
    def of(cls, content: Any, source: str) -> State:
        """The state in an identity, if it is one of a copy from `source`; otherwise that of a new copy."""
        try:
            if content["from"] == source:
                found = cls(float(content["began"]), int(content["done"]), float(content["before"]))
                if 0 <= found.done <= PARTITIONS and found.before <= found.began <= time.time():
                    return found
        except (KeyError, TypeError, ValueError):
            pass
        return cls(time.time())

    def again(self) -> None:
        """Begin the next run, after a whole one."""
        self.before, self.began, self.done = self.began, time.time(), 0


@dataclass
class Counts:
    """What a copy has done. `attachments`: how many the source has; `bytes`: of the artefacts that were brought."""

    attachments: int = 0
    copied: int = 0
    removed: int = 0
    bytes: int = 0


@dataclass
class _Partition:
    """What was done with one partition."""

    counts: Counts = field(default_factory=Counts)
    findings: list[Finding] = field(default_factory=list)
    changes: int = 0


class Copy:
    """One copy; `run` does it. `counts` and `findings` are those of all its runs; `resumed`: how many partitions an earlier
    copy had done. `paused`: seconds for which changes had to wait. `whole`: whether the target is."""

    def __init__(
        self,
        source: Storage,
        target: Storage,
        store_id: str,
        names: tuple[str, str],
        *,
        workers: int = 4,
        rate: float | None = None,
    ) -> None:
        """`names`: of source and target, as they are noted. `workers`: threads. `rate`: bytes a second."""
        self.counts = Counts()
        self.findings: dict[tuple[str, str | None], Finding] = {}
        self.resumed = 0
        self.paused = 0.0
        self.whole = False
        self._source, self._target, self._id = source, target, store_id
        self._from, self._to = names
        self._workers = workers
        self._stop = threading.Event()
        self._rate = Rate(rate, self._stop)
        self._noted = 0.0
        #: Whether the target has nothing yet, so that there is nothing to list.
        self._empty = False
        self._state = State(time.time())

    # Whose it is

    def check(self) -> None:
        """Raises WrongStore unless source and target can be those of this copy; StorageFailed. Changes nothing."""
        found = identity_of(self._source)
        if found is not None:
            if found["id"] != self._id:
                raise WrongStore(f"the attachments in [{self._from}] are those of another store [{found['id']}]")
            if COPY in found:
                raise WrongStore(f"[{self._from}] is an unfinished copy itself")
            if found.get(MOVED, self._to) != self._to:
                raise WrongStore(f"the attachments in [{self._from}] were moved to [{found[MOVED]}]")
        there = identity_of(self._target)
        if there is not None and there["id"] != self._id:
            raise WrongStore(
                f"[{self._to}] has the attachments of another store [{there['id']}]: choose another target"
            )
        resumable = there is not None and any(each in there for each in (COPY, COPIED, MOVED))
        if not resumable and next(self._target.ids(), None) is not None:
            raise WrongStore(f"[{self._to}] has attachments and is no copy of [{self._from}]: choose an empty target")
        self._empty = not resumable
        self._state = State(time.time())
        if there is not None:
            self._state = State.of(there.get(COPY, there.get(COPIED)), self._from)

    # Running

    def plan(self, progress: Progress = lambda done, total: None) -> None:
        """Count what would be brought and removed, by names, sizes and times; nothing is written."""
        since = self._changed_since(range(PARTITIONS))
        with ThreadPoolExecutor(self._workers, thread_name_prefix="copy") as pool:
            for number, (found, there) in enumerate(pool.map(self._listed, range(PARTITIONS))):
                for attachment_id, artefacts in found.items():
                    if Artefact.RECORD not in artefacts:
                        continue
                    self.counts.attachments += 1
                    present = there.get(attachment_id, {})
                    missing = [e for e in artefacts.values() if not _unchanged(e, present, since.get(number))]
                    self.counts.copied += bool(missing)
                    self.counts.bytes += sum(each.size for each in missing)
                self.counts.removed += sum(Artefact.RECORD not in found.get(each, {}) for each in there)
                progress(number + 1, PARTITIONS)

    def run(
        self,
        change_lock: ChangeLock | None = None,
        *,
        without_damaged: bool = False,
        progress: Progress = lambda done, total: None,
    ) -> None:
        """Copy everything, and what changes meanwhile. `change_lock`: of the store, to make the target whole: within the
        last run nothing changes. `without_damaged`: it is whole without what is damaged at the source, too.

        Raises WrongStore where `check` does, StorageFull and StorageFailed: the next copy goes on.
        """
        self.check()
        if self._state.done == PARTITIONS:
            self._state.again()
        self.resumed = PARTITIONS if self._state.before else self._state.done
        # What a killed copy was writing.
        self._target.sweep(0.0)
        self._note()
        self._over(range(self._state.done, PARTITIONS), progress, noted=True)
        self._empty = False
        for _ in range(PASSES):
            changed = self._source.changed([self._state.began] * PARTITIONS)
            self._state.again()
            if self._over(changed, progress) <= FEW:
                break
        if change_lock is not None:
            with change_lock.exclusive():
                began = time.monotonic()
                self._finish(without_damaged, progress)
                self.paused = time.monotonic() - began

    def _finish(self, without_damaged: bool, progress: Progress) -> None:
        self._state.again()
        self.findings.clear()
        self.counts.attachments = 0
        self._over(range(PARTITIONS), progress, last=True)
        if without_damaged or all(each.code in MADE_AGAIN for each in self.findings.values()):
            self._target.sweep(0.0)
            # Killed between the two, the source is still in use, and the next copy does this again.
            self._target.keep_identity(plain(self._id) | {COPIED: self._told()})
            self._source.keep_identity(plain(self._id) | {MOVED: self._to})
            self.whole = True

    def _told(self) -> Json:
        state = self._state
        return {"from": self._from, "began": state.began, "done": state.done, "before": state.before}

    def _note(self) -> None:
        self._target.keep_identity(plain(self._id) | {COPY: self._told()})
        self._noted = time.monotonic()

    def _changed_since(self, numbers: Iterable[int]) -> dict[int, float]:
        """Since when the contents of partitions may have changed; without those that have not."""
        since = [self._state.began if number < self._state.done else self._state.before for number in range(PARTITIONS)]
        changed = set(self._source.changed(since))
        return {number: since[number] for number in numbers if number in changed}

    def _over(self, numbers: Sequence[int], progress: Progress, *, noted: bool = False, last: bool = False) -> int:
        """Bring these partitions. `noted`: they are all from `State.done` on, and what is done is noted. `last`: nothing
        changes meanwhile. Returns how many changes there were."""
        changes = 0
        since = self._changed_since(numbers)
        waiting: deque[Future[_Partition]] = deque()
        left = iter(numbers)
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="copy")
        try:
            for position in range(1, len(numbers) + 1):
                for number in islice(left, AHEAD * self._workers - len(waiting)):
                    waiting.append(pool.submit(self._partition, number, since.get(number), last))
                # In their order: what is noted as done is done from the first one on.
                done = waiting.popleft().result()
                changes += done.changes
                self._add(done, attachments=noted or last)
                if noted:
                    self._state.done += 1
                    if time.monotonic() - self._noted >= NOTE_SECONDS:
                        self._note()
                progress(position, len(numbers))
        except BaseException:
            # An error, or Ctrl-C: those under way end soon.
            self._stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        self._state.done = PARTITIONS
        if not last:
            self._note()
        return changes

    def _add(self, done: _Partition, *, attachments: bool) -> None:
        # Those of a run over what has changed were counted before.
        self.counts.attachments += done.counts.attachments if attachments else 0
        self.counts.copied += done.counts.copied
        self.counts.removed += done.counts.removed
        self.counts.bytes += done.counts.bytes
        self.findings |= {(each.code, each.path): each for each in done.findings}

    # One partition

    def _listed(self, number: int) -> tuple[_Listed, _Listed]:
        """What source and target have."""
        # The target first: what it has by then and the source lacks afterwards was removed in between, or before.
        there = {} if self._empty else _by_id(self._target.entries(number))
        return _by_id(self._source.entries(number)), there

    def _partition(self, number: int, since: float | None, last: bool) -> _Partition:
        """Bring a partition, of which everything was brought that was written before `since`; None: or later."""
        found, there = self._listed(number)
        done = _Partition()
        for attachment_id in sorted(found.keys() | there.keys()):
            if self._stop.is_set():
                break
            self._attachment(attachment_id, found.get(attachment_id, {}), there.get(attachment_id, {}), since, done)
        if last and done.changes and not self._stop.is_set():
            self._compare(number, {each.id for each in done.findings if each.id})
        return done

    def _compare(self, number: int, left_out: Collection[str]) -> None:
        """Raises StorageFailed unless the target has what the source has."""
        found, there = self._listed(number)
        for attachment_id, artefacts in found.items():
            if Artefact.RECORD in artefacts and attachment_id not in left_out:
                present = there.get(attachment_id, {})
                if any(each not in present or present[each].size != one.size for each, one in artefacts.items()):
                    raise StorageFailed(f"[{self._to}] does not list what was written to it: {attachment_id}")

    def _attachment(
        self,
        attachment_id: str,
        found: Mapping[Artefact, Entry],
        there: Mapping[Artefact, Entry],
        since: float | None,
        done: _Partition,
    ) -> None:
        """Make an attachment at the target what it is at the source."""
        if Artefact.RECORD not in found:
            if there:
                self._target.remove(attachment_id)
                done.changes += 1
                done.counts.removed += 1
            return
        done.counts.attachments += 1
        if found.keys() == there.keys() and all(_unchanged(each, there, since) for each in found.values()):
            return
        brought = _Bringing(self, attachment_id, there)
        try:
            brought.all()
        except _Gone:
            # Deleted meanwhile.
            self._target.remove(attachment_id)
            done.changes += 1
        except _Damaged as error:
            # One that was copied when it was whole stays.
            if Artefact.RECORD not in there:
                self._target.remove(attachment_id)
            done.findings.append(_finding(attachment_id, error))
        else:
            done.findings += (_finding(attachment_id, each) for each in brought.damaged)
            done.changes += bool(brought.bytes or brought.artefacts)
            done.counts.copied += bool(brought.artefacts)
            done.counts.bytes += brought.bytes


class _Bringing:
    """One attachment that is brought. `artefacts` and `bytes`: how many were written; `damaged`: what was left out, the
    attachment being whole all the same."""

    def __init__(self, copy: Copy, attachment_id: str, there: Mapping[Artefact, Entry]) -> None:
        self.artefacts = self.bytes = 0
        self.damaged: list[_Damaged] = []
        self._source, self._target, self._spend = copy._source, copy._target, copy._rate.spend
        self._stop = copy._stop
        self._id, self._there = attachment_id, there

    def all(self) -> None:
        """Bring what differs. Raises _Damaged and _Gone."""
        content, attachment = self._record()
        self._bytes(attachment)
        self._text()
        for artefact in (Artefact.PASSAGES, Artefact.THUMBNAIL):
            self._as_it_is(artefact)
        self._put_small(Artefact.RECORD, content)
        if self._source.version(self._id) is None:
            raise _Gone

    def _record(self) -> tuple[bytes, Attachment]:
        content = self._source.read(self._id, Artefact.RECORD)
        if content is None:
            raise _Gone
        try:
            attachment = Attachment.from_record(record_in(content))
            if attachment.id != self._id:
                raise ValueError(f"it is the record of {attachment.id}")
        except (StorageFailed, ValueError, TypeError, AttributeError) as error:
            raise _Damaged("damaged-record", Artefact.RECORD, str(error)) from None
        return content, attachment

    def _bytes(self, attachment: Attachment) -> None:
        # Verified when the record was written, and never written again.
        if Artefact.RECORD in self._there and self._size_there(Artefact.BYTES) == attachment.size:
            return
        expected = Measured(attachment.size, attachment.sha256)
        if self._has(Artefact.BYTES, expected):
            return
        try:
            self._put(Artefact.BYTES, expected)
        except _Different as error:
            self._target.remove(self._id)
            raise _Damaged(*_difference(error.found, expected)) from None
        except _Gone:
            if self._source.version(self._id) is None:
                raise
            raise _Damaged("missing-bytes", Artefact.BYTES) from None

    def _text(self) -> None:
        """The text, then the outcome that describes it."""
        for attempt in range(1, TRIES + 1):
            content = self._source.read(self._id, Artefact.OUTCOME)
            try:
                if content is None:
                    if self._there.keys() & {Artefact.OUTCOME, Artefact.TEXT}:
                        self._remove(self._target.remove_text)
                    return
                self._text_of(Extraction.from_record(outcome_in(content)))
                self._put_small(Artefact.OUTCOME, content)
                return
            except (_Gone, _Different, ValueError, TypeError, AttributeError) as error:
                # Unless it has been extracted again meanwhile.
                if attempt == TRIES or self._source.read(self._id, Artefact.OUTCOME) == content:
                    self._target.remove_text(self._id)
                    self._target.remove_passages(self._id)
                    self.damaged.append(_Damaged("damaged-text", Artefact.OUTCOME, str(error)))
                    return

    def _text_of(self, outcome: Extraction) -> None:
        if not outcome.size:
            if Artefact.TEXT in self._there:
                self._remove(self._target.remove_text)
            return
        expected = Measured(outcome.size, str(outcome.sha256))
        if not self._has(Artefact.TEXT, expected):
            self._put(Artefact.TEXT, expected)

    def _as_it_is(self, artefact: Artefact) -> None:
        """An artefact that nothing else describes."""
        if artefact is Artefact.PASSAGES and self.damaged:
            return
        try:
            if self._size_there(artefact) == self._source.size(self._id, artefact):
                expected = self._measured(self._source, artefact, self._spend)
                if expected is not None and self._has(artefact, expected):
                    return
            self._put(artefact)
        except _Gone:
            if artefact in self._there:
                remove = (
                    self._target.remove_passages if artefact is Artefact.PASSAGES else self._target.remove_thumbnail
                )
                self._remove(remove)

    def _remove(self, remove: Callable[[str], None]) -> None:
        remove(self._id)
        self.artefacts += 1

    # One artefact

    def _size_there(self, artefact: Artefact) -> int | None:
        entry = self._there.get(artefact)
        return None if entry is None else entry.size

    def _has(self, artefact: Artefact, expected: Measured) -> bool:
        """Whether the target has this already."""
        return self._size_there(artefact) == expected.size and self._measured(self._target, artefact) == expected

    def _put_small(self, artefact: Artefact, content: bytes) -> None:
        if self._size_there(artefact) == len(content) and self._target.read(self._id, artefact) == content:
            return
        self._spend(len(content))
        self._written(artefact, self._target.put(self._id, artefact, [content]))

    def _put(self, artefact: Artefact, expected: Measured | None = None) -> None:
        """Copy it. Raises _Gone, and _Different if it is not what was expected."""
        content = self._source.open(self._id, artefact)
        if content is None:
            raise _Gone
        with closing(content):
            measured = self._target.put(self._id, artefact, self._spent(content.chunks(0, content.size)))
        if expected is not None and measured != expected:
            raise _Different(measured)
        self._written(artefact, measured)

    def _written(self, artefact: Artefact, measured: Measured) -> None:
        """Read back what was written. Raises StorageFailed unless it is the same."""
        if self._measured(self._target, artefact) != measured:
            name = name_of(self._id, artefact)
            raise StorageFailed(
                f"{name} was written, and is another one when it is read: this storage can't be trusted"
            )
        self.artefacts += 1
        self.bytes += measured.size

    def _measured(
        self, storage: Storage, artefact: Artefact, spend: Callable[[int], None] = lambda size: None
    ) -> Measured | None:
        content = storage.open(self._id, artefact)
        if content is None:
            return None
        with closing(content):
            digest, size = hashlib.sha256(), 0
            for chunk in content.chunks(0, content.size):
                spend(len(chunk))
                digest.update(chunk)
                size += len(chunk)
            return Measured(size, digest.hexdigest())

    def _spent(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._stop.is_set():
                raise _Stopped
            self._spend(len(chunk))
            yield chunk


def _by_id(entries: Iterable[Entry]) -> _Listed:
    found: _Listed = {}
    for each in entries:
        found.setdefault(each.id, {})[each.artefact] = each
    return found


def _unchanged(entry: Entry, there: Mapping[Artefact, Entry], since: float | None) -> bool:
    """Whether the target certainly has this. `since`: as in `Copy._partition`."""
    present = there.get(entry.artefact)
    if present is None or present.size != entry.size:
        return False
    return since is None or entry.written < since - MARGIN - CLOCKS


def _difference(found: Measured, expected: Measured) -> tuple[str, Artefact, str]:
    """Code, artefact and detail of bytes that are not those of the record."""
    if found.size == expected.size:
        return "wrong-digest", Artefact.BYTES, ""
    code = "truncated-bytes" if found.size < expected.size else "overlong-bytes"
    return code, Artefact.BYTES, f"{found.size} bytes instead of {expected.size}"


def _finding(attachment_id: str, damaged: _Damaged) -> Finding:
    path = name_of(attachment_id, damaged.artefact)
    return Finding(damaged.code, path, attachment_id, damaged.detail, stored=True)
