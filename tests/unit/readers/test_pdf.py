"""What is read of a PDF: all that a viewer shows, each once, in its order."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from app.extraction.readers import pdf, pdf_text
from app.extraction.readers.reader import Inner, Page, Unreadable
from tests.support.pdfs import form, made, page, shown, stream

if TYPE_CHECKING:
    from fpdf import FPDF


def pieces(content: bytes) -> tuple[list[str], list[Inner]]:
    """The text by pages, what comes before the first one first; and the files."""
    texts, files = [""], []
    for each in pdf.read(content, "application/pdf"):
        if isinstance(each, Inner):
            files.append(each)
        elif isinstance(each, Page):
            texts.append(each.text)
        else:
            texts[-1] = f"{texts[-1]}\n{each}".strip()
    return texts, files


def text(content: bytes) -> str:
    return "\n".join(pieces(content)[0]).strip()


def empty() -> FPDF:
    # Here, not above: it loads a whole library of fonts, and most tests do without.
    from fpdf import FPDF

    return FPDF()


def written(*lines: str) -> FPDF:
    document = empty()
    document.set_font("helvetica", size=12)
    document.add_page()
    for number, line in enumerate(lines):
        document.text(20, 20 + 10 * number, line)
    return document


def output(document: FPDF) -> bytes:
    return bytes(document.output())


def field(kind: bytes, described: bytes, place: int = 0) -> bytes:
    return b"<</Type/Annot/Subtype/Widget/Rect[50 %d 200 %d]/FT/%s%s>>" % (600 - place, 620 - place, kind, described)


def with_fields(*fields: bytes, drawn: bytes = b"", more: tuple[bytes, ...] = ()) -> bytes:
    """A form with these fields, which are the objects from 6 on, before `more`."""
    references = [b"%d 0 R" % number for number in range(6, 6 + len(fields))]
    catalog = b"/AcroForm<</Fields[%s]/DR<</Font<</F 4 0 R>>>>/DA(/F 12 Tf)>>" % b" ".join(references)
    return page(drawn, references, catalog=catalog, more=[*fields, *more])


def test_what_was_filled_in_is_read() -> None:
    content = with_fields(
        field(b"Tx", b"/T(name)/V(Lindqvist)"),
        field(b"Tx", b"/T(secret)/Ff 8192/V(hunter)"),
        field(b"Ch", b"/T(colour)/Ff 131072/Opt[(amber)(cobalt)[(x)(viridian)]]/V(cobalt)"),
        field(b"Ch", b"/T(free)/Ff 393216/Opt[(one)]/V(written)"),
        field(b"Btn", b"/T(internal)/TU(I agree)/V/On/AS/On"),
        field(b"Btn", b"/T(newsletter)/V/Off/AS/Off"),
        drawn=shown(b"Surname:"),
    )
    lines = text(content).split("\n")
    assert lines == ["Surname:", "Lindqvist", "amber", "cobalt", "viridian", "written", "one", "I agree", "newsletter"]


def test_a_value_is_inherited_and_a_field_on_two_places_is_told_at_both() -> None:
    parent = b"<</FT/Tx/T(case)/V(Ref 4711)/Kids[7 0 R 8 0 R]>>"
    place = b"<</Type/Annot/Subtype/Widget/Rect[50 500 200 520]/Parent 6 0 R>>"
    content = page(b"", [b"7 0 R", b"8 0 R"], catalog=b"/AcroForm<</Fields[6 0 R]>>", more=[parent, place, place])
    assert text(content) == "Ref 4711\nRef 4711"


def test_a_field_of_no_form_is_read() -> None:
    assert text(page(shown(b"Page"), [field(b"Tx", b"/T(name)/V(orphaned)")])) == "Page\norphaned"


def annotation(kind: bytes, described: bytes) -> bytes:
    return b"<</Type/Annot/Subtype/%s/Rect[50 400 250 450]%s>>" % (kind, described)


def test_notes_are_read_with_their_authors() -> None:
    content = page(
        shown(b"Covered words stay once"),
        [
            annotation(b"Text", b"/Contents(check this)/T(Mara)"),
            annotation(b"Popup", b"/Contents(check this)"),
            annotation(b"FreeText", b"/Contents(typed upon it)"),
            annotation(b"Highlight", b"/Contents(Covered words)/T(Mara)"),
            annotation(b"Highlight", b"/Contents(over words)/T(Mara)"),
            annotation(b"Underline", b"/Contents(why?)"),
            annotation(b"Text", b"/F 2/Contents(hidden)"),
            annotation(b"Link", b"/A<</S/URI/URI(https://example.org)>>/Contents(where it leads)"),
        ],
    )
    assert text(content).split("\n") == [
        "Covered words stay once",
        "Mara: check this",
        "typed upon it",
        # Letters within other words are not these words.
        "Mara: over words",
        "why?",
    ]


def test_what_is_only_drawn_is_read_from_there() -> None:
    """A stamp, a button and a signature; with a field beside them, which is not told twice."""
    look = b"/AP<</N %d 0 R>>"
    names = (b"Submit", b"Signed by X", b"Lindqvist", b"APPROVED")
    content = with_fields(
        field(b"Btn", b"/T(send)/Ff 65536" + look % 10),
        field(b"Sig", b"/T(signature)" + look % 11, 50),
        field(b"Tx", b"/T(name)/V(Lindqvist)" + look % 12, 100),
        annotation(b"Stamp", look % 13),
        drawn=shown(b"Page"),
        more=tuple(form(b"BT /F 12 Tf 5 5 Td (%s) Tj ET" % each) for each in names),
    )
    assert " ".join(text(content).split()) == "Page Lindqvist Submit Signed by X APPROVED"


def test_a_page_with_an_odd_character_keeps_the_rest() -> None:
    unicode = stream(
        b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00><FF> endcodespacerange "
        b"2 beginbfchar <41><D835> <42><0078> endbfchar endcmap end"
    )
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>"
    content = made(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R/Resources<</Font<</F 7 0 R/G 4 0 R>>>>>>",
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            stream(b"BT /F 12 Tf 50 700 Td (ABB) Tj ET BT /G 12 Tf 50 600 Td (remaining) Tj ET"),
            unicode,
            font,
        ]
    )
    found = text(content)
    assert "remaining" in found
    assert "xx" in found
    found.encode()


def test_a_word_divided_at_a_line_s_end_is_found_whole() -> None:
    found = text(page(shown(b"the whole docu-", b"ment of a well-known", b"author")))
    assert "docu-\nment of" in found
    assert "document" in found.split()
    assert "well-known" in found


@pytest.mark.parametrize("shift", [(0, 0), (0.3, 0.2), (-0.2, 0.3)])
@pytest.mark.parametrize("between", [0, 30])
def test_what_is_drawn_twice_is_told_once(shift: tuple[float, float], between: int) -> None:
    """A shadow, also where the page lies between it and what it is of."""
    document = written("Shadowed title", *(f"line {number}" for number in range(between and 20)))
    document.text(20 + shift[0], 20 + shift[1], "Shadowed title")
    assert text(output(document)).count("Shadowed title") == 1


def test_lines_that_are_alike_are_all_told() -> None:
    assert text(output(written("0.00", "total", "0.00"))).split("\n") == ["0.00", "total", "0.00"]


def test_a_vertical_line_is_read() -> None:
    """Whose letters are one below the other: the library leaves lines without width out."""
    font = b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/UniJIS-UCS2-V/DescendantFonts[7 0 R]>>"
    descendant = (
        b"<</Type/Font/Subtype/CIDFontType0/BaseFont/X/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>"
        b"/FontDescriptor<</Type/FontDescriptor/FontName/X/Flags 4/FontBBox[0 -200 1000 900]/ItalicAngle 0/Ascent 900"
        b"/Descent -200/StemV 80>>>>"
    )
    lines = ("日本語の縦書き", "東京で桜が咲く")
    drawn = b"".join(
        b"BT /F 20 Tf %d 700 Td <%s> Tj ET " % (400 - 40 * number, line.encode("utf-16-be").hex().encode())
        for number, line in enumerate(lines)
    )
    content = made(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R/Resources<</Font<</F 6 0 R>>>>>>",
            b"null",
            stream(drawn),
            font,
            descendant,
        ]
    )
    found = text(content).replace("\n", "")
    assert all(line in found for line in lines)


def test_a_glyph_of_several_letters_stands_in_their_order() -> None:
    """Arabic: lam and alef are one glyph. The library turns the line around letter by letter."""
    letters = "سلام"
    # As it is drawn, from the left: meem, the glyph of lam and alef, seen.
    unicode = stream(
        b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00><FF> endcodespacerange "
        b"3 beginbfchar <41><0645> <42><06440627> <43><0633> endbfchar endcmap end"
    )
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>"
    content = made(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R/Resources<</Font<</F 7 0 R>>>>>>",
            b"null",
            stream(b"BT /F 12 Tf 50 700 Td (ABC) Tj ET"),
            unicode,
            font,
        ]
    )
    assert text(content) == letters


def test_title_and_bookmarks_are_told_where_no_page_says_them() -> None:
    document = empty()
    document.set_title("Annual budget")
    document.set_author("Ida Lindqvist")
    document.set_subject("First page")
    document.set_keywords("fiscal, plan")
    document.set_font("helvetica", size=12)
    for title, line in (("Preface", "First page says Preface"), ("Hidden heading", "Second page")):
        document.add_page()
        document.start_section(title)
        document.text(20, 20, line)
    texts, _ = pieces(output(document))
    assert texts == [
        "Annual budget\nIda Lindqvist\nfiscal, plan",
        "First page says Preface",
        "Hidden heading\nSecond page",
    ]


def test_bookmarks_that_lead_nowhere_or_in_a_circle() -> None:
    outline = [
        b"<</First 7 0 R/Last 7 0 R>>",
        b"<</Title(around)/Parent 6 0 R/Next 7 0 R/First 7 0 R>>",
    ]
    texts, _ = pieces(page(shown(b"Page"), catalog=b"/Outlines 6 0 R", more=outline))
    assert texts[1] == "Page"
    assert set(texts[0].split("\n")) == {"around"}


def test_files_are_given_on() -> None:
    document = written("cover")
    document.embed_file(basename="figures.csv", bytes=b"a,b\n1,2\n")
    document.file_attachment_annotation(__file__, 50, 50)
    _, files = pieces(output(document))
    assert [each.name for each in files] == ["test_pdf.py", "figures.csv"]
    assert files[1].content == b"a,b\n1,2\n"
    assert files[0].content.startswith(b'"""What is read')


