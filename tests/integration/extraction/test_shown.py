"""Pictures that are shown in office files: their text, where it stands, and which of them are worth it."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from typing import Any

import docx
import openpyxl
import openpyxl.drawing.image
import pptx
import pytest
from PIL import Image, ImageDraw, ImageFont

from app.extraction import reading, recognition_data, sandbox
from app.extraction.kinds import Kind, Way
from app.extraction.sandbox import Limits, Verdict
from tests.integration.extraction.test_server import by_phrase, decided, found, outcome, queued
from tests.support.app import ServerFactory

pytestmark = pytest.mark.needs("tesseract-data")

LIMITS = Limits(60, 1 << 30, 1 << 20)


def picture(words: str, form: str = "PNG") -> bytes:
    made = Image.new("RGB", (900, 120), "white")
    ImageDraw.Draw(made).text((20, 30), words, fill="black", font=ImageFont.load_default(48))
    buffer = io.BytesIO()
    made.save(buffer, form)
    return buffer.getvalue()


def saved(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def word(*pictures: bytes) -> bytes:
    made = docx.Document()
    made.add_paragraph("The letter itself.")
    for each in pictures:
        made.add_picture(io.BytesIO(each))
    made.add_paragraph("And its end.")
    return saved(made)


def slides(*pictures: list[bytes]) -> bytes:
    made = pptx.Presentation()
    for number, several in enumerate(pictures, 1):
        slide = made.slides.add_slide(made.slide_layouts[5])
        slide.shapes.title.text = f"Title {number}"
        for each in several:
            slide.shapes.add_picture(io.BytesIO(each), 0, 0)
    return saved(made)


def workbook(**pictures: bytes) -> bytes:
    made = openpyxl.Workbook()
    assert made.active is not None
    made.remove(made.active)
    for name, content in pictures.items():
        sheet = made.create_sheet(name)
        sheet["A1"] = f"cell of {name}"
        if content:
            sheet.add_image(openpyxl.drawing.image.Image(io.BytesIO(content)), "B2")
    return saved(made)


def open_document(body: str, **pictures: bytes) -> bytes:
    names = " ".join(
        f'xmlns:{each}="urn:oasis:names:tc:opendocument:xmlns:{full}:1.0"'
        for each, full in (
            ("office", "office"),
            ("text", "text"),
            ("draw", "drawing"),
            ("presentation", "presentation"),
        )
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        links = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
        made.writestr(
            "content.xml",
            f"<office:document-content {names} {links}><office:body>{body}</office:body></office:document-content>",
        )
        for name, content in pictures.items():
            made.writestr(f"Pictures/{name}.png", content)
    return buffer.getvalue()


def told(
    content: bytes, kind: Kind = "office", *, pictures: bool = True, limits: Limits = LIMITS
) -> tuple[Verdict, str]:
    with tempfile.TemporaryFile() as document, tempfile.TemporaryFile(buffering=0) as output:
        document.write(content)
        document.seek(0)
        verdict = reading.read(Way(kind, ""), document, output, limits, pictures=pictures)
        output.seek(0)
        return verdict, output.read().decode()


def pages(verdict: Verdict, text: str) -> list[tuple[int | None, str]]:
    content = text.encode()
    ends = [*(each.at for each in verdict.parts[1:]), len(content)]
    return [(each.page, content[each.at : end].decode().strip()) for each, end in zip(verdict.parts, ends, strict=True)]


def test_a_screenshot_in_a_letter() -> None:
    verdict, text = told(word(picture("a marmalade invoice"), picture("some penguin drawing", "JPEG")))
    assert (verdict.reason, verdict.cut, verdict.waits) == (None, False, False)
    assert text.endswith("The letter itself.\nAnd its end.\n\na marmalade invoice\n\nsome penguin drawing")
    # A picture has no name that says anything to anybody, and is no page.
    assert verdict.parts == ()
    assert verdict.characters == len(text)


def test_pictures_are_of_their_slides_and_each_is_read_once() -> None:
    logo, other = picture("walrus trading company"), picture("quarterly herring")
    verdict, text = told(slides([logo], [logo, other], [logo]))
    assert (verdict.reason, verdict.cut) == (None, False)
    found_on = pages(verdict, text)
    assert [(page, words.partition("\n")[0]) for page, words in found_on[:3]] == [
        *((1, "Title 1"), (2, "Title 2"), (3, "Title 3")),
    ]
    assert found_on[3:] == [(1, "walrus trading company"), (2, "quarterly herring")]


def test_pictures_are_of_their_sheets() -> None:
    verdict, text = told(workbook(First=b"", Second=picture("copper prices")))
    assert [each.page for each in verdict.parts] == [1, 2, 2]
    assert pages(verdict, text)[-1] == (2, "copper prices")


def test_pictures_of_open_document_files() -> None:
    image = '<draw:frame><draw:image xlink:href="Pictures/{0}.png"/></draw:frame>'
    text_of = f"<office:text><text:p>words</text:p><text:p>{image.format('a')}</text:p></office:text>"
    _, text = told(open_document(text_of, a=picture("an otter census")), "opendocument")
    assert text == "words\n\nan otter census"
    shown = "".join(f"<draw:page><text:p>{each}</text:p>{image.format(each)}</draw:page>" for each in ("a", "b", "a"))
    content = open_document(
        f"<office:presentation>{shown}</office:presentation>", a=picture("first badger"), b=picture("second badger")
    )
    verdict, text = told(content, "opendocument")
    assert pages(verdict, text)[3:] == [(1, "first badger"), (2, "second badger")]


def test_the_text_comes_first_and_is_whole_without_them() -> None:
    """As it is while they wait, and where the time is over."""
    content = word(picture("a marmalade invoice"))
    plain = told(word())
    verdict, text = told(content, pictures=False)
    assert (verdict.reason, verdict.waits, text) == (None, True, plain[1])
    wrong = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (900).to_bytes(4, "big") * 2 + bytes(5000)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w") as target:
        for each in source.namelist():
            target.writestr(each, wrong if each.endswith("image1.png") else source.read(each))
    verdict, text = told(made.getvalue())
    assert (verdict.reason, verdict.cut, text) == (None, False, plain[1])


def test_where_nothing_is_recognized_nothing_is_given_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition_data, "RECOGNITION_DATA", ())
    given: list[int] = []
    run = sandbox.run

    def counted(*arguments: Any) -> Verdict:
        verdict = run(*arguments)
        given.append(len(verdict.files))
        return verdict

    monkeypatch.setattr(sandbox, "run", counted)
    verdict, text = told(word(picture("a marmalade invoice")))
    assert (verdict.reason, verdict.waits, verdict.cut, given) == (None, False, False, [0])
    assert text == told(word())[1]


def test_a_letter_that_is_a_scan_is_found_later(start_server: ServerFactory) -> None:
    """Text first; then what is recognized, in the lane of pictures. One of nothing but a scan is found too."""
    server = start_server(EXTRACTION="on")
    only = docx.Document()
    only.add_picture(io.BytesIO(picture("nothing but a heron")))
    ids = server.upload(("letter.docx", word(picture("a marmalade invoice"))), ("scan.docx", saved(only)))
    decided(server, *ids)
    assert by_phrase(server, "marmalade invoice") == {ids[0]}
    assert by_phrase(server, "the letter itself") == {ids[0]}
    assert by_phrase(server, "but a heron") == {ids[1]}
    assert [outcome(server, each)["cut"] for each in ids] == [False, False]
    assert queued(server) == []
    assert found(server, {"term": {"extraction.state": "completed"}}) != []
    assert json.dumps(outcome(server, ids[0])["parts"]) == "[]"
