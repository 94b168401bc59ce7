"""Phrases that take Elasticsearch long are not asked: those with a word that is there again and again."""

from __future__ import annotations

import pytest

from app.search.phrases import bounded
from app.search.syntax import Item, parse


@pytest.mark.parametrize(
    ("words", "slop", "wanted"),
    [
        ("a b c", 7, ("a b c", 7)),
        ("a b a", 7, ("a b a", 0)),
        ("a b a", 0, ("a b a", 0)),
        ("a a a a", 0, ("a a a a", 0)),
        ("a b " * 4 + "a c", 0, ("a b a b a b a b", 0)),
        ("", 3, ("", 3)),
    ],
)
def test_a_word_is_there_so_often(words: str, slop: int, wanted: tuple[str, int]) -> None:
    kept, apart = bounded(words.split(), slop)
    assert (" ".join(kept), apart) == wanted


@pytest.mark.parametrize("text", ['"' + "a b " * 30 + '"~50', "a-b-" * 15, "(" + '"a b a b a b a b a b"~9 ' * 5 + ")"])
def test_no_query_asks_for_more(text: str) -> None:
    def items(node: object) -> list[Item]:
        members = getattr(node, "members", ())
        return [node] if isinstance(node, Item) else [found for each in members for found in items(each)]

    for item in items(parse(text)):
        assert max(item.words.count(each) for each in item.words) <= 4
        assert item.slop == 0
