"""Archives: zip, tar, and data compressed by gzip, bzip2, xz and Zstandard, which is a tar or one file.

Each file in an archive is passed on; for a file that can't be (there are too many, it is too large, encrypted, broken)
only its name is. No more is unpacked than is passed on or has to be skipped, whatever sizes the archive declares.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from app.extraction import inner
from app.extraction.readers import encoding
from app.extraction.readers.reader import Inner, Omitted, Options, Piece, Unreadable

#: The most entries of an archive that are read.
MOST_ENTRIES = 50_000
#: The most bytes of a stream that are unpacked just to skip files that are not passed on.
MOST_UNPACKED = 512 * 1024 * 1024
_PIECE = 1024 * 1024

# Errors of the libraries, and of the modules below them, for broken data and unknown formats.
_BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError,
    LookupError, struct.error, NotImplementedError, RuntimeError, OverflowError, AttributeError, TypeError,
)  # fmt: skip
_DIRECTORY = b"PK\x01\x02"
_UTF8 = 0x800
_ENCRYPTED = 0x1
_SEPARATOR = re.compile(r"[/\\]+")


def _zstd() -> Any:
    """The module for Zstandard."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def load(options: Options) -> None:
    _zstd()
    encoding.load_all()
    for name in ("cp437", "iso8859-1", "ascii", "utf-8"):
        codecs.lookup(name)


def rehearsals() -> list[tuple[str, bytes]]:
    """A tar, and one compressed by each method."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        made.addfile(tarfile.TarInfo("a"))
    tar = buffer.getvalue()
    packed = (gzip.compress(tar), bz2.compress(tar), lzma.compress(tar), _zstd().compress(tar))
    return [("", tar), *(("", each) for each in packed)]


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    """The format is detected from the first bytes: the media type adds nothing."""
    given = Given()
    try:
        if content[:2] == b"PK" or zipfile.is_zipfile(io.BytesIO(content)):
            yield from _zip(content, given)
        else:
            yield from _stream(content, given)
    except RecursionError as error:
        raise Unreadable(str(error)) from None
    if given.left_out:
        yield Omitted()


class Given:
    """Counts what was passed on of an archive, and what still may be."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0
        self.left_out = False

    def reserve(self, size: int) -> bool:
        """Whether one more file of `size` bytes may be passed on; if so, it is counted."""
        if self.files >= inner.MOST_FILES or not 0 <= size <= inner.MOST_BYTES - self.bytes - inner.MOST_HEAD:
            self.left_out = True
            return False
        self.files += 1
        self.bytes += size + inner.MOST_HEAD
        return True


def path(name: str) -> str:
    """A path in an archive as it is shown: relative, and without `..`."""
    parts = (each.strip() for each in _SEPARATOR.split(name))
    return "/".join(each for each in parts if each not in ("", ".", ".."))


def _zip(content: bytes, given: Given) -> Iterator[Piece]:
    # Checked before the directory is read, because that takes some 500 bytes of memory for each entry.
    if content.count(_DIRECTORY) > MOST_ENTRIES:
        raise Unreadable(f"an archive of more than {MOST_ENTRIES} files", "unsupported")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = [each for each in archive.infolist() if not each.is_dir()]
    except _BROKEN as error:
        raise Unreadable(str(error)) from None
    if entries and all(each.flag_bits & _ENCRYPTED for each in entries):
        raise Unreadable("every file in it is encrypted", "encrypted")
    for name, entry in zip(_names(entries), entries, strict=True):
        found = None
        if not entry.flag_bits & _ENCRYPTED and given.reserve(entry.file_size):
            try:
                with archive.open(entry) as opened:
                    # One byte more than declared: the library stops there by itself, and this shows whether that was
                    # all.
                    found = opened.read(entry.file_size + 1)
            except _BROKEN:
                given.left_out = True
        yield name if found is None else Inner(name, found)


