"""Where a text without ends of sentences is divided for the marking."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search.names import mark_names
from app.search.stops import LONGEST, SEAM, SPACE, STOP, STRETCH, has_stops, marked_text, shown, take_stops
from app.search.syntax import parse

PIECES = st.sampled_from(["word ", "line;\n", "A sentence. Another ", "文", "。", "x" * 90, STOP, ". ", "e.g. this\n"])


def without(text: str) -> str:
    return text.replace(STOP, "").replace(SEAM, "")


@given(st.lists(PIECES, max_size=400).map("".join))
def test_nothing_is_lost_and_no_stretch_is_long(text: str) -> None:
    made = marked_text(text)
    assert without(made) == text.replace(STOP, "\n")
    for stretch in made.split(STOP):
        longest = max((len(each) for each in stretch.replace("。", ". A").split(". A")), default=0)
        assert longest <= STRETCH + 2


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("x" * STRETCH, []),
        ("x" * (STRETCH + 1), [STRETCH]),
        ("A sentence. " * 500, []),
        ("字。" * 2000, []),
        # Behind the last line break, though blanks are nearer; behind a blank where there is none.
        ("some words\n" * 90 + "and more words", [990]),
        ("word " * 201, [STRETCH]),
        ("words " * 180, [996]),
    ],
    ids=["at the limit", "past it", "sentences", "Chinese sentences", "lines", "words", "longer words"],
)
def test_where_the_stops_are(text: str, ends: list[int]) -> None:
    found, place = [], 0
    for stretch in marked_text(text).split(STOP)[:-1]:
        place += len(stretch)
        found.append(place)
    assert found == ends


def test_no_more_is_kept_than_is_marked() -> None:
    assert len(without(marked_text("word " * (LONGEST // 5)))) == LONGEST
    assert len(without(marked_text("word " * (LONGEST // 5) + "x"))) == LONGEST


def test_stops_are_taken_from_fragments_alone() -> None:
    name = f"a{STOP}b"
    answer: dict[str, Any] = {
        "hits": {
            "hits": [
                {"_source": {"name": name}, "highlight": {"name": [name], "content": [f"one {STOP}two", "three"]}},
                {"_source": {"name": name}},
            ]
        }
    }
    take_stops(answer)
    first, second = answer["hits"]["hits"]
    assert first == {"_source": {"name": name}, "highlight": {"name": [name], "content": ["one two", "three"]}}
    assert second == {"_source": {"name": name}}
    assert has_stops(name.encode())
    assert not has_stops(b"a b")


def test_whoever_marks_names_takes_the_stops_away() -> None:
    answer: dict[str, Any] = {"hits": {"hits": [{"_source": {"name": "a"}, "highlight": {"content": [f"x{STOP}y"]}}]}}
    mark_names(answer, parse("y"), ("name",))
    assert answer["hits"]["hits"][0]["highlight"] == {"content": ["xy"]}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ProjectPlan_v2, HTTPServer", f"Project{SEAM}Plan_v2, HTTP{SEAM}Server"),
        ("plain words, 2024.", "plain words, 2024."),
        ("ไปโรงเรียน", SPACE.join(("ไ", "ป", "โ", "ร", "ง", "เ", "รี", "ย", "น"))),
        ("soft\u00adhyphen zero\u200bwidth word\u2060joiner", "softhyphen zerowidth wordjoiner"),
        # It is seen: letters look otherwise without it.
        ("می\u200cروم", "می\u200cروم"),
    ],
)
def test_what_is_kept_for_marking(text: str, kept: str) -> None:
    assert marked_text(text) == kept


@given(st.text(st.sampled_from(["a", "B", "1", " ", "ก", "ี", "\u00ad", SEAM, SPACE, STOP, "é", "."]), max_size=40))
def test_what_was_put_in_is_taken_out_of_fragments(text: str) -> None:
    answer: dict[str, Any] = {"hits": {"hits": [{"_source": {}, "highlight": {"content": [marked_text(text)]}}]}}
    take_stops(answer)
    assert answer["hits"]["hits"][0]["highlight"]["content"] == [shown(text)]
    # Said of all that has any.
    assert has_stops(marked_text(text).encode()) or marked_text(text) == shown(text)
