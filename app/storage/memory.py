"""Attachments in memory, for tests that need no disk. The contract's tests run with it as with the filesystem.

It keeps every promise except the durable ones: everything ends with its process. Only their holder has staged bytes, so
nothing is ever left behind to be swept.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from app.errors import StorageFull
from app.storage.contract import (
    MARGIN,
    PARTITIONS,
    Artefact,
    Changes,
    Entry,
    Json,
    Listing,
    Measured,
    Staged,
    StagedText,
    Stray,
    Version,
    identity_in,
    key,
    name_of,
    outcome_in,
    partition_of,
    record_in,
)
from app.storage.held import HeldContent
from app.storage.receiving import copy


@dataclass(frozen=True)
class _Kept:
    """An artefact. `number` is unique to this write; `moment` is in seconds since 1970."""

    content: bytes
    number: int
    moment: float


class _StagedBytes:
    def __init__(self, memory: Memory, content: bytes, measured: Measured) -> None:
        self.measured = measured
        self._memory = memory
        self._content: bytes | None = content

    @property
    def size(self) -> int:
        return self.measured.size

    def read(self, start: int, stop: int) -> bytes:
        if self._content is None:
            raise ValueError("the bytes were discarded")
        return self._content[start:stop]

    def keep(self, attachment_id: str) -> None:
        self._memory._put(attachment_id, Artefact.BYTES, self.read(0, self.size))

    def discard(self) -> None:
        self._content = None


class _StagedText:
    def __init__(self) -> None:
        self.file: BinaryIO = io.BytesIO()

    def content(self) -> bytes:
        assert isinstance(self.file, io.BytesIO)
        return self.file.getvalue()

    def close(self) -> None:
        self.file.close()


class Memory:
    """The Storage contract in the memory of one process."""

    def __init__(self, *, capacity: int = 1 << 40, clock: Callable[[], float] = time.time) -> None:
        """`capacity`: bytes of all artefacts together. `clock`: seconds since 1970."""
        self.capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, dict[Artefact, _Kept]] = {}
        self._numbers = itertools.count(1)
        self._identity: bytes | None = None
        #: For each partition: when something in it was last added, removed or written.
        self._moments = [0.0] * PARTITIONS

    # Attachments

    def room(self) -> int:
        with self._lock:
            return self._room()

    def _room(self) -> int:
        return self.capacity - sum(len(each.content) for kept in self._kept.values() for each in kept.values())

    def check(self) -> None:
        self.stage([], 0).discard()

    def stage(self, chunks: Iterable[bytes], limit: int) -> Staged:
        return self._receive(chunks, limit)

    def _receive(self, chunks: Iterable[bytes], limit: int) -> _StagedBytes:
        room = self.room()
        if room <= 0:
            raise StorageFull()
        content = bytearray()

        def write(chunk: bytes) -> None:
            content.extend(chunk)
            if len(content) > room:
                raise StorageFull()

        measured = copy(chunks, write, limit)
        return _StagedBytes(self, bytes(content), measured)

    def _put(self, attachment_id: str, artefact: Artefact, content: bytes) -> None:
        key(attachment_id, artefact)
        with self._lock:
            kept = self._kept.get(attachment_id, {})
            before = kept.get(artefact)
            if len(content) - (len(before.content) if before else 0) > self._room():
                raise StorageFull()
            moment = self._clock()
            self._kept.setdefault(attachment_id, kept)[artefact] = _Kept(content, next(self._numbers), moment)
            self._moments[partition_of(attachment_id)] = moment

    def commit(self, attachment_id: str, record: Json) -> None:
        self._put(attachment_id, Artefact.RECORD, json.dumps(record, ensure_ascii=False).encode())

    def _get(self, attachment_id: str, artefact: Artefact) -> _Kept | None:
        key(attachment_id, artefact)
        with self._lock:
            return self._kept.get(attachment_id, {}).get(artefact)

    def record(self, attachment_id: str) -> Json | None:
        content = self.read(attachment_id, Artefact.RECORD)
        return None if content is None else record_in(content)

    def version(self, attachment_id: str) -> Version | None:
        kept = self._get(attachment_id, Artefact.RECORD)
        return None if kept is None else kept.number

    def open(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> HeldContent | None:
        kept = self._get(attachment_id, artefact)
        return None if kept is None else HeldContent(kept.content)

    def read(self, attachment_id: str, artefact: Artefact) -> bytes | None:
        kept = self._get(attachment_id, artefact)
        return None if kept is None else kept.content

    def size(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> int | None:
        kept = self._get(attachment_id, artefact)
        return None if kept is None else len(kept.content)

    def remove(self, attachment_id: str) -> None:
        self._remove(attachment_id, Artefact)

    def _remove(self, attachment_id: str, artefacts: Iterable[Artefact]) -> None:
        for each in artefacts:
            key(attachment_id, each)
            # One by one, so that a reader in between sees them in this order.
            with self._lock:
                kept = self._kept.get(attachment_id, {})
                if kept.pop(each, None) is not None:
                    self._moments[partition_of(attachment_id)] = self._clock()
                if not kept:
                    self._kept.pop(attachment_id, None)

    def ids(self) -> Iterator[str]:
        with self._lock:
            found = [each for each, kept in self._kept.items() if Artefact.RECORD in kept]
        return iter(found)

    # The text

    def stage_text(self) -> StagedText:
        if self.room() <= 0:
            raise StorageFull()
        return _StagedText()

    def keep_text(self, attachment_id: str, outcome: Json, text: StagedText | None) -> None:
        content = text.content() if text is not None else b""
        if content:
            self._put(attachment_id, Artefact.TEXT, content)
        else:
            self._remove(attachment_id, (Artefact.TEXT,))
        self._put(attachment_id, Artefact.OUTCOME, json.dumps(outcome, ensure_ascii=False).encode())

    def outcome(self, attachment_id: str) -> Json | None:
        content = self.read(attachment_id, Artefact.OUTCOME)
        return None if content is None else outcome_in(content)

    def remove_text(self, attachment_id: str) -> None:
        self._remove(attachment_id, (Artefact.OUTCOME, Artefact.TEXT))

    # The thumbnails

    def keep_thumbnail(self, attachment_id: str, head: bytes, pictures: Iterable[bytes]) -> None:
        if self.room() <= 0:
            raise StorageFull()
        self._put(attachment_id, Artefact.THUMBNAIL, b"".join((head, *pictures)))

    def remove_thumbnail(self, attachment_id: str) -> None:
        self._remove(attachment_id, (Artefact.THUMBNAIL,))

    # The passages

    def keep_passages(self, attachment_id: str, content: bytes) -> None:
        if self.room() <= 0:
            raise StorageFull()
        self._put(attachment_id, Artefact.PASSAGES, content)

    def remove_passages(self, attachment_id: str) -> None:
        self._remove(attachment_id, (Artefact.PASSAGES,))

    # Artefacts one by one

    def put(self, attachment_id: str, artefact: Artefact, chunks: Iterable[bytes]) -> Measured:
        key(attachment_id, artefact)
        staged = self._receive(chunks, sys.maxsize)
        self._put(attachment_id, artefact, staged.read(0, staged.size))
        return staged.measured

    def entries(self, partition: int) -> list[Entry]:
        with self._lock:
            return [
                Entry(each, artefact, len(found.content), found.moment)
                for each, kept in self._in(partition)
                for artefact, found in kept.items()
            ]

    # Whose attachments these are

    def identity(self) -> Json | None:
        return None if self._identity is None else identity_in(self._identity)

    def keep_identity(self, content: Json) -> None:
        self._identity = json.dumps(content, ensure_ascii=False).encode()

    # Walks over everything

    def changed(self, since: Sequence[float]) -> list[int]:
        with self._lock:
            return [number for number in range(PARTITIONS) if self._moments[number] >= since[number] - MARGIN]

    def changes(self, partition: int, since: float, among: Collection[str]) -> Changes:
        found = Changes(set(), set(), set())
        with self._lock:
            for attachment_id, kept in self._in(partition):
                for artefact, ids in ((Artefact.RECORD, found.records), (Artefact.OUTCOME, found.outcomes)):
                    if artefact in kept:
                        ids.add(attachment_id)
                for artefact in (Artefact.RECORD, Artefact.OUTCOME, Artefact.PASSAGES):
                    if artefact in kept and attachment_id in among and kept[artefact].moment >= since - MARGIN:
                        found.modified.add(attachment_id)
        return found

    def listing(self, partition: int) -> Listing:
        with self._lock:
            return Listing(sorted(each for each, _ in self._in(partition)), [])

    def _in(self, partition: int) -> list[tuple[str, dict[Artefact, _Kept]]]:
        return [(each, kept) for each, kept in self._kept.items() if partition_of(each) == partition]

    # What a killed process left behind

    def strays(self, grace: float) -> Iterator[Stray]:
        return iter(())

    def sweep(self, grace: float) -> list[str]:
        return []

    def holds(self, name: str) -> bool:
        return self._get(*_named(name)) is not None

    def remove_leftover(self, name: str, grace: float) -> None:
        attachment_id, artefact = _named(name)
        kept = self._get(attachment_id, artefact)
        if kept is not None and self._clock() - kept.moment >= grace:
            self._remove(attachment_id, (artefact,))


def _named(name: str) -> tuple[str, Artefact]:
    """The id and artefact of a name that `name_of` made. Raises ValueError for any other name."""
    stem, _, suffix = name.rpartition("/")[2].rpartition(".")
    with contextlib.suppress(ValueError):
        artefact = Artefact(suffix)
        if name == name_of(stem, artefact):
            return stem, artefact
    raise ValueError("not a name of the storage")