def _names(entries: list[zipfile.ZipInfo]) -> list[str]:
    """The names: in UTF-8 when an entry says so, otherwise in the machine's encoding, which is detected from all of them."""
    raw = ["" if each.flag_bits & _UTF8 else each.orig_filename.partition("\0")[0] for each in entries]
    try:
        found = encoding.decoded("\n".join(raw).encode("cp437")).split("\n")
    except (Unreadable, UnicodeEncodeError):
        found = []
    if len(found) != len(entries) or all(each.isascii() for each in raw):
        found = raw
    names = [other or each.filename for each, other in zip(entries, found, strict=True)]
    return [path(each) for each in names]


class _Bounded(io.RawIOBase):
    """The unpacked data of `source`, up to a number of bytes; it ends at the first damage, unless that is at its
    beginning."""

    def __init__(self, source: Any, given: Given) -> None:
        self._source = source
        self._given = given
        self._left = MOST_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            # One step at a time, so that an error does not lose what was unpacked before it.
            found = self._source.read1(min(len(buffer), _PIECE, self._left))
        except _BROKEN:
            if self._left == MOST_UNPACKED:
                raise
            found = b""
            self._given.left_out = True
        self._left -= len(found)
        self._given.left_out |= self._left == 0
        buffer[: len(found)] = found
        return len(found)


def _unpacked(content: bytes) -> tuple[Any, str | None]:
    """A file with the unpacked data, or `content` itself; and the original name, None when it is not compressed."""
    source = io.BytesIO(content)
    if content.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=source), _gzip_name(content)
    if content.startswith(b"BZh"):
        return bz2.BZ2File(source), ""
    if content.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return lzma.LZMAFile(source), ""
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        return _zstd().ZstdFile(source), ""
    return source, None


def _gzip_name(content: bytes) -> str:
    """The name in a gzip header (RFC 1952, 2.3): in Latin-1, after ten bytes and an optional field."""
    flags, place = content[3:4], 10
    if not flags or not flags[0] & 8:
        return ""
    if flags[0] & 4:
        place += 2 + int.from_bytes(content[10:12], "little")
    raw = content[place : place + 1024].partition(b"\0")[0]
    try:
        return path(raw.decode())
    except UnicodeDecodeError:
        return path(raw.decode("latin-1"))


def _stream(content: bytes, given: Given) -> Iterator[Piece]:
    source, name = _unpacked(content)
    stream = io.BufferedReader(_Bounded(source, given), _PIECE)
    try:
        head = stream.peek(tarfile.BLOCKSIZE)[: tarfile.BLOCKSIZE]
    except _BROKEN as error:
        raise Unreadable(str(error)) from None
    if _is_tar(head):
        yield from _tar(stream, given)
    elif name is None:
        raise Unreadable("no archive of a known form", "unsupported")
    else:
        yield from _one(stream, name, given)


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


def _one(stream: IO[bytes], name: str, given: Given) -> Iterator[Piece]:
    """The single compressed file; only its beginning when the rest is broken or too large."""
    most = inner.MOST_BYTES - inner.MOST_HEAD
    try:
        found = stream.read(most + 1)
    except _BROKEN as error:
        raise Unreadable(str(error)) from None
    given.left_out |= len(found) > most
    yield Inner(name, found[:most])


def _tar(stream: IO[bytes], given: Given) -> Iterator[Piece]:
    entries = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as archive:
            for entry in archive:
                entries += 1
                # The library keeps every entry.
                archive.members = []  # type: ignore[attr-defined]
                if not entry.isdir():
                    name = path(_tar_name(entry.name))
                    opened = archive.extractfile(entry) if entry.isreg() and given.reserve(entry.size) else None
                    yield name if opened is None else Inner(name, opened.read())
                # The library also skips data that does not exist: a trillion bytes take hours.
                if entries >= MOST_ENTRIES or not 0 <= entry.size <= MOST_UNPACKED:
                    given.left_out = True
                    return
    except _BROKEN as error:
        # Everything that was read before stays.
        if not entries:
            raise Unreadable(str(error)) from None
        given.left_out = True


def _tar_name(name: str) -> str:
    raw = name.encode(errors="surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        try:
            return encoding.decoded(raw)
        except Unreadable:
            return raw.decode("latin-1")
