"""Where pages and files begin in a text: told, kept, checked, and never believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.extraction import parts
from app.extraction.child import Assembly
from app.extraction.parts import MOST_NAME, MOST_PARTS, MOST_TITLE, MOST_TOLD, Part
from app.extraction.readers.reader import Page

PARTS = (Part(0, 1), Part(7, 2, "Umsätze"), Part(9, file=("a.zip", "b.pdf")), Part(9, 1))


def test_parts_are_told_as_json_and_back() -> None:
    records = json.loads(json.dumps([each.to_record() for each in PARTS]))
    assert parts.from_records(records) == PARTS


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {},
        {"at": -1, "page": 1},
        {"at": True, "page": 1},
        {"at": 1.5, "page": 1},
        {"at": 0},
        {"at": 0, "page": 0},
        {"at": 0, "page": "1"},
        {"at": 0, "page": 1, "title": 5},
        {"at": 0, "page": 1, "title": "x" * (MOST_TITLE + 1)},
        {"at": 0, "file": []},
        {"at": 0, "file": "name"},
        {"at": 0, "file": ["x" * 300]},
        {"at": 0, "file": ["x"] * 17},
    ],
)
def test_what_is_no_part_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="not (a|the)"):
        parts.from_records([record])


def test_parts_are_in_order_and_not_too_many() -> None:
    with pytest.raises(ValueError, match="order"):
        parts.from_records([{"at": 2, "page": 1}, {"at": 1, "page": 2}])
    with pytest.raises(ValueError, match="parts"):
        parts.from_records([{"at": 0, "page": 1}] * (MOST_PARTS + 1))


def test_names_and_titles_are_bounded_together() -> None:
    long = [Part(n, file=("x" * MOST_NAME,) * 4) for n in range(MOST_PARTS)]
    kept = parts.bounded(long)
    assert len(kept) == MOST_TOLD // (4 * MOST_NAME)
    assert parts.from_records([each.to_record() for each in kept]) == kept == tuple(long[: len(kept)])
    with pytest.raises(ValueError, match="names"):
        parts.from_records([each.to_record() for each in long[: len(kept) + 1]])
    # What one document may say of itself is never too much.
    titles = [Part(n, n + 1, "x" * MOST_TITLE) for n in range(MOST_PARTS)]
    assert parts.bounded([*titles, Part(MOST_PARTS, 1)]) == tuple(titles)
    assert len(parts.from_records([each.to_record() for each in titles])) == MOST_PARTS


def test_no_part_begins_within_a_character_or_behind_the_text() -> None:
    text = "aé".encode()
    parts.check([Part(0, 1), Part(1, 2), Part(3, 3)], text)
    for at in (2, 4):
        with pytest.raises(ValueError, match=f"{at} bytes"):
            parts.check([Part(at, 1)], text)


def test_parts_of_a_file_inside() -> None:
    found = list(parts.within([Part(0, 1), Part(5, file=("c.txt",))], "b.zip", 10, 20))
    assert found == [Part(10, file=("b.zip",)), Part(20, 1), Part(25, file=("b.zip", "c.txt"))]


LETTERS = st.text(st.sampled_from("aé文\U0001f600 \n\x00\x0c"), max_size=12)


@given(st.lists(st.tuples(st.booleans(), LETTERS, st.sampled_from(["", "Blatt 文"])), max_size=8), st.integers(1, 80))
def test_each_page_begins_where_it_is_said(pieces: list[tuple[bool, str, str]], limit: int) -> None:
    """Whatever is stripped, replaced and cut: from there on comes the page's text."""
    assembly = Assembly()
    pages = []
    for is_page, text, title in pieces:
        assembly.add(Page(text, title) if is_page else text)
        if is_page:
            pages.append(f"{title}\n{text}" if title else text)
    content, told = assembly.kept(limit)
    found = parts.from_records(told["parts"])
    parts.check(found, content)
    assert [each.page for each in found] == list(range(1, len(found) + 1))
    assert told["cut"] or len(found) == len(pages)
    ends = [*(each.at for each in found[1:]), len(content)]
    for part, end, page in zip(found, ends, pages, strict=False):
        words = content[part.at : end].decode().split()
        wanted = page.replace("\x00", " ").replace("\x0c", " ").split()
        assert words[: len(wanted)] == wanted[: len(words)] or told["cut"]
