"""What the processes of a store agree by. All other rooms name `Coordination` and what is in here, and no
implementation.

What holds for all methods:

* **Errors** are StorageFull (there is no room) and StorageFailed (anything else that the medium says), and those that a
  method names. Where a method says that it is a courtesy, a medium that fails stops nobody.
* **Held** is what a `Hold`, a slot, an entry or a claim is until it is closed, by one process. It ends with its process
  however that ends, also by a kill, and whoever comes next finds what was said by then; nobody has to clear it away. It
  is passed on to no process that is started meanwhile.
* **Several at once**: any number of threads and processes. Two threads of a process are to each other as two processes
  are. What is held is of one thread at a time.
* **Atomic**: whoever reads finds all of an old content or all of a new one, except where a method says otherwise.
* **Durable** is only what a method calls so: it is still there when the power goes right after it has returned.
  Everything else survives the end of any process, and may be lost with the power.
* **Nothing leaves** but values: no path and no descriptor. The name that a thing has for people is told, and means
  nothing else.

Rejected: docs/adr/0020-coordination-contract.md.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Json = dict[str, Any]
#: What tells a content from one that is written later; never from one before it.
Version = Hashable

#: Seconds that a change waits for somebody to have been alone, before it is refused with 503.
PATIENCE = 3.0

#: What an entry of the journal is about.
Kind = Literal["upload", "delete", "change"]

#: Groups of clients whose moments are kept.
RECORDS = 16384

#: What goes to the index in bulks of its own.
Bulks = Literal["documents", "texts"]


class Hold(Protocol):
    """Something that is held until it is closed."""

    def close(self) -> None:
        """Let go. Twice is no error."""


class ChangeLock(Protocol):
    """Held shared by whoever changes attachments or chats, and exclusively by who must be alone for a moment: who puts
    another index in the place of the present one, or writes records anew. Neither keeps out the other for ever."""

    def shared(self, patience: float = PATIENCE) -> Hold:
        """Begin a change. `patience`: seconds to wait while somebody is alone. May be held again inside a change, also
        while somebody waits to be alone. Raises IndexUnavailable after that time, StorageFull or StorageFailed: then
        nothing is held."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Within it nobody holds it, and who began a change before it has ended that. Waits until that is so, keeping
        new changes out for a second at most at a time. Not to be entered inside a change. Raises StorageFull or
        StorageFailed."""


class BulkLock(Protocol):
    """One bulk at a time, of all processes that write to one index. Of one thread of a process at a time.

    It is a courtesy: whoever has waited for as long as a bulk takes goes all the same, and so does whoever can't ask.
    So a process that stands still within it delays each bulk of the others by that much, and stops none.
    """

    def held(self) -> AbstractContextManager[None]:
        """Within it others wait. Waits until nobody else is in it, or long enough; raises nothing."""


class SearchSlots(Protocol):
    """So many places for searches that may take long, of all processes together."""

    def place(self, left: Callable[[], float]) -> AbstractContextManager[ExitStack]:
        """Wait for a free place and hold it. `left`: seconds that are left; what it raises when none are ends the wait.
        Whoever takes what is in the stack that is handed out (`pop_all`) holds the place on. It is a courtesy: where
        nobody can say which places are free, nobody waits."""


class WorkSlot(Protocol):
    """A slot that is held until it is closed."""

    @property
    def number(self) -> int:
        """Which one it is, from 0."""

    def say(self, content: Json) -> None:
        """Tell the others what is done in it, in the place of what was said before. Who reads it at this very moment
        may find nothing. Raises StorageFull or StorageFailed."""

    def close(self) -> None:
        """Let go of it, and of what was said. Twice is no error."""


class WorkSlots(Protocol):
    """So many slots for work that takes long, of all processes together. `count`: how many; those who use the same
    slots say the same number."""

    @property
    def count(self) -> int: ...

    def free(self) -> AbstractContextManager[WorkSlot | None]:
        """One of them, held within the block, in which nothing was said yet; None when others have all. Waits for
        nobody. Raises StorageFull or StorageFailed."""

    def said(self, besides: int | None = None) -> list[Json]:
        """What was said last in each slot that somebody has; empty where nothing was. What a killed process said counts
        for nothing. `besides`: the number of one that is left out. Raises StorageFailed."""

    def turn(self) -> AbstractContextManager[Json]:
        """Be the only one within the block, waiting for it; what is handed out is what the last one left there, empty
        at first or when it is damaged, and kept as it is at the end of a block that fails not. Not durable, and whoever
        is killed while it is written leaves it empty. Raises StorageFull or StorageFailed."""


class JournalEntry(Protocol):
    """One undecided piece of work, held until it is closed or settled; by then the change lock is held shared, too, but
    for one that was begun `alone`. `ids`: of the attachments that it is about."""

    @property
    def kind(self) -> Kind: ...

    @property
    def ids(self) -> list[str]: ...

    @property
    def name(self) -> str:
        """For people."""

    def settled(self, *, durable: bool = False) -> None:
        """The work is decided: the entry goes. Raises nothing: where it can't be removed, it is decided once more,
        which does no harm.

        `durable`: not even a power cut brings it back, or what it brings back stands for nothing. An upload of several
        files needs that: once one of them is deleted, its entry would say that the others are half an upload.
        """

    def close(self) -> None:
        """Let go of the entry; if it was not settled, it is undecided, and the next look at the journal takes it up.
        Twice is no error."""


class Journal(Protocol):
    """What is under way and not yet decided, so that whatever is killed and whenever, somebody can finish it.

    An entry is there before the first effect of an upload or a delete and goes after the last. It is held by whoever
    works on it: one that nobody holds has lost its worker, or was left on purpose because Elasticsearch did not say
    what it did.
    """

    def begin(self, kind: Kind, ids: list[str], *, durable: bool, alone: bool = False) -> JournalEntry:
        """Write an entry and hold it, whole or not at all: nobody ever sees a part of it, or one without its holder.
        `durable`: it is durable before this returns. `alone`: the caller holds the change lock exclusively, and holds
        it shared for what is left to do.

        Raises StorageFull or StorageFailed, or IndexUnavailable while the index is being exchanged; then there is no
        entry.
        """

    def count(self) -> int:
        """How many entries there are, those at work among them. Raises StorageFailed."""

    def ids(self, kind: Kind | None = None) -> set[str]:
        """The ids of all entries, held or not: what index and files say of these is not decided. An entry that comes or
        goes meanwhile may be among them. `kind`: only those of such entries. Raises StorageFull or StorageFailed."""

    def abandoned(self) -> Iterator[JournalEntry]:
        """The entries that nobody holds, each held for the caller, who settles or closes it: of several who look at
        once, one has it. One that can't be read keeps nobody from the others.

        Raises IndexUnavailable while the index is being exchanged, StorageFull or StorageFailed.
        """

    def undecided(self) -> list[str]:
        """The names of the entries that nobody holds, in their order; changes nothing. Raises StorageFailed."""


class Claim(Protocol):
    """Something that is to be done, or a note, held until it is closed."""

    @property
    def content(self) -> bytes:
        """What was there when it was taken."""

    def saved(self) -> float:
        """When the content was written last, in seconds since 1970. Raises StorageFailed."""

    def save(self, content: bytes) -> None:
        """Put another content in its place, of at most 1000 bytes. Not atomic: who reads meanwhile, and who comes after
        one that was killed at it, may find neither the old nor the new; so whoever writes can tell damage from content.
        Raises StorageFull or StorageFailed."""

    def secure(self) -> None:
        """On return it is durable, with what was saved last. Raises StorageFull or StorageFailed."""

    def done(self) -> None:
        """Nothing is left to do: it goes, and is let go of. Raises nothing: where it can't be removed, it is there
        again, with what was saved last."""

    def close(self) -> None:
        """Let go of it. Twice is no error."""


class Claims(Protocol):
    """What is to be done, of which each is done by one at a time: a small content for each attachment, under its id,
    which is anything that `app.ids.is_id` has; and notes for all who do it. A name that is none is a ValueError before
    anything is done.

    Not durable but what was secured: `epoch` tells when others may have been lost.
    """

    def add(self, name: str, content: bytes) -> bool:
        """Put it where there is none; whether there was none. Nobody has it then. Who takes it at this very moment may
        find it empty. Raises StorageFull or StorageFailed: then it may be there, empty or in part."""

    def take(self, name: str) -> Claim | None:
        """Hold it; None when there is none, or somebody has it. Waits for nobody. Raises StorageFailed."""

    def read(self, name: str) -> bytes | None:
        """Its content, whoever has it; None when there is none. Raises StorageFailed."""

    def has(self, name: str) -> bool:
        """Whether there is one, whoever has it. Raises StorageFailed."""

    def names(self) -> Iterator[str]:
        """The names of all that are there when the walk begins and still are, each once, read as they are asked for, in
        no order; of those that come or go meanwhile, any. Raises StorageFailed."""

    @property
    def epoch(self) -> str:
        """Another text whenever what was not secured may have been lost: here, with each start of the machine."""

    def take_note(self, note: str) -> Claim | None:
        """As `take`, of a note, which is made when it is missing. Raises StorageFull or StorageFailed."""

    def note(self, note: str, content: bytes | None) -> None:
        """Write a note in the place of what it said, as `Claim.save` does; None: there is none. `note`: `scanned`,
        `readers`, `controlled`, or `unfit-` and a word. Raises StorageFull or StorageFailed."""

    def noted(self, note: str) -> bytes | None:
        """What a note says, of which the first 1000 bytes; None when there is none. Raises StorageFailed."""


class Shared(Protocol):
    """One small content that all processes share: the tokens."""

    def version(self) -> Version | None:
        """What the content is known by as long as it is not written anew; None when it never was. Cheap: it is asked
        with every request. Raises StorageFailed."""

    def read(self) -> bytes | None:
        """All of it, of the version that was told last, or a later one; None when it was never written. Raises
        StorageFailed."""

    def change(self, change: Callable[[bytes | None], bytes | None]) -> None:
        """Replace the content by what `change` makes of it, durably; None leaves it as it is. Of several changes each
        is made of what the one before has left. `change` may be called more than once, of which the last one counts;
        what it raises goes through, and nothing is changed. Raises StorageFull or StorageFailed: then it is the old or
        the new content."""


class SignIns(Protocol):
    """Small records by name: who is signed in. A name is 64 hex digits in lower case, drawn at random; any other is a
    ValueError before anything is done."""

    def add(self, name: str, content: bytes) -> None:
        """A new record, durably. Raises StorageFull or StorageFailed: then there is none, or it is whole."""

    def read(self, name: str) -> bytes | None:
        """None where there is no such record. Raises StorageFailed."""

    def remove(self, name: str) -> None:
        """From here on nobody reads it. What is not there is no error. Raises StorageFailed."""

    def written(self) -> dict[str, float]:
        """The names of all records, and when each was written (seconds since 1970); of those that come or go meanwhile,
        any. Raises StorageFailed."""


@dataclass(frozen=True)
class Record:
    """`until`: seconds since 1970."""

    content: bytes
    until: float


class PointsInTime(Protocol):
    """Small records by name, in groups, which hold for a while and are bounded: the points in time of tenants. A group
    has the form of a tenant's name, a name is 43 characters of Base64 for URLs, drawn at random; any other is a
    ValueError before anything is done. Not durable."""

    def add(self, group: str, name: str, content: bytes, until: float, most: int) -> bool:
        """A new record, unless its group has `most` that have not expired: of several who add at once, none is one too
        many. Returns whether it was added. What has expired, of any group, goes. Raises StorageFull or
        StorageFailed."""

    def replace(self, group: str, name: str, content: bytes, until: float) -> bool:
        """Put another content and time into a record; whether it is there. One that was removed stays removed, also
        when that happens at this moment. Raises StorageFull or StorageFailed."""

    def read(self, group: str, name: str) -> Record | None:
        """None where there is no such record; one that has expired may still be there. While it is replaced, its time
        may still be the earlier one. Raises StorageFailed."""

    def remove(self, group: str, name: str) -> None:
        """From here on nobody reads it. What is not there is no error. Raises StorageFull or StorageFailed."""


class Moments(Protocol):
    """A few moments of each of any number of clients, in bounded room: a client shares them with one in `RECORDS`
    others, by chance that nobody can foresee, and nobody's go to make room for another's. Not durable, and what is
    damaged counts as new."""

    def change(self, client: str, change: Callable[[Sequence[float]], Sequence[float] | None]) -> None:
        """Replace the moments of `client` by what `change` makes of them, as many as it is given; 0.0 is none. None
        leaves them as they are. Of several changes each is made of what the one before has left. `change` may be called
        more than once, of which the last one counts; what it raises goes through, and nothing is changed. Raises
        StorageFull or StorageFailed."""


@dataclass(frozen=True)
class Stray:
    """Something that does not belong where it is, or a temporary thing that nobody needs."""

    name: str
    temporary: bool


class Coordination(Protocol):
    """Everything that the processes of one store agree by. Making it does nothing."""

    @property
    def change_lock(self) -> ChangeLock: ...

    def bulk_lock(self, bulks: Bulks, patience: float | None = None) -> BulkLock:
        """The lock of these bulks, for one that sends them. `patience`: seconds that anybody waits at most, where it is
        no matter of moments; None: about as long as its own bulks take."""

    def search_slots(self, count: int) -> SearchSlots: ...

    def work_slots(self, count: int, name: str = "") -> WorkSlots:
        """`name`: of slots apart from others, each with a turn of its own; letters of ASCII. Raises StorageFull or
        StorageFailed where room for them has to be made."""

    @property
    def journal(self) -> Journal:
        """One for a process. Raises StorageFull or StorageFailed the first time, where room for it has to be made."""

    @property
    def claims(self) -> Claims:
        """What is to be extracted. Raises StorageFull or StorageFailed the first time, where room for it has to be
        made."""

    @property
    def tokens(self) -> Shared: ...

    @property
    def sign_ins(self) -> SignIns: ...

    @property
    def points_in_time(self) -> PointsInTime: ...

    def sign_in_attempts(self, most: int) -> Moments:
        """`most`: how many moments of a client are kept; those who use them say the same number, or they begin anew."""

    def maintenance(self) -> AbstractContextManager[None]:
        """Within it no other command changes the indices of this store. Waits for nobody. Raises Conflict when one is
        at it, StorageFull or StorageFailed."""

    # What a killed process, an earlier version or somebody's hand left behind

    def strays(self, grace: float) -> Iterator[Stray]:
        """What lies beside all this and should not: temporary things that were written longer than `grace` seconds ago
        and that nobody holds, and what is not of the store. Raises StorageFailed."""

    def holds(self, name: str) -> bool:
        """Whether there is anything under the name of a temporary stray or an entry of the journal. Raises ValueError
        for any other, StorageFailed."""

    def remove_leftover(self, name: str, grace: float) -> None:
        """Remove a temporary stray, unless it was written less than `grace` seconds ago or somebody holds it. Raises
        ValueError for any other name, StorageFailed."""
