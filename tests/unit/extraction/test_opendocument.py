"""What is text in OpenDocument, what divides it, and in which order it is read."""

from __future__ import annotations

import pytest

from app.extraction.readers import opendocument
from app.extraction.readers.reader import Inner, Options, Page, Unreadable
from tests.support.packages import ODF_NAMESPACES, odf, package, parts_of

opendocument.load(Options(1 << 20, 0))


def lines(content: bytes) -> list[str]:
    """What is read, line by line; where a page begins there is its title in brackets."""
    found = []
    for piece in opendocument.read(content, ""):
        if isinstance(piece, Page):
            found += [f"[{piece.title}]", *piece.text.split("\n")]
        elif isinstance(piece, str):
            found += piece.split("\n")
    return [each for each in found if each]


def text(body: str) -> bytes:
    return odf(f"<office:text>{body}</office:text>")


def p(content: str) -> str:
    return f"<text:p>{content}</text:p>"


CELL = f"<table:table-cell>{p('a')}{p('b')}</table:table-cell>"
PARAGRAPHS = [
    ("spans are one word", p("<text:span>quar</text:span><text:span>ter</text:span>"), ["quarter"]),
    ("heading", "<text:h>Head</text:h>" + p("body"), ["Head", "body"]),
    ("entities", p("bread &amp; butter &#252;ber"), ["bread & butter über"]),
    ("line break", p("one<text:line-break/>two"), ["one", "two"]),
    ("tab", p("left<text:tab/>right"), ["left\tright"]),
    ("blanks", p('left<text:s text:c="3"/>right'), ["left right"]),
    ("blanks of the file", p("\n   left\n   right  \n ") + p("next"), ["left right", "next"]),
    ("soft hyphen", p("can\xaddelabra"), ["candelabra"]),
    ("page that ends softly", p("can<text:soft-page-break/>delabra"), ["candelabra"]),
    ("list", f"<text:list><text:list-item>{p('a')}</text:list-item><text:list-item>{p('b')}</text:list-item></text:list>",
     ["a", "b"]),
    ("section", f"<text:section>{p('a')}</text:section>{p('b')}", ["a", "b"]),
    (
        "footnote in a word",
        p(f"head<text:note><text:note-citation>7</text:note-citation><text:note-body>{p('below')}</text:note-body></text:note>line"),
        ["headline", "below"],
    ),
    (
        "notes of the older form",
        p(
            f"head<text:footnote><text:footnote-citation>7</text:footnote-citation><text:footnote-body>{p('below')}"
            "</text:footnote-body></text:footnote>li<text:endnote><text:endnote-citation>8</text:endnote-citation>"
            f"{p('at last')}</text:endnote>ne"
        ),
        ["headline", "below", "at last"],
    ),
    (
        "remarks, and who made them",
        p(
            f"head<office:annotation><dc:creator>Ada</dc:creator><dc:date>2024-03-15</dc:date>{p('really?')}</office:annotation>line"
            f"<office:annotation><dc:creator>Ada</dc:creator>{p('yes')}</office:annotation>"
        ),
        ["headline", "Ada", "really?", "yes"],
    ),
    ("frame", p(f"head<draw:frame><draw:text-box>{p('boxed')}</draw:text-box></draw:frame>line"), ["headline", "boxed"]),
    (
        "what a picture shows",
        p("head<draw:frame><draw:image/><svg:title>Cat</svg:title><svg:desc>a cat</svg:desc>"
          "<svg:title>Tom</svg:title></draw:frame>line"),
        ["headline", "Cat", "a cat", "Tom"],
    ),
    *(
        (shape, p(f"head<draw:{shape}>{p('drawn')}</draw:{shape}>line"), ["headline", "drawn"])
        for shape in ("custom-shape", "rect", "ellipse", "circle", "caption", "connector", "line", "measure", "path")
        + ("polygon", "polyline", "regular-polygon", "text-box")
    ),
    ("deleted", f"<text:tracked-changes>{p('old')}</text:tracked-changes>{p('new')}", ["new"]),
    ("number of a page", p("Page <text:page-number>1</text:page-number>"), ["Page"]),
    ("number of pages", p("of <text:page-count>9</text:page-count>"), ["of"]),
    (
        "reading of characters",
        p("東<text:ruby><text:ruby-base>京</text:ruby-base><text:ruby-text>きょう</text:ruby-text></text:ruby>都"),
        ["東京都", "きょう"],
    ),
    ("address", p('<text:a xlink:href="https://a.example">link</text:a>ed'), ["linked", "https://a.example"]),
    ("address that is said", p('<text:a xlink:href="https://a.example">https://a.example</text:a>'), ["https://a.example"]),
    ("address within", p('<text:a xlink:href="#chapter">link</text:a>'), ["link"]),
    ("address of a picture", p('<draw:a xlink:href="https://a.example"><draw:frame/></draw:a>x'), ["x", "https://a.example"]),
    ("script", p("a<text:script>alert()</text:script>b"), ["ab"]),
    ("scripts", f"<office:scripts><office:script>{p('x()')}</office:script></office:scripts>" + p("ab"), ["ab"]),
    (
        "cells",
        f"<table:table><table:table-row>{2 * CELL}</table:table-row>"
        f"<table:table-row><table:table-cell>{p('c')}</table:table-cell></table:table-row></table:table>",
        ["a", "b\ta", "b", "c"],
    ),
    (
        "controls",
        '<form:button form:label="Send"/><form:text form:current-value="typed"/><form:x form:title="Hint"/>',
        ["Send", "typed", "Hint"],
    ),
    ("footers of slides", 2 * "<presentation:footer-decl>at the foot</presentation:footer-decl>", 2 * ["at the foot"]),
    ("headers of notes", "<presentation:header-decl>at the head</presentation:header-decl>" + p("x"), ["at the head", "x"]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "wanted"), [each[1:] for each in PARAGRAPHS], ids=[each[0] for each in PARAGRAPHS])
