"""Forms of older programs, through the process that reads documents: with all that it may not do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import pytest

from app.extraction import reading
from app.extraction.kinds import Way
from app.extraction.sandbox import Verdict
from tests.integration.extraction.documents import DOCUMENTS, PHRASE
from tests.integration.extraction.hostile import LIMITS
from tests.support.old_office import (
    chars,
    excel,
    holder,
    number_cell,
    powerpoint,
    properties,
    shape,
    slide,
    text_cell,
    word,
)

WORD = Way("doc", "application/msword")
EXCEL = Way("xls", "application/vnd.ms-excel")
POWERPOINT = Way("ppt", "application/vnd.ms-powerpoint")


def read(way: Way, content: bytes) -> tuple[Verdict, str]:
    with tempfile.TemporaryFile() as document, tempfile.TemporaryFile() as output:
        document.write(content)
        document.seek(0)
        verdict = reading.read(way, document, output, LIMITS)
        output.seek(0)
        return verdict, output.read().decode()


#: With what each reader looks for in libraries that load parts of themselves late: encodings of every kind.
FORMS: dict[str, tuple[Way, Callable[[], bytes]]] = {
    "word": (WORD, lambda: word(body=f"{PHRASE}\r", more={("\x05SummaryInformation",): properties(1251, title="Имя")})),
    "excel": (
        EXCEL,
        lambda: excel([("S", 0, text_cell(0, 0, PHRASE) + number_cell(1, 0, 45292.5, 1))], formats=["d/m/yy h:mm"]),
    ),
    "powerpoint": (POWERPOINT, lambda: powerpoint({1: holder(0x3E8), 2: slide(shape(chars(PHRASE)))})),
    "rtf": (
        Way("rtf", "text/rtf"),
        lambda: (
            rb"{\rtf1\ansi\ansicpg950{\fonttbl{\f0\fcharset130 A;}{\f1\fcharset77 B;}}\'b7\'7c{\f0\'88\'61}"
            + rf"{{\f1\'8a}} {PHRASE}}}".encode()
        ),
    ),
    "epub": (Way("epub", "application/epub+zip"), DOCUMENTS["book.epub"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_it_is_read(form: str) -> None:
    way, make = FORMS[form]
    verdict, text = read(way, make())
    assert (verdict.reason, verdict.detail) == (None, "")
    assert PHRASE in text


@pytest.mark.parametrize("way", [WORD, EXCEL])
def test_what_is_in_it_is_read_and_named(way: Way) -> None:
    """A file that lies in a document as one, in a process of its own."""
    path: tuple[str, ...] = ("ObjectPool", "_1", "Package") if way == WORD else ("MBD1", "Package")
    packed = {path: DOCUMENTS["table.xlsx"]()}
    content = word(body="outside\r", more=packed) if way == WORD else excel([("S", 0, b"")], more=packed)
    verdict, text = read(way, content)
    assert verdict.reason is None, verdict
    assert PHRASE in text


def test_encrypted_is_told_as_such() -> None:
    assert read(WORD, word(body="x", encrypted=True))[0].reason == "encrypted"
