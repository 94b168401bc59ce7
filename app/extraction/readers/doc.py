"""Word 6 to 2003 ([MS-DOC]): the text of the document, and of notes, headers and the like, through its piece table.

No maintained library returns more than the main text: xberg (antiword and catdoc are system programs) leaves out notes,
comments, boxes, headers and footers, which follow it in the same stream.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from app.extraction.readers import compound
from app.extraction.readers.reader import Options, Piece, Unreadable

#: The most bytes of its text in UTF-16: pieces may overlap.
MOST = 32 * 1024 * 1024

_ENCRYPTED, _COMPLEX, _SECOND_TABLE = 0x100, 0x4, 0x200
_WORD_97 = 0xC1
#: Encodings of 8-bit documents, by the lower byte of the language; others are western.
_CODE_PAGES = {
    0x01: 1256, 0x02: 1251, 0x05: 1250, 0x08: 1253, 0x0D: 1255, 0x0E: 1250, 0x11: 932, 0x12: 949, 0x15: 1250, 0x18: 1250,
    0x19: 1251, 0x1A: 1250, 0x1B: 1250, 0x1C: 1250, 0x1E: 874, 0x1F: 1254, 0x22: 1251, 0x23: 1251, 0x24: 1250, 0x25: 1257,
    0x26: 1257, 0x27: 1257, 0x2A: 1258, 0x2F: 1251,
}  # fmt: skip
_CHINESE = {0x0404: 950, 0x0C04: 950, 0x1404: 950, 0x0804: 936, 0x1004: 936}

#: Characters that stand for something else: breaks and hyphens; pictures, note marks and separators stand for nothing.
_ROW = re.compile("\x07{2,}")
_MEANT = {
    **dict.fromkeys((0x0B, 0x0C, 0x0D, 0x0E), "\n"), 0x07: "\t", 0x1E: "-", 0xA0: " ",
    **dict.fromkeys((*range(7), 0x08, 0x1F, 0xAD)),
}  # fmt: skip
_FIELD = re.compile("[\x13-\x15]")


def load(options: Options) -> None:
    compound.load()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    opened = compound.Compound(content)
    main = opened.stream("WordDocument")
    if main is None:
        raise Unreadable("there is no document in it")
    yield from opened.properties()
    try:
        yield from _stories(opened, main)
    except (struct.error, IndexError, ValueError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    yield from opened.objects("ObjectPool")


def _stories(opened: compound.Compound, main: bytes) -> Iterator[str]:
    version, flags = _number(main, 2, 2), _number(main, 10, 2)
    if flags & _ENCRYPTED:
        raise Unreadable("it is encrypted", "encrypted")
    if version >= _WORD_97:
        counts = struct.unpack_from("<8i", main, 76)
        table = opened.stream("1Table" if flags & _SECOND_TABLE else "0Table") or b""
        place = 418
    else:
        counts = struct.unpack_from("<8i", main, 52)
        table, place = main, 0x160
    begin, length = struct.unpack_from("<II", main, place)
    text = b""
    if version >= _WORD_97 or flags & _COMPLEX:
        text = _of_pieces(main, table[begin : begin + length], "" if version >= _WORD_97 else _encoding(main))
    if not text:
        begin, end = struct.unpack_from("<II", main, 24)
        text = _units(main[begin:end].decode(_encoding(main), errors="replace"), end - begin)
    parts, at = [], 0
    for count in counts:
        parts.append(text[at : at + 2 * max(count, 0)].decode("utf-16-le", errors="replace"))
        at += 2 * max(count, 0)
    body, notes, headings, _, comments, end_notes, boxes, heading_boxes = parts
    yield from filter(None, map(_shown, (body, notes, end_notes, boxes)))
    if shown := _shown(comments):
        if version >= _WORD_97:
            begin, length = struct.unpack_from("<II", main, 442)
            yield "\n".join(dict.fromkeys(_names(table[begin : begin + length])))
        yield shown
    # Each section has headers of its own, mostly the same.
    if shown := _shown(headings + heading_boxes):
        yield "\n".join(dict.fromkeys(filter(None, shown.split("\n"))))


def _number(content: bytes, place: int, size: int) -> int:
    found = content[place : place + size]
    if len(found) < size:
        raise IndexError(place)
    return int.from_bytes(found, "little")


def _encoding(main: bytes) -> str:
    if _number(main, 20, 2) == 256:
        return "mac-roman"
    language = _number(main, 6, 2)
    return compound.code_page(_CHINESE.get(language) or _CODE_PAGES.get(language & 0x3FF, 1252))


def _of_pieces(main: bytes, table: bytes, encoding: str) -> bytes:
    """The whole text in UTF-16, whose units are what offsets count. `encoding`: the encoding of a document without Unicode,
    otherwise ''."""
    place = 0
    while table[place : place + 1] == b"\x01":
        place += 3 + _number(table, place + 1, 2)
    if table[place : place + 1] != b"\x02":
        return b""
    length = _number(table, place + 1, 4)
    pieces = table[place + 5 : place + 5 + length]
    count = (len(pieces) - 4) // 12
    borders = struct.unpack_from(f"<{count + 1}I", pieces)
    found, whole = [], 0
    for number in range(count):
        size = borders[number + 1] - borders[number]
        (at,) = struct.unpack_from("<I", pieces, 4 * (count + 1) + 8 * number + 2)
        if size <= 0:
            continue
        if encoding:
            part = _units(main[at : at + size].decode(encoding, errors="replace"), size)
        elif at & 0x40000000:
            at = (at & 0x3FFFFFFF) // 2
            part = _units(main[at : at + size].decode("cp1252", errors="replace"), size)
        else:
            part = main[at : at + 2 * size]
        found.append(part)
        whole += len(part)
        if whole > MOST:
            break
    return b"".join(found)


def _units(text: str, size: int) -> bytes:
    """The text in UTF-16, padded so that a character of two bytes counts as two."""
    return text.encode("utf-16-le") + bytes(2 * max(0, min(size, MOST) - len(text)))


def _names(content: bytes) -> Iterator[str]:
    place = 0
    while place + 2 <= len(content):
        size = 2 * _number(content, place, 2)
        yield content[place + 2 : place + 2 + size].decode("utf-16-le", errors="replace")
        place += 2 + size


def _shown(text: str) -> str:
    """The text with field codes removed and special characters replaced."""
    text = _ROW.sub("\n", _without_codes(text)).translate(_MEANT)
    return re.sub("\n{3,}", "\n\n", text).strip()


def _without_codes(text: str) -> str:
    """A field is a code and mostly a result; both may contain fields."""
    if "\x13" not in text:
        return text
    found: list[str] = []
    # For each open field, whether its result has begun.
    open_: list[bool] = []
    hidden = at = 0
    for mark in _FIELD.finditer(text):
        if not hidden:
            found.append(text[at : mark.start()])
        at = mark.end()
        if mark[0] == "\x13":
            open_.append(False)
            hidden += 1
        elif open_ and mark[0] == "\x14":
            hidden -= not open_[-1]
            open_[-1] = True
        elif open_:
            hidden -= not open_.pop()
    if not hidden:
        found.append(text[at:])
    return "".join(found)