def test_what_is_in_a_text(given: str, wanted: list[str]) -> None:
    assert lines(text(given)) == wanted


SLIDES = (
    f"<draw:page><draw:frame><draw:text-box>{p('Title')}</draw:text-box></draw:frame><draw:g><draw:frame><draw:text-box>{p('below')}"
    f"</draw:text-box></draw:frame></draw:g><presentation:notes><draw:frame><draw:text-box>{p('say this')}</draw:text-box>"
    "</draw:frame></presentation:notes></draw:page><draw:page/>"
    f"<draw:page><draw:frame><table:table><table:table-row><table:table-cell>{p('third')}</table:table-cell></table:table-row>"
    "</table:table></draw:frame></draw:page>"
)


@pytest.mark.parametrize("form", ["presentation", "drawing"])
def test_each_slide_is_a_page(form: str) -> None:
    given = odf(f"<office:{form}>{SLIDES}</office:{form}>")
    assert [each.text for each in opendocument.read(given, "") if isinstance(each, Page)] == [
        "Title\nbelow\nsay this",
        "",
        "third",
    ]
    assert not [each for each in opendocument.read(given, "") if isinstance(each, str)]


def cell(shown: str, attributes: str = "", name: str = "table-cell") -> str:
    return f"<table:{name} {attributes}>{p(shown)}</table:{name}>"


SHEETS = (
    '<table:table table:name="Prices"><table:table-row>'
    + cell("12,553", 'office:value="12553"')
    + cell("5", 'office:value="5"')
    + cell("15.03.24", 'office:date-value="2024-03-15"')
    + cell("words", 'office:value-type="string"')
    + cell("17.5%", 'table:value="0.175"')
    + cell("covered", "", "covered-table-cell")
    + cell("last")
    + "</table:table-row><table:table-row>"
    + cell(f"<draw:frame><table:table><table:table-row>{cell('inner')}</table:table-row></table:table></draw:frame>")
    + cell("1.1.24", 'table:date-value="2024-01-01"')
    + '</table:table-row></table:table><table:table table:name="Empty"/>'
)


def test_each_sheet_is_a_page_with_numbers_as_shown_and_as_they_are() -> None:
    given = odf(f"<office:spreadsheet>{SHEETS}</office:spreadsheet>")
    assert lines(given) == [
        *(
            "[Prices]",
            "12,553 12553\t5\t15.03.24 2024-03-15\twords\t17.5% 0.175\tcovered\tlast",
            "inner\t1.1.24 2024-01-01",
            "[Empty]",
        )
    ]


