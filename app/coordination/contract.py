"""How the processes of a store agree. All other packages import `Coordination` and what is in here, and no
implementation.

What holds for all methods:

* **Errors** are StorageFull (there is no room), StorageFailed (any other error of the medium), and those that a method
  names. Where a method says that it is a courtesy, a failing medium stops nobody.
* **Held**: one process holds a `Hold`, a slot, an entry or a claim until it closes it. The hold ends with its process
  however that ends, also by a kill; the next process finds what was written until then, and nobody has to clear it
  away. A process that is started meanwhile does not inherit it.
* **Several at once**: any number of threads and processes. Two threads of a process exclude each other as two processes
  do. Only one thread at a time uses what is held.
* **Atomic**: a reader finds all of an old content or all of a new one, except where a method says otherwise.
* **Durable** is only what a method calls durable: it is still there when the power fails right after the method has
  returned. Everything else survives the end of any process, and may be lost when the power fails.
* **Nothing leaves** but values: no path and no descriptor. Some things have a name, which is only for people.

Rejected: docs/adr/0020-coordination-contract.md.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Json = dict[str, Any]
#: Distinguishes a content from one that is written later, but not from an earlier one.
Version = Hashable

#: Seconds that a change waits while the lock is held exclusively, before it is refused with 503.
PATIENCE = 3.0

#: What an entry of the journal is about.
Kind = Literal["upload", "delete", "change"]

#: Groups of clients whose moments are kept.
RECORDS = 16384

#: What is sent to the index in separate bulks.
Bulks = Literal["documents", "texts"]


class Hold(Protocol):
    """Something that is held until it is closed."""

    def close(self) -> None:
        """Release it. Calling it twice is no error."""


class ChangeLock(Protocol):
    """Anyone who changes attachments or chats holds it shared. Anyone who must be alone for a moment holds it
    exclusively: to exchange the index, or to write records again. Neither keeps out the other for ever."""

    def shared(self, patience: float = PATIENCE) -> Hold:
        """Begin a change. `patience`: seconds to wait while somebody holds it exclusively. It may be held again inside
        a change, also while somebody waits to hold it exclusively. Raises IndexUnavailable after that time, StorageFull
        or StorageFailed: then nothing is held."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Within the block nobody else holds the lock, and all changes that began before have ended. Waits for that,
        and keeps new changes out for at most a second at a time. Must not be entered inside a change. Raises
        StorageFull or StorageFailed."""


class BulkLock(Protocol):
    """One bulk at a time, of all processes that write to one index. One thread of a process at a time uses it.

    It is a courtesy: anyone who has waited for as long as a bulk takes goes on all the same, and so does anyone who
    can't ask. So a process that hangs within it delays each bulk of the others by that time, and stops none.
    """

    def held(self) -> AbstractContextManager[None]:
        """Within the block the others wait. Waits until nobody else is in it, or until it has waited long enough;
        raises nothing."""


class SearchSlots(Protocol):
    """A number of places for searches that may take long, shared by all processes."""

    def place(self, left: Callable[[], float]) -> AbstractContextManager[ExitStack]:
        """Wait for a free place and hold it. `left`: seconds that are left; when there are none, what it raises ends
        the wait. The place is held beyond the block by taking it out of the stack that the block is given (`pop_all`).
        It is a courtesy: where the free places can't be determined, nobody waits."""


class WorkSlot(Protocol):
    """A slot that is held until it is closed."""

    @property
    def number(self) -> int:
        """Which one it is, from 0."""

    def say(self, content: Json) -> None:
        """Tell the others what is done in this slot, and replace what was said before. Anyone who reads it at this
        moment may find nothing. Raises StorageFull or StorageFailed."""

    def close(self) -> None:
        """Release the slot, and what was said. Calling it twice is no error."""


