"""What is still to be extracted: a claim for each attachment, so that no process has to read all records.

    <id>           {"tenant": ..., "left": [stage, ...], "begun": n, "tried": n, "refused": n, "unfit": n, "put_back": n,
                   "again": bool}; an earlier version wrote `pictures` (bool) for `left`, or no tenant, or nothing
    scanned        in which epoch, and for which files, all records were checked
    readers        which readers have tried what was found then
    controlled     written when one of the processes has found out what this machine can read
    unfit-<kind>   what keeps this machine from reading such documents; missing when it can read them

An entry is made before its upload is acknowledged and removed when the text is in the index. The process that works on
it holds it. Nothing is synced for it: a killed process loses no entry; after a power cut, which may lose some, all
names are checked once (an extractable attachment without an `.extraction` file is still to be extracted).

The work on an attachment has stages, each with a lane of its own (app/extraction/lanes.py): its text is extracted, its
thumbnails are drawn, the text in its pictures is recognized, and the whole text is cut into passages that are given
vectors. An entry says which stages are left, the next one first, and its counts are those of the next one.
"""

from __future__ import annotations

import contextlib
import json
import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.coordination.contract import Claim, Claims
from app.errors import StoreError
from app.extraction.kinds import Kind

#: The most new uploads of this process that are remembered and taken first; the others are found in the folder.
FRESH = 10_000
#: The keys of an entry's JSON.
_SAID = ("tenant", "left", "begun", "tried", "refused", "unfit", "put_back", "again")

Stage = Literal["text", "thumbnail", "recognition", "passages"]
#: All stages, in the order in which they are done.
STAGES: tuple[Stage, ...] = get_args(Stage)


