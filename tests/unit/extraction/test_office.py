"""What is text in Office Open XML, what divides it, and in which order it is read."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping

import docx
import pptx
import pytest
from docx.enum.section import WD_SECTION
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from app.extraction.readers import office
from app.extraction.readers.reader import Inner, Options, Page, Unreadable
from tests.support.packages import ECMA, element, package, parts_of, relations, word

office.load(Options(1 << 20, 0))


def lines(content: bytes) -> list[str]:
    """What is read, line by line; where a page begins there is its title in brackets."""
    found = []
    for piece in office.read(content, ""):
        if isinstance(piece, Page):
            found += [f"[{piece.title}]", *piece.text.split("\n")]
        elif isinstance(piece, str):
            found += piece.split("\n")
    return [each for each in found if each]


def saved(document: object) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str) -> str:
    return f"<w:p>{''.join(runs)}</w:p>"


def drawing(text: str) -> str:
    return f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>"


RUNS = [
    ("runs are one word", run("quar") + run("ter"), ["quarter"]),
    ("entities", run("bread &amp; butter &#252;ber"), ["bread & butter über"]),
    ("tab", run("left") + "<w:r><w:tab/></w:r>" + run("right"), ["left\tright"]),
    ("tab of a position", run("left") + "<w:r><w:ptab/></w:r>" + run("right"), ["left\tright"]),
    ("tabs that only are places", "<w:pPr><w:tabs><w:tab/></w:tabs></w:pPr>" + run("alone"), ["alone"]),
    ("break", run("one") + "<w:r><w:br/></w:r>" + run("two"), ["one", "two"]),
    ("return", run("one") + "<w:r><w:cr/></w:r>" + run("two"), ["one", "two"]),
    ("hyphen that does not break", run("e") + "<w:r><w:noBreakHyphen/></w:r>" + run("mail"), ["e-mail"]),
    ("soft hyphens", run("can") + "<w:r><w:softHyphen/></w:r>" + run("\xaddela\xadbra"), ["candelabra"]),
    ("symbol", run("5") + '<w:r><w:sym w:font="Arial" w:char="03A9"/></w:r>', ["5\u03a9"]),
    ("symbol of a font", run("a") + '<w:r><w:sym w:font="Wingdings" w:char="F04A"/></w:r>' + run("b"), ["a b"]),
    ("symbol of nothing", run("a") + '<w:r><w:sym w:char="zz"/></w:r>' + run("b"), ["ab"]),
    ("inserted", f'<w:ins w:author="x">{run("new")}</w:ins>', ["new"]),
    ("deleted", f"<w:del><w:r><w:delText>old</w:delText></w:r>{run('older')}</w:del>" + run("new"), ["new"]),
    ("moved away", f"<w:moveFrom>{run('there')}</w:moveFrom><w:moveTo>{run('here')}</w:moveTo>", ["here"]),
    ("field", '<w:fldSimple w:instr="DATE">' + run("today") + "</w:fldSimple>", ["today"]),
    ("code of a field", "<w:r><w:instrText>PAGE</w:instrText></w:r>" + run("5"), ["5"]),
    (
        "address in a field",
        '<w:r><w:fldChar/></w:r><w:r><w:instrText> HYPERLINK </w:instrText></w:r><w:r><w:instrText>"https://a.example/b"'
        "</w:instrText></w:r><w:r><w:fldChar/></w:r>" + run("link") + "<w:r><w:fldChar/></w:r>",
        ["link", "https://a.example/b"],
    ),
    (
        "address in a simple field",
        "<w:fldSimple w:instr=' HYPERLINK \"https://a.example/b\" '>" + run("link") + "</w:fldSimple>",
        ["link", "https://a.example/b"],
    ),
    ("address", 'x<w:hyperlink r:id="web">' + run("link") + "</w:hyperlink>" + run("ed"), ["linked", "https://web.example"]),
    ("address that is said", '<w:hyperlink r:id="web">' + run("https://web.example") + "</w:hyperlink>", ["https://web.example"]),
    ("address of a mail", '<w:hyperlink r:id="mail">' + run("kim@web.example") + "</w:hyperlink>", ["kim@web.example"]),
    (
        "address of a file that is said",
        '<w:hyperlink r:id="file">' + run("My File.txt") + "</w:hyperlink>",
        ["My File.txt", "file:///My%20Files.txt"],
    ),
    (
        "formula",
        run("when") + "<m:oMath><m:r><m:t>x</m:t></m:r><m:r><m:t>y</m:t></m:r></m:oMath>" + run("is"),
        ["when xy is"],
    ),
    (
        "fraction",
        "<m:oMath><m:f><m:num><m:r><m:t>ab</m:t></m:r></m:num><m:den><m:r><m:t>cd</m:t></m:r></m:den></m:f></m:oMath>",
        ["ab cd"],
    ),
    (
        "limit, root and matrix",
        "<m:oMath><m:deg><m:r><m:t>q</m:t></m:r></m:deg><m:r><m:t>k</m:t></m:r><m:lim><m:r><m:t>n</m:t></m:r></m:lim>"
        "<m:mr><m:r><m:t>1</m:t></m:r></m:mr><m:mr><m:r><m:t>2</m:t></m:r></m:mr></m:oMath>",
        ["q k n 1 2"],
    ),
    (
        "reading of characters",
        run("東")
        + f"<w:r><w:ruby><w:rt>{run('きょう')}</w:rt><w:rubyBase>{run('京')}</w:rubyBase></w:ruby></w:r>"
        + run("都"),
        ["東京都", "きょう"],
    ),
    (
        "box in a word",
        run("head") + f"<w:r><w:drawing><wps:txbx><w:txbxContent>{paragraph(run('in the'), run(' box'))}"
        "</w:txbxContent></wps:txbx></w:drawing></w:r>" + run("line"),
        ["headline", "in the box"],
    ),
    (
        "the same for other programs",
        f"<w:r><mc:AlternateContent><mc:Choice>{run('box')}</mc:Choice><mc:Choice>{run('second')}</mc:Choice>"
        f"<mc:Fallback>{run('third')}</mc:Fallback></mc:AlternateContent></w:r>",
        ["box"],
    ),
    (
        "only for other programs",
        f"<w:r><mc:AlternateContent><mc:Fallback>{run('third')}</mc:Fallback></mc:AlternateContent></w:r>",
        ["third"],
    ),
    ("what a picture shows", run("pic") + '<w:drawing><wp:docPr descr="a cat" title="Cat"/></w:drawing>' + run("ture"),
     ["picture", "Cat", "a cat"]),
    ("drawn words", '<w:pict><v:shape alt="a dog"><v:textpath string="DRAFT"/></v:shape></w:pict>', ["a dog", "DRAFT"]),
    ("content control", f"<w:sdt><w:sdtContent>{run('inside')}</w:sdtContent></w:sdt>" + run("out"), ["insideout"]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "wanted"), [each[1:] for each in RUNS], ids=[each[0] for each in RUNS])
def test_what_is_in_a_paragraph(given: str, wanted: list[str]) -> None:
    related = (
        ("web", "hyperlink", "https://web.example"),
        ("mail", "hyperlink", "mailto:kim@web.example"),
        ("file", "hyperlink", "file:///My%20Files.txt"),
    )
    assert lines(word(paragraph(given), related=related)) == wanted


@pytest.mark.parametrize("name", ["num", "den", "lim", "deg", "oMath"])
def test_parts_of_a_formula_that_are_apart(name: str) -> None:
    symbol = "<m:r><m:t>x</m:t></m:r>"
    assert lines(word(f"<w:p>{symbol}<m:{name}>{symbol}{symbol}</m:{name}>{symbol}</w:p>")) == ["x xx x"]


def test_an_address_that_is_written_otherwise_is_not_told_again() -> None:
    given = paragraph('<w:hyperlink r:id="f">' + run("https://a.example/My File") + "</w:hyperlink>")
    assert lines(word(given, related=(("f", "hyperlink", "https://a.example/My%20File"),))) == [
        "https://a.example/My File"
    ]


def test_an_address_is_told_once() -> None:
    given = paragraph('<w:hyperlink r:id="f">' + run("here") + "</w:hyperlink>")
    assert lines(word(given * 3, related=(("f", "hyperlink", "https://a.example"),))) == [
        "here",
        "https://a.example",
        "here",
        "here",
    ]


def test_cells_and_rows_are_apart() -> None:
    made = docx.Document()
    table = made.add_table(2, 2)
    for place, text in zip(itertools.product((0, 1), (0, 1)), ("first", "second", "third", "fourth"), strict=True):
        table.cell(*place).text = text
    table.cell(0, 0).add_paragraph("below")
    table.cell(1, 0).add_table(1, 2).cell(0, 1).text = "nested"
    found = lines(saved(made))
    assert found[-3:] == ["first", "below\tsecond", "third\tnested\tfourth"]


def test_headers_footers_notes_and_comments_come_behind() -> None:
    made = docx.Document()
    made.core_properties.comments = ""
    section = made.sections[0]
    section.different_first_page_header_footer = True
    section.header.paragraphs[0].text = "on each page"
    section.footer.paragraphs[0].text = "at the foot"
    section.first_page_header.paragraphs[0].text = "on the first"
    first = made.add_paragraph("the body")
    made.add_comment(first.runs, text="a remark", author="Kim Reviewer")
    made.add_comment(first.runs, text="another", author="Kim Reviewer")
    second = made.add_section(WD_SECTION.NEW_PAGE)
    second.header.is_linked_to_previous = False
    second.header.paragraphs[0].text = "on each page"
    found = lines(saved(made))
    assert found[1] == "the body"
    assert sorted(found[2:5]) == ["at the foot", "on each page", "on the first"]
    assert found[5:] == ["Kim Reviewer", "a remark", "another"]


def test_notes_in_the_order_of_parts() -> None:
    notes = {
        f"word/{kind}.xml": element(f"w:{kind}", f"<w:{kind[:-1]}>{paragraph(run(f'in {kind}'))}</w:{kind[:-1]}>")
        for kind in ("endnotes", "footnotes")
    }
    related = (("1", "endnotes", "endnotes.xml"), ("2", "footnotes", "/word/footnotes.xml"))
    given = word(paragraph(run("text"), '<w:r><w:footnoteReference w:id="1"/></w:r>', run("ual")), notes, related)
    assert lines(given) == ["textual", "in footnotes", "in endnotes"]


def test_charts_and_diagrams() -> None:
    chart = element(
        "c:chartSpace",
        f"<c:title><c:tx><c:rich>{drawing('Rainfall')}</c:rich></c:tx></c:title>"
        "<c:ser><c:tx><c:strRef><c:f>S!A1</c:f><c:strCache><c:pt><c:v>north</c:v></c:pt></c:strCache></c:strRef></c:tx>"
        "<c:cat><c:strRef><c:strCache><c:pt><c:v>May</c:v></c:pt><c:pt><c:v>June</c:v></c:pt></c:strCache></c:strRef></c:cat>"
        "<c:val><c:numRef><c:numCache><c:pt><c:v>4711</c:v></c:pt></c:numCache></c:numRef></c:val>"
        "<c:val><c:numLit><c:pt><c:v>4712</c:v></c:pt></c:numLit></c:val></c:ser>",
    )
    newer = element(
        "cx:chartSpace",
        "<cx:strDim><cx:lvl><cx:pt>oak</cx:pt><cx:pt>elm</cx:pt></cx:lvl></cx:strDim><cx:numDim><cx:pt>5</cx:pt></cx:numDim>"
        "<cx:tx><cx:txData><cx:v>Trees</cx:v><cx:v>felled</cx:v></cx:txData></cx:tx>",
    )
    diagram = element("dgm:dataModel", drawing("hub") + drawing("spoke"), f'xmlns:dgm="{ECMA}/drawingml/2006/diagram"')
    given = word(
        paragraph(run("text")),
        {
            "word/charts/c.xml": chart,
            "word/charts/_rels/c.xml.rels": relations(
                ("1", "package", "../embeddings/data.xlsx"), ("2", "chartUserShapes", "../drawings/d.xml")
            ),
            "word/embeddings/data.xlsx": b"what the chart shows already",
            "word/drawings/d.xml": element("c:userShapes", drawing("on top")),
            "word/charts/n.xml": newer,
            "word/diagrams/d.xml": diagram,
        },
        (("1", "diagramData", "diagrams/d.xml"), ("2", "chart", "charts/c.xml"), ("3", "chartEx", "charts/n.xml")),
    )
    assert lines(given) == [
        *("text", "Rainfall", "north", "May", "June", "on top"),
        *("oak", "elm", "Trees", "felled", "hub", "spoke"),
    ]
    assert not [each for each in office.read(given, "") if isinstance(each, Inner)]


def test_slides_in_the_order_in_which_they_are_shown_each_a_page() -> None:
    made = pptx.Presentation()
    made.core_properties.comments = ""
    for text in ("shown second", "shown first"):
        slide = made.slides.add_slide(made.slide_layouts[5])
        slide.shapes.title.text = text
        slide.notes_slide.notes_text_frame.text = f"notes of {text}"
    table = slide.shapes.add_table(2, 2, 0, 0, Inches(3), Inches(1)).table
    for place, text in zip(itertools.product((0, 1), (0, 1)), "abcd", strict=True):
        table.cell(*place).text = text
    data = CategoryChartData()  # type: ignore[no-untyped-call]
    data.categories = ["spring"]
    data.add_series("sales", [5])  # type: ignore[no-untyped-call]
    slide.shapes.add_chart(XL_CHART_TYPE.PIE, 0, 0, 1, 1, data)
    frame = slide.shapes.add_textbox(0, 0, 1, 1).text_frame
    for text in ("half ", "bold", "face"):
        frame.paragraphs[0].add_run().text = text
    frame.paragraphs[0].add_line_break()
    frame.paragraphs[0].add_run().text = "below"
    slides = made.slides._sldIdLst
    slides.insert(0, slides[1])
    made.slides.add_slide(made.slide_layouts[6])
    pieces = [each for each in office.read(saved(made), "") if isinstance(each, Page)]
    assert pieces[0].text.split("\n") == [
        *("shown first", "a\tb", "c\td", "half boldface", "below", "sales", "spring", "notes of shown first"),
    ]
    assert pieces[1].text.split("\n") == ["shown second", "notes of shown second"]
    assert pieces[2].text == ""


def shape(text: str, place: str = "") -> str:
    return f"<p:sp><p:nvSpPr>{place}</p:nvSpPr><p:txBody>{drawing(text)}</p:txBody></p:sp>"


def slides(
    slide: str,
    parts: Mapping[str, str | bytes] | None = None,
    related: tuple[tuple[str, str, str], ...] = (),
    listed: str = "",
) -> bytes:
    return package(
        {
            "_rels/.rels": relations(("a", "officeDocument", "/ppt/presentation.xml")),
            "ppt/presentation.xml": element("p:presentation", listed),
            "ppt/_rels/presentation.xml.rels": relations(
                ("10", "slide", "slides/slide10.xml"), ("2", "slide", "slides/slide2.xml"),
                ("3", "commentAuthors", "authors.xml"), ("4", "authors", "people.xml"),
            ),
            "ppt/slides/slide2.xml": element("p:sld", slide),
            "ppt/slides/_rels/slide2.xml.rels": relations(*related),
            "ppt/slides/slide10.xml": element("p:sld", shape("the tenth")),
            **(parts or {}),
        }
    )  # fmt: skip


def test_slides_that_are_not_listed_are_read_by_their_numbers() -> None:
    assert lines(slides(shape("the second"))) == ["[]", "the second", "[]", "the tenth"]


def test_what_all_slides_show_is_told_once_without_the_places_for_text() -> None:
    parts = {
        "ppt/slideLayouts/l.xml": element("p:sldLayout", shape("Click to edit", "<p:ph/>") + shape("the logo")),
        "ppt/slideLayouts/_rels/l.xml.rels": relations(("1", "slideMaster", "../slideMasters/m.xml")),
        "ppt/slideMasters/m.xml": element(
            "p:sldMaster", shape("Click to edit", '<p:ph type="title"/>') + shape("confidential")
        ),
        "ppt/slides/_rels/slide10.xml.rels": relations(("1", "slideLayout", "../slideLayouts/l.xml")),
    }
    given = slides(
        shape("Click here", "<p:ph/>") + shape("7", '<p:ph type="sldNum"/>'),
        parts,
        (("1", "slideLayout", "../slideLayouts/l.xml"),),
    )
    assert lines(given) == ["confidential", "the logo", "[]", "Click here", "[]", "the tenth"]


def test_comments_on_slides_with_who_wrote_them() -> None:
    parts = {
        "ppt/authors.xml": element("p:cmAuthorLst", '<p:cmAuthor id="0" name="Ada"/>'),
        "ppt/people.xml": element(
            "p188:authorLst", '<p188:author id="{1}" name="Grace"/><p188:author id="{2}" name="Linus"/>'
        ),
        "ppt/comments/c.xml": element(
            "p:cmLst",
            '<p:cm authorId="0"><p:text>too long</p:text></p:cm><p:cm authorId="0"><p:text>cut</p:text></p:cm>',
        ),
        "ppt/comments/n.xml": element(
            "p188:cmLst",
            f'<p188:cm authorId="{{1}}"><p188:replyLst><p188:reply authorId="{{2}}"><p188:txBody>{drawing("agreed")}'
            f"</p188:txBody></p188:reply></p188:replyLst><p188:txBody>{drawing('shorter')}</p188:txBody></p188:cm>",
        ),
    }
    given = slides(
        shape("words"), parts, (("1", "comments", "../comments/c.xml"), ("2", "comments", "../comments/n.xml"))
    )
    assert lines(given)[1:9] == ["words", "Ada", "too long", "cut", "Grace", "Linus", "agreed", "shorter"]


def test_pictures_and_addresses_on_slides() -> None:
    given = slides(
        '<p:pic><p:nvPicPr><p:cNvPr descr="a bridge" title="Bridge"><a:hlinkClick r:id="1"/></p:cNvPr></p:nvPicPr></p:pic>'
        + '<p:sp><p:txBody><a:p><a:r><a:rPr><a:hlinkHover r:id="2"/></a:rPr><a:t>see</a:t></a:r><a:br/>'
        "<a:r><a:t>there</a:t></a:r></a:p></p:txBody></p:sp>",
        related=(("1", "hyperlink", "https://a.example"), ("2", "hyperlink", "https://b.example")),
    )
    assert sorted(lines(given)[1:-2]) == [
        "Bridge",
        "a bridge",
        "https://a.example",
        "https://b.example",
        "see",
        "there",
    ]


def test_properties_that_a_person_sees() -> None:
    made = docx.Document()
    said = {"title": "The title", "subject": "The subject", "author": "The author", "keywords": "key; word"}
    for name, text in {**said, "comments": "The comment", "category": "The category"}.items():
        setattr(made.core_properties, name, text)
    parts = parts_of(saved(made))
    types = f'xmlns:vt="{ECMA}/officeDocument/2006/docPropsVTypes"'
    parts["docProps/app.xml"] = (
        f'<Properties xmlns="{ECMA}/officeDocument/2006/extended-properties" {types}><Template>Normal.dot</Template>'
        "<Company>The company</Company><Manager>The manager</Manager><vt:lpstr>Titles</vt:lpstr></Properties>"
    )
    parts["docProps/custom.xml"] = (
        f'<Properties xmlns="{ECMA}/officeDocument/2006/custom-properties" {types}>'
        + "".join(
            f'<property name="P"><vt:{kind}>By {kind}</vt:{kind}></property>' for kind in ("lpwstr", "lpstr", "bstr")
        )
        + "</Properties>"
    )
    outer = parts["_rels/.rels"]
    assert isinstance(outer, bytes)
    kind = f"{ECMA}/officeDocument/2006/relationships/custom-properties"
    more = f'<Relationship Id="c" Type="{kind}" Target="docProps/custom.xml"/></Relationships>'
    parts["_rels/.rels"] = outer.decode().replace("</Relationships>", more)
    found = lines(package(parts))
    assert {*said.values(), "The comment", "The category", "The company", "The manager"} <= set(found)
    assert {"By lpwstr", "By lpstr", "By bstr"} <= set(found)
    assert not {"Normal.dot", "Titles"} & set(found)


def test_the_strict_form() -> None:
    parts = parts_of(word(paragraph(run("strict")), {"word/h.xml": element("w:hdr", paragraph(run("above")))},
                          (("1", "header", "h.xml"),)))  # fmt: skip
    strict = {}
    for name, content in parts.items():
        assert isinstance(content, bytes)
        text = content.decode()
        if not name.endswith(".rels"):
            text = text.replace(
                f"{ECMA}/wordprocessingml/2006/main", "http://purl.oclc.org/ooxml/wordprocessingml/main"
            )
        text = text.replace(
            f"{ECMA}/officeDocument/2006/relationships", "http://purl.oclc.org/ooxml/officeDocument/relationships"
        )
        strict[name] = text
    assert lines(package({**strict})) == ["strict", "above"]


def test_names_of_parts_in_any_writing() -> None:
    parts = parts_of(word(paragraph(run("found")), {"word/my header.xml": element("w:hdr", paragraph(run("above")))},
                          (("1", "header", "My%20Header.xml"),)))  # fmt: skip
    parts["WORD\\Document.xml"] = parts.pop("word/document.xml")
    assert lines(package(parts)) == ["found", "above"]


def test_without_relationships_the_main_part_has_its_usual_name() -> None:
    parts = parts_of(word(paragraph(run("found"))))
    del parts["_rels/.rels"]
    assert lines(package(parts)) == ["found"]
    parts = parts_of(slides(shape("found")))
    del parts["_rels/.rels"]
    assert lines(package(parts)) == ["[]", "found", "[]", "the tenth"]


def test_parts_that_are_missing_or_broken_are_left_out() -> None:
    given = word(
        paragraph(run("whole")),
        {"word/h.xml": element("w:hdr", paragraph(run("half")))[:-20], "word/c.xml": b"not XML"},
        (("1", "header", "h.xml"), ("2", "comments", "c.xml"), ("3", "footer", "missing.xml")),
    )
    assert lines(given) == ["whole", "half"]


def test_of_a_broken_main_part_what_comes_before() -> None:
    parts = parts_of(word(paragraph(run("before")) + paragraph(run("behind"))))
    main = parts["word/document.xml"]
    assert isinstance(main, bytes)
    parts["word/document.xml"] = main.replace(b"behind", b"<broken")
    assert lines(package(parts)) == ["before"]


UNREADABLE = [
    ("no archive", b"words", "damaged"),
    ("no part", package({}), "damaged"),
    (
        "another package",
        package({"_rels/.rels": relations(("a", "officeDocument", "x.xml")), "x.xml": "<x/>"}),
        "unsupported",
    ),
    ("nothing but a broken part", package({"word/document.xml": element("w:document", "")[:-9]}), "damaged"),
    ("no XML", package({"word/document.xml": b"\0"}), "damaged"),
]


@pytest.mark.parametrize(("given", "reason"), [each[1:] for each in UNREADABLE], ids=[each[0] for each in UNREADABLE])
def test_what_can_not_be_read(given: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as raised:
        lines(given)
    assert raised.value.reason == reason
