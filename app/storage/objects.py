"""Attachments in an object store: S3, and what `obstore` reaches by another URL. docs/format.md describes the objects.

The names of objects are those of the files of a folder (`attachments/3f0/<id>.bytes`), behind the prefix of the URL, and
`store.json` says whose they are. One server has a prefix to itself: its journal, its queue, its tokens and its notes
(`app.storage.ledger`) are in its data folder.

**Uploads** are received into an unnamed file of the data folder, counted and hashed on the way, and sent to the object store
when they are kept: below a part in one request, above in parts of 5 MiB, so that memory stays the same for any size. Then
they have an id, and a journal entry that names it: what a killed process leaves has a name, and is removed. Nothing of a
slow or broken body ever reaches the object store, and media types are told without a request. An unnamed file is gone
with its process.

**The order of effects** is that of the files: bytes, record; record, bytes. An object is replaced in one step, and what was
written is seen by every later read and listing; the object store promises both. There are three differences:

* A write that got no answer (`StorageUnavailable`), or whose process was killed, may still take effect: minutes later, after
  the attachment was removed. So a removal is noted first, durably, in the data folder. From then on a record under this
  id does not count, for any process of the server; and `sweep` removes all of its objects once more after `GRACE_TIME`,
  an hour, which is longer than a signed request is accepted (15 minutes), before the note goes. Ids are never used
  again. A late write of a text or of passages that has another one after it is damage, which readers see by its digest
  and `scripts/store repair` mends; of a record that was being changed, it is a document that differs, likewise.
* There is no open file. An artefact that is small, or not the bytes, is read whole when it is opened. Later pieces of
  larger ones are asked for one by one, and each comes with the tag of its object: when the object was removed or replaced
  meanwhile, that is an error, and never a mixture.
* Two records with the same content have the same version.

**What is known is kept in memory**: records, outcomes and small texts, 16 MiB for each process, for as long as nothing was
written in the partition (one `stat`). What is read while a write may be under way is not kept. So a HEAD, a 304 or a
hit of a search needs no request, usually.

Rejected: an object under a temporary name, copied to its own by the object store (two requests more for each upload, one of
which takes as long as the file is large, and telling its type takes several); bytes sent under their own name while they
come (what a killed process leaves would have no journal entry, and a slow client would hold a connection); a tombstone
in the place of the record (a late write replaces it); conditional requests (`If-Match`: not every store has them); one
request for all of a large download (a slow client would hold it, and the store ends it).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from app.errors import StorageFailed, StorageFull, StorageUnavailable, WrongStore
from app.files import FOLDER_MODE, LITTER, storage_errors
from app.ids import is_id
from app.storage.bucket import PART, Bucket, Meta, Where
from app.storage.contract import (
    ATTACHMENTS,
    IDENTITY,
    MARGIN,
    PARTITIONS,
    Artefact,
    Changes,
    Content,
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
from app.storage.identity import check_content, plain
from app.storage.incoming import INCOMING, TEMPORARY, remove_leftover, strays_in, sweep
from app.storage.ledger import Ledger
from app.storage.patience import SLOW
from app.storage.receiving import copy

#: Bytes that are read when the bytes of an attachment are opened: a response that has them needs no further request.
FIRST = 128 * 1024
#: Bytes of each further read.
PIECE = 1024 * 1024
#: Bytes of an artefact up to which it is kept in memory, and of all that are.
KEPT, MEMORY = 64 * 1024, 16 * 1024 * 1024
#: What an object takes in that memory besides its content, about.
ENTRY = 500
#: Seconds by which the clocks of server and object store may differ: with more, no signed request is accepted.
SKEW = 900.0
#: Removals that are repeated with one request.
TOGETHER = 150
#: Seconds between two looks at what is to be swept.
SWEEP_INTERVAL = 30.0
#: Bytes of a body between two checks of the free space.
LOOK_EVERY = 64 * 1024 * 1024

_PARTITION = re.compile(r"[0-9a-f]{3}")
_SUFFIXES = frozenset(Artefact)


class _Spool:
    """An unnamed file of the data folder, which is gone when it is closed. Buffered: otherwise a full disk would accept a
    part of what is written, without an error."""

    def __init__(self, folder: Path) -> None:
        with storage_errors():
            self.file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def write(self, data: bytes) -> int:
        with storage_errors():
            return self.file.write(data)

    @property
    def size(self) -> int:
        with storage_errors():
            self.file.flush()
            return os.fstat(self.file.fileno()).st_size

    def read(self, start: int, stop: int) -> bytes:
        try:
            return os.pread(self.file.fileno(), max(0, stop - start), start)
        except OSError as error:
            raise StorageFailed() from error

    def content(self) -> bytes:
        return self.read(0, self.size)

    def pieces(self) -> Iterator[bytes]:
        """Everything, a part at a time."""
        size = self.size
        for start in range(0, size, PART):
            yield self.read(start, min(start + PART, size))

    def close(self) -> None:
        # Bytes that could not be written are no longer needed; the descriptor is closed all the same.
        with contextlib.suppress(OSError):
            self.file.close()


class _StagedBytes:
    def __init__(self, objects: Objects, spool: _Spool, measured: Measured) -> None:
        self.measured = measured
        self._objects = objects
        self._spool = spool

    @property
    def size(self) -> int:
        return self.measured.size

    def read(self, start: int, stop: int) -> bytes:
        return self._spool.read(start, stop)

    def keep(self, attachment_id: str) -> None:
        self._objects._put(attachment_id, Artefact.BYTES, self._spool)

    def discard(self) -> None:
        self._spool.close()


@dataclass(frozen=True)
class _Known:
    """What an artefact was when it was asked for: `meta` None for one that is not there, `content` None where it was not
    read, or is not all that is in it. `stamp`: when its partition had last changed."""

    stamp: int
    meta: Meta | None
    content: bytes | None


class _Cache:
    """What is known, within bounds; the least recently used goes first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._size = 0

    def get(self, name: str, stamp: int) -> _Known | None:
        with self._lock:
            known = self._known.get(name)
            if known is None or known.stamp != stamp:
                return None
            self._known.move_to_end(name)
            return known

    def put(self, name: str, known: _Known) -> None:
        if known.content is not None and len(known.content) > KEPT:
            known = replace(known, content=None)
        with self._lock:
            self._forget(name)
            self._known[name] = known
            self._size += _taken(known)
            while self._size > MEMORY:
                self._forget(next(iter(self._known)))

    def _forget(self, name: str) -> None:
        known = self._known.pop(name, None)
        if known is not None:
            self._size -= _taken(known)


