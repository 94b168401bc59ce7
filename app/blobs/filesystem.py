"""Attachments on a filesystem. docs/format.md describes what lies where, for people with `sha256sum` and `jq`.

    <root>/attachments/<3 hex>/<id>.bytes     the bytes
    <root>/attachments/<3 hex>/<id>.json      the record; its rename into place is the commit point
    <root>/attachments/<3 hex>/<id>.text      the text inside, UTF-8, as much of it as is indexed; missing when there is none
    <root>/attachments/<3 hex>/<id>.extraction   how its extraction ended (JSON); missing while it has not
    <root>/attachments/<3 hex>/<id>.thumbnail    how its drawing ended (a line of JSON), and the thumbnails behind that
    <root>/incoming/                          temporary files, each locked by the process that writes it

The folder of an id is the first three hex digits of its SHA-256, so it follows from the id alone and 4,096 folders fill
evenly whatever form the ids have. Rejected: a folder for each attachment (one more directory to create and to sync for
every upload), and folders by time (a day's uploads all in one).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from app.blobs.base import Json, Measured, Version, copy
from app.blobs.files import FOLDER_MODE, Writer, create_temporary, locked, replacing, sync_folder, typed_errors
from app.errors import StorageFailed, StorageFull
from app.ids import is_id
from app.monitoring import measures

#: Bytes that are read of a file first, more than a record has, and then at once, for a text.
SMALL_FILE = 16 * 1024
LARGE_PIECE = 1024 * 1024


def _fan_out(attachment_id: str) -> str:
    return hashlib.sha256(attachment_id.encode()).hexdigest()[:3]


# A request asks for those of one attachment several times.
@functools.lru_cache(maxsize=256)
def _location(attachment_id: str, suffix: str) -> str:
    """Where a file of an attachment is below the folder of all. The one place where an id becomes a path."""
    if not is_id(attachment_id):
        raise ValueError("not an id")
    return f"{_fan_out(attachment_id)}/{attachment_id}.{suffix}"


class StagedFile:
    """Bytes in `incoming`. The open descriptor holds the file's lock, which tells a sweep that somebody is at it."""

    def __init__(self, path: Path, file: BinaryIO, measured: Measured, final: Callable[[str], Path]) -> None:
        self.path = path
        self.file = file
        self.measured = measured
        self._final = final
        self._kept = False

    def keep(self, attachment_id: str) -> None:
        target = self._final(attachment_id)
        with typed_errors():
            os.rename(self.path, target)
        self._kept = True

    def discard(self) -> None:
        self.file.close()
        if self._kept:
            return
        # A leftover that can't be removed now is removed by the sweep.
        with contextlib.suppress(OSError):
            self.path.unlink()


