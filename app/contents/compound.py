"""Compound files (OLE, MS-CFB): the streams in the root, which the directory lists, show the type of a file.

The directory may be anywhere, in pieces that a sector table chains. Only what leads to the root's own entries is read,
and each step is a read of the window, so that circular chains end when the window is used up.

Rejected: olefile, which reads all of the sector table and of the directory before it answers (for a large file this
takes hundreds of times as long), and ends in a RecursionError where names refer to each other one by one. Source:
[MS-CFB] 2.2 to 2.6.
"""

from __future__ import annotations

import struct
import uuid

from app.contents.window import TooMuch, Window

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: A compound file of unknown content.
UNKNOWN = "application/x-ole-storage"
#: An office file of the newer kind that needs a password. Only its name says which kind it is.
ENCRYPTED = "application/encrypted"

#: The most entries of a root that are read: an Outlook message has some hundred, a Word document ten.
MOST_ENTRIES = 2000
_HEADER = 512
_ENTRY = 128
_NOTHING = 0xFFFFFFFA  # From this number on, numbers are not sectors.
_FIRST_TABLES = 109

# The first of these that exists decides: a presentation of 1995 may have one of 1997 beside it.
_STREAMS = {
    "encryptedpackage": ENCRYPTED,
    "worddocument": "application/msword",
    "workbook": "application/vnd.ms-excel",
    "book": "application/vnd.ms-excel",
    "powerpoint document": "application/vnd.ms-powerpoint",
    "pp40": "application/vnd.ms-powerpoint",
    "pp97_dualstorage": "application/vnd.ms-powerpoint",
    "__properties_version1.0": "application/vnd.ms-outlook",
    "__nameid_version1.0": "application/vnd.ms-outlook",
    "visiodocument": "application/vnd.visio",
    "quill": "application/x-mspublisher",
    "matost": "application/vnd.ms-works",
    "\x05hwpsummaryinformation": "application/x-hwp",
    "starwriterdocument": "application/vnd.stardivision.writer",
    "starcalcdocument": "application/vnd.stardivision.calc",
    "stardrawdocument": "application/vnd.stardivision.draw",
    "stardrawdocument3": "application/vnd.stardivision.draw",
    "starmathdocument": "application/vnd.stardivision.math",
}
# By the program that the root names, for files whose streams do not show it.
_PROGRAMS = {
    "00020900-0000-0000-c000-000000000046": "application/msword",
    "00020906-0000-0000-c000-000000000046": "application/msword",
    "00020810-0000-0000-c000-000000000046": "application/vnd.ms-excel",
    "00020820-0000-0000-c000-000000000046": "application/vnd.ms-excel",
    "64818d10-4f9b-11cf-86ea-00aa00b929e8": "application/vnd.ms-powerpoint",
    "00020d0b-0000-0000-c000-000000000046": "application/vnd.ms-outlook",
    "00021a14-0000-0000-c000-000000000046": "application/vnd.visio",
    "00021201-0000-0000-00c0-000000000046": "application/x-mspublisher",
    "74b78f3a-c8c8-11d1-be11-00c04fb6faf1": "application/vnd.ms-project",
    "000c1084-0000-0000-c000-000000000046": "application/x-msi",
}


class _Broken(Exception):
    """The file ends, or a chain is circular, before the wanted entry."""


def media_type(window: Window) -> str:
    """The type of the compound file; UNKNOWN when its directory can't be read or does not show it. Raises the errors of
    reading."""
    try:
        names, program = _Directory(window).root()
    except (_Broken, TooMuch):
        return UNKNOWN
    return next((found for name, found in _STREAMS.items() if name in names), _PROGRAMS.get(program, UNKNOWN))


class _Directory:
    """The directory of one file."""

    def __init__(self, window: Window) -> None:
        self._window = window
        header = window.read(0, _HEADER)
        if len(header) < _HEADER:
            raise _Broken
        (shift,) = struct.unpack_from("<H", header, 30)
        if shift not in (9, 12):
            raise _Broken
        self._sector = 1 << shift
        first, more = struct.unpack_from("<I", header, 48)[0], struct.unpack_from("<I", header, 68)[0]
        #: The sectors of the directory that were followed so far, and those of the table that were read so far.
        self._chain = [first]
        self._tables = list(struct.unpack_from(f"<{_FIRST_TABLES}I", header, 76))
        self._more = more

    def root(self) -> tuple[set[str], str]:
        """The names of the root's entries, in lower case, and the program that the root names."""
        root = self._entry(0)
        names: set[str] = set()
        left = [_child(root)]
        seen: set[int] = set()
        while left and len(seen) < MOST_ENTRIES:
            number = left.pop()
            if number in seen or number >= _NOTHING:
                continue
            seen.add(number)
            try:
                entry = self._entry(number)
            except _Broken:
                continue
            (length,) = struct.unpack_from("<H", entry, 64)
            names.add(entry[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace").lower())
            left += struct.unpack_from("<II", entry, 68)
        return names, str(uuid.UUID(bytes_le=root[80:96]))

    def _entry(self, number: int) -> bytes:
        place, offset = divmod(number * _ENTRY, self._sector)
        while place >= len(self._chain):
            self._chain.append(self._after(self._chain[-1]))
        found = self._read(self._chain[place], offset, _ENTRY)
        if len(found) < _ENTRY:
            raise _Broken
        return found

    def _after(self, sector: int) -> int:
        """The sector that follows in a chain."""
        place, offset = divmod(sector * 4, self._sector)
        while place >= len(self._tables):
            table = self._read(self._more, 0, self._sector)
            if len(table) < self._sector:
                raise _Broken
            *more, self._more = struct.unpack(f"<{self._sector // 4}I", table)
            self._tables += more
        found = self._read(self._tables[place], offset, 4)
        if len(found) < 4:
            raise _Broken
        return int.from_bytes(found, "little")

    def _read(self, sector: int, offset: int, size: int) -> bytes:
        if sector >= _NOTHING:
            raise _Broken
        return self._window.read((sector + 1) * self._sector + offset, size)


def _child(entry: bytes) -> int:
    return int.from_bytes(entry[76:80], "little")
