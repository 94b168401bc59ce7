"""What every storage promises. All other rooms name `Storage` and what is in here, and no implementation.

An attachment is a few artefacts (`Artefact`) under one id. Its record is the commit point: the attachment exists when and
only when its record does. The others come before it (the bytes) or after it (the text, and how its extraction ended).

What holds for all methods:

* **Errors** are StorageFull (there is no room) and StorageFailed (anything else; its cause is the error of the medium, or a
  ValueError where what was read is damaged), with FileTooLarge of `stage`. What `chunks` raise goes through. A text that is
  no id (`app.ids.is_id`) is a ValueError before anything is done: it never becomes part of a name.
* **After an error** nothing is under a final name that was not there before, and what was there is whole, old or new, except
  where a method says otherwise.
* **Atomic**: whoever reads an artefact finds all of an old one or all of a new one, never a part and never a mixture, in
  this process or another, and whatever is killed meanwhile. Two artefacts of one attachment change one after the other.
* **Durable**: what a method calls durable is still there when the power goes right after it has returned.
* **Several at once**: any number of threads and processes may use one storage. Of two who write the same artefact the last
  one wins, whole. Who goes first is not decided here: the journal, the queue and their locks are above.
* **Nothing leaves** but values: no path and no descriptor, except in a `Content`, which `app.http.sending` can send.

The names of artefacts (`name_of`) are part of the format (docs/format.md) and the same in every storage: what lies in one,
copied under the same names into another, is the same store.

A storage is divided into `PARTITIONS`, by the id alone, so that a walk over millions of attachments goes on where it
stopped, and needs to look again only at those in which something has changed.

Rejected: docs/adr/0019-storage-contract.md.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Protocol

from app.errors import StorageFailed
from app.ids import is_id

Json = dict[str, Any]
#: What tells a record from one that is written later under its name; never from one before it.
Version = Hashable

PARTITIONS = 4096
#: Seconds by which the time of a change may be told too early: within them a partition or an artefact counts as changed.
MARGIN = 2.0
#: What all names of artefacts begin with.
ATTACHMENTS = "attachments"


class Artefact(StrEnum):
    """What is kept of an attachment; the value is how its name ends.

    In the order in which they are removed: without its record an attachment is none, and without its outcome a text is none.
    """

    RECORD = "json"
    OUTCOME = "extraction"
    THUMBNAIL = "thumbnail"
    TEXT = "text"
    BYTES = "bytes"


def partition_of(attachment_id: str) -> int:
    """The partition of an id, from 0: the first 12 bits of its SHA-256, so they fill evenly whatever form the ids have."""
    return int(hashlib.sha256(attachment_id.encode()).hexdigest()[:3], 16)


# A request asks for those of one attachment several times.
@functools.lru_cache(maxsize=256)
def key(attachment_id: str, artefact: Artefact) -> str:
    """Where an artefact is among all, for whoever has them below one place: `3f0/<id>.bytes`. The one place where an id
    becomes part of a name. Raises ValueError for what is no id."""
    if not is_id(attachment_id):
        raise ValueError("not an id")
    return f"{partition_of(attachment_id):03x}/{attachment_id}.{artefact}"


def name_of(attachment_id: str, artefact: Artefact) -> str:
    """The name of an artefact, for people: `attachments/3f0/<id>.bytes`. Raises ValueError for what is no id."""
    return f"{ATTACHMENTS}/{key(attachment_id, artefact)}"


def record_in(content: bytes) -> Json:
    """The record that an artefact holds. Raises StorageFailed for a damaged one."""
    try:
        record: Json = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StorageFailed("The record of this attachment is damaged") from error
    return record


def outcome_in(content: bytes) -> Json:
    """The outcome of an extraction that an artefact holds. Raises ValueError for a damaged one."""
    try:
        outcome = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(outcome, dict):
        raise ValueError("not an object")
    return outcome


@dataclass(frozen=True)
class Measured:
    """What is known of bytes that were received: how many, and their SHA-256 in lower-case hex."""

    size: int
    sha256: str


class Staged(Protocol):
    """Bytes that have arrived and are durable under a temporary name. Of one thread at a time."""

    @property
    def measured(self) -> Measured: ...

    @property
    def size(self) -> int:
        """In bytes."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`, fewer where they end before; until they are discarded. Raises
        StorageFailed."""

    def keep(self, attachment_id: str) -> None:
        """Give the bytes their final name, in the place of any that have it. They are not an attachment yet:
        `Storage.commit` makes them one, and their name durable together with its own. Raises StorageFull or StorageFailed:
        then they are where they were."""

    def discard(self) -> None:
        """Let go of the bytes: removed when they were not kept, untouched when they were. Twice is no error."""


class StagedText(Protocol):
    """Room for a text that is being taken out. Of one thread at a time."""

    @property
    def file(self) -> BinaryIO:
        """Empty at first; to be written, read and truncated at any place. What `write` does not take whole, it raises as
        OSError."""

    def content(self) -> bytes:
        """All that is in it. Raises StorageFailed."""

    def close(self) -> None:
        """Let go of the text: gone unless it was kept. Twice is no error."""


class Content(Protocol):
    """An artefact, opened: what is read is what it was then, also when it is removed or replaced meanwhile. Of one thread
    at a time; whoever has it closes it."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def location(self) -> str:
        """Where a proxy in front of the server finds the bytes, below what it was told is the place of all; '' when it
        can't."""

    @property
    def file(self) -> BinaryIO | None:
        """The same as an open file of this machine, which the kernel can send; None where there is none. Closed with this,
        and by nobody else."""

    def local(self) -> BinaryIO:
        """The same as an open file of this machine with a descriptor, at its start: for a process that gets nothing else.
        `file` where there is one; any other storage makes a copy, of the size of the bytes. Closed with this. Raises
        StorageFull or StorageFailed."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`; fewer where they end before, which is damage when `stop` is in `size`.
        Raises StorageFailed."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The same in pieces, of which one at a time takes memory; none is empty. Raises StorageFailed."""

    def close(self) -> None:
        """Twice is no error."""