class StagedText:
    """Text in `incoming`, locked like bytes: another process writes it to `file`."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file

    def content(self) -> bytes:
        """What was written. Raises StorageFailed."""
        with typed_errors():
            return os.pread(self.file.fileno(), os.fstat(self.file.fileno()).st_size, 0)

    def close(self) -> None:
        """Let go of the text; it is gone unless it was kept."""
        self.file.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


class Filesystem:
    """The Blobs contract on a folder of a local filesystem with working rename, fsync and flock."""

    def __init__(self, root: Path, *, reserve: int = 0) -> None:
        """`reserve`: bytes of the filesystem that uploads leave free. Creates the folders that are missing."""
        self.root = root
        self.reserve = reserve
        self.incoming = root / "incoming"
        self.attachments = root / "attachments"
        self._prefix = f"{self.attachments}/"
        with typed_errors():
            for folder in (self.incoming, self.attachments):
                folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            for number in range(4096):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self.attachments / f"{number:03x}", FOLDER_MODE)
            sync_folder(self.attachments)
            sync_folder(root)

    # Names

    def folder(self, attachment_id: str) -> Path:
        return self.attachments / _fan_out(attachment_id)

    def bytes_path(self, attachment_id: str) -> Path:
        return self._path(attachment_id, "bytes")

    def location(self, attachment_id: str) -> str:
        """Where the bytes are, relative to the folder `attachments`."""
        return _location(attachment_id, "bytes")

    def record_path(self, attachment_id: str) -> Path:
        return self._path(attachment_id, "json")

    def _path(self, attachment_id: str, suffix: str) -> Path:
        return self.attachments / _location(attachment_id, suffix)

    def _name(self, attachment_id: str, suffix: str) -> str:
        # Every read needs one; a Path costs ten times this.
        return f"{self._prefix}{_location(attachment_id, suffix)}"

    # Writing

    def free(self) -> int:
        """Bytes that uploads may still use: what the filesystem has free less the reserve; negative when overdrawn."""
        with typed_errors():
            stat = os.statvfs(self.root)
        return stat.f_bavail * stat.f_frsize - self.reserve

    def stage(self, chunks: Iterable[bytes], limit: int) -> StagedFile:
        if self.free() <= 0:
            raise StorageFull()
        path, file = self._create_temporary()
        try:
            measured = copy(self._while_free(chunks), Writer(file).write, limit)
            with typed_errors(), measures.step("fsync"):
                os.fsync(file.fileno())
        except BaseException:
            file.close()
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return StagedFile(path, file, measured, self.bytes_path)

    def _while_free(self, chunks: Iterable[bytes], every: int = 64 * 1024 * 1024) -> Iterator[bytes]:
        # The reserve is looked at again now and then: a body without a length can be of any size.
        since = 0
        for chunk in chunks:
            yield chunk
            since += len(chunk)
            if since >= every:
                since = 0
                if self.free() <= 0:
                    raise StorageFull()

    def _create_temporary(self) -> tuple[Path, BinaryIO]:
        with typed_errors():
            return create_temporary(self.incoming)

    def commit(self, attachment_id: str, record: Json) -> None:
        self._replace(self.record_path(attachment_id), record)

    def _replace(self, target: Path, record: Json) -> None:
        """Write a JSON file in one step that survives a power cut."""
        self._replace_with(target, ((json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode(),))

    def _replace_with(self, target: Path, pieces: Iterable[bytes]) -> None:
        with typed_errors():
            with replacing(target, self.incoming) as file:
                writer = Writer(file)
                for each in pieces:
                    writer.write(each)
                os.fsync(file.fileno())
            sync_folder(target.parent)

    def remove(self, attachment_id: str) -> None:
        with typed_errors():
            for suffix in ("json", "extraction", "thumbnail", "text", "bytes"):
                self._path(attachment_id, suffix).unlink(missing_ok=True)
            sync_folder(self.folder(attachment_id))

    # Text

    def text_path(self, attachment_id: str) -> Path:
        return self._path(attachment_id, "text")

    def extraction_path(self, attachment_id: str) -> Path:
        return self._path(attachment_id, "extraction")

    def stage_text(self) -> StagedText:
        """An empty file for a text. Raises StorageFull or StorageFailed."""
        if self.free() <= 0:
            raise StorageFull()
        return StagedText(*self._create_temporary())

    def keep_extraction(self, attachment_id: str, record: Json, text: StagedText | None) -> None:
        """Put text and outcome beside the bytes, durably, in the place of earlier ones. The outcome comes last: where
        it is, the text is whole. Raises StorageFull or StorageFailed."""
        target = self.text_path(attachment_id)
        with typed_errors():
            if text is not None and os.fstat(text.file.fileno()).st_size:
                os.fsync(text.file.fileno())
                os.rename(text.path, target)
            else:
                target.unlink(missing_ok=True)
            sync_folder(target.parent)
        self._replace(self.extraction_path(attachment_id), record)

    def remove_text(self, attachment_id: str) -> None:
        """Remove the text and its outcome. What is not there is no error. Raises StorageFailed."""
        with typed_errors():
            for path in (self.extraction_path(attachment_id), self.text_path(attachment_id)):
                path.unlink(missing_ok=True)
            sync_folder(self.folder(attachment_id))

    def text(self, attachment_id: str) -> bytes | None:
        """The text kept of an attachment, in UTF-8; None when there is none. Raises StorageFailed."""
        return self._content(attachment_id, "text")

    def beginning_of_text(self, attachment_id: str, most: int) -> tuple[int, bytes]:
        """How many bytes the text kept of an attachment has, and the first `most` of them; 0 when there is none. Raises
        StorageFailed."""
        try:
            with open(self._name(attachment_id, "text"), "rb") as file:
                return os.fstat(file.fileno()).st_size, file.read(most)
        except FileNotFoundError:
            return 0, b""
        except OSError as error:
            raise StorageFailed() from error

    def extraction(self, attachment_id: str, having: bytes = b"") -> Json | None:
        """How the extraction ended; None while it has not, or where the file does not have the bytes `having`, as is known
        before it is decoded. Raises StorageFailed, ValueError for a damaged file."""
        content = self._content(attachment_id, "extraction")
        if content is None or having not in content:
            return None
        try:
            record = json.loads(content)
        except RecursionError:
            raise ValueError("nested too deep") from None
        if not isinstance(record, dict):
            raise ValueError("not an object")
        return record

    # Thumbnails

    def thumbnail_path(self, attachment_id: str) -> Path:
        return self._path(attachment_id, "thumbnail")

    def keep_thumbnail(self, attachment_id: str, head: bytes, pictures: Iterable[bytes]) -> None:
        """Put the thumbnails beside the bytes, durably and in one step, in the place of earlier ones. Raises StorageFull or
        StorageFailed."""
        if self.free() <= 0:
            raise StorageFull()
        self._replace_with(self.thumbnail_path(attachment_id), (head, *pictures))

    def remove_thumbnail(self, attachment_id: str) -> None:
        """Remove the thumbnails. What is not there is no error. Raises StorageFailed."""
        with typed_errors(), contextlib.suppress(FileNotFoundError):
            self.thumbnail_path(attachment_id).unlink()
            sync_folder(self.folder(attachment_id))

    def open_thumbnail(self, attachment_id: str) -> BinaryIO | None:
        """The file of thumbnails, opened at its start; None when there is none. The caller closes. Raises StorageFailed."""
        return self._open(attachment_id, "thumbnail")

    # Reading

    def record(self, attachment_id: str) -> Json | None:
        content = self._content(attachment_id, "json")
        try:
            record: Json | None = None if content is None else json.loads(content)
        except ValueError as error:
            raise StorageFailed("The record of this attachment is damaged") from error
        return record

    def _content(self, attachment_id: str, suffix: str) -> bytes | None:
        """All of a file that is no larger than a text; None when it is not there. Raises StorageFailed."""
        try:
            # Half the system calls of a file object, and what a rebuild makes of every attachment.
            descriptor = os.open(self._name(attachment_id, suffix), os.O_RDONLY | os.O_CLOEXEC)
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

    def version(self, attachment_id: str) -> Version | None:
        # A record is written anew and renamed into its place, never changed in it.
        found = self._stat(attachment_id, "json")
        return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)

    def _stat(self, attachment_id: str, suffix: str) -> os.stat_result | None:
        try:
            return os.stat(self._name(attachment_id, suffix))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed() from error

    def open(self, attachment_id: str) -> BinaryIO | None:
        return self._open(attachment_id, "bytes")

    def _open(self, attachment_id: str, suffix: str) -> BinaryIO | None:
        try:
            return open(self._name(attachment_id, suffix), "rb", buffering=0)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed() from error

    def size(self, attachment_id: str) -> int | None:
        """How many bytes there are; None when there is no file of them. Raises StorageFailed."""
        found = self._stat(attachment_id, "bytes")
        return None if found is None else found.st_size

    def ids(self) -> Iterator[str]:
        with os.scandir(self.attachments) as folders:
            for folder in folders:
                if not folder.is_dir():
                    continue
                with os.scandir(folder) as entries:
                    names = [entry.name for entry in entries]
                for name in names:
                    stem, _, suffix = name.rpartition(".")
                    if suffix == "json" and is_id(stem):
                        yield stem

    # Sweeping

    def sweep(self, grace: float, clock: Callable[[], float] = time.time) -> list[str]:
        """Remove temporary files older than `grace` seconds that no process holds; returns their names."""
        removed = []
        with typed_errors(), os.scandir(self.incoming) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if clock() - entry.stat().st_mtime < grace:
                        continue
                    descriptor = os.open(entry.path, os.O_RDONLY)
                    try:
                        if locked(descriptor):
                            os.unlink(entry.path)
                            removed.append(entry.name)
                    finally:
                        os.close(descriptor)
        return removed
