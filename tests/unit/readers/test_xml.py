"""XML of known and of unknown vocabularies, whole and broken."""

from __future__ import annotations

import pytest

from app.extraction.readers.xml import read


def of(markup: str, encoding: str = "utf-8") -> str:
    (piece,) = read(markup.encode(encoding), "application/xml")
    assert isinstance(piece, str)
    return piece


WORD = "http://schemas.microsoft.com/office/word/2003/wordml"
EXCEL = "urn:schemas-microsoft-com:office:spreadsheet"
FEED = "<rss><item>&lt;p&gt;Gr&amp;uuml;&lt;b&gt;ße&lt;/b&gt;&lt;/p&gt;&lt;p&gt;two&lt;/p&gt;</item></rss>"
DRAWING = (
    "<svg xmlns='http://www.w3.org/2000/svg' id='no'><style>no</style><title>T</title><path d='M0 0'/>"
    "<text x='1'>on<tspan>e</tspan></text></svg>"
)
LETTER = (
    f"<d xmlns:w='{WORD}'><w:p><w:r><w:t w:x='no'>be</w:t></w:r><w:r><w:t>fore</w:t><w:tab/><w:t>x</w:t></w:r></w:p>"
    "<w:p>y<w:binData>AAAA</w:binData></w:p></d>"
)
TABLE = (
    f"<W xmlns='{EXCEL}' xmlns:s='{EXCEL}'><Worksheet s:Name='Sheet'><Row><Cell><Data s:Type='no'>1</Data></Cell>"
    "<Cell><Data>2</Data></Cell></Row></Worksheet></W>"
)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ('<letter place="here"><name>Ada</name><name>Bob</name></letter>', "here\nAda\nBob"),
        ("<a>x<b>y</b>z</a><!-- no --><?no no?>", "xyz"),
        # Names that mean a part of a line elsewhere, and one that does here.
        ("<list><code>A1</code><code>B2</code><i>3</i>\n<q>4</q></list>", "A1 B2 3\n4"),
        ("<list><note>Hal<b>te</b>stelle</note></list>", "Haltestelle"),
        ("<article><p><b>Hal</b><i>te</i></p></article>", "Halte"),
        ("<list><p xmlns='http://www.w3.org/1999/xhtml'><b>Hal</b><i>te</i></p></list>", "Halte"),
        ("<para>em<emphasis>pha</emphasis>sis, <ulink url='u'>link</ulink> on</para>", "emphasis, link on\nu"),
        ("<row><entry>one</entry><entry>two</entry></row>", "one\ttwo"),
        ("<a>R&amp;D &#228; <![CDATA[<x> & y]]></a>", "R&D ä <x> & y"),
        ("<!DOCTYPE a [<!ENTITY me 'Ada'>]><a>&me; and &uuml; &unknown;.</a>", "Ada and ü ."),
        ("<!DOCTYPE a SYSTEM 'http://127.0.0.1/x.dtd'><a>caf&eacute;</a>", "café"),
        (FEED, "Grüße\ntwo"),
        (DRAWING, "T\none"),
        (LETTER, "before\tx\ny"),
        (TABLE, "Sheet\n1\t2"),
        ("<plist><dict><key>Name</key><string>Ada</string></dict></plist>", "Name\nAda"),
        ("", ""),
    ],
)  # fmt: skip
def test_text(markup: str, text: str) -> None:
    assert of(markup) == text


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-16", "utf-8", "cp1252", "iso-8859-15"])
def test_encodings(encoding: str) -> None:
    assert of(f'<?xml version="1.0" encoding="{encoding}"?><a b="Maß">Größe</a>', encoding) == "Maß\nGröße"


def test_encodings_that_expat_does_not_know() -> None:
    assert of('<?xml version="1.0" encoding="shift_jis"?><a>予算会議</a>', "shift_jis") == "予算会議"
    assert of('<?xml version="1.0" encoding="koi8-r"?><a>Привет</a>', "koi8-r") == "Привет"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<a><b>one</a><c>two</c><d>three", "one\ntwo\nthree"),
        ("<a>one</a><a>two</a>", "one\ntwo"),
        ("<a>AT&T <b x=1>bold</b></a>", "AT\n&T\nbold"),
        ("<x:a>one</x:a>", "one"),
        ("<a>one<b", "one"),
        ("no markup", "no markup"),
    ],
)
def test_what_can_be_read_of_broken_xml_is_read(markup: str, text: str) -> None:
    assert of(markup) == text


def test_entities_do_not_make_more_than_a_document_has() -> None:
    laughs = "".join(f"<!ENTITY e{each} '{f'&e{each - 1};' * 10}'>" for each in range(1, 10))
    assert len(of(f"<!DOCTYPE a [<!ENTITY e0 'laugh '>{laughs}]><a>&e9;</a>")) < 100_000
