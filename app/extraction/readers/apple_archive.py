"""The archives (`.iwa`) of Pages, Numbers and Keynote since 2013: messages of Google's protocol buffers, compressed with
Snappy. Apple documents neither; the numbers of messages have been the same in all versions of its programs.

Rejected: cramjam or python-snappy with protobuf, two more libraries instead of a hundred lines.
"""

from __future__ import annotations

from collections.abc import Iterator

#: The most bytes of an unpacked archive.
MOST = 64 * 1024 * 1024


def uncompressed(content: bytes) -> bytes:
    """The content of blocks of Snappy, which have no Snappy framing here. Raises IndexError, ValueError."""
    found, place = bytearray(), 0
    while place + 4 <= len(content):
        size = int.from_bytes(content[place + 1 : place + 4], "little")
        _block(content[place + 4 : place + 4 + size], found)
        if len(found) > MOST:
            raise ValueError("too large")
        place += 4 + size
    return bytes(found)


def _block(block: bytes, found: bytearray) -> None:
    """One block, by Snappy's format_description.txt: literals, and copies of earlier output."""
    _, place = _varint(block, 0)
    begin = len(found)
    while place < len(block) and len(found) <= MOST:
        tag = block[place]
        place += 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                size = length - 59
                length = int.from_bytes(block[place : place + size], "little")
                place += size
            found += block[place : place + length + 1]
            place += length + 1
            continue
        if tag & 3 == 1:
            length, back = (tag >> 2 & 7) + 4, tag >> 5 << 8 | block[place]
            place += 1
        else:
            size = 2 if tag & 3 == 2 else 4
            length, back = (tag >> 2) + 1, int.from_bytes(block[place : place + size], "little")
            place += size
        if not 0 < back <= len(found) - begin:
            raise ValueError("a copy of nothing")
        at = len(found) - back
        if back >= length:
            found += found[at : at + length]
        else:
            found += (found[at:] * (length // back + 1))[:length]


def _varint(content: bytes, place: int) -> tuple[int, int]:
    found = shift = 0
    while shift < 70:
        byte = content[place]
        place += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, place
        shift += 7
    raise ValueError("a number without an end")


def _fields(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message of protocol buffers. Raises IndexError, ValueError."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        form = key & 7
        if form == 0:
            value, place = _varint(content, place)
            yield key >> 3, value
            continue
        if form == 2:
            size, place = _varint(content, place)
        elif form in (1, 5):
            size = 8 if form == 1 else 4
        else:
            raise ValueError("no such form of a field")
        yield key >> 3, content[place : place + size]
        place += size


#: The field that has the text, by the number of the message: paragraphs; comments; names of sheets and tables; cells.
_STORAGE, _COMMENT, _SHEET, _TABLE, _LIST = {2001, 2005}, 3056, 2, 6001, 6005


def texts(content: bytes) -> Iterator[str]:
    place = 0
    while place < len(content):
        size, place = _varint(content, place)
        head = content[place : place + size]
        place += size
        for number, value in _fields(head):
            if number == 2 and isinstance(value, bytes):
                about = dict(_fields(value))
                kind, length = about.get(1), about.get(3)
                if not isinstance(kind, int) or not isinstance(length, int):
                    raise ValueError("a message without its length")
                for text in _said(kind, content[place : place + length]):
                    if text := text.replace("\ufffc", "").replace("\xad", "").replace("\u2028", "\n").strip():
                        yield text
                place += length


def _said(kind: int, message: bytes) -> Iterator[str]:
    wanted = {**dict.fromkeys(_STORAGE, 3), _COMMENT: 1, _SHEET: 1, _TABLE: 8, _LIST: 3}.get(kind)
    if wanted is None:
        return
    for number, value in _fields(message):
        if number == wanted and isinstance(value, bytes):
            if kind != _LIST:
                yield value.decode("utf-8", errors="replace")
            else:
                yield from (
                    text.decode("utf-8", errors="replace")
                    for inner, text in _fields(value)
                    if inner == 3 and isinstance(text, bytes)
                )
