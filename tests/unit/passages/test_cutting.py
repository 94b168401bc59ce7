"""Texts are cut into passages that lose nothing, lie in order, end where sentences end, and stay within their page."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.extraction.parts import Part
from app.passages import cutting
from app.passages.cutting import Passage, cut

LONG = "The store keeps each file and finds it again by what it says, however long ago somebody put it there"


def told(text: str, *parts: Part) -> list[str]:
    """What lies between the offsets of each passage."""
    return [text.encode()[each.start : each.end].decode() for each in cut(text.encode(), parts).passages]


def sentences(*single: str) -> list[str]:
    """Where a text of these sentences would be cut, shown by sentences that are long enough for a passage of their own."""
    return [each.text for each in cutting._sentences([cutting._Line(0, " ".join(single))], True)]


PIECES = st.sampled_from(
    [
        "word",
        "Äpfel",
        "中文",
        "ภาษา",
        "हिन्दी",
        "عربي",
        "😀",
        "3.5",
        "Dr.",
        "a.",
        "!",
        "。",
        "।",
        ". ",
        " ",
        "\t",
        ",",
        ";",
        "|",
    ]
    + [
        "\n",
        "\n\n",
        "\r\n",
        "\0",
        "\u0301",
        "\u202e",
        "\u200d",
        "\ufeff",
        "{",
        '"',
        "#",
        "x" * 700,
        "y " * 90,
        "\u2028",
        "\x1c",
    ]
)
TEXTS = st.lists(PIECES | st.characters(exclude_categories=["Cs"]), max_size=80).map("".join)


def checked(text: str, parts: list[Part], found: tuple[Passage, ...]) -> None:
    content = text.encode()
    for one, other in pairwise(found):
        assert one.start < other.start
        assert one.end < other.end
    covered = bytearray(content)
    for each in found:
        assert 0 <= each.start < each.end <= len(content)
        inside = content[each.start : each.end].decode()
        assert inside == inside.strip()
        assert len(each.text) <= cutting.MOST_TOLD
        assert not any(part.at in range(each.start + 1, each.end) for part in parts)
        covered[each.start : each.end] = b" " * (each.end - each.start)
    assert not any(each.isalnum() for each in covered.decode())


@given(TEXTS, st.data())
def test_nothing_is_lost_and_all_is_in_order(text: str, data: st.DataObject) -> None:
    borders = [len(text[:at].encode()) for at in range(len(text) + 1)]
    places = sorted(data.draw(st.lists(st.sampled_from(borders), max_size=5)))
    parts = [Part(at, number + 1, f"Page {number}") for number, at in enumerate(places)]
    found = cut(text.encode(), parts)
    assert not found.more
    checked(text, parts, found.passages)
    assert found == cut(text.encode(), parts)


@given(TEXTS, st.integers(0, 50))
def test_nothing_is_lost_at_the_borders_of_windows(text: str, left: int) -> None:
    text = "word. " * ((cutting.WINDOW - left) // 6) + text + "\n" + "中文。" * (cutting.WINDOW // 9) + text
    checked(text, [], cut(text.encode(), []).passages)


@pytest.mark.parametrize(
    "single",
    [
        ["Dr. Miller paid 3.5 million.", "He left at 5 p.m. without a word.", "“Really?”", "Yes!"],
        ["J. R. R. Tolkien wrote it.", "Mr. Smith read it, e.g. in bed."],
        ["Prof. Meier kam.", "Er blieb bis 10.30 Uhr."],
        ["Это первое предложение.", "А. С. Пушкин написал второе!"],
        ["هذا نص قصير.", "هل هذا سؤال؟", "نعم."],
        ["यह एक वाक्य है।", "यह दूसरा है।"],
        ["Καλημέρα σας.", "Τι κάνετε;", "Καλά."],
    ],
)
def test_sentences_end_where_they_end(single: list[str]) -> None:
    found = sentences(*single)
    # A Greek question mark looks like a semicolon, and is none to ICU; nothing else may be joined.
    assert found == single or (single[0].startswith("Καλ") and " ".join(found) == " ".join(single))


def test_sentences_of_scripts_without_blanks() -> None:
    assert sentences("我来了。你呢？好的！") == ["我来了。", "你呢？", "好的！"]
    assert sentences("これは文です。次の文😀です。") == ["これは文です。", "次の文😀です。"]
    thai = "ภาษาไทยไม่มีช่องว่างระหว่างคำ" * 60
    assert "".join(told(thai)) == thai
    # Cut between words, and no vowel is taken from its letter.
    assert all(each.startswith(("ภาษา", "ไทย", "ไม่มี", "ช่อง", "ว่าง", "ระหว่าง", "คำ")) for each in told(thai))


def test_passages_are_whole_sentences_and_repeat_a_short_last_one() -> None:
    text = " ".join(f"{LONG} and number {number} says so." for number in range(30))
    found = told(text)
    assert len(found) > 5
    assert all(each.startswith("The store") and each.endswith("says so.") for each in found)
    assert all(
        other.startswith(one.rpartition("The store")[2].join(["The store", ""])) for one, other in pairwise(found)
    )


def test_no_border_of_a_window_divides_a_sentence_or_a_table() -> None:
    text = " ".join(f"{LONG} and number {number} says so." for number in range(1000))
    assert len(text) > 5 * cutting.WINDOW
    found = told(text)
    assert all(each.startswith("The store") and each.endswith("says so.") for each in found)
    rows = "\n".join(["id\tname", *(f"{number}\tTile {number}" for number in range(9000))])
    assert len(rows) > 5 * cutting.WINDOW
    assert all(each.text.startswith("id name") for each in cut(rows.encode(), []).passages)


def test_wrapped_lines_are_one_sentence_and_lines_of_a_log_are_not() -> None:
    first, second = (
        "The store keeps each file and finds it again by\n",
        "what it says, however long ago it was stored\n",
    )
    last = "and by whom."
    lines = [cutting._Line(0, first), cutting._Line(48, second), cutting._Line(48 + len(second), last)]
    assert [each.text for each in cutting._sentences(lines, True)] == [f"{first}{second}{last}".replace("\n", " ")]
    log = "\n".join(f"2026-11-30 12:00:{each:02} INFO worker {each} has started and is ready" for each in range(40))
    assert all(each.startswith("2026-") and each.endswith("ready") for each in told(log))


def test_rows_keep_the_first_row_of_their_table() -> None:
    rows = [f"Tile {number}\t{number * 3}.50\tRoof" for number in range(100)]
    found = cut("\n".join(["Item\tPrice\tUsed for", *rows]).encode(), [Part(0, 1, "Costs")]).passages
    assert len(found) > 3
    assert all(each.text.startswith("Costs Item Price Used for Tile") for each in found)
    assert (found[0].page, found[0].title) == (1, "Costs")
    csv = "\n".join(["id,name,price", *(f"{number},Äpfel {number},3.50" for number in range(5000))])
    found = cut(csv.encode(), []).passages
    assert all("id,name,price" in each.text for each in found)
    prose = "First, a line,\nsecond, a line,\nthird, a line,\nfourth, a line."
    assert all("First" not in each.text[5:] for each in cut(prose.encode(), []).passages)


@pytest.mark.parametrize("count", range(5, 13))
def test_a_heading_begins_a_passage_and_stands_before_the_next_ones(count: int) -> None:
    section = " ".join([f"{LONG}."] * count)
    text = f"# Roof\n\n{section}\n\nThe cellar\n\n{section}"
    found = cut(text.encode(), []).passages
    at = text.index("The cellar")
    assert all(each.text.startswith("# Roof") and each.end < at for each in found if each.start < at)
    assert all(each.text.startswith("The cellar The") for each in found if each.start >= at)
    assert found[-1].start > at + len("The cellar")


def test_where_a_passage_is() -> None:
    text = "A mail.\nOffer one.\nOffer two.\nThe end of it."
    places = [text.index(each) for each in ("Offer one", "Offer two", "The end")]
    parts = [
        Part(places[0], file=("a.zip", "b.pdf")),
        Part(places[0], 1),
        Part(places[1], 2, "Second"),
        Part(places[2], file=("c.txt",)),
    ]
    found = [(each.page, each.title, each.file) for each in cut(text.encode(), parts).passages]
    assert found == [
        (None, "", ()),
        (1, "", ("a.zip", "b.pdf")),
        (2, "Second", ("a.zip", "b.pdf")),
        (None, "", ("c.txt",)),
    ]


@pytest.mark.parametrize(
    "text", ["", " \n\t ", "\0" * 999, "\u0301" * 99_999, "\u202e\u202d" * 999, ".!?" * 99_999, "\ufeff"]
)
def test_where_nothing_is_said_there_is_no_passage(text: str) -> None:
    assert cut(text.encode(), [Part(0, 1), Part(len(text.encode()), 2)]) == ((), False)


def test_there_are_no_more_than_may_be_and_it_is_said() -> None:
    text = (LONG + ". ").encode() * 50_000
    found = cut(text, [])
    assert (len(found.passages), found.more) == (cutting.MOST_PASSAGES, True)
    assert cut(b"word " + b" " * cutting.MOST_BYTES, []).more


def test_no_more_is_told_than_a_model_takes() -> None:
    text = "\ufdfa" * 5000
    found = cut(text.encode(), []).passages
    assert found
    assert all(len(unicodedata.normalize("NFKC", each.text)) <= cutting.MOST_TOLD for each in found)
    checked(text, [], found)


def test_what_is_told_has_no_controls() -> None:
    (found,) = cut("a\0b \u202eevil\u202c  नमस्‍ते\r\n\x1b[31m".encode(), []).passages
    assert found.text == "a b evil नमस्‍ते [31m"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"\xff\xfe", []),
        (b"abc", [Part(4, 1)]),
        ("ä".encode(), [Part(1, 1)]),
        (b"abc", [Part(2, 1), Part(1, 2)]),
        (b"\x80" * 99_999, []),
    ],
)
def test_what_is_no_text_with_parts_is_an_error(text: bytes, parts: list[Part]) -> None:
    with pytest.raises(ValueError, match="UTF-8|no part|not in order|codec"):
        cut(text, parts)