class WorkSlots(Protocol):
    """A number of slots for work that takes long, shared by all processes. `count`: how many; all that use the same
    slots must give the same number."""

    @property
    def count(self) -> int: ...

    def free(self) -> AbstractContextManager[WorkSlot | None]:
        """A free slot, held within the block, in which nothing was said yet; None when others hold all. Does not wait.
        Raises StorageFull or StorageFailed."""

    def said(self, besides: int | None = None) -> list[Json]:
        """What was said last in each slot that is held; empty where nothing was said. What a killed process said does
        not count. `besides`: the number of a slot to leave out. Raises StorageFailed."""

    def turn(self) -> AbstractContextManager[Json]:
        """Be alone within the block, after waiting for it. The block is given the content that the last one left there,
        empty at first or when it is damaged; when the block ends without an error, the content is kept as it is then.
        It is not durable, and a process that is killed while writing leaves it empty. Raises StorageFull or
        StorageFailed."""


class JournalEntry(Protocol):
    """One undecided piece of work, held until it is closed or settled. Until then the change lock is held shared, too,
    unless the entry was begun `alone`. `ids`: the attachments that it is about."""

    @property
    def kind(self) -> Kind: ...

    @property
    def ids(self) -> list[str]: ...

    @property
    def name(self) -> str:
        """For people."""

    def settled(self, *, durable: bool = False) -> None:
        """The work is decided: remove the entry. Raises nothing: where it can't be removed, the work is decided once
        more, which does no harm.

        `durable`: not even a power cut brings the entry back, or it brings back one without meaning. An upload of
        several files needs that: once one of them is deleted, the entry would say that the others are half an upload.
        """

    def close(self) -> None:
        """Release the entry. If it was not settled, it is undecided, and the next look at the journal takes it up.
        Calling it twice is no error."""


class Journal(Protocol):
    """What is under way and not yet decided, so that another process can finish it, whichever process is killed and
    whenever.

    An entry is written before the first effect of an upload or a delete, and removed after the last. The process that
    works on it holds it. An entry that nobody holds has lost that process, or was left on purpose because Elasticsearch
    did not say what it did.
    """

    def begin(self, kind: Kind, ids: list[str], *, durable: bool, alone: bool = False) -> JournalEntry:
        """Write an entry and hold it, all of it or nothing: nobody ever sees a part of it, or an entry without its
        holder. `durable`: it is durable before this returns. `alone`: the caller holds the change lock exclusively, and
        afterwards shared for what is left to do.

        Raises StorageFull or StorageFailed, or IndexUnavailable while the index is being exchanged; then there is no
        entry.
        """

    def count(self) -> int:
        """How many entries there are, including those that are held. Raises StorageFailed."""

    def ids(self, kind: Kind | None = None) -> set[str]:
        """The ids of all entries, held or not: what index and files say of these is not decided. An entry that is added
        or removed meanwhile may be among them. `kind`: only entries of this kind. Raises StorageFull or
        StorageFailed."""

    def abandoned(self) -> Iterator[JournalEntry]:
        """The entries that nobody holds, each now held by the caller, who settles or closes it: of several callers at
        once, one gets it. An entry that can't be read does not keep anyone from the others.

        Raises IndexUnavailable while the index is being exchanged, StorageFull or StorageFailed.
        """

    def undecided(self) -> list[str]:
        """The names of the entries that nobody holds, in their order; changes nothing. Raises StorageFailed."""


class Claim(Protocol):
    """A piece of work to do, or a note, held until it is closed."""

    @property
    def content(self) -> bytes:
        """The content when it was taken."""

    def saved(self) -> float:
        """When the content was written last, in seconds since 1970. Raises StorageFailed."""

    def save(self, content: bytes) -> None:
        """Replace the content by another one of at most 1000 bytes. Not atomic: anyone who reads it meanwhile, or after
        a process that was killed while writing, may find neither the old nor the new content; so a content must have a
        form that tells it from a damaged one. Raises StorageFull or StorageFailed."""

    def secure(self) -> None:
        """On return it is durable, with what was saved last. Raises StorageFull or StorageFailed."""

    def done(self) -> None:
        """Nothing is left to do: remove and release it. Raises nothing: where it can't be removed, it is there again,
        with what was saved last."""

    def close(self) -> None:
        """Release it. Calling it twice is no error."""


