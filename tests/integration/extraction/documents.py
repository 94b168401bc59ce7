"""Small real documents of each kind, made by the programs' own libraries or, where a form is simple, by hand."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Callable
from email.message import EmailMessage

import docx
import openpyxl
import pptx
import py7zr
from fpdf import FPDF
from openpyxl.worksheet.worksheet import Worksheet
from PIL import Image, ImageDraw, ImageFont

#: What every document has in it.
PHRASE = "heliotrope manifold"
_ODF = "application/vnd.oasis.opendocument"
_NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{path}:1.0"'
    for name, path in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"))
)


def pdf(pages: int = 60, phrase_on: int = 40) -> bytes:
    made = FPDF()
    made.set_font("helvetica", size=12)
    for number in range(1, pages + 1):
        made.add_page()
        text = f"A phrase: {PHRASE}." if number == phrase_on else f"Ordinary page {number} of the report."
        made.multi_cell(0, 8, text)
    return bytes(made.output())


def endless_pdf() -> bytes:
    """A small PDF that is read for hours: ten thousand times the same page, which has ten thousand words."""
    made = FPDF()
    made.set_font("helvetica", size=1)
    made.add_page()
    made.multi_cell(0, 1, "word " * 10_000)
    content = bytes(made.output())
    page = re.search(rb"/Kids \[(\d+ 0 R)\]", content)
    assert page is not None
    # Longer than it was; a reader looks for the objects where they are not as said.
    return content.replace(page[0], b"/Kids [" + b" ".join([page[1]] * 10_000) + b"]").replace(
        b"/Count 1", b"/Count 10000"
    )


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def word() -> bytes:
    made = docx.Document()
    made.add_paragraph(f"In Word: {PHRASE}")
    made.add_table(1, 1).cell(0, 0).text = "in a cell"
    return _saved(made.save)


def excel() -> bytes:
    made = openpyxl.Workbook()
    assert isinstance(made.active, Worksheet)
    made.active["B2"] = PHRASE
    return _saved(made.save)


def powerpoint() -> bytes:
    made = pptx.Presentation()
    made.slides.add_slide(made.slide_layouts[0]).shapes.title.text = PHRASE
    return _saved(made.save)


def _package(media_type: str, files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", media_type, zipfile.ZIP_STORED)
        for name, content in files.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def open_document(form: str, body: str) -> bytes:
    media_type = f"{_ODF}.{form}"
    manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    return _package(
        media_type,
        {
            "META-INF/manifest.xml": f'<m:manifest xmlns:m="{manifest}">'
            f'<m:file-entry m:full-path="/" m:media-type="{media_type}"/></m:manifest>',
            "content.xml": f'<office:document-content {_NAMESPACES} office:version="1.2"><office:body>{body}'
            "</office:body></office:document-content>",
        },
    )


def epub() -> bytes:
    container = "urn:oasis:names:tc:opendocument:xmlns:container"
    opf = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="i">x</dc:identifier>'
        "<dc:title>T</dc:title><dc:language>en</dc:language></metadata>"
        '<manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    return _package(
        "application/epub+zip",
        {
            "META-INF/container.xml": f'<container version="1.0" xmlns="{container}"><rootfiles>'
            '<rootfile full-path="c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
            "c.opf": opf,
            "a.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>T</title></head>'
            f"<body><p>{PHRASE}</p></body></html>",
        },
    )


def mail() -> bytes:
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = "Größe", "a@example.org", "b@example.org"
    made.set_content(f"Grüße, {PHRASE}\n")
    return bytes(made)


def mailbox() -> bytes:
    return b"".join(b"From a@example.org Mon Jan  1 10:00:00 2024\n" + each + b"\n" for each in (mail(), mail()))


def packed_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        content = mail()
        entry = tarfile.TarInfo("folder/letter.eml")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def sevenzip() -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        archive.writestr(f"In an archive: {PHRASE}", "folder/note.txt")
    return buffer.getvalue()


def picture() -> bytes:
    made = Image.new("RGB", (900, 120), "white")
    ImageDraw.Draw(made).text((20, 30), PHRASE, fill="black", font=ImageFont.load_default(48))
    return _saved(lambda buffer: made.save(buffer, "PNG"))


#: By file name.
DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "report.pdf": pdf,
    "letter.docx": word,
    "table.xlsx": excel,
    "slides.pptx": powerpoint,
    "letter.odt": lambda: open_document("text", f"<office:text><text:p>{PHRASE}</text:p></office:text>"),
    "table.ods": lambda: open_document(
        "spreadsheet",
        '<office:spreadsheet><table:table table:name="S"><table:table-row><table:table-cell '
        f'office:value-type="string"><text:p>{PHRASE}</text:p></table:table-cell></table:table-row></table:table>'
        "</office:spreadsheet>",
    ),
    "slides.odp": lambda: open_document(
        "presentation",
        f"<office:presentation><draw:page><draw:frame><draw:text-box><text:p>{PHRASE}</text:p></draw:text-box>"
        "</draw:frame></draw:page></office:presentation>",
    ),
    "book.epub": epub,
    "message.eml": mail,
    "old.mbox": mailbox,
    "files.zip": lambda: _package("text/plain", {"folder/note.txt": PHRASE, "folder/sheet.csv": "1,2"}),
    "files.tar.gz": packed_tar,
    "files.7z": sevenzip,
    "page.html": lambda: (
        f"<html><script>var no=1</script><body><p>ü {PHRASE.replace(' ', '&#32;')}</p></html>".encode()
    ),
    "notes.md": lambda: f"# Notes\n\n* {PHRASE}\n".encode(),
    "table.csv": lambda: f"name,size\n{PHRASE},1\n".encode(),
    "data.json": lambda: f'{{"a": {{"b": "{PHRASE}"}}}}'.encode(),
    "data.xml": lambda: f"<?xml version='1.0'?><a><b>{PHRASE}</b></a>".encode(),
    "latin2.xml": lambda: f"<?xml version='1.0' encoding='iso-8859-2'?><a b='{PHRASE}'>Łódź</a>".encode("iso-8859-2"),
    "broken.xml": lambda: f"<?xml version='1.0'?><a><b>x</a><c>{PHRASE}".encode(),
    "escapes.json": lambda: f'{{"a": "x\\n{PHRASE.replace("o", chr(92) + "u006f")}"}}'.encode(),
    "texts.properties": lambda: f"a={PHRASE[:5]}\\\n  {PHRASE[5:].replace('o', chr(92) + 'u006f')}".encode(),
    "dates.ics": lambda: f"BEGIN:VCALENDAR\r\nSUMMARY:{PHRASE[:6]}\r\n {PHRASE[6:]}\r\nEND:VCALENDAR".encode(),
    "code.py": lambda: f'def f() -> str:\n    return "{PHRASE}"\n'.encode(),
    "letter.rtf": lambda: rf"{{\rtf1\ansi {PHRASE}}}".encode(),
    "drawing.svg": lambda: f"<svg xmlns='http://www.w3.org/2000/svg'><text>{PHRASE}</text></svg>".encode(),
    "plain.txt": lambda: f"größer {PHRASE} 日本".encode(),
    "utf16.txt": lambda: f"größer {PHRASE}".encode("utf-16"),
    "latin1.txt": lambda: f"Die Größe der Straße über {PHRASE}, müde und fröhlich".encode("latin-1"),
    "latin2.txt": lambda: f"Příští údržba: {PHRASE}, žádost".encode("iso-8859-2"),
    "iso-2022.txt": lambda: f"これは日本語の文章です。 {PHRASE}".encode("iso-2022-jp"),
    "shift-jis.txt": lambda: f"これは日本語の文章です。東京で桜が咲きました。 {PHRASE}".encode("shift-jis"),
}
