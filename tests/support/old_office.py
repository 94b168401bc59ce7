"""Documents of Office until 2003, written record by record as their specifications say, with words in the places that
people look at."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from app.extraction.readers.compound_writer import packed_up

#: In the order in which the parts of a Word document follow each other: how many characters each has.
WORD_PARTS = ("body", "footnotes", "headers", "macros", "comments", "endnotes", "boxes", "header_boxes")


def properties(encoding: int, **values: str) -> bytes:
    """What is said of a document: `title`, `subject`, `author`, `keywords`, `comments`."""
    names = ("title", "subject", "author", "keywords", "comments")
    said = [(1, struct.pack("<IHH", 2, encoding, 0))]
    for name, value in values.items():
        written = value.encode(f"cp{encoding}" if encoding != 65001 else "utf-8") + b"\0"
        said.append(
            (names.index(name) + 2, struct.pack("<II", 0x1E, len(written)) + written + bytes(-len(written) % 4))
        )
    listed, content, place = b"", b"", 8 + 8 * len(said)
    for name_number, value_bytes in said:
        listed += struct.pack("<II", name_number, place + len(content))
        content += value_bytes
    whole = struct.pack("<II", place + len(content), len(said)) + listed + content
    return struct.pack("<HHI16xI16xI", 0xFFFE, 0, 0, 1, 48) + whole


def word(
    *,
    pieces: int = 3,
    encrypted: bool = False,
    authors: Sequence[str] = (),
    more: dict[tuple[str, ...], bytes] | None = None,
    **parts: str,
) -> bytes:
    """A document of Word 97 in so many pieces, every other one in 8 bits where it can be."""
    texts = [parts.get(name, "") for name in WORD_PARTS]
    whole = "".join(texts).encode("utf-16-le")
    units = len(whole) // 2
    borders = [units * each // pieces for each in range(pieces + 1)]
    main = bytearray(1024)
    places: list[int] = []
    # The last ones first: the order of the text is that of the table.
    for number in reversed(range(pieces)):
        part = whole[2 * borders[number] : 2 * borders[number + 1]]
        narrow = part[1::2].count(0) == len(part) // 2 and number % 2 == 0
        place = len(main)
        main += part[::2] if narrow else part
        places.insert(0, 2 * place | 1 << 30 if narrow else place)
    table = b"".join(struct.pack("<I", each) for each in borders)
    table += b"".join(struct.pack("<HIH", 0, each, 0) for each in places)
    table = b"\x01" + struct.pack("<H", 4) + b"skip" + struct.pack("<BI", 2, len(table)) + table
    names = b"".join(struct.pack("<H", len(each)) + each.encode("utf-16-le") for each in authors)
    struct.pack_into("<HHxxxxxxH", main, 0, 0xA5EC, 0xC1, 0x200 | (0x100 if encrypted else 0))
    struct.pack_into("<8I", main, 76, *(len(each.encode("utf-16-le")) // 2 for each in texts))
    struct.pack_into("<II", main, 418, 0, len(table))
    struct.pack_into("<II", main, 442, len(table), len(names))
    return packed_up({("WordDocument",): bytes(main), ("1Table",): table + names, **(more or {})})


def word_6(text: str, encoding: str, language: int) -> bytes:
    """A document of Word 6, in 8 bits."""
    written = text.encode(encoding)
    main = bytearray(1024) + written
    struct.pack_into("<HHxxH", main, 0, 0xA5DC, 0x65, language)
    struct.pack_into("<II", main, 24, 1024, 1024 + len(written))
    struct.pack_into("<I", main, 52, len(written))
    return packed_up({("WordDocument",): bytes(main)})


def atom(kind: int, content: bytes = b"", instance: int = 0) -> bytes:
    """A record of PowerPoint that has no others in it."""
    return struct.pack("<HHI", instance << 4, kind, len(content)) + content


def holder(kind: int, *records: bytes, instance: int = 0) -> bytes:
    """A record of PowerPoint that has others in it."""
    content = b"".join(records)
    return struct.pack("<HHI", instance << 4 | 0xF, kind, len(content)) + content


def chars(text: str, kind: int = 0xFA0, instance: int = 0) -> bytes:
    return atom(kind, text.encode("utf-16-le"), instance)


def shape(*texts: bytes, placeholder: int = 0) -> bytes:
    client = [holder(0xF011, atom(0xBC3, struct.pack("<IBBH", 0, placeholder, 0, 0)))] if placeholder else []
    return holder(0xF004, *client, atom(0xF00D, b"".join(texts)))


def slide(*records: bytes, notes: int = 0, kind: int = 0x3EE) -> bytes:
    return holder(kind, atom(0x3EF, struct.pack("<I8xIII", 0, 0, notes, 0)), *records)


def powerpoint(
    objects: dict[int, bytes], *, older: Sequence[bytes] = (), more: dict[tuple[str, ...], bytes] | None = None
) -> bytes:
    """A presentation of these objects by their numbers. `older`: what earlier edits left behind."""
    main = b"".join(older)
    places = {}
    for number, record in objects.items():
        places[number] = len(main)
        main += record
    directory = len(main)
    main += atom(0x1772, b"".join(struct.pack("<II", number | 1 << 20, place) for number, place in places.items()))
    edit = len(main)
    main += atom(0xFF5, struct.pack("<IIIIIII", 0, 0, 0, directory, 1, 10, 0))
    user = struct.pack("<HHIIII", 0, 0xFF6, 20, 20, 0xE391C05F, edit)
    return packed_up({("PowerPoint Document",): main, ("Current User",): user, **(more or {})})


def biff(kind: int, content: bytes = b"") -> bytes:
    """A record of Excel."""
    return struct.pack("<HH", kind, len(content)) + content


def wide(text: str, size: int) -> bytes:
    """A text of Excel 97, with its length before it in so many bytes."""
    return len(text).to_bytes(size, "little") + b"\x01" + text.encode("utf-16-le")


def begin(form: int) -> bytes:
    return biff(0x809, struct.pack("<HHHHII", 0x600, form, 0, 0, 0, 0))


def number_cell(row: int, column: int, value: float, look: int) -> bytes:
    return biff(0x203, struct.pack("<HHHd", row, column, look, value))


def text_cell(row: int, column: int, text: str) -> bytes:
    return biff(0x204, struct.pack("<HHH", row, column, 0) + wide(text, 2))


def excel(
    sheets: Sequence[tuple[str, int, bytes]],
    *,
    formats: Sequence[str] = (),
    before: bytes = b"",
    more: dict[tuple[str, ...], bytes] | None = None,
) -> bytes:
    """A workbook of Excel 97: name, kind (0: cells, 2: a chart) and records of each sheet. `formats`: of numbers, by the
    looks of cells from 1 on."""
    looks = biff(0x31, struct.pack("<HHHHHBBBx", 200, 0, 32767, 400, 0, 0, 0, 0) + wide("Arial", 1))
    for number, code in enumerate(formats):
        looks += biff(0x41E, struct.pack("<H", 164 + number) + wide(code, 2))
    for number in (0, *range(164, 164 + len(formats))):
        looks += biff(0xE0, struct.pack("<HHH14x", 0, number, 0))
    head = begin(5) + before + looks
    listed = [wide(name, 1) for name, _, _ in sheets]
    place = len(head) + sum(4 + 6 + len(each) for each in listed) + 4
    content = b""
    for (_, kind, records), name in zip(sheets, listed, strict=True):
        head += biff(0x85, struct.pack("<IBB", place + len(content), 0, kind) + name)
        content += begin(16 if kind == 0 else 32) + records + biff(0x0A)
    return packed_up({("Workbook",): head + biff(0x0A) + content, **(more or {})})