def test_headers_footers_and_what_all_slides_show() -> None:
    styles = (
        f"<office:document-styles {ODF_NAMESPACES}><office:styles>{'<style:x/>'}</office:styles><office:master-styles>"
        f"<style:master-page><style:header>{p('head')}</style:header><style:footer>{p('foot')}</style:footer>"
        f"<draw:frame><draw:text-box>{p('logo')}</draw:text-box></draw:frame>"
        f'<draw:frame presentation:class="title"><draw:text-box>{p("Click to edit")}</draw:text-box></draw:frame>'
        f"<presentation:notes>{p('Click for notes')}</presentation:notes></style:master-page></office:master-styles>"
        "</office:document-styles>"
    )
    given = odf(
        f'<office:presentation><draw:page><draw:frame presentation:class="title">{p("said")}</draw:frame></draw:page>'
        "</office:presentation>",
        {"styles.xml": styles},
    )
    assert lines(given) == ["head", "foot", "logo", "[]", "said"]


def part(name: str, content: str, attributes: str = "") -> str:
    return f"<office:{name} {ODF_NAMESPACES} {attributes}>{content}</office:{name}>"


META = (
    "<office:meta><dc:title>The title</dc:title><dc:subject>The subject</dc:subject><dc:description>About</dc:description>"
    "<meta:keyword>first</meta:keyword>"
    "<meta:initial-creator>Ada</meta:initial-creator><dc:creator>Ada</dc:creator><meta:keyword>key</meta:keyword>"
    '<meta:user-defined meta:name="Client">Grace</meta:user-defined><meta:generator>A program</meta:generator></office:meta>'
)


def test_what_a_file_says_of_itself() -> None:
    given = odf(f"<office:text>{p('body')}</office:text>",
                {"meta.xml": f"<office:document-meta {ODF_NAMESPACES}>{META}</office:document-meta>"})  # fmt: skip
    assert lines(given) == ["The title", "The subject", "About", "first", "Ada", "key", "Grace", "body"]


def test_the_flat_form() -> None:
    given = (
        f"{META}<office:master-styles><style:master-page><style:header>{p('head')}</style:header></style:master-page>"
        f"</office:master-styles><office:body><office:spreadsheet>{SHEETS}</office:spreadsheet></office:body>"
    )
    given = part("document", f"{given}{p('<office:binary-data>aGVsbG8=</office:binary-data>')}")
    found = lines(given.encode())
    assert found[:9] == ["The title", "The subject", "About", "first", "Ada", "key", "Grace", "head", "[Prices]"]
    assert found[-1] == "[Empty]"
    assert lines(given.encode("utf-16")) == found
    assert lines(given[:-200].encode())[:9] == found[:9]


def test_the_form_of_openoffice_1() -> None:
    body = p("left<text:tab-stop/>right") + f"<text:section>{p('below')}</text:section>"
    content = part("document-content", f"<office:body>{body}</office:body>", 'office:class="text"')
    header = f"<style:master-page><style:header>{p('head')}</style:header></style:master-page>"
    styles = part("document-styles", f"<office:master-styles>{header}</office:master-styles>")
    for path in ("office", "text", "table", "drawing", "style"):
        new, old = f"urn:oasis:names:tc:opendocument:xmlns:{path}:1.0", f"http://openoffice.org/2000/{path}"
        content, styles = content.replace(new, old), styles.replace(new, old)
    names = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0", "http://openoffice.org/2001/manifest"
    with pytest.raises(Unreadable, match="encrypted"):
        lines(package({"content.xml": content, "META-INF/manifest.xml": manifest("content.xml").replace(*names)}))
    public = "-//OpenOffice.org//DTD OfficeDocument 1.0//EN"
    content = f'<?xml version="1.0"?><!DOCTYPE office:document-content PUBLIC "{public}" "office.dtd">{content}'
    assert lines(package({"content.xml": content, "styles.xml": styles})) == ["head", "left\tright", "below"]
    content = content.replace('"text"', '"spreadsheet"').replace(body, SHEETS.replace("office:value", "table:value"))
    content = content.replace("office:date-value", "table:date-value")
    assert lines(package({"content.xml": content}))[:2] == [
        "[Prices]",
        "12,553 12553\t5\t15.03.24 2024-03-15\twords\t17.5% 0.175\tcovered\tlast",
    ]


