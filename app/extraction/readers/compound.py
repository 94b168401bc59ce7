"""Compound files ([MS-CFB]), the format of Office documents until 2007: streams in storages, like files in folders.

olefile reads them. For a broken file it raises more errors than it documents, so each of them means `damaged`.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import struct
from collections.abc import Iterator
from typing import Any

from app.extraction.readers.compound_writer import packed_up
from app.extraction.readers.package import OLE
from app.extraction.readers.reader import Inner, Omitted, Unreadable

#: The most bytes of all objects in one document, and the most objects that are read.
MOST_BYTES = 64 * 1024 * 1024
MOST_OBJECTS = 1000

# Numbers of properties: the encoding; title, subject, author, keywords, comments. Types of their values.
_CODE_PAGE, _SAID = 1, range(2, 7)
_SHORT, _TEXT, _WIDE = 0x02, 0x1E, 0x1F


def load() -> None:
    import olefile  # noqa: F401

    for name in ("utf-16-le", "UTF-16LE", "latin-1", "utf-8"):
        codecs.lookup(name)
    for number in (874, 932, 936, 949, 950, *range(1250, 1259), 10000):
        with contextlib.suppress(LookupError):
            codecs.lookup(code_page(number))


def code_page(number: int) -> str:
    """The encoding with this number in Windows; western when it is unknown."""
    known = {10000: "mac-roman", 65001: "utf-8", 1200: "utf-16-le"}.get(number, f"cp{number}")
    try:
        codecs.lookup(known)
    except LookupError:
        return "cp1252"
    return known


class Compound:
    """Raises Unreadable. `inside`: whether only its type is of interest, so that it may be encrypted."""

    def __init__(self, content: bytes, *, inside: bool = False) -> None:
        import olefile

        try:
            self._file: Any = olefile.OleFileIO(io.BytesIO(content))
            self.names: list[list[str]] = self._file.listdir()
        except MemoryError:
            raise
        except Exception as error:
            raise Unreadable(f"{type(error).__name__}: {error}") from None
        if not inside and self.stream("EncryptedPackage") is not None:
            raise Unreadable("it is encrypted", "encrypted")

    def stream(self, *path: str) -> bytes | None:
        """The content of a stream, whose name is compared regardless of case; None when there is none. Raises Unreadable."""
        try:
            return bytes(self._file.openstream(list(path)).read()) if self._file.exists("/".join(path)) else None
        except MemoryError:
            raise
        except Exception as error:
            raise Unreadable(f"{path[-1]}: {type(error).__name__}: {error}") from None

    def properties(self) -> Iterator[str]:
        """The properties of the document ([MS-OLEPS]): title, subject, author, keywords, comments. (olefile's own
        reader takes hours for a set that claims to have many.)"""
        with contextlib.suppress(Unreadable, struct.error):
            yield from _properties(self.stream("\x05SummaryInformation") or b"")

    def objects(self, *storages: str) -> Iterator[Inner | Omitted]:
        """The objects in storages whose names have one of these beginnings: each becomes a compound file of its own
        with everything below it, or the file in it. An object that can't be read is left out."""
        left = MOST_BYTES
        found: dict[tuple[str, ...], list[list[str]]] = {}
        for path in self.names:
            for depth, name in enumerate(path[:-1]):
                if name.startswith(storages):
                    # A pool has one storage for each object.
                    root = tuple(path[: depth + 2] if name == "ObjectPool" else path[: depth + 1])
                    if len(root) < len(path):
                        found.setdefault(root, []).append(path)
                    break
        if len(found) > MOST_OBJECTS:
            yield Omitted()
        for root, paths in list(found.items())[:MOST_OBJECTS]:
            streams: dict[tuple[str, ...], bytes] = {}
            for path in paths:
                with contextlib.suppress(Unreadable):
                    content = self.stream(*path) or b""
                    left -= len(content)
                    if left < 0:
                        yield Omitted()
                        return
                    streams[tuple(path[len(root) :])] = content
            if (inner := of_streams(root[-1], streams)) is not None:
                yield inner


