"""The documents that benchmarks/reading.py has read, as large as people's are; each has `PHRASE` in it."""

from __future__ import annotations

import io
import json
import random
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

from app.extraction import samples
from app.extraction.kinds import Kind
from app.extraction.readers.compound_writer import packed_up
from tests.integration.extraction.documents import PHRASE, epub, open_document
from tests.integration.extraction.documents import pdf as short_pages
from tests.support import old_office

ROWS = 1000
_WORDS = (
    "the", "of", "and", "to", "in", "is", "that", "it", "was", "for", "on", "are", "as", "with", "his", "they", "at",
    "be", "this", "from", "have", "or", "by", "one", "had", "not", "but", "what", "all", "were", "when", "we",
    "there", "can", "an", "your", "which", "their", "said", "if", "do", "will", "each", "about", "how", "up", "out",
    "them", "then", "she", "many", "some", "so", "these", "would", "other", "into", "has", "more", "her", "two",
    "like", "him", "see", "time", "could", "no", "make", "than", "first", "been", "its", "who", "now", "people", "my",
    "made", "over", "did", "down", "only", "way", "find", "use", "may", "water", "long", "little", "very", "after",
    "words", "called", "just", "where", "most", "know", "committee", "budget", "meeting", "report", "invoice",
    "contract", "delivery", "account", "customer", "supplier", "quarter", "schedule", "project", "agreement",
)  # fmt: skip


