"""Documents that are zip archives of XML parts, unpacked within bounds.

Names of parts are compared regardless of case, of a leading slash and of the kind of slash, as programs that open such files
do.
"""

from __future__ import annotations

import codecs
import io
import zipfile
import zlib
from collections.abc import Iterator

from app.extraction.readers.reader import Unreadable

#: The most bytes that are unpacked of one document, all reads together, and the most parts that it may have.
MOST_BYTES = 512 * 1024 * 1024
MOST_PARTS = 100_000
#: Bytes in one piece. Expat scans an unfinished token again with each piece.
PIECE = 1024 * 1024

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
# The errors of zipfile for broken archives; OSError does not concern files here, as everything is in memory.
_BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, EOFError, OSError, NotImplementedError, KeyError)


class Broken(Exception):
    """A part is missing, or can't be read to its end."""


def load() -> None:
    import olefile  # noqa: F401

    # The encoding of names that are not in UTF-8, and a name in OLE files as it is written there.
    for name in ("cp437", "utf-16-le", "UTF-16LE", "latin-1"):
        codecs.lookup(name)


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


class Package:
    """Raises Unreadable when it is not an archive, or when it is encrypted as a whole and so an OLE file."""

    def __init__(self, content: bytes) -> None:
        if content.startswith(OLE):
            raise _of_ole(content)
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
            parts = self._archive.infolist()
        except _BROKEN as error:
            raise Unreadable(str(error)) from None
        if len(parts) > MOST_PARTS:
            raise Unreadable(f"it has more than {MOST_PARTS} parts", "unsupported")
        self._parts = {_plain(part.filename): part for part in parts}
        self._left = MOST_BYTES

    def __contains__(self, name: str) -> bool:
        return _plain(name) in self._parts

    def names(self) -> list[str]:
        """The names of all parts, in lower case."""
        return list(self._parts)

    def pieces(self, name: str, most: int = MOST_BYTES) -> Iterator[bytes]:
        """A part in pieces, up to where it is damaged, and no more than `most` bytes and one piece. Raises Broken at
        the damage, and Unreadable when the document has become larger than it may."""
        part = self._parts.get(_plain(name))
        if part is None:
            raise Broken(f"there is no {name}")
        if part.flag_bits & _ENCRYPTED:
            raise Unreadable("its parts are encrypted", "encrypted")
        if part.compress_type not in _METHODS:
            raise Broken(f"{name} is compressed in a way that such documents are not")
        try:
            with self._archive.open(part) as opened:
                while most > 0 and (piece := opened.read(PIECE)):
                    most -= len(piece)
                    self._left -= len(piece)
                    if self._left < 0:
                        break
                    yield piece
        except _BROKEN as error:
            raise Broken(f"{name}: {error}") from None
        if self._left < 0:
            raise Unreadable(f"unpacked it has more than {MOST_BYTES} bytes", "unsupported")


def _of_ole(content: bytes) -> Unreadable:
    """The reason why a document that is an OLE file is not a package."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(content)) as opened:
            if opened.exists("EncryptedPackage"):
                return Unreadable("it is encrypted", "encrypted")
    # For a broken file it raises more errors than it documents.
    except Exception as error:
        return Unreadable(f"{type(error).__name__}: {error}")
    return Unreadable("it is an OLE file, and no archive")
