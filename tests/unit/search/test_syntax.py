"""The tree of what a person typed: what each operator means, and that no text is an error."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search.phrases import bounded
from app.search.syntax import (
    LONGEST_PATTERN,
    LONGEST_WORD,
    MAX_BEGINNINGS,
    MAX_DEPTH,
    MAX_EDITS,
    MAX_EXPANDED,
    MAX_PATTERNS,
    MAX_SLOP,
    MAX_WORDS,
    Ending,
    Everything,
    Group,
    Item,
    Node,
    Pattern,
    parse,
    positive,
)
from app.search.words import content_words

#: Texts in which operators are as frequent as words.
TYPED = st.lists(
    st.one_of(
        st.sampled_from(['"', "-", "+", "*", "~", "|", "(", ")", " ", "\\", "~2", "é", "文", "ﬁ", "1", "a-b", "\0"]),
        st.text(max_size=4),
    ),
    max_size=30,
).map("".join)
WORD = st.from_regex(r"[a-z]{1,8}", fullmatch=True)


def nodes(node: Node | None) -> Iterator[Node]:
    if node is not None:
        yield node
    if isinstance(node, Group):
        for each in (*node.members, *node.excluded):
            yield from nodes(each)


def depth(node: Node | None) -> int:
    return 1 + max(map(depth, (*node.members, *node.excluded)), default=0) if isinstance(node, Group) else 0


@pytest.mark.parametrize(
    ("typed", "tree"),
    [
        ("", None),
        ('-- . ( | ) "', None),
        ("report", Item(("report",), typing=True)),
        ("Report 2024 ", Group((Item(("report",)), Item(("2024",))))),
        ('"Große Prüfung"', Item(("grosse", "prufung"))),
        ('"a b"~2', Item(("a", "b"), slop=2)),
        ('"never closed ', Group((Item(("never",)), Item(("closed",))))),
        ('"never clos', Group((Item(("never",)), Item(("clos",), typing=True)))),
        ("beta-report.txt ", Item(("beta", "report", "txt"))),
        ("a | b ", Group((Item(("a",)), Item(("b",))), every=False)),
        ("a -b ", Group((Item(("a",)),), (Item(("b",)),))),
        ("-(a | b)", Group((), (Group((Item(("a",)), Item(("b",))), every=False),))),
        ("succ*", Item(("succ",), prefix=True)),
        ("sucinct~", Item(("sucinct",), edits=2)),
        ("sucinct~1", Item(("sucinct",), edits=1)),
        ("*", Everything()),
        ("*.*", Everything()),
        ("Re*rt.PDF ", Group((Pattern("re*rt.pdf"), Item(("re", "rt", "pdf"))), every=False)),
        ("**2024** ", Group((Pattern("*2024*"), Item(("2024",), prefix=True)), every=False)),
    ],
)
def test_what_is_typed(typed: str, tree: Node | None) -> None:
    assert parse(typed) == tree


@given(TYPED)
def test_no_text_is_an_error_and_every_tree_is_bounded(typed: str) -> None:
    tree = parse(typed)
    found = list(nodes(tree))
    items = [each for each in found if isinstance(each, Item)]
    patterns = [each for each in found if isinstance(each, Pattern)]
    assert sum(len(each.words) for each in items) <= MAX_WORDS
    assert all(each.words and all(0 < len(word) <= LONGEST_WORD for word in each.words) for each in items)
    expanded = [each for each in items if each.edits or (len(each.words) > 1 and (each.prefix or each.typing))]
    assert len(expanded) <= MAX_EXPANDED
    assert len(patterns) <= MAX_PATTERNS
    assert all(each.edits <= MAX_EDITS and each.slop <= MAX_SLOP and not (each.prefix and each.edits) for each in items)
    assert all(0 < len(each.text) <= LONGEST_PATTERN and "**" not in each.text for each in patterns)
    # Each bracket is a group of alternatives of groups, and a pattern is one more.
    assert depth(tree) <= 2 * (MAX_DEPTH + 1) + 1
    # What is looked for was typed.
    assert {word for each in items for word in each.words} <= {
        word[at : at + LONGEST_WORD]
        for word in content_words(typed.replace('"', " ")).split() + content_words(typed).split()
        for at in range(0, len(word), LONGEST_WORD)
    } | {word for each in items for word in each.words if word in content_words(typed)}


@given(st.lists(WORD, min_size=1, max_size=MAX_WORDS))
def test_plain_words_come_back_in_their_order(typed: list[str]) -> None:
    tree = parse(" ".join(typed))
    assert [each.words for each in positive(tree)] == [(word,) for word in typed]
    # As a phrase too, which ends before one is there too often.
    assert parse(f'"{" ".join(typed)}"') == Item(bounded(typed, 0)[0])
    # Blanks around mean nothing, but that the last word is complete.
    assert list(positive(parse(f"  {'  '.join(typed)} "))) == [Item((word,)) for word in typed]


@given(st.lists(WORD, min_size=1, max_size=8), st.lists(WORD, min_size=1, max_size=8))
def test_what_is_excluded_is_never_what_is_found(wanted: list[str], unwanted: list[str]) -> None:
    tree = parse(" ".join((*wanted, *(f"-{word}" for word in unwanted), "")))
    assert isinstance(tree, Group)
    assert [each.words[0] for each in positive(tree)] == wanted
    assert list(tree.excluded) == [Item((word,)) for word in unwanted]


def test_one_past_each_limit() -> None:
    assert (
        len(list(positive(parse("a " * MAX_WORDS)))) == len(list(positive(parse("a " * (MAX_WORDS + 1))))) == MAX_WORDS
    )
    for ending, counted in (("ab~ ", "edits"), ("a-b* ", "prefix")):
        expanded = [getattr(each, counted) for each in positive(parse(ending * (MAX_EXPANDED + 1)))]
        assert [bool(each) for each in expanded] == [True] * MAX_EXPANDED + [False]
    begun = [each.prefix for each in positive(parse("ab* " * (MAX_BEGINNINGS + 1)))]
    assert begun == [True] * MAX_BEGINNINGS + [False]
    patterns = [each for each in nodes(parse("a*b " * (MAX_PATTERNS + 1))) if isinstance(each, Pattern)]
    assert len(patterns) == MAX_PATTERNS
    for length in (LONGEST_PATTERN, LONGEST_PATTERN + 1):
        found = [each for each in nodes(parse("a*" + "b" * (length - 2))) if isinstance(each, Pattern)]
        assert len(found) == (length <= LONGEST_PATTERN)
    assert depth(parse("-(" * MAX_DEPTH + "a")) == MAX_DEPTH
    assert depth(parse("-(" * (MAX_DEPTH + 1) + "a")) <= MAX_DEPTH + 1
    assert parse(f'"a b"~{MAX_SLOP + 1}') == Item(("a", "b"), slop=MAX_SLOP)


#: What stands at the end of a word, by one expression: right, and slow where stars are elsewhere.
BY_EXPRESSION = re.compile(r"(.*?)(?:(\*+)|~(\d{0,9}))?\Z", re.DOTALL)


@given(st.text("a*~1²\n", max_size=20) | st.text(max_size=10))
def test_endings_are_those_of_the_expression(text: str) -> None:
    match = BY_EXPRESSION.match(text)
    assert match is not None
    assert Ending.of(text) == Ending(match[1], match[2] or "", match[3])


def test_stars_anywhere_cost_their_number() -> None:
    """By its square they would take an hour."""
    began = time.process_time()
    parse("*" * 1_000_000 + "x")
    assert time.process_time() - began < 10.0


def forms(typed: str) -> tuple[bool, list[tuple[str, ...]], list[str]]:
    """Whether any word will do; the words that decide; the stop words."""
    tree = parse(typed)
    assert tree is not None
    items = list(positive(tree))
    loose = isinstance(tree, Group) and tree.loose
    return loose, [each.words for each in items if not each.stop], [each.words[0] for each in items if each.stop]


@pytest.mark.parametrize(
    ("typed", "loose", "deciding", "stops"),
    [
        ("What is the capital of Peru?", True, ["capital", "peru"], ["what", "is", "the", "of"]),
        ("Wie viele Seiten hat die Akte?", True, ["seiten", "akte"], ["wie", "viele", "hat", "die"]),
        ("Сколько стоит билет в музей?", True, ["стоит", "билет", "музеи"], ["сколько", "в"]),
        ("Où se trouve la gare ?", True, ["trouve", "gare"], ["ou", "se", "la"]),
        # Of no language that has another stop word here.
        ("civil war ", True, ["civil", "war"], []),
        # Nothing else is left.
        ("to be or not to be", True, ["to", "be", "or", "not", "to", "be"], []),
        ("boats OR ships ", True, ["boats", "ships"], ["or"]),
        # An operator: every word has to be there, stop words too.
        ("what is this -draft", False, ["what", "is", "this"], []),
        ("what +is this ", False, ["what", "is", "this"], []),
        ("(what is this) ", False, ["what", "is", "this"], []),
        ('"what is" this ', False, ["what is", "this"], []),
        ("what is th*", False, ["what", "is", "th"], []),
        ("what is thi~", False, ["what", "is", "thi"], []),
        # Lonely ones are none.
        ("- what is ) budget |", True, ["budget"], ["what", "is"]),
        ("l'odeur de l\u2019herbe ", True, ["odeur", "herbe"], ["de"]),
        ("the company's budget ", True, ["company", "budget"], ["the"]),
    ],
)
def test_which_words_decide(typed: str, loose: bool, deciding: list[str], stops: list[str]) -> None:
    found = forms(typed)
    assert found == (loose, [tuple(each.split()) for each in deciding], stops)
    # Asked for all, none is left out.
    tree = parse(typed, every=True)
    assert not any(each.stop for each in positive(tree))
    assert not (isinstance(tree, Group) and tree.loose)


@given(st.lists(WORD, min_size=1, max_size=6))
def test_an_open_quote_finds_what_its_words_find(typed: list[str]) -> None:
    text = " ".join(typed)
    assert parse(f'"{text}') == parse(f" {text}") == parse(text)
    assert parse(f'before "{text}') == parse(f"before {text}")
