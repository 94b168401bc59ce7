"""Parts of workbooks in binary SpreadsheetML (`.xlsb`, [MS-XLSB]): the handler gets the XML elements that correspond to
the records.

The package, its relationships and its drawings are the same as in the XML form. The library that reads such cells returns
numbers, but not as they are shown, and neither comments nor headers; so the records with text are read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from app.extraction.readers.markup import Handler
from app.extraction.readers.package import Broken
from app.extraction.readers.reader import Piece

#: The most bytes of a record: a text has 32,767 characters at most.
MOST_RECORD = 16 * 1024 * 1024
#: The number of records after which the text so far is yielded.
_MANY = 10_000

_ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
_RICH, _STYLES, _STYLES_END, _HEADERS = 62, 617, 618, 479
_NAME_OF_PROGRAM, _NAME_HIDDEN = 1 << 5, 1


def read(pieces: Iterable[bytes], handler: Handler) -> Iterator[Piece]:
    """As `markup.read`."""
    try:
        for count, (number, content) in enumerate(records(pieces)):
            tell(number, content, handler)
            if count % _MANY == 0:
                yield from handler.taken(last=False)
    except (Broken, struct.error, UnicodeDecodeError) as error:
        yield from handler.taken(last=True)
        raise Broken(str(error)) from None
    yield from handler.taken(last=True)


def records(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The numbers and contents of the records of a part. Raises Broken when one is cut off or far too long, and the
    errors of `pieces`."""
    held, place = b"", 0
    for piece in pieces:
        held, place = held[place:] + piece, 0
        while True:
            number, begins = _varying(held, place, 2)
            size, begins = _varying(held, begins, 4)
            if begins < 0 or size > MOST_RECORD or begins + size > len(held):
                break
            yield number, held[begins : begins + size]
            place = begins + size
        if len(held) - place > MOST_RECORD:
            break
    if place < len(held):
        raise Broken("a record is cut off, or too long")


def _varying(held: bytes, place: int, most: int) -> tuple[int, int]:
    """A number with seven bits in each of at most `most` bytes, and where it ends; -1 when it is cut off."""
    value = 0
    for index in range(most):
        if place < 0 or place >= len(held):
            return 0, -1
        byte = held[place]
        value |= (byte & 0x7F) << 7 * index
        place += 1
        if byte < 0x80:
            break
    return value, place


def tell(number: int, content: bytes, handler: Handler) -> None:
    """Handle one record. Raises struct.error, UnicodeDecodeError."""
    if number == 0:
        handler.end("x:row")
    elif number <= 11 or number == _RICH:
        _tell_cell(number, content, handler)
    elif number == 19:
        _element(handler, "x:si", "x:t", _string(content, 1)[0])
    elif number == 44:
        (identity,) = struct.unpack_from("<H", content)
        handler.start("x:numFmts", {})
        handler.start("x:numFmt", {"numFmtId": str(identity), "formatCode": _string(content, 2)[0]})
        handler.end("x:numFmts")
    elif number == _STYLES:
        handler.start("x:cellXfs", {})
    elif number == _STYLES_END:
        handler.end("x:cellXfs")
    elif number == 47:
        handler.start("x:xf", {"numFmtId": str(struct.unpack_from("<H", content, 2)[0])})
    elif number == 153:
        handler.start("x:workbookPr", {"date1904": str(content[0] & 1)} if content else {})
    elif number == 156:
        identity, place = _string(content, 8)
        handler.start("x:sheet", {"r:id": identity, "name": _string(content, place)[0]})
    elif number == 39:
        (flags,) = struct.unpack_from("<I", content)
        if not flags & (_NAME_OF_PROGRAM | _NAME_HIDDEN):
            handler.start("x:definedName", {"name": _string(content, 9)[0]})
    elif number == 494:
        identity, place = _string(content, 16)
        _, place = _string(content, place)
        handler.start("x:hyperlink", {"r:id": identity, "tooltip": _string(content, place)[0]})
    elif number == _HEADERS:
        place = 2
        for name in ("oddHeader", "oddFooter", "evenHeader", "evenFooter", "firstHeader", "firstFooter"):
            said, place = _string(content, place)
            _element(handler, f"x:{name}", "", said)
    elif number == 632:
        _element(handler, "x:author", "", _string(content, 0)[0])
    elif number == 635:
        handler.start("x:comment", {"authorId": str(struct.unpack_from("<I", content)[0])})
    elif number == 636:
        handler.end("x:comment")
    elif number == 637:
        _element(handler, "x:t", "", _string(content, 1)[0])


def _tell_cell(number: int, content: bytes, handler: Handler) -> None:
    if number == 1:
        return
    (style,) = struct.unpack_from("<I", content, 4)
    kind, text = "str", ""
    if number == 2:
        kind, text = "n", repr(_short(struct.unpack_from("<i", content, 8)[0]))
    elif number in (3, 11):
        text = _ERRORS.get(content[8] if len(content) > 8 else -1, "")
    elif number in (4, 10):
        kind, text = "b", str(content[8] if len(content) > 8 else "")
    elif number in (5, 9):
        kind, text = "n", repr(struct.unpack_from("<d", content, 8)[0])
    elif number == 7:
        kind, text = "s", str(struct.unpack_from("<I", content, 8)[0])
    else:
        text = _string(content, 9 if number == _RICH else 8)[0]
    handler.start("x:c", {"t": kind, "s": str(style & 0xFFFFFF)})
    _element(handler, "x:v", "", text)
    handler.end("x:c")


def _element(handler: Handler, outer: str, within: str, text: str) -> None:
    names = [outer, within] if within else [outer]
    for each in names:
        handler.start(each, {})
    handler.text(text)
    for each in reversed(names):
        handler.end(each)


def _string(content: bytes, place: int) -> tuple[str, int]:
    """A UTF-16 text with its number of units before it, and where it ends; '' when there is none."""
    (units,) = struct.unpack_from("<I", content, place)
    end = place + 4 + (0 if units == 0xFFFFFFFF else 2 * units)
    return content[place + 4 : end].decode("utf-16-le", errors="replace"), end


def _short(value: int) -> float:
    """A number of thirty bits with two flags: whether it is an integer, and whether it is multiplied by a hundred."""
    number = float(value >> 2) if value & 2 else struct.unpack("<d", struct.pack("<q", (value & ~3) << 32))[0]
    return number / 100 if value & 1 else float(number)