def test_objects_within() -> None:
    math = '<math:math xmlns:math="http://www.w3.org/1998/Math/MathML"><math:mrow><math:mi>alpha</math:mi><math:mo>=</math:mo>'
    math += "<math:mfrac><math:mn>12</math:mn></math:mfrac><math:mtext>if</math:mtext></math:mrow>"
    math += "<math:annotation>alpha = {12} over</math:annotation></math:math>"
    chart = part(
        "document-content", f"<office:body>{p('Rainfall')}<draw:object xlink:href='./Object 1'/></office:body>"
    )
    sheet = part("document-content", f"<office:body><office:spreadsheet>{SHEETS}</office:spreadsheet></office:body>")
    given = odf(
        "<office:text>"
        + p("".join(f"<draw:frame><draw:object xlink:href='./Object {n}'/></draw:frame>" for n in (1, 1, 2, 3, 9)))
        + "<draw:object-ole xlink:href='Object 4'/></office:text>",
        {
            "Object 1/content.xml": chart,
            "Object 2/content.xml": math,
            "Object 3/content.xml": sheet,
            "Object 4": b"%PDF-1.4 another file",
        },
    )
    found = lines(given)
    assert found[:2] == ["Rainfall", "alpha= 12 if"]
    assert found[2] == "Prices"
    assert found[-1] == "Empty"
    assert [each for each in opendocument.read(given, "") if isinstance(each, Inner)] == [
        Inner("Object 4", b"%PDF-1.4 another file")
    ]


SYMBOL = "<math:mi>x</math:mi>"
FORMULA = ("math", "mfrac", "mtd", "mroot", "munder", "mover", "munderover")


@pytest.mark.parametrize("name", FORMULA)
def test_parts_of_a_formula_that_are_apart(name: str) -> None:
    given = f"<math:mrow>{SYMBOL}{SYMBOL}<math:{name}>{SYMBOL}</math:{name}>{SYMBOL}</math:mrow>"
    assert lines(text(given)) == ["xx x x"]


@pytest.mark.parametrize("name", ["annotation", "annotation-xml"])
def test_a_formula_is_told_once(name: str) -> None:
    assert lines(text(f"{SYMBOL}<math:{name}>{SYMBOL}</math:{name}>")) == ["x"]


def test_who_began_and_who_went_on() -> None:
    said = "<meta:initial-creator>Ada</meta:initial-creator><dc:creator>Grace</dc:creator>"
    given = part("document", f"<office:meta>{said}</office:meta>{p('body')}")
    assert lines(given.encode()) == ["Ada", "Grace", "body"]


def manifest(part: str) -> str:
    return (
        f'<manifest:manifest {ODF_NAMESPACES}><manifest:file-entry manifest:full-path="{part}"><manifest:encryption-data/>'
        "</manifest:file-entry></manifest:manifest>"
    )


@pytest.mark.parametrize(
    ("part", "encrypted"), [("content.xml", True), ("encrypted-package", True), ("Pictures/1.png", False)]
)
def test_what_is_encrypted(part: str, encrypted: bool) -> None:
    given = odf(f"<office:text>{p('body')}</office:text>", {"META-INF/manifest.xml": manifest(part)})
    if not encrypted:
        assert lines(given) == ["body"]
        return
    with pytest.raises(Unreadable) as raised:
        lines(given)
    assert raised.value.reason == "encrypted"


UNREADABLE = [
    ("words", b"only words"),
    ("no archive", b"PK\x03\x04 and no more"),
    ("no part", package({"mimetype": "x"})),
    ("nothing but a broken part", package({"content.xml": "<office:document-content"})),
]


@pytest.mark.parametrize("given", [each[1] for each in UNREADABLE], ids=[each[0] for each in UNREADABLE])
def test_what_can_not_be_read(given: bytes) -> None:
    with pytest.raises(Unreadable) as raised:
        lines(given)
    assert raised.value.reason == "damaged"


def test_of_a_broken_part_what_comes_before() -> None:
    parts = parts_of(text(p("before") + p("behind")))
    content = parts["content.xml"]
    assert isinstance(content, bytes)
    broken: dict[str, str | bytes] = {"content.xml": content.replace(b"behind", b"<broken"), "meta.xml": "no XML"}
    assert lines(package({**parts, **broken})) == ["before"]