def _properties(content: bytes) -> Iterator[str]:
    """The properties of the first set in the stream. Raises struct.error."""
    if len(content) < 48:
        return
    (begin,) = struct.unpack_from("<I", content, 44)
    _, count = struct.unpack_from("<II", content, begin)
    encoding, found = "cp1252", dict[int, str]()
    for number in range(min(count, 100)):
        name, place = struct.unpack_from("<II", content, begin + 8 + 8 * number)
        form, size = struct.unpack_from("<II", content, begin + place)
        at = begin + place + 8
        if name == _CODE_PAGE and form == _SHORT:
            encoding = code_page(size & 0xFFFF)
        elif name in _SAID and form == _TEXT:
            found[name] = content[at : at + size].decode(encoding, errors="replace")
        elif name in _SAID and form == _WIDE:
            found[name] = content[at : at + 2 * size].decode("utf-16-le", errors="replace")
    for name in sorted(found):
        if text := found[name].partition("\0")[0].strip():
            yield text


def of_streams(name: str, streams: dict[tuple[str, ...], bytes]) -> Inner | None:
    """The file that an object's streams make; None when its program is unknown."""
    own = _own(streams)
    if (extension := _extension(own)) is not None:
        return Inner(name + extension, packed_up(streams))
    return _held(name, own)


def _own(streams: dict[tuple[str, ...], bytes]) -> dict[str, bytes]:
    return {path[0]: content for path, content in streams.items() if len(path) == 1}


def _extension(own: dict[str, bytes]) -> str | None:
    """The extension of the file that these streams make; None when they make none but may contain one."""
    if "\x01Ole10Native" in own:
        return None
    return next((extension for each, extension in _FORMS.items() if each in own), None)


def _held(name: str, own: dict[str, bytes]) -> Inner | None:
    """The file that an object has in one of its streams."""
    if (packed := own.get("\x01Ole10Native")) is not None:
        with contextlib.suppress(struct.error, ValueError):
            return dropped(packed)
        return None
    for each in ("Package", "CONTENTS", "EmbeddedOdf"):
        if (content := own.get(each, b"")).startswith((b"PK\x03\x04", b"%PDF-", OLE)):
            return Inner(name, content)
    return None


#: The extension, by a stream that only such files have.
_FORMS = {
    "WordDocument": ".doc",
    "Workbook": ".xls",
    "Book": ".xls",
    "PowerPoint Document": ".ppt",
    "__properties_version1.0": ".msg",
    "VisioDocument": ".vsd",
    "EncryptedPackage": ".bin",
}


def of_content(name: str, content: bytes) -> Inner | None:
    """The file of an object that was stored as a file: either a compound file that contains it, or the file itself."""
    try:
        opened = Compound(content, inside=True)
        streams = {tuple(path): opened.stream(*path) or b"" for path in opened.names[:MOST_OBJECTS]}
    except Unreadable:
        return None
    own = _own(streams)
    extension = _extension(own)
    return _held(name, own) if extension is None else Inner(name + extension, content)


def dropped(content: bytes) -> Inner:
    """A file that was dropped on a document ([MS-OLEDS] 2.3.6), with its name in the machine's encoding and perhaps, at the
    end, in UTF-16. Raises struct.error, ValueError."""
    place = content.index(b"\0", 6)
    label = content[6:place]
    place = content.index(b"\0", place + 1) + 5
    (length,) = struct.unpack_from("<I", content, place)
    place += 4 + length
    (size,) = struct.unpack_from("<I", content, place)
    place += 4 + size
    name = label.decode("cp1252", errors="replace")
    with contextlib.suppress(struct.error):
        (length,) = struct.unpack_from("<I", content, place)
        (length,) = struct.unpack_from("<I", content, place + 4 + 2 * length)
        begin = content.index(length.to_bytes(4, "little"), place + 4) + 4
        name = content[begin : begin + 2 * length].decode("utf-16-le", errors="replace") or name
    return Inner(name.replace("\\", "/").rpartition("/")[2], content[place - size : place])
