"""What every storage promises. All other packages import `Storage` and what is in here, and no implementation.

An attachment is a few artefacts (`Artefact`) under one id. Its record is the commit point: the attachment exists when and
only when its record does. The others come before it (the bytes) or after it (the text, and how its extraction ended).

What holds for all methods:

* **Errors** are StorageFull (there is no room) and StorageFailed (anything else; its cause is the error of the medium, or a
  ValueError where what was read is damaged), of which StorageUnavailable is one: the medium was not reached, and what
  was to be written may be there now, later or never; `stage` raises FileTooLarge too. Errors of `chunks` go through. A text
  that is not an id (`app.ids.is_id`) raises ValueError before anything is done: it never becomes part of a name.
* **After an error** nothing is under a final name that was not there before, and what was there is whole, old or new, except
  where a method says otherwise.
* **Atomic**: a reader of an artefact, in this process or another, finds all of an old one or all of a new one, never a
  part and never a mixture, also when a process is killed meanwhile. Two artefacts of one attachment change one after
  the other.
* **Durable**: what a method calls durable is still there when the power fails right after the method has returned.
* **Several at once**: any number of threads and processes of one server may use one storage. Of two that write the same
  artefact the last one wins, whole. This contract does not decide which goes first: journal, queue and their locks do.
* **Nothing leaves** but values: no path and no descriptor, except in a `Content`, which `app.web.sending` can send.

The names of artefacts (`name_of`) are part of the format (docs/format.md) and the same in every storage: the contents
of one, copied under the same names into another, are the same store.

A storage is divided into `PARTITIONS`, by the id alone, so that a walk over millions of attachments can go on where it
stopped, and needs to look again only at the partitions in which something has changed.

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
#: Distinguishes a record from every other one that is written later under its name, unless they are equal; it may equal
#: the version of an earlier one.
Version = Hashable

PARTITIONS = 4096
#: Seconds by which the recorded time of a change may be too early: within them a partition or artefact counts as
#: changed.
MARGIN = 2.0
#: The beginning of all names of artefacts.
ATTACHMENTS = "attachments"
#: The name of what `Storage.keep_identity` keeps.
IDENTITY = "store.json"


class Artefact(StrEnum):
    """What is kept of an attachment; the value is how its name ends.

    They are removed in this order: an attachment without its record does not exist, nor does a text without its
    outcome, nor do passages without their text.
    """

    RECORD = "json"
    OUTCOME = "extraction"
    THUMBNAIL = "thumbnail"
    PASSAGES = "passages"
    TEXT = "text"
    BYTES = "bytes"


def partition_of(attachment_id: str) -> int:
    """The partition of an id, from 0: the first 12 bits of its SHA-256, so that partitions fill evenly whatever form
    ids have."""
    return int(hashlib.sha256(attachment_id.encode()).hexdigest()[:3], 16)


# A request asks several times for the partition of one attachment.
@functools.lru_cache(maxsize=256)
def key(attachment_id: str, artefact: Artefact) -> str:
    """The path of an artefact, relative to the folder of all artefacts: `3f0/<id>.bytes`. Only here does an id become
    part of a name. Raises ValueError for a text that is not an id."""
    if not is_id(attachment_id):
        raise ValueError("not an id")
    return f"{partition_of(attachment_id):03x}/{attachment_id}.{artefact}"


def name_of(attachment_id: str, artefact: Artefact) -> str:
    """The name of an artefact, for people: `attachments/3f0/<id>.bytes`. Raises ValueError for a text that is not an
    id."""
    return f"{ATTACHMENTS}/{key(attachment_id, artefact)}"


def record_in(content: bytes) -> Json:
    """The record in an artefact's bytes. Raises StorageFailed for a damaged one."""
    try:
        record: Json = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StorageFailed("The record of this attachment is damaged") from error
    return record


