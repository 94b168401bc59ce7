"""EPUB, Apple's documents, and drawings of Visio: archives of parts."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping

import pytest

from app.extraction.readers import apple_archive, epub, iwork, visio
from app.extraction.readers.reader import Options, Page, Piece, Unreadable

CONTAINER = "urn:oasis:names:tc:opendocument:xmlns:container"
ROOT = f'<container xmlns="{CONTAINER}"><rootfiles><rootfile full-path="O/c.opf"/></rootfiles></container>'


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return buffer.getvalue()


def book(items: str, order: str, **parts: str | bytes) -> bytes:
    about = (
        "<dc:title>Book title</dc:title><dc:creator>A. Uthor</dc:creator><dc:identifier>no</dc:identifier>"
        "<dc:description>&lt;p&gt;About&lt;/p&gt;</dc:description>"
    )
    content = (
        f'<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{about}'
        f"</metadata><manifest>{items}</manifest><spine>{order}</spine></package>"
    )
    named = {f"O/{name.replace('__', ' ').replace('_', '.')}": part for name, part in parts.items()}
    return archive({"META-INF/container.xml": ROOT, "O/c.opf": content, **named})


def read_book(content: bytes) -> list[Piece]:
    epub.load(Options(1000, 1000))
    return list(epub.read(content, "application/epub+zip"))


ABOUT = "Book title\nA. Uthor\nAbout"
ITEMS = '<item id="b" href="b%20two.xhtml"/><item id="a" href="a.xhtml"/><item id="x" href="x.xhtml"/>'
CHAPTERS = {
    "a_xhtml": "<html><head><title>Book</title></head><body><h1>One</h1><p>first<br/>line</p></body></html>",
    "b__two_xhtml": "<html><head><title/></head><body><p>R&amp;D pa&#173;per</p></body></html>",
    "x_xhtml": "<p>not in the order</p>",
}
ORDER = '<itemref idref="a"/><itemref idref="b"/>'


@pytest.mark.parametrize(
    ("item", "parts"),
    [
        (
            '<item id="n" href="nav.xhtml" properties="scripted nav"/>',
            {
                "nav_xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><nav><a href="a.xhtml#x">One</a>'
                '<a href="b%20two.xhtml"><b>Chap</b>ter\n two</a><a href="a.xhtml#y">later</a></nav></html>'
            },
        ),
        (
            '<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>',
            {
                "toc_ncx": '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><docTitle><text>no</text></docTitle><navMap>'
                "<navPoint><navLabel><text>One</text></navLabel><content src='a.xhtml'/></navPoint>"
                "<navPoint><navLabel><text>Chapter two</text></navLabel><content src='b%20two.xhtml'/></navPoint>"
                "</navMap></ncx>"
            },
        ),
    ],
)
def test_chapters_in_their_order_with_their_titles(item: str, parts: dict[str, str]) -> None:
    assert read_book(book(ITEMS + item, ORDER, **CHAPTERS, **parts)) == [
        ABOUT, Page("first\nline", "One"), Page("R&D paper", "Chapter two"),
    ]  # fmt: skip


def test_what_is_missing_is_left_out() -> None:
    chapters = {"a_xhtml": "<p>one</p>"}
    assert read_book(book(ITEMS, ORDER + '<itemref idref="nobody"/>', **chapters)) == [ABOUT, Page("one")]
    assert read_book(archive({"a.xhtml": "<p>alone</p>"})) == [Page("alone")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp1251"])
def test_encodings(encoding: str) -> None:
    word = "Привет" if encoding == "cp1251" else "Größe"
    said = f'<?xml version="1.0" encoding="{encoding}"?>' if encoding.startswith("cp") else ""
    assert read_book(book(ITEMS, ORDER, a_xhtml=f"{said}<p>{word}</p>".encode(encoding)))[1:] == [Page(word)]


def test_encrypted_books_and_fonts() -> None:
    method = '<encryption><EncryptedData><e:EncryptionMethod Algorithm="{}"/></EncryptedData></encryption>'
    fonts, books = "http://www.idpf.org/2008/embedding", "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
    for algorithm, encrypted in ((fonts, False), (books, True)):
        parts = {
            "META-INF/container.xml": ROOT,
            "META-INF/encryption.xml": method.format(algorithm),
            "a.xhtml": "<p>x</p>",
        }
        if not encrypted:
            assert read_book(archive(parts)) == [Page("x")]
            continue
        with pytest.raises(Unreadable) as raised:
            read_book(archive(parts))
        assert raised.value.reason == "encrypted"


def read_apple(parts: dict[str, str | bytes]) -> list[Piece]:
    iwork.load(Options(1000, 1000))
    return list(iwork.read(archive(parts), "application/vnd.apple.pages"))


SPACES = " ".join(
    f'xmlns:{name}="http://developer.apple.com/namespaces/{path}"'
    for name, path in (("sf", "sf"), ("sfa", "sfa"), ("ls", "ls"), ("key", "keynote2"))
)


@pytest.mark.parametrize("packed", [False, True])
def test_apples_xml(packed: bool) -> None:
    source = (
        f"<key:presentation {SPACES}><key:theme-list><sf:p>Double-click</sf:p></key:theme-list><sf:stylesheet><sf:ct "
        'sfa:s="no"/></sf:stylesheet><key:slide-list><key:slide><sf:p>ti<sf:span>tle</sf:span><sf:br/>below</sf:p>'
        '<sf:tabular-model sf:name="Table 1"><sf:t><sf:ct sfa:s="cell"/></sf:t><sf:n sf:v="-872.39999999999998"/>'
        "</sf:tabular-model></key:slide><key:slide><sf:p>op\xadtional</sf:p><sf:chart-row_names><sf:string "
        'sfa:string="axis"/></sf:chart-row_names><sf:string sfa:string="no"/></key:slide></key:slide-list>'
        "</key:presentation>"
    ).encode()
    name, content = ("index.apxl.gz", gzip.compress(source)) if packed else ("index.apxl", source)
    assert read_apple({name: content}) == [Page("title\nbelow\nTable 1\ncell\n-872.4"), Page("optional\naxis")]


def test_sheets_of_numbers() -> None:
    sheet = '<ls:workspace ls:workspace-name="{0}"><sf:p>{0} text</sf:p></ls:workspace>'
    source = f"<ls:document {SPACES}>{sheet.format('One')}{sheet.format('Two')}</ls:document>"
    assert read_apple({"index.xml": source}) == [Page("One text", "One"), Page("Two text", "Two")]


def varint(value: int) -> bytes:
    return (bytes([value & 0x7F | 0x80]) + varint(value >> 7)) if value > 0x7F else bytes([value])


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def messages(*said: tuple[int, bytes]) -> bytes:
    """As Apple's programs keep them, in blocks of Snappy: literals, and for the second half of a text that is the same as
    the first, a copy of it."""
    content = b""
    for kind, message in said:
        head = field(1, 1) + field(2, field(1, kind) + field(2, b"\x01\x00\x05") + field(3, len(message)))
        content += varint(len(head)) + head + message
    blocks = b""
    for place in range(0, len(content), 60):
        part = content[place : place + 60]
        block = varint(len(part)) + bytes([len(part) - 1 << 2]) + part
        blocks += b"\0" + len(block).to_bytes(3, "little") + block
    return blocks


def test_apples_archives() -> None:
    strings = field(1, 1) + field(3, field(1, 1) + field(3, b"in a cell")) + field(3, field(1, 2))
    parts: dict[str, str | bytes] = {
        "Index/Document.iwa": messages(
            (2001, field(1, 0) + field(3, "Größe\u2028of the \ufffctext".encode())), (401, field(3, b"style"))
        ),
        "Index/Slide-10.iwa": messages((2001, field(3, b"ten"))),
        "Index/Slide-9.iwa": messages((2001, field(3, b"nine")), (3056, field(1, b"a comment"))),
        "Index/MasterSlide-1.iwa": messages((2001, field(3, b"Double-click to edit"))),
        "Index/Tables/DataList.iwa": messages((6005, strings), (6001, field(8, b"Table name"))),
        "Index/Broken.iwa": b"\0\xff\xff\xff\xff\xff",
        "Data/picture.jpg": b"x",
    }
    wanted = ["Größe\nof the text", Page("nine\na comment"), Page("ten"), "in a cell\nTable name"]
    assert read_apple(parts) == wanted
    inner = {name.removeprefix("Index/"): part for name, part in parts.items()}
    assert read_apple({"Index.zip": archive(inner)}) == wanted


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (b"\x08\x0cabcd\x01\x04", b"abcdabcd"),
        (b"\x09\x00a\x1e\x01\x00", b"aaaaaaaaa"),
        (b"\x0a\x08abc\x1b\x03\x00\x00\x00", b"abcabcabca"),
        (b"\x40\xf0\x3f" + b"x" * 64, b"x" * 64),
    ],
)
def test_snappy(block: bytes, wanted: bytes) -> None:
    assert apple_archive.uncompressed(b"\0" + len(block).to_bytes(3, "little") + block) == wanted


@pytest.mark.parametrize("block", [b"\x08\x01\x04", b"\x08\x00a\x1e\x02\x00", b"\x08\x00a\x01", b"\xff" * 20])
def test_broken_snappy(block: bytes) -> None:
    with pytest.raises((IndexError, ValueError)):
        apple_archive.uncompressed(b"\0" + len(block).to_bytes(3, "little") + block)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [({}, "unsupported"), ({"index.xml": "<a>"}, "damaged"), ({"index.xml.gz": b"no"}, "damaged")],
)
def test_what_apple_did_not_write(parts: dict[str, str | bytes], reason: str) -> None:
    with pytest.raises(Unreadable) as raised:
        read_apple(parts)
    assert raised.value.reason == reason


def test_drawings() -> None:
    main, office = "http://schemas.microsoft.com/office/visio/2012/main", "http://schemas.openxmlformats.org"
    links = "".join(f'<Relationship Id="r{each}" Target="page{each}.xml"/>' for each in (1, 2, 3))
    pages = "".join(
        f'<Page Name="{name}"><Rel o:id="{link}" xmlns:o="{office}/officeDocument/2006/relationships"/></Page>'
        for name, link in (("Later kept", "r2"), ("Kept first", "r1"), ("Lost", "r3"))
    )
    folder = "visio/pages"
    shapes = "<Shape><Text><cp IX='0'/>{}<pp/> text\n</Text><Cell V='no'/></Shape>"
    content = archive({
        f"{folder}/pages.xml": f'<Pages xmlns="{main}">{pages}</Pages>',
        f"{folder}/_rels/pages.xml.rels": f'<R xmlns="{office}/package/2006/relationships">{links}</R>',
        f"{folder}/page1.xml": f'<P xmlns="{main}"><Shapes>{shapes.format("one")}</Shapes></P>',
        f"{folder}/page2.xml": f'<P xmlns="{main}"><Shapes>{shapes.format("two")}{shapes.format("three")}</Shapes></P>',
    })  # fmt: skip
    visio.load(Options(1000, 1000))
    assert list(visio.read(content, "application/vnd.visio")) == [
        Page("two text\nthree text", "Later kept"), Page("one text", "Kept first"), Page("", "Lost"),
    ]  # fmt: skip
    with pytest.raises(Unreadable) as raised:
        list(visio.read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ""))
    assert raised.value.reason == "unsupported"