def _taken(known: _Known) -> int:
    return ENTRY + len(known.content or b"")


class _ObjectContent:
    """The bytes of a large object, read piece by piece."""

    location = ""
    file = None

    def __init__(self, objects: Objects, name: str, meta: Meta, first: bytes) -> None:
        self._objects = objects
        self._name = name
        self._meta = meta
        self._first = first
        self._copy: _Spool | None = None

    @property
    def size(self) -> int:
        return self._meta.size

    def local(self) -> BinaryIO:
        if self._copy is None:
            self._objects._check_room()
            spool = _Spool(self._objects.incoming)
            try:
                for chunk in self.chunks(0, self.size):
                    spool.write(chunk)
                with storage_errors():
                    spool.file.flush()
            except BaseException:
                spool.close()
                raise
            self._copy = spool
        with storage_errors():
            self._copy.file.seek(0)
        return self._copy.file

    def read(self, start: int, stop: int) -> bytes:
        stop = min(stop, self.size)
        if start >= stop:
            return b""
        if stop <= len(self._first):
            return self._first[start:stop]
        found = self._objects.bucket.get(self._name, start, stop)
        if found is None or found[1].tag != self._meta.tag:
            raise StorageFailed("The bytes of this attachment were removed meanwhile")
        return found[0]

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        while start < min(stop, self.size):
            # What was read at the beginning first, without asking for it again.
            end = len(self._first) if start < len(self._first) else start + PIECE
            if not (piece := self.read(start, min(end, stop))):
                return
            start += len(piece)
            yield piece

    def close(self) -> None:
        if self._copy is not None:
            self._copy.close()


