"""7-Zip archives, read as `archive` reads others.

The library reads the directory and implements the compression methods. Its own unpacking asks for the machine's memory and
folder, which a process that reads documents can't do: so the loop over the files, with its bounds, is here.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import zlib
from collections.abc import Iterator
from typing import Any

from app.extraction.readers.archive import MOST_ENTRIES, MOST_UNPACKED, Given, path
from app.extraction.readers.reader import Inner, Omitted, Options, Piece, Unreadable

_PIECE = 1024 * 1024
# Its reader starts a thread for each file, and waits for ever when it can't.
_THREADED = b"\x03\x04\x01"


def load(options: Options) -> None:
    import py7zr  # noqa: F401

    codecs.lookup("utf-16LE")  # Of names.


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    import py7zr
    from py7zr.exceptions import PasswordRequired

    given = Given()
    try:
        archive = py7zr.SevenZipFile(io.BytesIO(content))
        entries = [each for each in getattr(archive, "files", ()) if not each.is_directory]
        encrypted = archive.needs_password()
    except PasswordRequired:
        raise Unreadable("its directory is encrypted", "encrypted") from None
    except MemoryError:
        raise
    except Exception as error:  # The library's own errors, and those that broken directories cause.
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    if len(entries) > MOST_ENTRIES:
        raise Unreadable(f"an archive of more than {MOST_ENTRIES} files", "unsupported")
    if encrypted:
        raise Unreadable("its files are encrypted", "encrypted")
    yield from _files(archive, entries, given)
    if given.left_out:
        yield Omitted()


def _files(archive: Any, entries: list[Any], given: Given) -> Iterator[Piece]:
    """The files. They are packed together in folders, and a folder can only be read from its beginning."""
    source, left = archive.fp, MOST_UNPACKED
    streams = getattr(archive.header, "main_streams", None)
    places = _places(archive, streams) if streams is not None else {}
    wanted = [not each.is_symlink and given.reserve(int(each.uncompressed)) for each in entries]
    # The last wanted file of each folder: what follows it is not unpacked.
    last = {id(entry.folder): number for number, entry in enumerate(entries) if wanted[number]}
    begun = None
    for number, entry in enumerate(entries):
        name, size = path(str(entry.filename)), int(entry.uncompressed)
        if entry.emptystream:
            yield Inner(name, b"") if wanted[number] else name
            continue
        folder = entry.folder
        if folder is not begun:
            begun = folder
            broken = id(folder) not in places or any(each.get("method") == _THREADED for each in folder.coders)
            source.seek(places.get(id(folder), 0))
        broken = broken or size > left or number > last.get(id(folder), -1)
        found: bytes | None = None
        if not broken:
            left -= size
            found = _unpacked(folder.get_decompressor, entry, source, size, wanted[number])
            broken = found is None
        if wanted[number] and found is None:
            given.left_out = True
        yield Inner(name, found) if wanted[number] and found is not None else name


def _places(archive: Any, streams: Any) -> dict[int, int]:
    """The offset of each folder in the file."""
    found, stream = {}, 0
    with contextlib.suppress(IndexError):
        for folder in streams.unpackinfo.folders:
            found[id(folder)] = archive.afterheader + streams.packinfo.packpositions[stream]
            stream += len(getattr(folder, "packed_indices", ())) or 1
    return found


def _unpacked(get: Any, entry: Any, source: Any, size: int, wanted: bool) -> bytes | None:
    """The content of the next file in its folder, or b'' when it is only skipped; None when it is broken."""
    kept, left, checksum = bytearray(), size, 0
    try:
        decompressor = get(entry.compressed)
        while left > 0:
            place = source.tell()
            piece = decompressor.decompress(source, min(left, _PIECE))
            if not piece and source.tell() == place:
                return None
            left -= len(piece)
            checksum = zlib.crc32(piece, checksum)
            if wanted:
                kept += piece
    except MemoryError:
        raise
    except Exception:  # Errors of six compression libraries, and of what broken directories make them do.
        return None
    return bytes(kept) if entry.crc32 is None or entry.crc32 == checksum else None
