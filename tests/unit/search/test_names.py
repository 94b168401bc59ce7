"""Names as HTML with what a query finds in them marked: rightly, and at the price of their length."""

from __future__ import annotations

import html
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from app.search.marking import MARK
from app.search.names import marked_name
from app.search.syntax import Item, Node, parse, positive
from app.search.words import parts_of, places_of
from tests.unit.search.test_syntax import TYPED


def by_table(one: str, other: str) -> int:
    """How many edits make one word of the other, by the table of all places (optimal string alignment)."""
    rows = [[i + j if not i * j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            same = one[i - 1] == other[j - 1]
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (not same))
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


def plainly(name: str, node: Node | None) -> str | None:
    """The same as `marked_name` by comparing each word of the query with each word of the name."""
    tokens = list(places_of(name))
    letters = [False] * len(name)
    borders: set[int] = set()
    for item in positive(node):
        for start, end in spans(item, name, tokens):
            letters[start:end] = [True] * (end - start)
            borders |= set(range(start + 1, end))
    if not any(letters):
        return None
    made, inside = "", False
    for at, letter in enumerate(name):
        # Marks that touch are one.
        if letters[at] != inside:
            made += MARK[inside]
            inside = letters[at]
        made += html.escape(letter)
    return made + (MARK[1] if inside else "")


def spans(item: Item, name: str, tokens: list[tuple[str, int, int]]) -> Iterator[tuple[int, int]]:
    def fits(word: str) -> bool:
        wanted = item.words[-1]
        if item.edits:
            return word[:1] == wanted[:1] and by_table(word, wanted) <= item.edits
        return word.startswith(wanted) if item.prefix or item.typing else word == wanted

    count = len(item.words)
    for first in range(len(tokens) - count + 1):
        window = tokens[first : first + count]
        if [each[0] for each in window[:-1]] == list(item.words[:-1]) and fits(window[-1][0]):
            yield from (each[1:] for each in window)
    if count == 1:
        yield from (each[1:] for each in parts_of(name) if fits(each[0]))


@given(st.text("aAbB1 ._-é", max_size=24), st.text('aAbB1 "|*~()é', max_size=24))
def test_marks_are_those_of_comparing_each_with_each(name: str, typed: str) -> None:
    assert marked_name(name, parse(typed)) == plainly(name, parse(typed))


@given(st.text(max_size=40), TYPED)
def test_marks_of_any_name_are_the_same(name: str, typed: str) -> None:
    assert marked_name(name, parse(typed)) == plainly(name, parse(typed))


def test_emoji_of_a_name_are_marked() -> None:
    assert marked_name("🚀 launch plan 📌.txt", parse("📌 plan ")) == (
        "🚀 launch <mark>plan</mark> <mark>📌</mark>.txt"
    )
    assert marked_name("launch 🚀 plan", parse('"launch plan"')) == "<mark>launch</mark> 🚀 <mark>plan</mark>"