def in_order(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """These, with the one behind all others that needs the whole text."""
    return tuple(sorted(stages, key=lambda each: each == "passages"))


@dataclass
class QueueEntry:
    """One attachment to extract, locked by this object until `close` or `done`."""

    id: str
    #: The claim; None where the entry was only read.
    claim: Claim | None
    #: How often work on it began, and how often it came to an end without success.
    begun: int = 0
    tried: int = 0
    #: How often Elasticsearch did not accept its text.
    refused: int = 0
    #: How often it could not be read because of this machine.
    unfit: int = 0
    #: How often reading it was stopped in favour of other documents.
    put_back: int = 0
    #: Whether it has to be done again although it was done before.
    again: bool = False
    #: The stages that are left, the next one first; empty in an entry of an earlier version that does not say it.
    left: tuple[Stage, ...] = ()
    #: The tenant of the attachment; None when the entry does not say it.
    tenant: str | None = None

    @property
    def late(self) -> bool:
        """Whether it failed or was stopped before, so that it waits behind documents that may be quick."""
        return max(self.tried, self.refused, self.unfit, self.put_back) > 0

    @property
    def stage(self) -> Stage:
        """The next stage."""
        return self.left[0] if self.left else "text"

    @property
    def reads(self) -> bool:
        """Whether something of its text is left to do."""
        return not self.left or not set(self.left) <= {"thumbnail", "passages"}

    def go_on(self) -> bool:
        """The current stage is done: go on to the next one, with counts at zero. Returns whether none is left. Raises
        StorageFull or StorageFailed."""
        self.left = self.left[1:]
        if not self.left:
            self.done()
            return True
        self.begun = self.tried = self.refused = self.unfit = self.put_back = 0
        self.save()
        return False

    def save(self) -> None:
        """Save the attributes of this object. Raises StorageFull or StorageFailed."""
        self._held.save(self._content())

    def secure(self) -> None:
        """Make the entry survive a power cut: afterwards there may be a text that the index does not have."""
        self._held.secure()

    def done(self) -> None:
        """Nothing is left to do. A failure to remove the entry is no error: it is checked once more."""
        self._held.done()

    def leave_out(self, stage: Stage) -> None:
        """Nobody does this stage any more, which is one of those that are left. Raises StorageFull or StorageFailed."""
        self.left = tuple(each for each in self.left if each != stage)
        if self.left:
            self.save()
        else:
            self.done()

    def close(self) -> None:
        """Release the entry, done or not."""
        if self.claim is not None:
            self.claim.close()

    def saved(self) -> float:
        """When it was saved last, in seconds since 1970. Raises StorageFailed."""
        return self._held.saved()

    @property
    def _held(self) -> Claim:
        assert self.claim is not None
        return self.claim

    def _content(self) -> bytes:
        return json.dumps({name: getattr(self, name) for name in _SAID}).encode()


class Queue:
    """The entries of one store."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        #: By stage.
        self.fresh: dict[Stage, queue.Queue[tuple[str, str | None]]] = {each: queue.Queue(FRESH) for each in STAGES}

    def add(
        self, attachment_id: str, tenant: str | None = None, *, left: tuple[Stage, ...] = (), again: bool = False
    ) -> None:
        """Queue an attachment for extraction. `tenant`: its tenant; None: the one in its record. `left`: the stages to
        do, in order; empty: those that follow from its record. `again`: even if it was done before. Raises StorageFull
        or StorageFailed."""
        made = QueueEntry(attachment_id, None, tenant=tenant, left=left, again=again)
        if not self._claims.add(attachment_id, made._content()):
            self._add_to(attachment_id, tenant, left, again)
        self.hand_over(attachment_id, tenant, left[0] if left else "text")

    def _add_to(self, attachment_id: str, tenant: str | None, left: tuple[Stage, ...], again: bool) -> None:
        # A process works on an entry that is locked.
        entry = self.take(attachment_id)
        if entry is None:
            return
        with contextlib.closing(entry):
            if again and left == ("passages",) and entry.left != left:
                # They are made behind what is left, anew as its text is.
                again = False
            if again:
                entry.begun = entry.tried = entry.refused = entry.unfit = entry.put_back = 0
                entry.tenant, entry.again, entry.left = tenant, True, left
                entry.save()
            elif entry.left and not set(left) <= set(entry.left):
                entry.left = in_order((*entry.left, *(each for each in left if each not in entry.left)))
                entry.save()

    def hand_over(self, attachment_id: str, tenant: str | None, stage: Stage) -> None:
        """Tell the threads of this process that do the entry's stage; otherwise they would find it later."""
        with contextlib.suppress(queue.Full):
            self.fresh[stage].put_nowait((attachment_id, tenant))

    def has(self, attachment_id: str) -> bool:
        """Whether anything is left to do with the attachment."""
        return self._claims.has(attachment_id)

    def reads(self, attachment_id: str) -> bool:
        """Whether a stage of its text is left to do. Raises StorageFailed."""
        said = self._peeked(attachment_id)
        return said is not None and said.reads

    def draws(self, attachment_id: str) -> bool:
        """Whether its thumbnails are left to draw. Raises StorageFailed."""
        said = self._peeked(attachment_id)
        return said is not None and "thumbnail" in said.left

    def ids(self) -> Iterator[str]:
        """The ids of all entries, read as the caller asks for them; in no order. Raises StorageFailed."""
        yield from self._claims.names()

    def count(self) -> int:
        """How many entries there are. Raises StorageFailed."""
        return sum(1 for _ in self.ids())

    def take(self, attachment_id: str) -> QueueEntry | None:
        """The entry, locked for the caller; None when there is none or it is held already. Raises StorageFailed."""
        claim = self._claims.take(attachment_id)
        return None if claim is None else _read(QueueEntry(attachment_id, claim), claim.content)

    def peek(self, attachment_id: str) -> QueueEntry:
        """The entry without its lock, held or not; an empty one if it is gone. Raises StorageFailed."""
        return self._peeked(attachment_id) or QueueEntry(attachment_id, None)

    def _peeked(self, attachment_id: str) -> QueueEntry | None:
        content = self._claims.read(attachment_id)
        return None if content is None else _read(QueueEntry(attachment_id, None), content)

    # What this machine can't read, whatever the document: for all processes, and for /health

    def note_unfit(self, kind: str, detail: str | None) -> None:
        """Note what keeps this machine from reading documents of a kind; None: nothing does. A failure to write the
        note is no error: it has the same cause."""
        with contextlib.suppress(StoreError):
            self._claims.note(f"unfit-{kind}", None if detail is None else detail.encode())

    def unfit(self) -> list[str]:
        """The kinds of document that this machine can't read, sorted. Raises StorageFailed."""
        return [kind for kind in sorted(get_args(Kind)) if self._claims.noted(f"unfit-{kind}") is not None]

    @contextlib.contextmanager
    def control(self, since: float) -> Iterator[bool | None]:
        """Whether this process is to find out what this machine can read: False when another one has since `since`, in
        seconds since 1970; None while another is at it. Noted as done when the block ends without error. Where it can't be
        noted each process finds out for itself: that is no error, but what is wrong with the machine."""
        try:
            controlled = self._claims.take_note("controlled")
        except StoreError:
            yield True
            return
        if controlled is None:
            yield None
            return
        with contextlib.closing(controlled):
            # A new one is empty, and as old as it is.
            if controlled.content and controlled.saved() >= since:
                yield False
                return
            yield True
            with contextlib.suppress(StoreError):
                controlled.save(b"done")

    # Entries that a power cut, a time without extraction or another set of kinds may have left out

    @contextlib.contextmanager
    def scan(self, condition: str, readers: str) -> Iterator[Literal["missing", "failed"] | None]:
        """What to look for in all records now: None when that was done in this epoch, under the same `condition` and
        for these `readers`, or when another process is doing it; what is missing; or also what failed, if other readers
        tried it. Noted as done when the block ends without error."""
        scanned = self._claims.take_note("scanned")
        if scanned is None:
            yield None
            return
        wanted = f"{self._claims.epoch} {condition}".encode()
        with contextlib.closing(scanned):
            others = self._claims.noted("readers") != readers.encode()
            if not others and scanned.content == wanted:
                yield None
                return
            yield "failed" if others else "missing"
            self._claims.note("readers", readers.encode())
            scanned.save(wanted)

    def forget_scan(self) -> None:
        """Have all records checked at the next start: something may have been left out. Raises StorageFailed."""
        self._claims.note("scanned", None)


def _read(entry: QueueEntry, said: bytes) -> QueueEntry:
    try:
        content = json.loads(said)
        entry.begun, entry.tried = int(content["begun"]), int(content["tried"])
        entry.again = bool(content["again"])
        entry.refused, entry.unfit = int(content.get("refused", 0)), int(content.get("unfit", 0))
        entry.put_back = int(content.get("put_back", 0))
        entry.left = _left(content)
        entry.tenant = None if content.get("tenant") is None else str(content["tenant"])
    except (ValueError, KeyError, TypeError):
        # It is new, or its writer was killed: the counts start at zero.
        entry.begun = entry.tried = 0
        entry.left = ()
    return entry


def _left(content: dict[str, Any]) -> tuple[Stage, ...]:
    """The stages that an entry names. Raises ValueError, TypeError."""
    if "left" not in content:
        # An entry of an earlier version, which did not draw.
        return ("recognition", "thumbnail") if content.get("pictures", False) else ()
    return tuple(STAGES[STAGES.index(each)] for each in content["left"])
