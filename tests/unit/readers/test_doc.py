"""Word until 2003."""

from __future__ import annotations

from typing import Any

import pytest

from app.extraction.readers import doc
from app.extraction.readers.reader import Inner, Options, Unreadable
from tests.support.old_office import properties, word, word_6


def text_of(content: bytes) -> str:
    doc.load(Options(1000, 1000))
    return "\n".join(each for each in doc.read(content, "application/msword") if isinstance(each, str))


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 40])
def test_every_part_is_read_and_where_pieces_meet_no_word_is_cut(pieces: int) -> None:
    """A character of two units, too, is in one part only."""
    parts: dict[str, Any] = {
        "body": "Grüße vom Gotisch \U00010332 und 日本語\r",
        "footnotes": "\x02 footnote text\r",
        "headers": "header text\rfooter text\r\x03\r",
        "comments": "\x05comment text\r",
        "endnotes": "\x02 endnote text\r",
        "boxes": "boxed text\r",
        "header_boxes": "boxed in a header\r",
    }
    text = text_of(word(pieces=pieces, authors=["Ada Lovelace", "Ada Lovelace"], **parts))
    assert text.split("\n") == [
        "Grüße vom Gotisch \U00010332 und 日本語", "footnote text", "endnote text", "boxed text", "Ada Lovelace",
        "comment text", "header text", "footer text", "boxed in a header",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("one\ttwo\x0bthree\rfour\x0cfive", "one\ttwo\nthree\nfour\nfive"),
        ("cell\x07cell\x07\x07next\x07", "cell\tcell\nnext"),
        ("op\x1ftional soft\xadened hard\x1ehyphen no\xa0break", "optional softened hard-hyphen no break"),
        ("word\x02 with a note, and\x01\x08 a picture", "word with a note, and a picture"),
        ('see \x13HYPERLINK "http://x/"\x14the page\x15 there', "see the page there"),
        ("a \x13IF \x13PAGE\x1412\x15 = 1\x14 b \x13DATE\x14today\x15\x15 c", "a  b today c"),
        ("a \x13XE hidden\x15b", "a b"),
        ("a\x15\x14 b \x13never ended", "a b"),
    ],
)
def test_what_characters_stand_for(written: str, shown: str) -> None:
    assert text_of(word(body=written + "\r")) == shown


def test_headers_of_sections_are_told_once() -> None:
    assert text_of(word(body="x\r", headers="same\rother\rsame\r")) == "x\nsame\nother"


@pytest.mark.parametrize(
    ("text", "encoding", "language"),
    [("Größe", "cp1252", 0x407), ("Привет", "cp1251", 0x419), ("Żółć", "cp1250", 0x415), ("会议", "cp936", 0x804)],
)
def test_documents_in_8_bits(text: str, encoding: str, language: int) -> None:
    assert text_of(word_6(f"{text}\r", encoding, language)) == text


def test_what_is_said_of_it_and_what_is_in_it() -> None:
    more = {
        ("\x05SummaryInformation",): properties(65001, title="Größe"),
        ("ObjectPool", "_1", "Package"): b"PK\x03\x04",
    }
    doc.load(Options(1000, 1000))
    assert list(doc.read(word(body="x\r", more=more), "")) == ["Größe", "x", Inner("_1", b"PK\x03\x04")]


def test_encrypted() -> None:
    with pytest.raises(Unreadable) as raised:
        text_of(word(body="x", encrypted=True))
    assert raised.value.reason == "encrypted"


def test_pieces_over_each_other_are_bounded() -> None:
    content = bytearray(word(pieces=4, body="x" * 4000))
    # Where each piece ends: as far as there are numbers.
    place = content.index(b"\x01\x04\x00skip") + 12
    for number in range(1, 5):
        content[place + 4 * number : place + 4 * number + 4] = (number * 0x3FFFFFFF).to_bytes(4, "little")
    assert len(text_of(bytes(content))) <= doc.MOST