@dataclass(frozen=True)
class Changes:
    """What there is in a partition. `records` and `outcomes`: the ids that have one. `modified`: of the ids that were asked
    for, those of which one of the two may have been written anew."""

    records: set[str]
    outcomes: set[str]
    modified: set[str]


@dataclass(frozen=True)
class Listing:
    """What lies in a partition: the ids of which any artefact is there, and the names of what does not belong there, both
    in the order of the names."""

    ids: list[str]
    foreign: list[str]


@dataclass(frozen=True)
class Stray:
    """Something that lies outside of the partitions: a temporary artefact that nobody needs, or what is not of the store."""

    name: str
    temporary: bool


class Storage(Protocol):
    """Everything that is kept of attachments."""

    # Attachments

    def room(self) -> int:
        """Bytes that may still be stored: what the medium has free less what is to stay free; negative when that is used
        already. Raises StorageFailed."""

    def stage(self, chunks: Iterable[bytes], limit: int) -> Staged:
        """Receive bytes under a temporary name; on return they are durable. Memory is a few chunks, whatever the size.

        Raises FileTooLarge as soon as more than `limit` bytes have come, StorageFull where there is no `room` now or while
        they come, StorageFailed, and what `chunks` raise. After an error nothing stays.
        """

    def commit(self, attachment_id: str, record: Json) -> None:
        """Write the record, durably and in the place of any earlier one: from here on the attachment exists. Whatever was
        kept under this id before is durable too. After an error it may exist or not; `remove` settles it."""

    def record(self, attachment_id: str) -> Json | None:
        """The record, or None when there is no such attachment. Raises StorageFailed, also for a damaged one."""

    def version(self, attachment_id: str) -> Version | None:
        """What the record is known by as long as it is not written anew; None when there is no such attachment. Cheaper
        than `record`. Raises StorageFailed."""

    def open(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> Content | None:
        """An artefact; None when it is not there. Raises StorageFailed."""

    def read(self, attachment_id: str, artefact: Artefact) -> bytes | None:
        """All of an artefact that fits into memory; None when it is not there. Raises StorageFailed."""

    def size(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> int | None:
        """How many bytes an artefact has, without opening it; None when it is not there. Raises StorageFailed."""

    def remove(self, attachment_id: str) -> None:
        """Remove all artefacts in the order of `Artefact`, durably. What is not there is no error. After an error some of
        the first ones may be gone; `remove` goes on. What is open stays readable."""

    def ids(self) -> Iterator[str]:
        """The ids of all attachments that existed when the walk began and still do, each once, in no order; of those that
        come or go meanwhile, any. Raises StorageFailed."""

    # The text, and how its extraction ended: the text first, the outcome last (docs/adr/0006-extraction.md)

    def stage_text(self) -> StagedText:
        """Room for a text. Raises StorageFull where there is no `room`, StorageFailed."""

    def keep_text(self, attachment_id: str, outcome: Json, text: StagedText | None) -> None:
        """Put text and outcome beside the bytes, durably, in the place of earlier ones; an empty text, or None, is none.

        The text is there, or gone, before the outcome: where an outcome is written anew, the text is the one that it tells
        of. Between the two, and after an error, the outcome is the earlier one, if any, and the text either: who reads them
        compares. Raises StorageFull or StorageFailed.
        """

    def outcome(self, attachment_id: str) -> Json | None:
        """How the extraction ended; None while it has not. Raises StorageFailed, or ValueError for a damaged one."""

    def remove_text(self, attachment_id: str) -> None:
        """Remove the outcome, then the text, durably. What is not there is no error. Raises StorageFailed."""

    # The thumbnails, all sizes and how drawing ended in one artefact (docs/adr/0018-thumbnails.md)

    def keep_thumbnail(self, attachment_id: str, head: bytes, pictures: Iterable[bytes]) -> None:
        """Put `head`, and the pictures behind it, beside the bytes, durably and in one step, in the place of earlier ones.
        Raises StorageFull where there is no `room`, StorageFailed."""

    def remove_thumbnail(self, attachment_id: str) -> None:
        """Remove them, durably. What is not there is no error. Raises StorageFailed."""

    # For those who walk over everything

    def changed(self, since: Sequence[float]) -> list[int]:
        """The partitions, in ascending order, in which a record or an outcome may have come, gone or been written anew at
        `since[partition]` or later (seconds since 1970); others may be among them. Raises StorageFailed."""

    def changes(self, partition: int, since: float, among: Collection[str]) -> Changes:
        """The records and outcomes of a partition, and which of the ids `among` were changed at `since` or later, or may
        have been. Of what comes or goes meanwhile, any. Raises StorageFailed."""

    def listing(self, partition: int) -> Listing:
        """All that lies in a partition, but for what desktops and network shares leave. Raises StorageFailed."""

    # What a killed process left behind

    def strays(self, grace: float) -> Iterator[Stray]:
        """What lies outside of the partitions and should not: temporary artefacts that were written longer than `grace`
        seconds ago and that nobody holds, and what is not of the store. Raises StorageFailed."""

    def sweep(self, grace: float) -> list[str]:
        """Remove those temporary artefacts; their names, without the place where they lie. What a process that lives has
        staged is never among them, however old. Raises StorageFailed."""

    def holds(self, name: str) -> bool:
        """Whether there is anything under a name that was told by `name_of` or by this storage. Raises ValueError for any
        other, StorageFailed."""

    def remove_leftover(self, name: str, grace: float) -> None:
        """Remove what is under such a name, unless it was written less than `grace` seconds ago or somebody is at it. It is
        for artefacts without a record, and for temporary ones. Raises ValueError, StorageFailed."""
