"""Attachments on a filesystem. docs/format.md describes the files, for people with `sha256sum` and `jq`.

    <data>/attachments/<3 hex>/<id>.bytes     the bytes
    <data>/attachments/<3 hex>/<id>.json      the record; its rename into place is the commit point
    <data>/attachments/<3 hex>/<id>.text      the text inside, UTF-8, as much of it as is indexed; missing when there is none
    <data>/attachments/<3 hex>/<id>.extraction   how its extraction ended (JSON); missing while it has not
    <data>/attachments/<3 hex>/<id>.thumbnail    how its drawing ended (a line of JSON), and the thumbnails behind that
    <data>/attachments/<3 hex>/<id>.passages     the passages of the text with their vectors; missing until they are made
    <data>/store.json                         whose attachments these are (JSON)
    <data>/incoming/                          temporary files, each locked by the process that writes it

The folder of an id is its partition, the first three hex digits of its SHA-256, so it follows from the id alone and 4,096
folders fill evenly whatever form the ids have. Rejected: a folder for each attachment (one more directory to create and to
sync for every upload), and folders by time (a day's uploads all in one).

Every artefact is added by a rename and removed by an unlink in its folder. So nobody ever sees half of one, the
folder's own mtime tells that something in it has changed, and a record's inode and times distinguish it from the next
one.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from app.errors import StorageFailed, StorageFull
from app.files import (
    FOLDER_MODE,
    Writer,
    create_temporary,
    listed,
    replacing,
    storage_errors,
    sync_folder,
)
from app.ids import is_id
from app.storage.contract import (
    ATTACHMENTS,
    IDENTITY,
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
    outcome_in,
    partition_of,
    record_in,
)
from app.storage.incoming import INCOMING, remove_leftover, strays_in, sweep
from app.storage.receiving import copy
from app.telemetry import measures

#: Bytes of the first read of a file, which is more than a record has, and of each further read, for example of a text.
SMALL_FILE = 16 * 1024
LARGE_PIECE = 1024 * 1024
#: Bytes of each piece of a file that `chunks` yields.
PIECE = 256 * 1024
#: Bytes of a body between two checks of the free space: a body without a length can have any size, and others fill the
#: disk too.
LOOK_EVERY = 64 * 1024 * 1024

# Looked up once: reading the value of an enumeration's member takes as long as a line of code.
_RECORD, _OUTCOME, _BYTES, _PASSAGES = Artefact.RECORD, Artefact.OUTCOME, Artefact.BYTES, Artefact.PASSAGES
_SUFFIXES = frozenset(f".{each}" for each in Artefact)
_ARTEFACTS = {str(each): each for each in Artefact}
_PARTITION = re.compile(r"[0-9a-f]{3}")
# Temporary files that earlier versions wrote beside the file that they were to replace; now they are in `incoming`.
_REPLACEMENT = re.compile(r"\.[\w.-]+\.new")


class _StagedFile:
    """Bytes in `incoming`. The open descriptor holds the file's lock, which tells a sweep that the file is in use."""

    def __init__(self, path: Path, file: BinaryIO, measured: Measured, final: Callable[[str], str]) -> None:
        self.measured = measured
        self._path = path
        self._file = file
        self._final = final
        self._kept = False

    @property
    def size(self) -> int:
        return self.measured.size

    def read(self, start: int, stop: int) -> bytes:
        return _read(self._file, start, stop)

    def keep(self, attachment_id: str) -> None:
        target = self._final(attachment_id)
        with storage_errors():
            os.rename(self._path, target)
        self._kept = True

    def discard(self) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        if self._kept:
            return
        # The sweep removes what can't be removed now.
        with contextlib.suppress(OSError):
            self._path.unlink()


