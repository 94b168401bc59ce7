"""Functions for all of Outlook's formats: code pages, times, and texts in compressed RTF. Sources: [MS-OXCMSG],
[MS-OXPROPS], [MS-OXRTFCP]."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from app.extraction.readers import mailtext
from app.extraction.readers.reader import Inner, Piece

#: The most bytes of a text that are unpacked.
MOST_RTF = 16 * 1024 * 1024
# [MS-OXRTFCP] 2.1.2.1: the initial dictionary.
_BEGINNING = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_WINDOW = 4096
_CODEPAGES = {20127: "ascii", 20866: "koi8-r", 21866: "koi8-u", 65001: "utf-8", 65000: "utf-7", 51949: "euc-kr"}
_CODEPAGES |= {50220: "iso-2022-jp", 50221: "iso-2022-jp", 50222: "iso-2022-jp", 51932: "euc-jp", 54936: "gb18030"}
_CODEPAGES |= {52936: "hz", 51936: "gb2312", 10000: "macintosh"}
_CODEPAGES |= {28590 + each: f"iso-8859-{each}" for each in range(1, 16)}


def charset(codepage: int | None) -> str | None:
    """The name of a code page."""
    return None if not codepage else _CODEPAGES.get(codepage, f"cp{codepage}")


def shown_time(value: int) -> str:
    """A time in tenths of microseconds since 1601, in UTC; '' when it is not one."""
    try:
        return f"{datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=value // 10):%a, %d %b %Y %H:%M:%S %z}"
    except (OverflowError, ValueError):
        return ""


def texts(plain: str, markup: str, packed: bytes) -> Iterator[Piece]:
    """The text of a mail, which has up to three forms."""
    if plain.strip() or markup.strip():
        yield mailtext.merged(plain, markup)
    elif packed and (found := unpacked(packed)):
        # This is the mail's own text, in a document of its own.
        yield Inner("", found, "text/rtf")


def unpacked(content: bytes) -> bytes:
    """The RTF, up to where it is damaged ([MS-OXRTFCP] 2.2)."""
    try:
        _, size, form = struct.unpack_from("<II4s", content)
    except struct.error:
        return b""
    if form == b"MELA":
        return content[16 : 16 + size]
    if form != b"LZFu":
        return b""
    window = bytearray(_BEGINNING.ljust(_WINDOW, b"\0"))
    at, place, found = len(_BEGINNING), 16, bytearray()
    while place < len(content) and len(found) < MOST_RTF:
        flags, place = content[place], place + 1
        for bit in range(8):
            if not flags >> bit & 1:
                piece = content[place : place + 1]
                place += 1
            else:
                pair = int.from_bytes(content[place : place + 2], "big")
                place += 2
                begin, length = pair >> 4, (pair & 15) + 2
                if begin == at or place > len(content):
                    return bytes(found)
                # A copy may overlap its own output.
                distance = (at - begin) % _WINDOW
                known = bytes(window[(begin + each % distance) % _WINDOW] for each in range(length))
                piece = known
            for each in piece:
                window[at] = each
                at = (at + 1) % _WINDOW
            found += piece
    return bytes(found)