def encrypted(user: str | None) -> bytes:
    document = written("kept from others")
    document.set_encryption(owner_password="owner", user_password=user)  # noqa: S106
    return output(document)


def test_only_a_password_to_open_it_keeps_it_closed() -> None:
    assert text(encrypted(None)) == "kept from others"
    with pytest.raises(Unreadable) as raised:
        text(encrypted("user"))
    assert raised.value.reason == "encrypted"


def test_what_is_no_pdf_is_damaged() -> None:
    for content in (b"", b"%PDF-1.7\n", output(written("x"))[:300]):
        with pytest.raises(Unreadable) as raised:
            text(content)
        assert raised.value.reason == "damaged"


def test_a_page_that_can_not_be_read_keeps_its_number() -> None:
    content = made(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[6 0 R 3 0 R]/Count 2>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R/Resources<</Font<</F 4 0 R>>>>>>",
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            stream(shown(b"second")),
            b"null",
        ]
    )
    assert pieces(content)[0] == ["", "", "second"]


def test_a_form_in_xfa_is_read() -> None:
    template = (
        b"<template><subform><draw><value><text>Printed line</text></value></draw><field><caption><value>"
        b"<exData><p>Given</p><p>name</p></exData></value></caption><script>no = text</script></field></subform></template>"
    )
    datasets = b"<datasets><data><form><name>Lindqvist</name><city>Malm\xc3\xb6</city></form></data></datasets>"
    packets = b"[(template) 6 0 R (datasets) 7 0 R]"
    content = page(
        shown(b"Please wait", b"Lindqvist"),
        catalog=b"/AcroForm<</Fields[]/XFA%s>>" % packets,
        more=[stream(template), stream(datasets)],
    )
    assert text(content).split("\n") == ["Please wait", "Lindqvist", "Printed line", "Given name", "Malmö"]


