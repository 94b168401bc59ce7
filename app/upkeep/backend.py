"""Whether a storage keeps what its contract promises, asked of the medium that it is on: `scripts/store check-backend`, and
in its short form each start of a server on a medium that is not a local folder.

A storage that others run (an object store, a gateway, a cache in front of one) can break any promise: a listing that lags,
an old content from a second endpoint, half an object beside a writer, a clock that is an hour ahead. Each makes the store
lose or mix attachments, silently; so it is tried before a store relies on it.

What is written are artefacts of ids that have no record, and no attachment is ever made of them. They are removed at the
end; what a killed check leaves is found by `verify` as any other leftover.

Rejected: a race for the right to create an object (the contract needs none: the record is written by one process, and
whoever replaces an artefact replaces all of it), and a part of the storage for checks alone (other names, other rights,
maybe another rule of the medium).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from app.errors import BrokenStorage, StorageUnavailable, StoreError
from app.ids import new_uuid, new_xid, new_xids
from app.storage.contract import MARGIN, Artefact, Entry, Measured, Storage, partition_of

KIB, MIB = 1024, 1024 * 1024
#: Bytes of a small, a middling and a large artefact; the large one has several parts wherever a medium cuts.
SMALL, MIDDLING, LARGE = 1000, 64 * KIB, 40 * MIB
#: Bytes of one that is read in parts: more than any storage reads when it opens one.
RANGED = 300 * KIB
#: Seconds by which the checks may take longer than they are given.
SPARE = 60.0
#: Rounds of which a latency is told.
ROUNDS = 10
#: Bytes of a digest at the end of each content that is written in a race.
_DIGEST = 32

Json = dict[str, Any]
#: Runs the writers of a race on this id in other processes for these seconds. Returns what each has told.
Race = Callable[[str, float], list[Json]]


class Fault(Exception):
    """A promise that is not kept."""


@dataclass(frozen=True)
class Result:
    """The result of a check. `fault`: what was wrong; '' when nothing was. `figure`: what was measured, for people;
    `milliseconds`: the median of its calls, None where none was measured."""

    check: str
    fault: str
    figure: str = ""
    milliseconds: float | None = None


class Backend:
    """Checks one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._used: set[str] = set()
        self._took: list[float] = []

    def short(self) -> Iterator[Result]:
        """What takes a few calls: for every start."""
        yield from self._all(
            {
                "read after write": lambda: self._written(SMALL, rounds=1),
                "list after write": lambda: self._listed(1),
                "replace": lambda: self._replaced(1),
                "ranges": lambda: self._ranges(RANGED),
                "empty": lambda: self._written(0, rounds=1),
                "removal": lambda: self._removed(1),
            },
            None,
        )

    def prove(self) -> None:
        """The short form. Raises BrokenStorage at the first fault, StorageUnavailable where the storage is not reached."""
        for each in self.short():
            if each.fault:
                raise BrokenStorage(
                    f"this storage can't be relied on ({each.check}: {each.fault}); scripts/store check-backend says more"
                )

    def all(self, seconds: float, race: Race, spare: float = SPARE) -> Iterator[Result]:
        """Everything, within about these seconds, of which the race takes what the others leave. What was not begun `spare`
        seconds later counts as a fault."""
        until = time.monotonic() + seconds
        yield from self._all(
            {
                "read after write": lambda: self._written(MIDDLING),
                "list after write": lambda: self._listed(ROUNDS),
                "replace": lambda: self._replaced(ROUNDS),
                "ranges": lambda: self._ranges(RANGED),
                "empty": lambda: self._written(0),
                "names": self._names,
                "clock": self._clock,
                "removal": lambda: self._removed(ROUNDS),
                "large": self._large,
                "open": self._open,
                # Last: it takes what is left.
                "race": lambda: self._race(race, until),
            },
            until + spare,
        )

    def _all(self, checks: dict[str, Callable[[], str]], until: float | None) -> Iterator[Result]:
        try:
            for name, check in checks.items():
                if until is not None and time.monotonic() >= until:
                    yield Result(name, "there was no time left for it")
                    continue
                self._took = []
                fault = figure = ""
                try:
                    figure = check()
                except Fault as error:
                    fault = str(error)
                except StorageUnavailable as error:
                    if until is None:
                        raise
                    fault = _told(error)
                except StoreError as error:
                    fault = _told(error)
                median = statistics.median(self._took) * 1000 if self._took else None
                yield Result(name, fault, figure, None if median is None else round(median, 2))
        finally:
            # What can't be removed now is a leftover as any other.
            with contextlib.suppress(StoreError):
                for each in self._used:
                    self._storage.remove(each)

    # The calls, measured

    def _new(self) -> str:
        return self._use(new_xid())

    def _use(self, attachment_id: str) -> str:
        self._used.add(attachment_id)
        return attachment_id

    def _put(
        self, attachment_id: str, content: bytes | Iterable[bytes], artefact: Artefact = Artefact.BYTES
    ) -> Measured:
        began = time.perf_counter()
        measured = self._storage.put(attachment_id, artefact, [content] if isinstance(content, bytes) else content)
        self._took.append(time.perf_counter() - began)
        return measured

    def _entries(self, attachment_id: str) -> dict[Artefact, Entry]:
        began = time.perf_counter()
        found = self._storage.entries(partition_of(attachment_id))
        self._took.append(time.perf_counter() - began)
        return {each.artefact: each for each in found if each.id == attachment_id}

    # The checks: each returns a figure, or raises Fault

    def _written(self, size: int, *, rounds: int = ROUNDS) -> str:
        for _ in range(rounds):
            attachment_id, content = self._new(), os.urandom(size)
            if self._storage.read(attachment_id, Artefact.BYTES) is not None:
                raise Fault("something was there before anything was written")
            told = self._put(attachment_id, content)
            _same(told.size, size, "the size that the write tells")
            _same(told.sha256, hashlib.sha256(content).hexdigest(), "the digest that the write tells")
            began = time.perf_counter()
            found = self._storage.read(attachment_id, Artefact.BYTES)
            self._took.append(time.perf_counter() - began)
            _same(found, content, "what is read after a write")
            _same(self._storage.size(attachment_id), size, "the size after a write")
            opened = self._storage.open(attachment_id)
            if opened is None:
                raise Fault("what was written can't be opened")
            with closing(opened):
                _same(opened.size, size, "the size of what is open")
                _same(b"".join(opened.chunks(0, size)), content, "what is read in pieces")
        return f"{rounds} of {size} bytes"

    def _listed(self, rounds: int) -> str:
        for _ in range(rounds):
            attachment_id, content = self._new(), os.urandom(SMALL)
            for artefact in (Artefact.BYTES, Artefact.THUMBNAIL):
                self._storage.put(attachment_id, artefact, [content])
                entry = self._entries(attachment_id).get(artefact)
                if entry is None:
                    raise Fault("what was written is not listed")
                _same(entry.size, SMALL, "the size that is listed")
            self._storage.remove(attachment_id)
            _same(self._entries(attachment_id), {}, "what is listed after a removal")
        return f"{rounds} times"

    def _replaced(self, rounds: int) -> str:
        attachment_id = self._new()
        for number in range(rounds + 1):
            content = os.urandom(SMALL + number)
            self._put(attachment_id, content)
            _same(self._storage.read(attachment_id, Artefact.BYTES), content, "what is read after it was replaced")
            _same(self._storage.size(attachment_id), len(content), "the size after it was replaced")
        return f"{rounds} times"

    def _ranges(self, size: int) -> str:
        attachment_id, content = self._new(), os.urandom(size)
        self._storage.put(attachment_id, Artefact.BYTES, [content])
        opened = self._storage.open(attachment_id)
        if opened is None:
            raise Fault("what was written can't be opened")
        ranges = ((0, 1), (1, 2), (size // 3, size // 2), (size - 1, size), (0, size), (size - 1, size + 99), (7, 7))
        with closing(opened):
            for start, stop in ranges:
                began = time.perf_counter()
                found = opened.read(start, stop)
                self._took.append(time.perf_counter() - began)
                _same(found, content[start:stop], f"the range from {start} to {stop}")
        return f"{len(ranges)} ranges"

    def _names(self) -> str:
        ids = [self._use(each) for each in (new_xid(), new_uuid(), f"f-{new_uuid()}", *new_xids(3))]
        contents = {(each, artefact): os.urandom(16) for each in ids for artefact in Artefact if artefact != "json"}
        for (attachment_id, artefact), content in contents.items():
            self._put(attachment_id, content, artefact)
        for (attachment_id, artefact), content in contents.items():
            _same(self._storage.read(attachment_id, artefact), content, f"{artefact} of {attachment_id}")
        return f"{len(contents)} names"

    def _clock(self) -> str:
        attachment_id = self._new()
        before = time.time()
        self._storage.put(attachment_id, Artefact.BYTES, [b"x"])
        after = time.time()
        entry = self._entries(attachment_id).get(Artefact.BYTES)
        if entry is None:
            raise Fault("what was written is not listed")
        # Of what lies between the two nobody knows which side took it.
        behind, ahead = before - entry.written, entry.written - after
        if behind > MARGIN:
            raise Fault(f"its clock is {behind:.1f} s behind this machine's, and may be {MARGIN:g}")
        if ahead > MARGIN:
            raise Fault(f"its clock is {ahead:.1f} s ahead of this machine's, and may be {MARGIN:g}")
        return f"within {max(behind, ahead, 0.0):.1f} s of this machine's"

    def _removed(self, rounds: int) -> str:
        for _ in range(rounds):
            attachment_id = self._new()
            for artefact in (Artefact.BYTES, Artefact.TEXT):
                self._storage.put(attachment_id, artefact, [os.urandom(SMALL)])
            began = time.perf_counter()
            self._storage.remove(attachment_id)
            self._took.append(time.perf_counter() - began)
            for artefact in (Artefact.BYTES, Artefact.TEXT):
                _same(self._storage.read(attachment_id, artefact), None, "what is read after a removal")
                _same(self._storage.size(attachment_id, artefact), None, "the size after a removal")
            # Once more is no error.
            self._storage.remove(attachment_id)
        return f"{rounds} times"

    def _large(self) -> str:
        attachment_id, piece = self._new(), os.urandom(MIB)
        began = time.perf_counter()
        told = self._put(attachment_id, (piece for _ in range(LARGE // MIB)))
        wrote = time.perf_counter() - began
        digest = hashlib.sha256()
        began = time.perf_counter()
        opened = self._storage.open(attachment_id)
        if opened is None:
            raise Fault("what was written can't be opened")
        with closing(opened):
            _same(opened.size, LARGE, "the size of a large one")
            for chunk in opened.chunks(0, LARGE):
                digest.update(chunk)
        read = time.perf_counter() - began
        _same(digest.hexdigest(), told.sha256, "the digest of a large one")
        megabytes = LARGE / 1_000_000
        return f"{megabytes / wrote:.0f} MB/s written, {megabytes / read:.0f} MB/s read"

    def _open(self) -> str:
        """What is open is never mixed with what replaces it: it stays, or says that it is gone."""
        attachment_id, first, second = self._new(), os.urandom(MIB), os.urandom(MIB)
        ends = 0
        for step in ("replaced", "removed"):
            self._storage.put(attachment_id, Artefact.BYTES, [first])
            opened = self._storage.open(attachment_id)
            if opened is None:
                raise Fault("what was written can't be opened")
            with closing(opened):
                head = opened.read(0, KIB)
                if step == "replaced":
                    self._storage.put(attachment_id, Artefact.BYTES, [second])
                else:
                    self._storage.remove(attachment_id)
                try:
                    rest = b"".join(opened.chunks(KIB, MIB))
                except StoreError:
                    ends += 1
                    continue
                _same(head + rest, first, f"what was open when it was {step}")
        return "it ends" if ends else "it stays readable"

    def _race(self, race: Race, until: float) -> str:
        attachment_id = self._new()
        self._storage.put(attachment_id, Artefact.THUMBNAIL, [written_in_race(0, 0)])
        told = race(attachment_id, max(2.0, until - time.monotonic()))
        for each in told:
            if each["fault"]:
                raise Fault(each["fault"])
        check_in_race(self._storage.read(attachment_id, Artefact.THUMBNAIL))
        writes, reads = (sum(each[name] for each in told) for name in ("writes", "reads"))
        if not writes or not reads:
            raise Fault("nothing was written or read within the time")
        return f"{len(told)} processes, {writes} writes, {reads} reads"


def _told(error: StoreError) -> str:
    return f"{error}{f' ({error.__cause__})' if error.__cause__ else ''}"


def _same(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        shown = "other bytes" if isinstance(wanted, bytes) and isinstance(found, bytes) else repr(found)[:80]
        raise Fault(f"{what} is wrong: {shown}")


# The race: every process replaces one artefact again and again, and reads it as others write it


def written_in_race(process: int, number: int) -> bytes:
    """A content that says who wrote it, and that it is whole."""
    size = KIB + 997 * ((31 * process + 7 * number) % 512)
    body = b"%d %d\n" % (process, number) + bytes([process % 256]) * size
    return body + hashlib.sha256(body).digest()


def check_in_race(content: bytes | None) -> tuple[int, int]:
    """Who wrote it, and as which of its writes. Raises Fault unless it is whole."""
    if content is None:
        raise Fault("what was replaced was missing for a moment")
    body, digest = content[:-_DIGEST], content[-_DIGEST:]
    if hashlib.sha256(body).digest() != digest:
        raise Fault("a reader saw a part of a content, or a mixture of two")
    process, number = body.split(b"\n", 1)[0].split()
    return int(process), int(number)


def run_in_race(storage: Storage, attachment_id: str, process: int, seconds: float) -> Json:
    """The part of one process, whose number is not 0: what it did, and what was wrong."""
    told: Json = {"writes": 0, "reads": 0, "fault": ""}
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            number = told["writes"] + 1
            storage.put(attachment_id, Artefact.THUMBNAIL, [written_in_race(process, number)])
            told["writes"] = number
            for read in (_read_whole, _read_open):
                content = read(storage, attachment_id)
                if content is None:
                    continue
                writer, its_number = check_in_race(content)
                told["reads"] += 1
                if writer == process and its_number != number:
                    raise Fault("an earlier content was read after a later one was written")
    except Fault as error:
        told["fault"] = str(error)
    except StoreError as error:
        told["fault"] = _told(error)
    return told


def _read_whole(storage: Storage, attachment_id: str) -> bytes:
    content = storage.read(attachment_id, Artefact.THUMBNAIL)
    if content is None:
        raise Fault("what was replaced was missing for a moment")
    return content


def _read_open(storage: Storage, attachment_id: str) -> bytes | None:
    """The same in two pieces; None if it was replaced in between and says so."""
    opened = storage.open(attachment_id, Artefact.THUMBNAIL)
    if opened is None:
        raise Fault("what was replaced was missing for a moment")
    with closing(opened):
        try:
            return opened.read(0, KIB) + opened.read(KIB, opened.size)
        except StoreError:
            return None