class _StagedText:
    """Text in `incoming`, locked like bytes."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._raw = file
        #: Buffered: otherwise a full disk would accept a part of what is written, without an error.
        self.file: BinaryIO = io.BufferedRandom(file)  # type: ignore[arg-type]

    def content(self) -> bytes:
        with storage_errors():
            self.file.flush()
            return os.pread(self._raw.fileno(), os.fstat(self._raw.fileno()).st_size, 0)

    def sync(self) -> bool:
        """Make the text durable; False when it is empty. Raises OSError."""
        self.file.flush()
        if not os.fstat(self._raw.fileno()).st_size:
            return False
        os.fsync(self._raw.fileno())
        return True

    def close(self) -> None:
        # Bytes that could not be written are no longer needed; the descriptor is closed all the same.
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


class _FileContent:
    """An artefact, open as a file."""

    def __init__(self, file: BinaryIO, size: int, location: str) -> None:
        self.file: BinaryIO = file
        self.size = size
        self.location = location

    def local(self) -> BinaryIO:
        with storage_errors():
            self.file.seek(0)
        return self.file

    def read(self, start: int, stop: int) -> bytes:
        return _read(self.file, start, stop)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        while start < stop and (piece := _read(self.file, start, min(start + PIECE, stop))):
            start += len(piece)
            yield piece

    def close(self) -> None:
        self.file.close()


def _read(file: BinaryIO, start: int, stop: int) -> bytes:
    try:
        return os.pread(file.fileno(), max(0, stop - start), start)
    except OSError as error:
        raise StorageFailed() from error


class Filesystem:
    """The Storage contract on a folder of a local filesystem with working rename, fsync and flock."""

    def __init__(self, data: Path, *, reserve: int = 0) -> None:
        """`data`: the data folder. `reserve`: bytes of the filesystem that uploads leave free. Creates missing folders.
        Raises StorageFull or StorageFailed."""
        self.reserve = reserve
        self._data = data
        self._incoming = data / INCOMING
        self._attachments = data / ATTACHMENTS
        self._prefix = f"{self._attachments}/"
        with storage_errors():
            for folder in (self._incoming, self._attachments):
                folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            for number in range(PARTITIONS):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self._folder(number), FOLDER_MODE)
            sync_folder(self._attachments)
            sync_folder(data)

    # Names

    def _path(self, attachment_id: str, artefact: Artefact) -> Path:
        return Path(self._name(attachment_id, artefact))

    def _name(self, attachment_id: str, artefact: Artefact) -> str:
        # Every read needs a path, and a Path object takes ten times as long to make.
        return f"{self._prefix}{key(attachment_id, artefact)}"

    def _folder(self, partition: int) -> str:
        return f"{self._prefix}{partition:03x}"

    def _folder_of(self, attachment_id: str) -> Path:
        return Path(self._folder(partition_of(attachment_id)))

    def _named(self, name: str) -> Path:
        """The path for a name that the storage returned. Raises ValueError for a name that leads elsewhere."""
        parts = PurePosixPath(name).parts
        if ".." in parts or "\0" in name or len(parts) < 2 or parts[0] not in (ATTACHMENTS, INCOMING):
            raise ValueError("not a name of the storage")
        return self._data / name

    # Attachments

    def room(self) -> int:
        with storage_errors():
            stat = os.statvfs(self._data)
        return stat.f_bavail * stat.f_frsize - self.reserve

    def check(self) -> None:
        self.stage([], 0).discard()

    def stage(self, chunks: Iterable[bytes], limit: int) -> Staged:
        return self._stage(chunks, limit, _BYTES)

    def _stage(self, chunks: Iterable[bytes], limit: int, artefact: Artefact) -> _StagedFile:
        if self.room() <= 0:
            raise StorageFull()
        path, file = self._create_temporary()
        try:
            measured = copy(self._while_room(chunks), Writer(file).write, limit)
            with storage_errors(), measures.step("fsync"):
                os.fsync(file.fileno())
        except BaseException:
            file.close()
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return _StagedFile(path, file, measured, functools.partial(self._name, artefact=artefact))

    def _while_room(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        since = 0
        for chunk in chunks:
            yield chunk
            since += len(chunk)
            if since >= LOOK_EVERY:
                since = 0
                if self.room() <= 0:
                    raise StorageFull()

    def _create_temporary(self) -> tuple[Path, BinaryIO]:
        with storage_errors():
            return create_temporary(self._incoming)

    def commit(self, attachment_id: str, record: Json) -> None:
        self._replace(self._path(attachment_id, Artefact.RECORD), record)

    def _replace(self, target: Path, record: Json) -> None:
        """Write a JSON file in one step that survives a power cut."""
        self._replace_with(target, ((json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode(),))

    def _replace_with(self, target: Path, pieces: Iterable[bytes]) -> None:
        with storage_errors():
            with replacing(target, self._incoming) as file:
                writer = Writer(file)
                for each in pieces:
                    writer.write(each)
                os.fsync(file.fileno())
            sync_folder(target.parent)

    def record(self, attachment_id: str) -> Json | None:
        content = self.read(attachment_id, _RECORD)
        return None if content is None else record_in(content)

    def version(self, attachment_id: str) -> Version | None:
        # A record is written as a new file and renamed into its place; it is never changed in place.
        found = self._stat(attachment_id, _RECORD)
        return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)

    def open(self, attachment_id: str, artefact: Artefact = _BYTES) -> _FileContent | None:
        try:
            file = io.FileIO(self._name(attachment_id, artefact))
            try:
                return _FileContent(file, os.fstat(file.fileno()).st_size, key(attachment_id, artefact))
            except BaseException:
                file.close()
                raise
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed() from error

    def read(self, attachment_id: str, artefact: Artefact) -> bytes | None:
        return self._contents(self._name(attachment_id, artefact))

    def _contents(self, name: str) -> bytes | None:
        try:
            # This takes half the system calls of a file object; a rebuild reads every attachment this way.
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                pieces = [os.read(descriptor, SMALL_FILE)]
                while pieces[-1]:
                    pieces.append(os.read(descriptor, LARGE_PIECE))
                return b"".join(pieces)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed() from error

    def size(self, attachment_id: str, artefact: Artefact = _BYTES) -> int | None:
        found = self._stat(attachment_id, artefact)
        return None if found is None else found.st_size

    def _stat(self, attachment_id: str, artefact: Artefact) -> os.stat_result | None:
        try:
            return os.stat(self._name(attachment_id, artefact))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed() from error

    def remove(self, attachment_id: str) -> None:
        self._remove(attachment_id, Artefact)

    def _remove(self, attachment_id: str, artefacts: Iterable[Artefact]) -> None:
        paths = [self._path(attachment_id, each) for each in artefacts]
        with storage_errors():
            for path in paths:
                path.unlink(missing_ok=True)
            sync_folder(self._folder_of(attachment_id))

    def ids(self) -> Iterator[str]:
        with storage_errors(), os.scandir(self._attachments) as folders:
            for folder in folders:
                if not folder.is_dir():
                    continue
                with os.scandir(folder) as entries:
                    names = [entry.name for entry in entries]
                for name in names:
                    stem, _, suffix = name.rpartition(".")
                    if suffix == _RECORD and is_id(stem):
                        yield stem

    # The text

    def stage_text(self) -> _StagedText:
        if self.room() <= 0:
            raise StorageFull()
        return _StagedText(*self._create_temporary())

    def keep_text(self, attachment_id: str, outcome: Json, text: StagedText | None) -> None:
        target = self._path(attachment_id, Artefact.TEXT)
        assert text is None or isinstance(text, _StagedText)
        with storage_errors():
            if text is not None and text.sync():
                os.rename(text.path, target)
            else:
                target.unlink(missing_ok=True)
            sync_folder(target.parent)
        self._replace(self._path(attachment_id, Artefact.OUTCOME), outcome)

    def outcome(self, attachment_id: str) -> Json | None:
        content = self.read(attachment_id, Artefact.OUTCOME)
        return None if content is None else outcome_in(content)

    def remove_text(self, attachment_id: str) -> None:
        self._remove(attachment_id, (Artefact.OUTCOME, Artefact.TEXT))

    # The thumbnails

    def keep_thumbnail(self, attachment_id: str, head: bytes, pictures: Iterable[bytes]) -> None:
        if self.room() <= 0:
            raise StorageFull()
        self._replace_with(self._path(attachment_id, Artefact.THUMBNAIL), (head, *pictures))

    def remove_thumbnail(self, attachment_id: str) -> None:
        self._remove_one(attachment_id, Artefact.THUMBNAIL)

    def _remove_one(self, attachment_id: str, artefact: Artefact) -> None:
        path = self._path(attachment_id, artefact)
        with storage_errors(), contextlib.suppress(FileNotFoundError):
            path.unlink()
            sync_folder(path.parent)

    # The passages

    def keep_passages(self, attachment_id: str, content: bytes) -> None:
        if self.room() <= 0:
            raise StorageFull()
        self._replace_with(self._path(attachment_id, Artefact.PASSAGES), (content,))

    def remove_passages(self, attachment_id: str) -> None:
        self._remove_one(attachment_id, Artefact.PASSAGES)

    # Artefacts one by one

    def put(self, attachment_id: str, artefact: Artefact, chunks: Iterable[bytes]) -> Measured:
        folder = self._path(attachment_id, artefact).parent
        with contextlib.closing(self._stage(chunks, sys.maxsize, artefact)) as staged:
            staged.keep(attachment_id)
            with storage_errors():
                sync_folder(folder)
            return staged.measured

    def entries(self, partition: int) -> list[Entry]:
        found = []
        with storage_errors(), os.scandir(self._folder(partition)) as listed_entries:
            for entry in listed_entries:
                stem, _, suffix = entry.name.rpartition(".")
                artefact = _ARTEFACTS.get(suffix)
                if artefact is not None and is_id(stem) and partition_of(stem) == partition:
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat()
                        # Not the mtime, which a restored backup brings with it, and which is that of the last byte.
                        found.append(Entry(stem, artefact, status.st_size, status.st_ctime))
        return found

    # Whose attachments these are

    def identity(self) -> Json | None:
        content = self._contents(str(self._data / IDENTITY))
        return None if content is None else identity_in(content)

    def keep_identity(self, content: Json) -> None:
        self._replace(self._data / IDENTITY, content)

    # Walks over everything

    def changed(self, since: Sequence[float]) -> list[int]:
        with storage_errors():
            return [
                number
                for number in range(PARTITIONS)
                if os.stat(self._folder(number)).st_mtime >= since[number] - MARGIN
            ]

    def changes(self, partition: int, since: float, among: Collection[str]) -> Changes:
        since -= MARGIN
        records: set[str] = set()
        outcomes: set[str] = set()
        modified: set[str] = set()
        with storage_errors(), os.scandir(self._folder(partition)) as entries:
            for entry in entries:
                stem, _, suffix = entry.name.rpartition(".")
                if suffix in (_RECORD, _OUTCOME, _PASSAGES) and is_id(stem):
                    with contextlib.suppress(FileNotFoundError):
                        if stem in among and entry.stat().st_mtime >= since:
                            modified.add(stem)
                        if suffix != _PASSAGES:
                            (records if suffix == _RECORD else outcomes).add(stem)
        return Changes(records, outcomes, modified)

    def listing(self, partition: int) -> Listing:
        ids: dict[str, None] = {}
        foreign = []
        for path in listed(Path(self._folder(partition))):
            if is_id(path.stem) and path.suffix in _SUFFIXES and partition_of(path.stem) == partition:
                ids[path.stem] = None
            else:
                foreign.append(self._told(path))
        return Listing(list(ids), foreign)

    # What a killed process left behind

    def strays(self, grace: float) -> Iterator[Stray]:
        yield from strays_in(self._data, self._attachments, grace, _REPLACEMENT, _PARTITION)
        yield from strays_in(self._data, self._incoming, grace)

    def _told(self, path: Path) -> str:
        return str(path.relative_to(self._data))

    def sweep(self, grace: float, clock: Callable[[], float] = time.time) -> list[str]:
        return sweep(self._incoming, grace, clock)

    def holds(self, name: str) -> bool:
        path = self._named(name)
        with storage_errors():
            return path.exists()

    def remove_leftover(self, name: str, grace: float) -> None:
        remove_leftover(self._named(name), grace)