@pytest.mark.parametrize(
    "part", [b"<template>" + b"<text>" * 100_000, b"<template><text>before</text><broken", b"\xff\0"]
)
def test_a_broken_form_in_xfa_takes_nothing_away(part: bytes) -> None:
    content = page(shown(b"Page"), catalog=b"/AcroForm<</Fields[]/XFA[(template) 6 0 R]>>", more=[stream(part)])
    assert text(content).split("\n") in (["Page"], ["Page", "before"])


def pictured(*lines: bytes, width: int = 600) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (30, 40), 200).save(buffer, "JPEG")
    described = (
        b"/Type/XObject/Subtype/Image/Width 30/Height 40/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/DCTDecode"
    )
    drawn = b"q %d 0 0 800 0 0 cm /P Do Q " % width + shown(*lines)
    return made(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R"
            b"/Resources<</Font<</F 4 0 R>>/XObject<</P 6 0 R>>>>>>",
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            stream(drawn),
            stream(buffer.getvalue(), described),
        ]
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (pictured(), True),
        (pictured(width=60), True),
        (pictured(b"Page 4"), True),
        (pictured(b"Page 4", width=60), False),
        (pictured(*[b"A line of a page that was recognized before, and is told."] * 3), False),
        (page(b""), False),
        (page(b"50 50 100 100 re f"), True),
        (page(shown(b"text")), False),
    ],
)
def test_which_pages_are_pictures(content: bytes, expected: bool) -> None:
    assert [each.is_picture for each in pdf.read(content, "") if isinstance(each, Page)] == [expected]


def test_what_stands_in_a_text() -> None:
    assert pdf_text.says("one two three", "two\n three")
    assert not pdf_text.says("one twofold", "two")
    assert pdf_text.says("(a+b)", "a+b")
