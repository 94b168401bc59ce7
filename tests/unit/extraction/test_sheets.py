"""What is read of workbooks, in the form of elements and in the binary one."""

from __future__ import annotations

import datetime
import io
import struct

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from app.extraction.readers import binary_sheet, office
from app.extraction.readers.package import Broken
from app.extraction.readers.reader import Options, Page
from tests.support.packages import element, package, parts_of, relations
from tests.unit.extraction.test_office import drawing, lines

office.load(Options(1 << 20, 0))


def saved(book: openpyxl.Workbook) -> bytes:
    book.properties.creator = None
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def active(book: openpyxl.Workbook) -> Worksheet:
    found = book.active
    assert isinstance(found, Worksheet)
    return found


def sheet(
    rows: str,
    behind: str = "",
    parts: dict[str, str | bytes] | None = None,
    related: tuple[tuple[str, str, str], ...] = (),
) -> bytes:
    return package(
        {
            "_rels/.rels": relations(("a", "officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": element("x:workbook", '<x:sheets><x:sheet name="One" r:id="s"/></x:sheets>'),
            "xl/_rels/workbook.xml.rels": relations(
                ("s", "worksheet", "worksheets/sheet1.xml"),
                ("t", "sharedStrings", "strings.xml"),
                ("p", "person", "people.xml"),
            ),
            "xl/worksheets/sheet1.xml": element("x:worksheet", f"<x:sheetData>{rows}</x:sheetData>{behind}"),
            "xl/worksheets/_rels/sheet1.xml.rels": relations(*related),
            **(parts or {}),
        }
    )


def test_sheets_in_the_order_of_the_book_each_a_page() -> None:
    book = openpyxl.Workbook()
    active(book).title = "Stock & more"
    active(book).append(["article", None, "price"])
    active(book).append(["two\nlines"])
    book.create_sheet("Empty")
    book.create_sheet("Hidden").sheet_state = "hidden"
    book["Hidden"]["C3"] = "found"
    pages = [each for each in office.read(saved(book), "") if isinstance(each, Page)]
    assert [each.title for each in pages] == ["Stock & more", "Empty", "Hidden"]
    assert lines(saved(book)) == ["[Stock & more]", "article\tprice", "two", "lines", "[Empty]", "[Hidden]", "found"]


def test_numbers_as_they_are_shown_and_as_they_are() -> None:
    book = openpyxl.Workbook()
    cells: list[tuple[int | float | datetime.date, str]] = [
        (12553, "#,##0"),
        (0.175, "0.0%"),
        (datetime.date(2024, 3, 15), "dd.mm.yyyy"),
        (4.5, "General"),
        (7, "0"),
        (1e20, "0"),
    ]
    for place, (value, code) in enumerate(cells, 1):
        active(book).cell(1, place, value).number_format = code
    active(book).append([True, "#N/A", datetime.timedelta(hours=30)])
    assert lines(saved(book))[1:] == [
        "12,553 12553\t17.5% 0.175\t15.03.2024 2024-03-15\t4.5\t7\t100000000000000000000 1e+20",
        "TRUE\t#N/A\t30:00:00 1.25",
    ]


def test_books_that_count_days_from_1904() -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    active(book)["A1"] = datetime.date(2024, 3, 15)
    assert lines(saved(book))[1:] == ["2024-03-15"]


def test_texts_in_any_place() -> None:
    parts: dict[str, str | bytes] = {
        "xl/strings.xml": element(
            "x:sst", "<x:si><x:r><x:t>half </x:t></x:r><x:r><x:t>bold</x:t></x:r><x:rPh><x:t>reading</x:t></x:rPh></x:si>"
            "<x:si><x:t>a_x000D_b_x0041_</x:t></x:si>",
        )
    }  # fmt: skip
    given = sheet(
        '<x:row><x:c t="s"><x:v>0</x:v></x:c><x:c t="s"><x:v>1</x:v></x:c><x:c t="s"><x:v>99</x:v></x:c></x:row>'
        '<x:row><x:c t="inlineStr"><x:is><x:t>in</x:t><x:rPh><x:t>x</x:t></x:rPh><x:t>line</x:t></x:is></x:c>'
        '<x:c t="str"><x:f>A1&amp;"formula"</x:f><x:v>made</x:v></x:c><x:c><x:v>1e999x</x:v></x:c>'
        '<x:c t="d"><x:v>2024-03-15</x:v></x:c><x:c t="e"><x:v>#REF!</x:v></x:c></x:row>',
        parts=parts,
    )  # fmt: skip
    assert lines(given)[1:] == ["half bold\ta\rbA", "inline\tmade\t1e999x\t2024-03-15\t#REF!"]


def test_without_relationships_the_main_part_has_its_usual_name() -> None:
    for given, name in ((sheet(""), "One"), (binary(b""), "Bin")):
        parts = parts_of(given)
        del parts["_rels/.rels"]
        assert lines(package(parts))[-1] == f"[{name}]"


def test_parts_of_one_word_in_a_cell() -> None:
    book = openpyxl.Workbook()
    active(book)["A1"] = CellRichText("Zahn", TextBlock(InlineFont(b=True), "rad"))
    assert lines(saved(book))[1:] == ["Zahnrad"]


def test_what_is_around_the_cells() -> None:
    book = openpyxl.Workbook()
    first = active(book)
    first["A1"] = "https://said.example"
    first["A1"].hyperlink = "https://said.example"
    first["A2"] = "here"
    first["A2"].hyperlink = "https://linked.example"
    first["A2"].hyperlink.tooltip = "where it leads"
    first["A3"] = "write"
    first["A3"].hyperlink = "mailto:kim@example.org"
    first["B1"].comment = Comment("check this", "Ada")
    assert first.oddHeader is not None
    assert first.evenHeader is not None
    assert first.firstFooter is not None
    assert first.evenFooter is not None
    first.oddHeader.left.text = "Report && more"
    first.oddHeader.left.font = "Arial,Bold"
    first.oddHeader.left.size = 14
    first.oddHeader.left.color = "CC0000"
    first.oddHeader.right.text = "Page &P"
    first.firstFooter.center.text = "the first"
    first.evenFooter.center.text = "the even ones"
    first.evenHeader.center.text = "above even ones"
    first.HeaderFooter.differentFirst = first.HeaderFooter.differentOddEven = True
    choice = DataValidation("list", '"a,b"', showInputMessage=True, promptTitle="Choose", prompt="one of both")
    first.add_data_validation(choice)
    choice.add("C1")
    book.defined_names["VatRate"] = DefinedName("VatRate", attr_text="Sheet!$A$1")
    book.defined_names["Secret"] = DefinedName("Secret", attr_text="Sheet!$A$1", hidden=True)
    book.defined_names["_xlnm.Print_Titles"] = DefinedName("_xlnm.Print_Titles", attr_text="Sheet!$A$1")
    found = lines(saved(book))
    assert found[:5] == ["VatRate", "[Sheet]", "https://said.example", "here", "write"]
    assert sorted(found[5:-2]) == sorted(
        [
            "https://linked.example",
            "where it leads",
            "kim@example.org",
            "Report & more",
            "Page",
            "the first",
            "the even ones",
        ]
        + ["above even ones", "Choose", "one of both"]
    )
    assert found[-2:] == ["Ada", "check this"]


def test_charts_and_boxes_on_sheets() -> None:
    book = openpyxl.Workbook()
    for row in (["month", "rain"], ["May", 1], ["June", 2]):
        active(book).append(row)
    chart = BarChart()
    chart.title = "Rainfall"
    chart.add_data(Reference(active(book), min_col=2, min_row=1, max_row=3), titles_from_data=True)
    active(book).add_chart(chart, "D1")
    alone = book.create_chartsheet("Alone")
    other = BarChart()
    other.title = "By itself"
    other.add_data(Reference(active(book), min_col=2, min_row=1, max_row=3))
    alone.add_chart(other)
    assert lines(saved(book)) == ["[Sheet]", "month\train", "May\t1", "June\t2", "Rainfall", "[Alone]", "By itself"]
    parts = {
        "xl/drawings/d.xml": element(
            "xdr:wsDr",
            f'<xdr:sp><xdr:cNvPr title="Arrow" descr="points up"/><xdr:txBody>{drawing("in a box")}</xdr:txBody></xdr:sp>',
        ),
        "xl/drawings/v.vml": element(
            "xml",
            "<v:shape><v:textbox><div><font>Press </font><font>me</font></div><div><font>now</font></div></v:textbox>"
            "</v:shape>",
        ),
    }
    related = (("1", "vmlDrawing", "../drawings/v.vml"), ("2", "drawing", "../drawings/d.xml"))
    assert lines(sheet("", "", {**parts}, related))[1:] == ["Arrow", "points up", "in a box", "Press me", "now"]


def test_comments_that_are_answered_are_told_once() -> None:
    parts: dict[str, str | bytes] = {
        "xl/people.xml": element("xtc:personList", '<xtc:person id="{1}" displayName="Grace"/>'),
        "xl/comments1.xml": element(
            "x:comments",
            "<x:authors><x:author>tc={9}</x:author><x:author>Ada</x:author></x:authors>"
            '<x:comment authorId="0"><x:text><x:t>Your version can only read this: too much?</x:t></x:text></x:comment>'
            '<x:comment authorId="1"><x:text><x:r><x:t>old </x:t></x:r><x:r><x:t>style</x:t></x:r>'
            "<x:rPh><x:t>reading</x:t></x:rPh></x:text></x:comment>"
            '<x:comment authorId="1"><x:text><x:t>once more</x:t></x:text></x:comment>',
        ),
        "xl/threaded1.xml": element(
            "xtc:ThreadedComments",
            '<xtc:threadedComment personId="{1}"><xtc:text>too much?</xtc:text></xtc:threadedComment>'
            '<xtc:threadedComment personId="{1}"><xtc:text>no</xtc:text></xtc:threadedComment>',
        ),
    }
    related = (("1", "comments", "../comments1.xml"), ("2", "threadedComment", "../threaded1.xml"))
    assert lines(sheet("", "", parts, related))[1:] == ["Ada", "old style", "once more", "Grace", "too much?", "no"]


def wide(text: str | None) -> bytes:
    return (
        b"\xff\xff\xff\xff"
        if text is None
        else struct.pack("<I", len(text.encode("utf-16-le")) // 2) + text.encode("utf-16-le")
    )


def record(number: int, content: bytes) -> bytes:
    size, sized = len(content), b""
    while True:
        sized += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if not size:
            break
    return (bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])) + sized + content


def cell(number: int, content: bytes, style: int = 0) -> bytes:
    return record(number, struct.pack("<II", 0, style) + content)


def binary(
    cells: bytes, parts: dict[str, str | bytes] | None = None, related: tuple[tuple[str, str, str], ...] = ()
) -> bytes:
    return package(
        {
            "_rels/.rels": relations(("a", "officeDocument", "xl/workbook.bin")),
            "xl/workbook.bin": record(153, b"\0\0\0\0") + record(156, struct.pack("<II", 0, 1) + wide("s") + wide("Bin"))
            + record(39, struct.pack("<IBI", 0, 0, 0) + wide("VatRate"))
            + record(39, struct.pack("<IBI", 32, 0, 0) + wide("Own"))
            + record(39, struct.pack("<IBI", 1, 0, 0) + wide("Hid")),
            "xl/_rels/workbook.bin.rels": relations(
                ("s", "worksheet", "worksheets/sheet1.bin"), ("t", "sharedStrings", "s.bin"), ("y", "styles", "styles.bin")
            ),
            "xl/s.bin": record(159, bytes(8)) + record(19, b"\0" + wide("shared")) + record(160, b""),
            "xl/styles.bin": record(44, struct.pack("<H", 164) + wide('0.0 "kg"')) + record(47, struct.pack("<HH", 0, 9))
            + record(617, bytes(4)) + record(47, struct.pack("<HH", 0, 0)) + record(47, struct.pack("<HH", 0, 164))
            + record(618, b""),
            "xl/worksheets/sheet1.bin": cells,
            "xl/worksheets/_rels/sheet1.bin.rels": relations(*related),
            **(parts or {}),
        }
    )  # fmt: skip


def test_cells_of_a_binary_book() -> None:
    row = record(0, bytes(17))
    whole, hundredth = (17 << 2) | 2, (1250 << 2) | 3
    cells = (
        row + cell(7, struct.pack("<I", 0)) + cell(1, b"") + cell(6, wide("text")) + cell(8, wide("made") + b"rest")
        + cell(62, b"\0" + wide("rich"))
        + row + cell(2, struct.pack("<i", whole)) + cell(2, struct.pack("<i", hundredth))
        + cell(5, struct.pack("<d", 2.5), 1) + cell(9, struct.pack("<d", 0.25))
        + cell(2, struct.pack("<i", struct.unpack("<q", struct.pack("<d", 1.5))[0] >> 32))
        + row + cell(4, b"\1") + cell(10, b"\0") + cell(3, b"\x17") + cell(11, b"\x2a")
        + record(494, bytes(16) + wide("w") + wide(None) + wide("leads away") + wide("x"))
        + record(479, b"\0\0" + b"".join(map(wide, ("&LUpper", "&CLower", None, "Even", "First", ""))))
    )  # fmt: skip
    comments = (
        record(632, wide("Ada")) + record(635, struct.pack("<I", 0) + bytes(32)) + record(637, b"\0" + wide("look"))
        + record(636, b"")
    )  # fmt: skip
    related = (("w", "hyperlink", "https://a.example"), ("c", "comments", "../comments1.bin"))
    assert lines(binary(cells, {"xl/comments1.bin": comments}, related)) == [
        *(
            "VatRate",
            "[Bin]",
            "shared\ttext\tmade\trich",
            "17\t12.5\t2.5 kg 2.5\t0.25\t1.5",
            "TRUE\tFALSE\t#REF!\t#N/A",
        ),
        *("https://a.example", "leads away", "Upper", "Lower", "Even", "First", "Ada", "look"),
    ]


def test_of_a_broken_binary_sheet_what_comes_before() -> None:
    cells = record(0, bytes(17)) + cell(6, wide("before")) + record(0, bytes(17)) + cell(6, wide("behind"))
    assert lines(binary(cells[:-3]))[2:] == ["before"]
    assert lines(binary(cells + cell(6, b"\xff\xff")))[2:] == ["before", "behind"]


@pytest.mark.parametrize("size", [3, 17, 1000])
def test_records_wherever_a_piece_ends(size: int) -> None:
    content = record(617, b"x" * 300) + record(1, b"") + record(19, b"y" * 20)
    pieces = [content[place : place + size] for place in range(0, len(content), size)]
    assert list(binary_sheet.records(pieces)) == [(617, b"x" * 300), (1, b""), (19, b"y" * 20)]


def test_a_record_that_is_too_long_is_not_waited_for() -> None:
    head = bytes([6]) + b"\xff\xff\xff\x7f"
    taken = []

    def pieces() -> object:
        for _ in range(1000):
            taken.append(1)
            yield head + bytes(1 << 20)

    with pytest.raises(Broken):
        list(binary_sheet.records(pieces()))  # type: ignore[arg-type]
    assert len(taken) < 20