class Objects:
    """The Storage contract on an object store, for the processes of one server."""

    def __init__(self, where: Where, data: Path, store_id: str, *, reserve: int = 0, checked: bool = False) -> None:
        """`data`: the data folder. `store_id`: the store that the objects belong to. `reserve`: bytes of the data folder's
        filesystem that uploads leave free. `checked`: the caller has seen whose the objects are. The object store is not
        asked yet. Raises StorageFull or StorageFailed."""
        self.bucket = Bucket(where)
        self.reserve = reserve
        self.incoming = data / INCOMING
        self._where = where
        self._data = data
        self._store_id = store_id
        self._ledger = Ledger(data)
        self._cache = _Cache()
        self._lock = threading.Lock()
        self._identified = checked
        self._swept = float("-inf")
        with storage_errors():
            self.incoming.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    # Whose objects these are

    def identify(self) -> None:
        """Make sure that the objects are this store's: `store.json` says so, or is written, where none have been before.
        Raises WrongStore, StorageUnavailable or StorageFailed."""
        if self._identified:
            return
        # Whoever has it waits for the object store.
        if not self._lock.acquire(timeout=SLOW):
            raise StorageUnavailable()
        try:
            self._identify()
        finally:
            self._lock.release()

    def _identify(self) -> None:
        found = self.bucket.get(IDENTITY)
        if found is None:
            if self._ledger.bound(self._where.url):
                raise WrongStore(f"{self._where.url} has lost its {IDENTITY}: it is another bucket, or was emptied")
            if any(True for _ in self.bucket.walk(ATTACHMENTS)):
                raise WrongStore(f"{self._where.url} has attachments, but no {IDENTITY} that says whose they are")
            self.bucket.create(IDENTITY, _encoded(plain(self._store_id)))
            found = self.bucket.get(IDENTITY)
        try:
            check_content(identity_in(found[0] if found else b""), self._store_id)
        except (WrongStore, StorageFailed) as error:
            raise WrongStore(f"{self._where.url} can't be used: {error}") from None
        if not self._ledger.bound(self._where.url):
            self._ledger.bind(self._where.url)
        self._identified = True

    def identity(self) -> Json | None:
        found = self.bucket.get(IDENTITY)
        return None if found is None else identity_in(found[0])

    def keep_identity(self, content: Json) -> None:
        self.bucket.put(IDENTITY, _encoded(content))

    # Reading and writing

    def _known(self, attachment_id: str, artefact: Artefact, *, content: bool) -> _Known:
        """What is known of an artefact, from memory or asked for. `content`: whether it is read, too; of bytes as many as
        FIRST."""
        name = name_of(attachment_id, artefact)
        stamp = self._ledger.changed(partition_of(attachment_id))
        known = self._cache.get(name, stamp)
        if known is not None and (known.meta is None or known.content is not None or not content):
            return known
        self.identify()
        now = time.time()
        known = self._ask(name, artefact, stamp, content)
        if artefact is Artefact.RECORD and known.meta is not None and self._ledger.removed(attachment_id):
            # A write that came late.
            known = _Known(stamp, None, None)
        # Until then, a write that had begun before the change was noted may come.
        if now > stamp / 1e9 + self._where.timeout + MARGIN:
            whole = known.meta is None or known.content is None or len(known.content) == known.meta.size
            self._cache.put(name, known if whole else replace(known, content=None))
        return known

    def _ask(self, name: str, artefact: Artefact, stamp: int, content: bool) -> _Known:
        if not content:
            return _Known(stamp, self.bucket.head(name), None)
        found = self.bucket.get(name, 0, FIRST if artefact is Artefact.BYTES else None)
        return _Known(stamp, None, None) if found is None else _Known(stamp, found[1], found[0])

    def _put(self, attachment_id: str, artefact: Artefact, content: bytes | _Spool) -> None:
        name = name_of(attachment_id, artefact)
        self.identify()
        size = len(content) if isinstance(content, bytes) else content.size
        # Before: what is read from now on may be the old or the new one. After: it is the new one, and after an error it may
        # be either.
        self._ledger.note_change(attachment_id)
        try:
            if size <= PART:
                self.bucket.put(name, content if isinstance(content, bytes) else content.content())
            else:
                pieces = content.pieces() if isinstance(content, _Spool) else _parts(content)
                with self._ledger.uploading(attachment_id, artefact):
                    self.bucket.put_parts(name, pieces)
        finally:
            self._ledger.note_change(attachment_id)

    def _delete(self, attachment_id: str, artefacts: Iterable[Artefact]) -> None:
        names = [name_of(attachment_id, each) for each in artefacts]
        self.identify()
        self._ledger.note_change(attachment_id)
        try:
            self.bucket.delete(names)
        finally:
            self._ledger.note_change(attachment_id)

    # Attachments

    def room(self) -> int:
        with storage_errors():
            stat = os.statvfs(self._data)
        return stat.f_bavail * stat.f_frsize - self.reserve

    def _check_room(self) -> None:
        if self.room() <= 0:
            raise StorageFull()

    def stage(self, chunks: Iterable[bytes], limit: int) -> Staged:
        self._check_room()
        if self.bucket.patience.away:
            # The rest of the body would come in vain.
            raise StorageUnavailable()
        spool = _Spool(self.incoming)
        try:
            measured = copy(self._while_room(chunks), spool.write, limit)
            with storage_errors():
                spool.file.flush()
        except BaseException:
            spool.close()
            raise
        return _StagedBytes(self, spool, measured)

    def _while_room(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        since = 0
        for chunk in chunks:
            yield chunk
            since += len(chunk)
            if since >= LOOK_EVERY:
                since = 0
                self._check_room()

    def check(self) -> None:
        self._check_room()
        _Spool(self.incoming).close()
        self.identify()
        self.bucket.head(IDENTITY)

    def commit(self, attachment_id: str, record: Json) -> None:
        self._put(attachment_id, Artefact.RECORD, _encoded(record))
        if self._ledger.removed(attachment_id):
            # Only a test uses an id again.
            self._ledger.forget_removal(attachment_id)
            self._ledger.note_change(attachment_id)

    def record(self, attachment_id: str) -> Json | None:
        content = self.read(attachment_id, Artefact.RECORD)
        return None if content is None else record_in(content)

    def version(self, attachment_id: str) -> Version | None:
        # With its content: whoever asks for the version asks for the record next, and it is small.
        known = self._known(attachment_id, Artefact.RECORD, content=True)
        return None if known.meta is None else (known.meta.tag, known.meta.size)

    def open(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> Content | None:
        known = self._known(attachment_id, artefact, content=True)
        if known.meta is None:
            return None
        content = known.content or b""
        if len(content) == known.meta.size:
            return HeldContent(content)
        return _ObjectContent(self, name_of(attachment_id, artefact), known.meta, content)

    def read(self, attachment_id: str, artefact: Artefact) -> bytes | None:
        content = self.open(attachment_id, artefact)
        if content is None:
            return None
        with contextlib.closing(content):
            return b"".join(content.chunks(0, content.size))

    def size(self, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> int | None:
        known = self._known(attachment_id, artefact, content=False)
        return None if known.meta is None else known.meta.size

    def remove(self, attachment_id: str) -> None:
        key(attachment_id, Artefact.RECORD)
        self.identify()
        # From here on there is no such attachment.
        self._ledger.note_removal(attachment_id)
        first, *rest = Artefact
        self._delete(attachment_id, (first,))
        self._delete(attachment_id, rest)

    def ids(self) -> Iterator[str]:
        self.identify()
        gone = set(self._ledger.removals(0.0))
        for each in self.bucket.walk(ATTACHMENTS):
            stem, artefact = _parsed(each.name)
            if artefact is Artefact.RECORD and stem not in gone:
                yield stem

    # The text

    def stage_text(self) -> StagedText:
        self._check_room()
        return _Spool(self.incoming)

    def keep_text(self, attachment_id: str, outcome: Json, text: StagedText | None) -> None:
        key(attachment_id, Artefact.TEXT)
        assert text is None or isinstance(text, _Spool)
        if text is not None and text.size:
            self._put(attachment_id, Artefact.TEXT, text)
        else:
            self._delete(attachment_id, (Artefact.TEXT,))
        self._put(attachment_id, Artefact.OUTCOME, _encoded(outcome))

    def outcome(self, attachment_id: str) -> Json | None:
        content = self.read(attachment_id, Artefact.OUTCOME)
        return None if content is None else outcome_in(content)

    def remove_text(self, attachment_id: str) -> None:
        self._delete(attachment_id, (Artefact.OUTCOME,))
        self._delete(attachment_id, (Artefact.TEXT,))

    # The thumbnails

    def keep_thumbnail(self, attachment_id: str, head: bytes, pictures: Iterable[bytes]) -> None:
        self._put(attachment_id, Artefact.THUMBNAIL, b"".join((head, *pictures)))

    def remove_thumbnail(self, attachment_id: str) -> None:
        self._delete(attachment_id, (Artefact.THUMBNAIL,))

    # The passages

    def keep_passages(self, attachment_id: str, content: bytes) -> None:
        self._put(attachment_id, Artefact.PASSAGES, content)

    def remove_passages(self, attachment_id: str) -> None:
        self._delete(attachment_id, (Artefact.PASSAGES,))

    # Artefacts one by one

    def put(self, attachment_id: str, artefact: Artefact, chunks: Iterable[bytes]) -> Measured:
        key(attachment_id, artefact)
        self._check_room()
        with contextlib.closing(_Spool(self.incoming)) as spool:
            # Counted before anything is sent: what `chunks` raise changes nothing.
            measured = copy(self._while_room(chunks), spool.write, sys.maxsize)
            self._put(attachment_id, artefact, spool)
        if artefact is Artefact.RECORD and self._ledger.removed(attachment_id):
            # An attachment that was removed and is copied again.
            self._ledger.forget_removal(attachment_id)
            self._ledger.note_change(attachment_id)
        return measured

    def entries(self, partition: int) -> list[Entry]:
        found = []
        for each in self._in(partition):
            stem, artefact = _parsed(each.name)
            if artefact is not None and not (artefact is Artefact.RECORD and self._ledger.removed(stem)):
                found.append(Entry(stem, artefact, each.size, each.modified))
        return found

    # Walks over everything

    def changed(self, since: Sequence[float]) -> list[int]:
        return [number for number in range(PARTITIONS) if self._ledger.changed(number) / 1e9 >= since[number] - MARGIN]

    def changes(self, partition: int, since: float, among: Collection[str]) -> Changes:
        found = Changes(set(), set(), set())
        changed = self._ledger.changed(partition) / 1e9 >= since - MARGIN
        for each in self._in(partition):
            stem, artefact = _parsed(each.name)
            if artefact in (Artefact.RECORD, Artefact.OUTCOME, Artefact.PASSAGES):
                if artefact is Artefact.RECORD and self._ledger.removed(stem):
                    continue
                # The clock is the object store's.
                if changed and stem in among and each.modified >= since - MARGIN - SKEW:
                    found.modified.add(stem)
                if artefact is not Artefact.PASSAGES:
                    (found.records if artefact is Artefact.RECORD else found.outcomes).add(stem)
        return found

    def listing(self, partition: int) -> Listing:
        ids: dict[str, None] = {}
        foreign = []
        for each in self._in(partition):
            stem, artefact = _parsed(each.name)
            if artefact is not None:
                ids[stem] = None
            elif not LITTER.fullmatch(each.name.rpartition("/")[2]):
                foreign.append(each.name)
        return Listing(sorted(ids), sorted(foreign))

    def _in(self, partition: int) -> Iterator[Meta]:
        self.identify()
        return self.bucket.walk(f"{ATTACHMENTS}/{partition:03x}")

    # What a killed process left behind

    def strays(self, grace: float) -> Iterator[Stray]:
        self.identify()
        folders, objects = self.bucket.level(ATTACHMENTS)
        for name in folders:
            if not _PARTITION.fullmatch(name.rpartition("/")[2]):
                yield Stray(name, temporary=False)
        for name in objects:
            if not LITTER.fullmatch(name.rpartition("/")[2]):
                yield Stray(name, temporary=False)
        yield from strays_in(self._data, self.incoming, grace)
        for attachment_id, artefact in self._ledger.unfinished(grace):
            yield Stray(f"{INCOMING}/{attachment_id}.{artefact}", temporary=True)

    def sweep(self, grace: float) -> list[str]:
        if grace and time.monotonic() < self._swept + SWEEP_INTERVAL:
            return []
        self._swept = time.monotonic()
        removed = sweep(self.incoming, grace)
        late = self._ledger.removals(grace)
        for start in range(0, len(late), TOGETHER):
            ids = late[start : start + TOGETHER]
            self.identify()
            self.bucket.delete([name_of(each, artefact) for each in ids for artefact in Artefact])
            for each in ids:
                self._ledger.note_change(each)
                self._ledger.forget_removal(each)
        for attachment_id, artefact in self._ledger.unfinished(grace):
            self.identify()
            self.bucket.abort(name_of(attachment_id, artefact))
            self._ledger.forget_upload(attachment_id, artefact)
            removed.append(f"{attachment_id}.{artefact}")
        return removed

    def holds(self, name: str) -> bool:
        if (path := self._temporary(name)) is not None:
            with storage_errors():
                return path.exists()
        if name.startswith(f"{INCOMING}/"):
            attachment_id, artefact = self._uploaded(name)
            return any(each == (attachment_id, artefact) for each in self._ledger.unfinished(0.0))
        self._check_name(name)
        self.identify()
        return self.bucket.head(name) is not None

    def remove_leftover(self, name: str, grace: float) -> None:
        if (path := self._temporary(name)) is not None:
            remove_leftover(path, grace)
            return
        if name.startswith(f"{INCOMING}/"):
            attachment_id, artefact = self._uploaded(name)
            if any(each == (attachment_id, artefact) for each in self._ledger.unfinished(grace)):
                self.bucket.abort(name_of(attachment_id, artefact))
                self._ledger.forget_upload(attachment_id, artefact)
            return
        self._check_name(name)
        self.identify()
        found = self.bucket.head(name)
        if found is not None and (not grace or time.time() - found.modified >= grace):
            stem, artefact_of_it = _parsed(name)
            if artefact_of_it is None:
                self.bucket.delete([name])
            else:
                self._delete(stem, (artefact_of_it,))

    def _check_name(self, name: str) -> None:
        """Raises ValueError for a name that leads elsewhere."""
        parts = PurePosixPath(name).parts
        if {"..", "."} & set(parts) or not name.isprintable() or len(parts) < 2 or parts[0] != ATTACHMENTS:
            raise ValueError("not a name of the storage")

    def _temporary(self, name: str) -> Path | None:
        """The temporary file of this name; None where it is none."""
        folder, _, stem = name.partition("/")
        return self.incoming / stem if folder == INCOMING and TEMPORARY.fullmatch(stem) else None

    def _uploaded(self, name: str) -> tuple[str, Artefact]:
        stem, artefact = _split(name.removeprefix(f"{INCOMING}/"))
        if artefact is None:
            raise ValueError("not a name of the storage")
        return stem, artefact


def _encoded(record: Json) -> bytes:
    return (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode()


def _parts(content: bytes) -> Iterator[bytes]:
    return (content[start : start + PART] for start in range(0, len(content), PART))


def _split(name: str) -> tuple[str, Artefact | None]:
    stem, _, suffix = name.rpartition(".")
    return (stem, Artefact(suffix)) if suffix in _SUFFIXES and is_id(stem) else (stem, None)


def _parsed(name: str) -> tuple[str, Artefact | None]:
    """The id and artefact of an object's name; None as the artefact for one that does not belong where it is."""
    stem, artefact = _split(name.rpartition("/")[2])
    return stem, artefact if artefact is not None and name == name_of(stem, artefact) else None