def identity_in(content: bytes) -> Json:
    """The identity in its bytes. Raises StorageFailed for a damaged one."""
    try:
        identity = json.loads(content)
        if not isinstance(identity, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise StorageFailed(f"{IDENTITY} is damaged") from error
    return identity


def outcome_in(content: bytes) -> Json:
    """The outcome of an extraction in an artefact's bytes. Raises ValueError for a damaged one."""
    try:
        outcome = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(outcome, dict):
        raise ValueError("not an object")
    return outcome


@dataclass(frozen=True)
class Measured:
    """The number of bytes that were received, and their SHA-256 in lower-case hex."""

    size: int
    sha256: str


class Staged(Protocol):
    """Bytes that have arrived, and that nobody else knows of. For one thread at a time."""

    @property
    def measured(self) -> Measured: ...

    @property
    def size(self) -> int:
        """In bytes."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`, fewer where they end before that. Not after `discard`. Raises
        StorageFailed."""

    def keep(self, attachment_id: str) -> None:
        """Give the bytes their final name, and replace any that have it. They are not an attachment yet:
        `Storage.commit` makes them one, and makes bytes and name durable together with the record. Raises StorageFull or
        StorageFailed: then it can be tried again."""

    def discard(self) -> None:
        """Release the bytes: they are removed if they were not kept, and stay if they were. Calling it twice is no
        error."""


class StagedText(Protocol):
    """A place for a text that is being extracted. For one thread at a time."""

    @property
    def file(self) -> BinaryIO:
        """A file, empty at first, that can be written, read and truncated at any position. Its `write` raises OSError
        when it can't write everything."""

    def content(self) -> bytes:
        """All that is in it. Raises StorageFailed."""

    def close(self) -> None:
        """Release the text: it is removed unless it was kept. Calling it twice is no error."""


class Content(Protocol):
    """An open artefact. Its bytes are those of the moment when it was opened. When it is removed or replaced meanwhile, they
    stay readable, or reading them raises StorageFailed (an object store has no open files); never are there others.
    An artefact other than the bytes of an attachment stays readable. For one thread at a time; the holder closes it."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def location(self) -> str:
        """The path at which a proxy in front of the server finds the bytes, relative to the folder that the proxy is
        configured with; '' when it can't reach them."""

    @property
    def file(self) -> BinaryIO | None:
        """The same as an open local file, which the kernel can send; None where there is none. This object closes it,
        and nobody else does."""

    def local(self) -> BinaryIO:
        """The same as an open local file with a descriptor, positioned at its start, for a process that is given
        nothing else. It is `file` where there is one; any other storage makes a full copy. This object closes it.
        Raises StorageFull or StorageFailed."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`; fewer where they end before that, which is damage when `stop` is within
        `size`. Raises StorageFailed."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The same in pieces, with one in memory at a time; none is empty. Raises StorageFailed."""

    def close(self) -> None:
        """Twice is no error."""


@dataclass(frozen=True)
class Changes:
    """The content of a partition. `records` and `outcomes`: the ids that have one. `modified`: those of the requested
    ids whose record, outcome or passages may have been written again."""

    records: set[str]
    outcomes: set[str]
    modified: set[str]


@dataclass(frozen=True)
class Listing:
    """Everything in a partition: the ids that have any artefact, and the names of files that do not belong there, both
    in the order of the names."""

    ids: list[str]
    foreign: list[str]


@dataclass(frozen=True)
class Entry:
    """An artefact in a listing. `size`: in bytes. `written`: when it was written under its name or later, in seconds since
    1970 by the clock of the medium; it may be too early by `MARGIN`."""

    id: str
    artefact: Artefact
    size: int
    written: float


@dataclass(frozen=True)
class Stray:
    """Something outside the partitions: a temporary artefact that nobody needs, or something that the store did not
    make."""

    name: str
    temporary: bool


class Storage(Protocol):
    """Everything that is kept of attachments."""

    # Attachments

    def room(self) -> int:
        """Bytes that may still be stored: the free bytes of the medium minus the reserve; negative when the reserve is
        in use already. Raises StorageFailed."""

    def check(self) -> None:
        """Raises StorageFull or StorageFailed when an upload could not be stored now."""

    def stage(self, chunks: Iterable[bytes], limit: int) -> Staged:
        """Receive bytes under a temporary name, or none. It needs the memory of a few chunks, whatever the size.

        Raises FileTooLarge as soon as more than `limit` bytes have come, StorageFull where there is no `room` now or while
        they come, StorageFailed, and what `chunks` raise. After an error nothing stays.
        """

    def commit(self, attachment_id: str, record: Json) -> None:
        """Write the record, durably, and replace any earlier one: now the attachment exists. Bytes that were kept under
        this id before are durable too. After an error it may exist or not; `remove` settles it."""

    def record(self, attachment_id: str) -> Json | None:
        """The record, or None when there is no such attachment. Raises StorageFailed, also for a damaged one."""

    def version(self, attachment_id: str) -> Version | None:
        """A value that is another one once another record was written; None when there is no such attachment. Cheaper than
        `record` where it was asked for before. Raises StorageFailed."""

    def open(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> Content | None:
        """An artefact; None when it is not there. Raises StorageFailed."""

    def read(self, attachment_id: str, artefact: Artefact) -> bytes | None:
        """All of an artefact that fits into memory; None when it is not there. Raises StorageFailed."""

    def size(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> int | None:
        """The size of an artefact in bytes, without opening it; None when it is not there. Raises StorageFailed."""

    def remove(self, attachment_id: str) -> None:
        """Remove all artefacts in the order of `Artefact`, durably. A missing one is no error. After an error some of
        the first ones may be gone; calling it again goes on. A write of this attachment that began before and takes
        effect later does not bring it back."""

    def ids(self) -> Iterator[str]:
        """The ids of all attachments that existed when the walk began and still do, each once, in no order; ids that
        are added or removed meanwhile may be among them. Raises StorageFailed."""

    # The text, and how its extraction ended: the text first, the outcome last (docs/adr/0006-extraction.md)

    def stage_text(self) -> StagedText:
        """A place for a text. Raises StorageFull where there is no `room`, StorageFailed."""

    def keep_text(self, attachment_id: str, outcome: Json, text: StagedText | None) -> None:
        """Put text and outcome beside the bytes, durably, and replace earlier ones; an empty text, or None, means no
        text.

        The text changes before the outcome: once a new outcome is there, the text is the one that it describes. Between
        the two steps, and after an error, the outcome is the earlier one, if any, and the text may be the old or the
        new one: a reader compares its digest. Raises StorageFull or StorageFailed.
        """

    def outcome(self, attachment_id: str) -> Json | None:
        """The outcome of the extraction; None while there is none. Raises StorageFailed, or ValueError for a damaged
        one."""

    def remove_text(self, attachment_id: str) -> None:
        """Remove the outcome, then the text, durably. A missing one is no error. Raises StorageFailed."""

    # The thumbnails, all sizes and how drawing ended in one artefact (docs/adr/0018-thumbnails.md)

    def keep_thumbnail(self, attachment_id: str, head: bytes, pictures: Iterable[bytes]) -> None:
        """Put `head`, followed by the pictures, beside the bytes, durably and in one step, and replace earlier ones.
        Raises StorageFull where there is no `room`, StorageFailed."""

    def remove_thumbnail(self, attachment_id: str) -> None:
        """Remove them, durably. If there are none, that is no error. Raises StorageFailed."""

    # The passages of the text, with the vectors of all of them in one artefact (docs/adr/0027-passages.md)

    def keep_passages(self, attachment_id: str, content: bytes) -> None:
        """Put the passages beside the bytes, durably and in one step, and replace earlier ones. Raises StorageFull where
        there is no `room`, StorageFailed."""

    def remove_passages(self, attachment_id: str) -> None:
        """Remove them, durably. If there are none, that is no error. Raises StorageFailed."""

    # Artefacts one by one, for a copy from another storage (app/upkeep/copying.py), which knows their order

    def put(self, attachment_id: str, artefact: Artefact, chunks: Iterable[bytes]) -> Measured:
        """Write one artefact with these bytes, durably and in one step, and replace an earlier one. It needs the memory of
        a few chunks, whatever the size. Returns what was written. Raises StorageFull where there is no `room`,
        StorageFailed, and what `chunks` raise."""

    def entries(self, partition: int) -> list[Entry]:
        """All artefacts in a partition, in no order; what is added, removed or written again meanwhile may be among them,
        as it was or as it is. What was there before and stays is. Raises StorageFailed."""

    # Whose attachments these are

    def identity(self) -> Json | None:
        """What was kept by `keep_identity` last; None when there is nothing. Raises StorageFailed, also for a damaged
        one."""

    def keep_identity(self, content: Json) -> None:
        """Keep a small JSON object with the attachments, durably and in one step, and replace an earlier one:
        app/storage/identity.py says what is in it. Raises StorageFull or StorageFailed."""

    # Walks over everything

    def changed(self, since: Sequence[float]) -> list[int]:
        """The partitions, in ascending order, in which a record, an outcome or passages may have been added, removed or
        written again at `since[partition]` or later (seconds since 1970); others may be among them. Raises StorageFailed."""

    def changes(self, partition: int, since: float, among: Collection[str]) -> Changes:
        """The records and outcomes of a partition, and which of the ids `among` were, or may have been, changed at
        `since` or later. What is added or removed meanwhile may be among them. Raises StorageFailed."""

    def listing(self, partition: int) -> Listing:
        """Everything in a partition except the files that desktops and network shares leave. Raises StorageFailed."""

    # What a killed process left behind

    def strays(self, grace: float) -> Iterator[Stray]:
        """What is outside the partitions and should not be: temporary artefacts that were written more than `grace`
        seconds ago and that nobody holds, and files that the store did not make. Raises StorageFailed."""

    def sweep(self, grace: float) -> list[str]:
        """Remove those temporary artefacts. Returns their names, without their folder. What a living process has staged
        is never among them, however old. Raises StorageFailed."""

    def holds(self, name: str) -> bool:
        """Whether there is anything under a name that `name_of` or this storage returned. Raises ValueError for any
        other name, StorageFailed."""

    def remove_leftover(self, name: str, grace: float) -> None:
        """Remove an artefact without a record, or a temporary one, by such a name, unless it was written less than
        `grace` seconds ago or somebody holds it. Raises ValueError, StorageFailed."""