def prose(characters: int) -> str:
    """So much of sentences in paragraphs, the same each time, with the phrase in the middle."""
    drawn, sentences, length = random.Random(characters), [], 0
    while length < characters:
        sentence = " ".join(drawn.choices(_WORDS, k=drawn.randint(5, 18))).capitalize() + "."
        sentences.append(sentence)
        length += len(sentence) + 1
    sentences.insert(len(sentences) // 2, f"Of the {PHRASE} nothing is known.")
    return "\n\n".join(" ".join(sentences[at : at + 5]) for at in range(0, len(sentences), 5)) + "\n"


def _repeated(text: str, characters: int) -> str:
    return f"{text} {PHRASE}\n" + f"{text}\n" * (characters // len(text))


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def _rows() -> list[tuple[int | float | str, ...]]:
    """Of a sheet: numbers, names, amounts."""
    drawn = random.Random(ROWS)
    found: list[tuple[int | float | str, ...]] = [("number", "name", "city", "amount", "note", PHRASE)]
    for number in range(1, ROWS + 1):
        found.append(
            (number, *drawn.choices(_WORDS, k=2), round(drawn.uniform(1, 9999), 2), *drawn.choices(_WORDS, k=2))
        )
    return found


def pdf() -> bytes:
    made = FPDF()
    made.set_font("helvetica", size=11)
    for number in range(14):
        made.add_page()
        made.multi_cell(0, 5, prose(2500 + number))
    return bytes(made.output())


def word() -> bytes:
    made = docx.Document()
    for each in prose(4000).split("\n\n"):
        made.add_paragraph(each)
    return _saved(made.save)


def excel() -> bytes:
    made = openpyxl.Workbook()
    assert isinstance(made.active, Worksheet)
    for each in _rows():
        made.active.append(each)
    return _saved(made.save)


def powerpoint() -> bytes:
    made = pptx.Presentation()
    for number in range(10):
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number} of the {PHRASE}"
        slide.placeholders[1].text = prose(300 + number)
    return _saved(made.save)


def _paragraphs(text: str) -> str:
    return "".join(f"<text:p>{each}</text:p>" for each in text.split("\n\n"))


def _cells() -> str:
    rows = ("".join(f"<table:table-cell><text:p>{each}</text:p></table:table-cell>" for each in row) for row in _rows())
    return "".join(f"<table:table-row>{each}</table:table-row>" for each in rows)


def _slides() -> str:
    frames = (f"<draw:text-box>{_paragraphs(prose(300 + number))}</draw:text-box>" for number in range(10))
    return "".join(f"<draw:page><draw:frame>{each}</draw:frame></draw:page>" for each in frames)


def old_word() -> bytes:
    return old_office.word(pieces=20, body=prose(4000).replace("\n\n", "\r").strip() + "\r")


def old_excel() -> bytes:
    cells = [
        old_office.text_cell(at, column, str(each))
        if isinstance(each, str)
        else old_office.number_cell(at, column, each, 0)
        for at, row in enumerate(_rows())
        for column, each in enumerate(row)
    ]
    return old_office.excel([("Sheet", 0, b"".join(cells))])


def old_powerpoint() -> bytes:
    slides = {
        2 + number: old_office.slide(old_office.shape(old_office.chars(prose(300 + number)))) for number in range(10)
    }
    return old_office.powerpoint({1: old_office.holder(0x3E8), **slides})


def outlook() -> bytes:
    values = {
        0x001A: "IPM.Note",
        0x0037: "About the meeting",
        0x0C1A: "A. Sender",
        0x0E04: "B. Reader",
        0x1000: prose(2000),
    }
    streams: dict[tuple[str, ...], bytes] = {
        (f"__substg1.0_{tag:04X}001F",): text.encode("utf-16-le") for tag, text in values.items()
    }
    listed = b"".join(
        (tag << 16 | 0x1F).to_bytes(4, "little") + b"\6\0\0\0" + (2 * len(text) + 2).to_bytes(8, "little")
        for tag, text in values.items()
    )
    return packed_up({**streams, ("__properties_version1.0",): bytes(32) + listed})


def rtf() -> bytes:
    body = prose(4000).replace("\n\n", "\\par\n")
    return rf"{{\rtf1\ansi\ansicpg1252{{\fonttbl{{\f0 Arial;}}}}\f0\fs22 {body}}}".encode()


def book() -> bytes:
    """Ten chapters instead of one."""
    with zipfile.ZipFile(io.BytesIO(epub())) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    chapters = range(1, 11)
    items = "".join(f'<item id="c{at}" href="c{at}.xhtml" media-type="application/xhtml+xml"/>' for at in chapters)
    places = "".join(f'<itemref idref="c{at}"/>' for at in chapters)
    opf = files["c.opf"].decode().replace("</manifest>", f"{items}</manifest>").replace("</spine>", f"{places}</spine>")
    files["c.opf"] = opf.encode()
    for at in chapters:
        files[f"c{at}.xhtml"] = page(10_000 + at).encode()
    return _zip(files)


def page(characters: int) -> str:
    paragraphs = "".join(
        f'<div class="block"><p>{each} <a href="/a">more</a></p></div>\n' for each in prose(characters).split("\n\n")
    )
    return (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>A page</title></head>'
        f"<body><h1>A page</h1>{paragraphs}</body></html>"
    )


def mail(*, attached: bool = False) -> bytes:
    """A letter; `attached`: with a Word file, where only that has the phrase."""
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = "About the meeting", "a@example.org", "b@example.org"
    made.set_content(prose(2000).replace(PHRASE, "report") if attached else prose(2000))
    if attached:
        made.add_attachment(word(), maintype="application", subtype="octet-stream", filename="letter.docx")
    return bytes(made)


def mailbox() -> bytes:
    return b"".join(b"From a@example.org Mon Jan  1 10:00:00 2024\n" + mail() + b"\n" for _ in range(20))


def _members() -> dict[str, bytes]:
    return {f"folder/note {at}.txt": prose(2000 + at).encode() for at in range(10)} | {"folder/letter.docx": word()}


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else None)
    return buffer.getvalue()


def packed_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in _members().items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def sevenzip() -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        for name, content in _members().items():
            archive.writef(io.BytesIO(content), name)
    return buffer.getvalue()


def scanned() -> Image.Image:
    """A page of A4 at 150 dpi with twenty lines on it."""
    made = Image.new("L", (1240, 1754), 255)
    drawing, font = ImageDraw.Draw(made), ImageFont.load_default(26)
    words = prose(900).split()
    lines = [PHRASE, *(" ".join(words[at : at + 9]) for at in range(0, len(words), 9))]
    for at, line in enumerate(lines):
        drawing.text((100, 100 + 50 * at), line, fill=0, font=font)
    return made


def scanned_pdf() -> bytes:
    made = FPDF(format="A4")
    made.add_page()
    made.image(scanned(), 0, 0, 210, 297)
    return bytes(made.output())


def _sample(kind: Kind) -> Callable[[], bytes]:
    """The small one, of a kind that no library of the tests writes."""
    return lambda: samples.sample(kind)[1]


_GERMAN = "Die Prüfung ist gültig, übermorgen müssen die Pläne größer sein."
_FRENCH = "Le comité a décidé que la réunion aura lieu à la fête du château, près du théâtre."
_RUSSIAN = "Следующее собрание состоится в четверг, бюджет утверждён."
_JAPANESE = "会議の議事録です。予算は承認されました。次回は木曜日です。"