class Claims(Protocol):
    """Work to do, each piece by one process at a time: a small content for each attachment, under its id (anything that
    `app.ids.is_id` accepts); and notes for all who do the work. A name that is not an id raises ValueError before
    anything is done.

    Only what was secured is durable: `epoch` tells when others may have been lost.
    """

    def add(self, name: str, content: bytes) -> bool:
        """Add it if there is none; returns whether there was none. Afterwards nobody holds it. Anyone who takes it at
        this moment may find it empty. Raises StorageFull or StorageFailed: then it may be there, empty or in part."""

    def take(self, name: str) -> Claim | None:
        """Hold it; None when there is none, or somebody holds it. Does not wait. Raises StorageFailed."""

    def read(self, name: str) -> bytes | None:
        """Its content, held or not; None when there is none. Raises StorageFailed."""

    def has(self, name: str) -> bool:
        """Whether there is one, held or not. Raises StorageFailed."""

    def names(self) -> Iterator[str]:
        """The names of all that are there when the walk begins and still are, each once, read as the caller asks for
        them, in no order; those that are added or removed meanwhile may be among them. Raises StorageFailed."""

    @property
    def epoch(self) -> str:
        """A text that changes whenever what was not secured may have been lost: here, with each start of the
        machine."""

    def take_note(self, note: str) -> Claim | None:
        """As `take`, for a note, which is created when it is missing. Raises StorageFull or StorageFailed."""

    def note(self, note: str, content: bytes | None) -> None:
        """Replace the content of a note, as `Claim.save` does; None: remove the note. `note`: `scanned`, `readers`,
        `controlled`, or `unfit-` and a word. Raises StorageFull or StorageFailed."""

    def noted(self, note: str) -> bytes | None:
        """The first 1000 bytes of a note; None when there is none. Raises StorageFailed."""


class Shared(Protocol):
    """One small content that all processes share: the tokens."""

    def version(self) -> Version | None:
        """A value that stays the same until the content is written again; None when it never was written. Cheap: it is
        asked for with every request. Raises StorageFailed."""

    def read(self) -> bytes | None:
        """The whole content, of the version that was returned last or a later one; None when it was never written.
        Raises StorageFailed."""

    def change(self, change: Callable[[bytes | None], bytes | None]) -> None:
        """Replace the content by what `change` makes of it, durably; None leaves it as it is. Of several changes, each
        starts from what the one before has left. `change` may be called more than once, and the last call counts; what
        it raises goes through, and nothing is changed. Raises StorageFull or StorageFailed: then it is the old or the
        new content."""


class SignIns(Protocol):
    """Small records by name: who is signed in. A name is 64 lower-case hex digits, chosen at random; any other raises
    ValueError before anything is done."""

    def add(self, name: str, content: bytes) -> None:
        """A new record, durably. Raises StorageFull or StorageFailed: then there is none, or it is whole."""

    def read(self, name: str) -> bytes | None:
        """None where there is no such record. Raises StorageFailed."""

    def remove(self, name: str) -> None:
        """Afterwards nobody reads it. A missing one is no error. Raises StorageFailed."""

    def written(self) -> dict[str, float]:
        """The names of all records, and when each was written (seconds since 1970); those that are added or removed
        meanwhile may be among them. Raises StorageFailed."""


@dataclass(frozen=True)
class Record:
    """`until`: seconds since 1970."""

    content: bytes
    until: float


