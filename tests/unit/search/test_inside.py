"""Which file inside of an attachment a fragment is of."""

from __future__ import annotations

from typing import Any

import pytest

from app import processing
from app.errors import TooMuchWork
from app.extraction.parts import MOST_PARTS
from app.search.inside import MOST_BYTES, MOST_CHARACTERS, MOST_FILES, Inside, tell
from app.search.marking import FRAGMENTS
from app.search.params import MAX_HIGHLIGHTED
from app.search.stops import LONGEST, STOP


def inside(*pieces: str, beginning: bytes | None = None) -> Inside:
    """Of a text of these pieces, of which each but the first is a file called by its number."""
    files, text = [], b""
    for number, piece in enumerate(pieces):
        if number:
            files.append((len(text), ("a.zip", str(number))))
        text += piece.encode()
    return Inside(files, lambda: text if beginning is None else beginning)


@pytest.mark.parametrize(
    ("fragment", "file"),
    [
        ("of the <mark>letter</mark>", ""),
        ("<mark>größe</mark> &amp; &#x27;x&#x27; &lt;mark&gt;", "a.zip/1"),
        # It reaches over two: where the first mark is.
        ("<mark>größe</mark> &amp; &#x27;x&#x27; &lt;mark&gt; second <mark>word</mark>", "a.zip/1"),
        ("größe &amp; &#x27;x&#x27; &lt;mark&gt; second <mark>word</mark>", "a.zip/2"),
        # A paragraph separator of the text is a line break in the index.
        ("of\n<mark>three</mark>", "a.zip/3"),
        # Not in the text, no words, no mark.
        ("<mark>absent</mark>", ""),
        ("", ""),
        ("<mark></mark>", ""),
        ("second word", "a.zip/2"),
    ],
)
def test_the_file_of_a_fragment(fragment: str, file: str) -> None:
    found = inside("text of the letter ", "größe & 'x' <mark> ", "second word ", f"of{STOP}three")
    assert found.of_fragments([fragment]) == [file]


def test_what_is_not_seen_moves_no_file() -> None:
    found = inside("soft\u00adhyphen\u200b ", "\u2060two ", "thr\u00adee four")
    assert found.of_fragments(["<mark>softhyphen</mark>", "<mark>two</mark>", "<mark>three</mark> four"]) == [
        *("", "a.zip/1", "a.zip/2")
    ]


def test_of_a_repeated_one_each_place_is_told_once() -> None:
    found = inside("", "same words. ", "other. ", "same words. ", "same words. ")
    same = "<mark>same</mark> words."
    assert found.of_fragments([same, "<mark>other</mark>.", same, same, same]) == [
        *("a.zip/1", "a.zip/2", "a.zip/3", "a.zip/4", "")
    ]


def test_a_word_is_not_found_in_a_longer_one() -> None:
    found = inside("", "Kupferdach ", "ein Dach ", "aus Kupfer ", "Hammerschlag")
    assert found.of_fragments(["<mark>Kupfer</mark>"]) == ["a.zip/3"]
    # Unless it is nowhere else.
    assert found.of_fragments(["<mark>Hammer</mark>"]) == ["a.zip/4"]


def test_paths_are_bounded() -> None:
    files = [(0, ("folder.zip", f"{number:04}")) for number in range(1000)]
    assert Inside(files, bytes).paths() == [f"folder.zip/{number:04}" for number in range(MOST_FILES)]
    found = Inside([(0, ("x" * 999,))] * 50, bytes).paths()
    assert found == ["x" * 999] * (MOST_CHARACTERS // 999)
    assert Inside([(0, ("a\ud800", "b"))], bytes).paths() == ["a?/b"]


def test_a_text_that_is_cut_within_a_letter() -> None:
    text = b"\xf0\x9f\xa6\x98" * MOST_BYTES
    assert inside("", "x", beginning=b"x" + text).of_fragments(["<mark>x</mark>"]) == ["a.zip/1"]


def test_work_is_counted() -> None:
    found = inside("", "aa " * 80_000)
    processing.begin(processing.Processing(lambda: False, 100_000))
    try:
        with pytest.raises(TooMuchWork):
            found.of_fragments([f"<mark>a{'a' * (number % 2)}</mark>" for number in range(1000)])
    finally:
        processing.begin(None)


def test_a_page_of_the_largest_is_told_within_what_a_request_may_do() -> None:
    """As many hits, fragments and files as there may be, with texts as long as are looked at."""
    text = ("words and others. " * LONGEST).encode()[:MOST_BYTES]
    files = [(number * 200, ("d" * 250, f"{number}")) for number in range(MOST_PARTS)]
    fragments = ["<mark>words</mark> and others."] * FRAGMENTS
    hits: list[dict[str, Any]] = [
        {"_id": str(number), "_source": {}, "highlight": {"content": fragments}} for number in range(MAX_HIGHLIGHTED)
    ]
    processing.begin(processing.Processing(lambda: False))
    try:
        # What the outcome of each costs is counted where it is read (app/services/indexing.py).
        processing.spend(3 * MOST_PARTS * MAX_HIGHLIGHTED)
        tell({"hits": {"hits": hits}}, lambda _: Inside(files, lambda: text), files=True)
    finally:
        processing.begin(None)
    assert all(hit["highlight"]["file"] == [f"{'d' * 250}/0"] * FRAGMENTS for hit in hits)
    assert all(sum(map(len, hit["_source"]["files"])) <= MOST_CHARACTERS for hit in hits)
