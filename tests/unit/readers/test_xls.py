"""Excel until 2003."""

from __future__ import annotations

import struct

import pytest

from app.extraction.readers import xls
from app.extraction.readers.reader import Inner, Options, Page, Piece, Unreadable
from tests.support.old_office import biff, excel, number_cell, properties, text_cell, wide


def read(content: bytes) -> list[Piece]:
    xls.load(Options(1000, 1000))
    return list(xls.read(content, "application/vnd.ms-excel"))


def lines(content: bytes) -> list[str]:
    (page,) = read(content)
    assert isinstance(page, Page)
    return page.text.split("\n")


def box(text: str) -> bytes:
    said = biff(0x1B6, struct.pack("<HH6xHH4x", 0, 0, len(text), 8))
    middle = len(text) // 2
    return (
        said
        + biff(0x3C, b"\0" + text[:middle].encode("latin-1"))
        + biff(0x3C, b"\x01" + text[middle:].encode("utf-16-le"))
        + biff(0x3C, bytes(8))
    )


def test_cells_are_apart_and_rows_are_lines() -> None:
    cells = text_cell(0, 0, "Größe") + text_cell(0, 2, "日本") + text_cell(3, 1, "op\xadtional")
    truth = biff(0x205, struct.pack("<HHHBB", 4, 0, 0, 1, 0))
    error = biff(0x205, struct.pack("<HHHBB", 5, 0, 0, 0x07, 1))
    assert lines(excel([("Lager", 0, cells + truth + error)])) == ["Größe\t\t日本", "optional", "TRUE", "#DIV/0!"]


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (1234.5, "#,##0.00", "1,234.50 1234.5"), (0.25, "0%", "25% 0.25"), (0.1 + 0.2, "General", "0.3"),
        (45292, "dd.mm.yyyy", "01.01.2024 2024-01-01"), (4711, '"ART-"0', "ART-4711 4711"),
    ],
)  # fmt: skip
def test_numbers_as_they_are_shown_and_as_they_are(value: float, code: str, shown: str) -> None:
    assert lines(excel([("S", 0, number_cell(0, 0, value, 1))], formats=[code])) == [shown]


def test_what_is_around_cells() -> None:
    records = text_cell(0, 0, "cell") + biff(0x14, wide('&L&"Arial,Bold"&12left && co&Rpage &P', 2))
    records += (
        biff(0x15, wide("&Cfooter", 2))
        + biff(0x5D, bytes(26))
        + box("boxed text")
        + biff(0x1C, struct.pack("<HHHH", 0, 0, 0, 1) + wide("Ada", 2))
    )
    assert lines(excel([("S", 0, records)])) == ["cell", "left & co", "page", "footer", "boxed text", "Ada"]


def test_sheets_and_charts_are_pages_in_their_order() -> None:
    series = biff(0x100D, struct.pack("<H", 0) + wide("sold", 1))
    sheets = [("first", 0, text_cell(0, 0, "one")), ("drawn", 2, series), ("last", 0, text_cell(0, 0, "two"))]
    assert read(excel(sheets)) == [Page("one", "first"), Page("sold", "drawn"), Page("two", "last")]


def test_what_is_said_of_it_and_what_is_in_it() -> None:
    more = {("\x05SummaryInformation",): properties(1252, title="Größe"), ("MBD01", "Package"): b"PK\x03\x04"}
    assert read(excel([("S", 0, b"")], more=more)) == ["Größe", Page("", "S"), Inner("MBD01", b"PK\x03\x04")]


def test_without_a_container() -> None:
    """As Excel 2 to 4 wrote."""
    sheet = biff(0x09, struct.pack("<HH", 2, 0x10)) + biff(0x04, struct.pack("<HH3xB", 0, 0, 5) + b"early") + biff(0x0A)
    assert lines(sheet) == ["early"]


def test_encrypted() -> None:
    with pytest.raises(Unreadable) as raised:
        read(excel([("S", 0, b"")], before=biff(0x2F, bytes(6))))
    assert raised.value.reason == "encrypted"


@pytest.mark.parametrize("content", [b"", b"\x09\x08\x10\x00 no more", excel([("S", 0, text_cell(0, 0, "x"))])[:1000]])
def test_what_is_broken_is_damaged(content: bytes) -> None:
    with pytest.raises(Unreadable) as raised:
        read(content)
    assert raised.value.reason == "damaged"


def test_a_sheet_that_is_broken_keeps_no_other_back() -> None:
    broken, whole = number_cell(0, 0, 1.0, 999) + box("boxed"), text_cell(0, 0, "whole")
    assert read(excel([("A", 0, broken), ("B", 0, whole)])) == [Page("boxed", "A"), Page("whole", "B")]


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """What the library has to say of a file would be in its text."""
    assert read(excel([("S", 0, text_cell(0, 0, "x"))], before=biff(0x42, b"\xff\xff"))) == [Page("x", "S")]
    assert capsys.readouterr() == ("", "")