class PointsInTime(Protocol):
    """Small records by name, in groups, which expire and whose number is bounded: the points in time of tenants. A
    group has the form of a tenant's name; a name is 43 characters of URL-safe Base64, chosen at random. Any other
    raises ValueError before anything is done. Not durable."""

    def add(self, group: str, name: str, content: bytes, until: float, most: int) -> bool:
        """Add a record, unless its group has `most` that have not expired; also of several callers at once, none adds
        one too many. Returns whether it was added. Removes what has expired, of any group. Raises StorageFull or
        StorageFailed."""

    def replace(self, group: str, name: str, content: bytes, until: float) -> bool:
        """Replace content and time of a record; returns whether it is there. A record that was removed stays removed,
        also when that happens at this moment. Raises StorageFull or StorageFailed."""

    def read(self, group: str, name: str) -> Record | None:
        """The record; None where there is none. One that has expired may still be there. While it is replaced, its time
        may still be the earlier one. Raises StorageFailed."""

    def remove(self, group: str, name: str) -> None:
        """Afterwards nobody reads it. A missing one is no error. Raises StorageFull or StorageFailed."""


class Moments(Protocol):
    """A few moments for each of any number of clients, in bounded space. A client shares its moments with one in
    `RECORDS` others, chosen by a hash that nobody can foresee, and no client's moments are removed to make room for
    another's. Not durable, and a damaged record counts as new."""

    def change(self, client: str, change: Callable[[Sequence[float]], Sequence[float] | None]) -> None:
        """Replace the moments of `client` by what `change` makes of them, as many as it is given; 0.0 means none. None
        leaves them as they are. Of several changes, each starts from what the one before has left. `change` may be
        called more than once, and the last call counts; what it raises goes through, and nothing is changed. Raises
        StorageFull or StorageFailed."""


@dataclass(frozen=True)
class Stray:
    """Something in the wrong place, or a temporary thing that nobody needs."""

    name: str
    temporary: bool


class Coordination(Protocol):
    """Everything by which the processes of one store agree. Creating it does nothing."""

    @property
    def change_lock(self) -> ChangeLock: ...

    def bulk_lock(self, bulks: Bulks, patience: float | None = None) -> BulkLock:
        """The lock of these bulks, for a process that sends them. `patience`: the most seconds that anyone waits, where
        waiting is not urgent; None: about as long as its own bulks take."""

    def search_slots(self, count: int) -> SearchSlots: ...

    def work_slots(self, count: int, name: str = "") -> WorkSlots:
        """`name`: of slots that are separate from others, each with a turn of their own; ASCII letters. Raises
        StorageFull or StorageFailed when their folder has to be created."""

    @property
    def journal(self) -> Journal:
        """The journal, one for a process. Raises StorageFull or StorageFailed the first time, when its folder has to be
        created."""

    @property
    def claims(self) -> Claims:
        """What is to be extracted. Raises StorageFull or StorageFailed the first time, when its folder has to be
        created."""

    @property
    def tokens(self) -> Shared: ...

    @property
    def sign_ins(self) -> SignIns: ...

    @property
    def points_in_time(self) -> PointsInTime: ...

    def sign_in_attempts(self, most: int) -> Moments:
        """`most`: how many moments of a client are kept; all users must give the same number, otherwise the records
        begin anew."""

    def maintenance(self) -> AbstractContextManager[None]:
        """Within the block no other command changes the indices of this store. Does not wait. Raises Conflict when
        another command is changing them, StorageFull or StorageFailed."""

    # What a killed process, an earlier version or a person left behind

    def strays(self, grace: float) -> Iterator[Stray]:
        """What is in the medium and should not be: temporary things that were written more than `grace` seconds ago and
        that nobody holds, and things that the store did not make. Raises StorageFailed."""

    def holds(self, name: str) -> bool:
        """Whether there is anything under the name of a temporary stray or an entry of the journal. Raises ValueError
        for any other, StorageFailed."""

    def remove_leftover(self, name: str, grace: float) -> None:
        """Remove a temporary stray, unless it was written less than `grace` seconds ago or somebody holds it. Raises
        ValueError for any other name, StorageFailed."""