#: By what it is: the name of the file, and what makes it.
DOCUMENTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "text, 2 kB": ("note.txt", lambda: prose(2000).encode()),
    "text, 1 MB": ("long.txt", lambda: prose(1_000_000).encode()),
    "text, 2 kB of German, Windows 1252": ("german.txt", lambda: _repeated(_GERMAN, 2000).encode("cp1252")),
    "text, 2 kB of French, Windows 1252": ("french.txt", lambda: _repeated(_FRENCH, 2000).encode("cp1252")),
    "text, 2 kB of Russian, Windows 1251": ("russian.txt", lambda: _repeated(_RUSSIAN, 2000).encode("cp1251")),
    "text, 2 kB of Japanese, Shift JIS": ("japanese.txt", lambda: _repeated(_JAPANESE, 2000).encode("shift_jis")),
    "text, 2 kB, UTF-16": ("wide.txt", lambda: prose(2000).encode("utf-16")),
    "CSV, 1,000 rows": ("table.csv", lambda: "\n".join(",".join(map(str, each)) for each in _rows()).encode()),
    "JSON, 1,000 rows": ("data.json", lambda: json.dumps(_rows()).encode()),
    "XML, 1,000 rows": ("data.xml", lambda: f"<a>{''.join(f'<b>{each}</b>' for each in _rows())}</a>".encode()),
    "HTML, 50 kB": ("page.html", lambda: page(40_000).encode()),
    "PDF, 14 pages full of text": ("report.pdf", pdf),
    "PDF, 14 pages of a line": ("short.pdf", lambda: short_pages(pages=14, phrase_on=7)),
    "Word, 2 pages": ("letter.docx", word),
    "Excel, 1,000 rows": ("sheet.xlsx", excel),
    "PowerPoint, 10 slides": ("slides.pptx", powerpoint),
    "OpenDocument, text of 2 pages": (
        "letter.odt",
        lambda: open_document("text", f"<office:text>{_paragraphs(prose(4000))}</office:text>"),
    ),
    "OpenDocument, 1,000 rows": (
        "sheet.ods",
        lambda: open_document(
            "spreadsheet",
            f'<office:spreadsheet><table:table table:name="A">{_cells()}</table:table></office:spreadsheet>',
        ),
    ),
    "OpenDocument, 10 slides": (
        "slides.odp",
        lambda: open_document("presentation", f"<office:presentation>{_slides()}</office:presentation>"),
    ),
    "Word 97, 2 pages": ("letter.doc", old_word),
    "Excel 97, 1,000 rows": ("sheet.xls", old_excel),
    "PowerPoint 97, 10 slides": ("slides.ppt", old_powerpoint),
    "RTF, 2 pages": ("letter.rtf", rtf),
    "EPUB, 10 chapters": ("book.epub", book),
    "Pages, a line": ("letter.pages", _sample("iwork")),
    "Visio, a page": ("drawing.vsdx", _sample("visio")),
    "mail, 2 kB": ("letter.eml", mail),
    "mail with a Word file": ("attached.eml", lambda: mail(attached=True)),
    "mailbox, 20 mails": ("letters.mbox", mailbox),
    "Outlook mail, 2 kB": ("letter.msg", outlook),
    "winmail.dat, a line": ("winmail.dat", _sample("tnef")),
    "signed, a line": ("signed.p7m", _sample("signed")),
    "calendar, a date": (
        "dates.ics",
        lambda: f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:{PHRASE}\r\nEND:VEVENT\r\nEND:VCALENDAR".encode(),
    ),
    "zip, 10 texts and a Word file": ("files.zip", lambda: _zip(_members())),
    "tar.gz of the same": ("files.tar.gz", packed_tar),
    "7z of the same": ("files.7z", sevenzip),
    "picture of a page": ("scan.png", lambda: _saved(lambda buffer: scanned().save(buffer, "PNG"))),
    "PDF of a scanned page": ("scan.pdf", scanned_pdf),
}
#: By the name of the file, the media type of what is too small for its content to tell it.
SAID = {"letter.pages": samples.sample("iwork")[0], "drawing.vsdx": samples.sample("visio")[0]}
#: The words of which one is looked for in the text.
LOOKED_FOR = (PHRASE, samples.WORD)
