"""Excel 2 to 2003 ([MS-XLS]), sheet by sheet: xlrd reads the cells, which are given as they are shown.

xlrd returns no text boxes, charts, headers and footers, and no whole comments; these records are read here. (xberg, which
reads such files by calamine, does not either, and returns numbers without their format.)
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from app.extraction.readers import compound, number_format
from app.extraction.readers.reader import Options, Page, Piece, Unreadable

_OLE = b"\xd0\xcf\x11\xe0"
_BEGIN, _END, _CONTINUE, _SHEET, _PASSWORD = {0x809, 0x409, 0x209, 0x9}, 0x0A, 0x3C, 0x85, 0x2F
_HEADER, _FOOTER, _NOTE, _BOX, _SERIES = 0x14, 0x15, 0x1C, 0x1B6, 0x100D
_BIFF_8 = 0x600
# Codes in headers: left, centre and right sections; fonts, sizes, colours, page numbers and the like.
_THIRD = re.compile("&[LCR]")
_CODE = re.compile(r'&(?:"[^"]*"|K[0-9A-Fa-f]{6}|K\d\d[+-]\d{3}|\d+|[A-Za-z])')
_MEANT = {0xAD: None, 0xA0: " ", 0x0D: "\n", 0: None}


class Sheet(NamedTuple):
    """`name`: the name of a sheet that is a chart without cells. `begin`: the offset of its records."""

    begin: int
    has_cells: bool
    name: str


def load(options: Options) -> None:
    import xlrd  # type: ignore[import-untyped]  # noqa: F401

    compound.load()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    opened = compound.Compound(content) if content.startswith(_OLE) else None
    book = content
    if opened is not None:
        found = opened.stream("Workbook") or opened.stream("Book")
        if found is None:
            raise Unreadable("there is no workbook in it")
        book = found
        yield from opened.properties()
    yield from _sheets(book, *_around(book))
    if opened is not None:
        yield from opened.objects("MBD")


def _sheets(content: bytes, sheets: list[Sheet], around: dict[int, list[str]]) -> Iterator[Piece]:
    import xlrd

    try:
        # Its messages go nowhere; otherwise they would be in the text.
        book: Any = xlrd.open_workbook(
            file_contents=content, formatting_info=True, on_demand=True, ragged_rows=True, logfile=io.StringIO()
        )
    # For a broken file it raises every error that wrong numbers and offsets can cause.
    except MemoryError:
        raise
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    names: list[str] = book.sheet_names()
    numbers = iter(range(len(names)))
    errors, found = [], False
    for each in sheets or [Sheet(0, True, "")] * len(names):
        lines: list[str] = []
        name = each.name
        if each.has_cells and (number := next(numbers, None)) is not None:
            name = names[number]
            try:
                lines += _cells(book, book.sheet_by_index(number))
            except MemoryError:
                raise
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
            else:
                found = True
        lines += filter(None, around.get(each.begin, []))
        found = found or bool(lines)
        yield Page("\n".join(filter(None, lines)), name)
    if errors and not found:
        raise Unreadable(errors[0])


def _cells(book: Any, sheet: Any) -> Iterator[str]:
    for row in range(sheet.nrows):
        cells = [_shown(book, sheet, row, column) for column in range(sheet.row_len(row))]
        yield "\t".join(cells).strip("\t").translate(_MEANT)
    for link in sheet.hyperlink_list:
        yield from (each for each in (link.url_or_path, link.quicktip) if isinstance(each, str))
    if book.biff_version < 80:
        for note in sheet.cell_note_map.values():
            yield f"{note.author}\n{note.text}".strip()


def _shown(book: Any, sheet: Any, row: int, column: int) -> str:
    """A number as it is shown, followed by the number itself, or by its date in ISO 8601, when these differ."""
    import xlrd

    value, form = sheet.cell_value(row, column), sheet.cell_type(row, column)
    if form in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE):
        kind = book.format_map.get(book.xf_list[sheet.cell_xf_index(row, column)].format_key)
        return _number(value, kind.format_str if kind is not None else "", book.datemode == 1)
    if form == xlrd.XL_CELL_BOOLEAN:
        return "TRUE" if value else "FALSE"
    if form == xlrd.XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(value, ""))
    return str(value)


def _number(value: float, code: str, since_1904: bool) -> str:
    as_it_is = number_format.plain(value)
    if code in ("", "General") or value != value or value in (float("inf"), float("-inf")):
        return as_it_is
    shown = number_format.shown(value, code, since_1904=since_1904).strip()
    if number_format.is_time(code):
        with contextlib.suppress(ValueError, OverflowError):
            as_it_is = number_format.iso(value, since_1904=since_1904)
    return shown if shown == as_it_is else f"{shown} {as_it_is}".lstrip()


def _around(content: bytes) -> tuple[list[Sheet], dict[int, list[str]]]:
    """The sheets of the workbook, and the texts beside the cells of each, by its offset. Raises Unreadable."""
    sheets: list[Sheet] = []
    found: dict[int, list[str]] = {}
    lines = list[str]()
    depth = place = 0
    wide = False
    while place + 4 <= len(content):
        kind, size = struct.unpack_from("<HH", content, place)
        data = content[place + 4 : place + 4 + size]
        if kind in _BEGIN:
            if not depth:
                lines = found.setdefault(place, [])
                wide = data[:2] == _BIFF_8.to_bytes(2, "little")
            depth += 1
        elif kind == _END:
            depth = max(0, depth - 1)
        elif kind == _PASSWORD:
            raise Unreadable("it is encrypted", "encrypted")
        elif kind == _SHEET and len(data) >= 8:
            begin, form = struct.unpack_from("<IxB", data)
            # Modules of macros and dialogs contain nothing to read.
            if form in (0, 1, 2):
                sheets.append(Sheet(begin, form == 0, _string(data[6:], 1, wide=wide)))
        elif kind in (_HEADER, _FOOTER):
            text = _string(data, 2 if wide else 1, wide=wide)
            lines += [_CODE.sub("", part.replace("&&", "\0")).replace("\0", "&") for part in _THIRD.split(text)]
        elif kind == _SERIES:
            lines.append(_string(data[2:], 1, wide=wide))
        elif kind == _NOTE and wide:
            lines.append(_string(data[8:], 2, wide=True))
        elif kind == _BOX and len(data) >= 12:
            lines.append(_box(content, place + 4 + size, struct.unpack_from("<H", data, 10)[0]))
        place += 4 + size
    return sheets, {begin: [each.translate(_MEANT).strip() for each in texts] for begin, texts in found.items()}


def _string(data: bytes, size: int, *, wide: bool) -> str:
    """A string with its length before it, in `size` bytes. `wide`: in the format since Excel 97."""
    length = int.from_bytes(data[:size], "little")
    data = data[size:]
    if not wide:
        return data[:length].decode("cp1252", errors="replace")
    if data[:1] and data[0] & 1:
        return data[1 : 1 + 2 * length].decode("utf-16-le", errors="replace")
    return data[1 : 1 + length].decode("latin-1")


def _box(content: bytes, place: int, length: int) -> str:
    """The text of a box: it follows in records, each of which says how many bytes a character has."""
    found: list[str] = []
    while length > 0 and place + 5 <= len(content):
        kind, size = struct.unpack_from("<HH", content, place)
        if kind != _CONTINUE or size < 2:
            break
        data = content[place + 5 : place + 4 + size]
        part = data.decode("utf-16-le", errors="replace") if content[place + 4] & 1 else data.decode("latin-1")
        found.append(part[:length])
        length -= len(part)
        place += 4 + size
    return "".join(found)
