"""Marks: expressions that match every spelling of a word, and names as HTML."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search.expansions import MOST_LOOKS, expanding, looks
from app.search.expressions import LONGEST_EXPRESSION, expression
from app.search.marking import (
    BUDGET,
    MARK,
    MOST_MARKED,
    MOST_MARKED_WORDS,
    budget,
    highlight,
    spelled,
)
from app.search.names import mark_names, marked_name
from app.search.params import MAX_HIGHLIGHTED
from app.search.stops import LONGEST, marked_text
from app.search.syntax import parse
from app.search.words import content_words, words
from tests.unit.search.test_syntax import TYPED

LETTERS = st.text(st.sampled_from("aeiouçñöüßéÅøæﬁabcxyzAEIOUÖ"), min_size=1, max_size=12)


@given(LETTERS)
def test_every_spelling_of_a_word_matches_its_expression(word: str) -> None:
    for form in ("NFC", "NFD"):
        spelling = unicodedata.normalize(form, word)
        (folded,) = content_words(spelling).split()
        # `standard` has lower-case words; the classes mean the same in Python as in Lucene.
        assert re.fullmatch(expression(folded), spelling.lower()), (folded, spelling)


@given(LETTERS, LETTERS)
def test_other_words_do_not_match_it(one: str, other: str) -> None:
    (folded,), (another,) = content_words(one).split(), content_words(other).split()
    if folded != another:
        assert not re.fullmatch(expression(folded), other.lower())


@given(st.text(min_size=1, max_size=2000))
def test_expressions_are_short_enough_for_elasticsearch(text: str) -> None:
    for word in content_words(text).split():
        assert len(expression(word)) < 1000
        assert len(expression("ß" + word, open_ended=True)) < LONGEST_EXPRESSION + 100


@given(st.text(max_size=60), TYPED)
def test_a_marked_name_is_the_name_in_html(name: str, typed: str) -> None:
    marked = marked_name(name, parse(typed))
    if marked is None:
        return
    plain = marked.replace(MARK[0], "").replace(MARK[1], "")
    assert html.unescape(plain) == html.unescape(html.escape(name))
    assert not set(plain) & set("<>\"'")
    assert marked.count(MARK[0]) == marked.count(MARK[1]) > 0


@given(st.from_regex(r"[A-Z]?[a-z]{1,6}([_. -][A-Za-z]{1,6}|[0-9]{1,3}){0,3}", fullmatch=True))
def test_each_word_of_a_name_marks_it(name: str) -> None:
    for word in words(name).split():
        marked = marked_name(name, parse(f"{word} "))
        assert marked is not None
        assert word[0] in content_words(marked.partition(MARK[0])[2])[:1]


@pytest.mark.parametrize("size", [1, 10, 11, MAX_HIGHLIGHTED])
def test_the_budget_of_a_page_is_kept(size: int) -> None:
    assert budget(size) <= LONGEST
    assert budget(size) * size <= BUDGET


@given(TYPED)
def test_no_text_is_an_error(typed: str) -> None:
    tree = parse(typed)
    made = highlight(tree, 10)
    assert (made is None) == (not spelled([tree], 10))
    assert len(spelled([tree], 10)) <= MOST_MARKED


@given(st.lists(TYPED, max_size=4), st.integers(1, MAX_HIGHLIGHTED))
def test_the_looks_of_a_page_are_bounded(typed: list[str], size: int) -> None:
    made = spelled(map(parse, typed), size)
    assert looks(made, "content") <= min(MOST_MARKED_WORDS, MOST_LOOKS // size)


def test_what_is_marked_on_a_page() -> None:
    words = [f"word{number}" for number in range(50)]
    for typed, size, count in (
        # What people type is marked as a whole, also on the largest page.
        ("one two thr", MAX_HIGHLIGHTED, 3),
        (" ".join(words[:12]), MAX_HIGHLIGHTED, 12),
        (" ".join(words), MAX_HIGHLIGHTED, 12),
        (" ".join(words), 10, MOST_MARKED),
        # A phrase that is longer ends earlier.
        (f'"{" ".join(words)}"', 10, 50),
        (f'"{" ".join(words)}"', MAX_HIGHLIGHTED, 12),
        (f'"{" ".join(words)}" "{" ".join(words)}"', 10, 64),
        # A word that may be misspelled costs more the longer it is.
        (f"{'x' * 60}~ word", MAX_HIGHLIGHTED, 2),
        (f"{'x' * 200}~ word", MAX_HIGHLIGHTED, 0),
    ):
        assert len(list(expanding(spelled([parse(typed)], size)))) == count, (typed, size)
    several = spelled([parse(f'"{" ".join(words)}"')] * 31, 10)
    assert len(list(expanding(several))) == MOST_MARKED_WORDS


def test_names_of_hits_are_marked_and_not_told_unless_asked_for() -> None:
    answer: dict[str, Any] = {"hits": {"hits": [{"_source": {"name": "a<b>.txt", "id": "1"}}, {"_source": {}}]}}
    mark_names(answer, parse("b "), ("id",))
    first, second = answer["hits"]["hits"]
    assert first == {"_source": {"id": "1"}, "highlight": {"name": ["a&lt;<mark>b</mark>&gt;.txt"]}}
    assert "highlight" not in second


def marks(typed: str, kept: str) -> bool:
    """Whether one of the expressions fits a word of `standard`, in lower case as it has them."""
    return any(re.fullmatch(value, kept) for _, _, value in expanding(spelled([parse(typed)], 10)))


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("plan ", "ProjectPlan_v2"),
        ("projectplan ", "ProjectPlan"),
        ('"project plan" ', "ProjectPlan"),
        ("1.2.3 ", "v1.2.3"),
        ("q1 ", "2024Q1"),
        ("iphone ", "iPhone15"),
        ("snake_case_name ", "snake_case_name"),
        ("198.51.100.7 ", "198.51.100.7"),
        ("ada.king ", "ada.king"),
        ("o'hara ", "O\u2019Hara"),
        ("1234.50 ", "1,234.50"),
        ("mueller ", "Müller"),
        ("müller ", "Mueller"),
        ("delivery ", "deliveries"),
        ("deliveries ", "delivery"),
        ("auftrag ", "Aufträge"),
        ("wroclaw ", "Wrocław"),
        ("كتاب ", "كِتَابٌ"),
        ("אלף ", "אָלֶף"),
        ("میروم ", "می\u200cروم"),
        ("보고서 ", "보고서를"),
    ],
)
def test_what_was_found_is_marked(typed: str, text: str) -> None:
    assert marks(typed, marked_text(text).lower())


@pytest.mark.parametrize(
    ("typed", "text"),
    [("id ", "video"), ("plan ", "explanation"), ("plan ", "aeroplane"), ("phone ", "telephone"), ("1.2 ", "11.3")],
)
def test_what_is_within_a_word_is_not(typed: str, text: str) -> None:
    assert not marks(typed, marked_text(text).lower())


def test_addresses_are_marked_as_standard_divides_them() -> None:
    (made,) = spelled([parse("ada.king@example.net ")], 10)
    first = made["bool"]["should"][0]["span_near"]["clauses"]
    assert len(first) == 2
    patterns = [each["span_multi"]["match"]["regexp"]["content"]["value"] for each in first]
    assert [bool(re.fullmatch(*pair)) for pair in zip(patterns, ("ada.king", "example.net"), strict=True)] == [
        True,
        True,
    ]


def in_order(typed: str) -> list[list[str]]:
    """The expressions of words that follow each other."""
    (made,) = spelled([parse(typed)], 10)
    spans = [each["span_near"]["clauses"] for each in made.get("bool", {}).get("should", []) if "span_near" in each]
    return [[each["span_multi"]["match"]["regexp"]["content"]["value"] for each in clauses] for clauses in spans]


def test_a_telephone_number_is_marked_in_its_groups() -> None:
    for area, number in (("0171", "5550199"), ("030", "12345678")):
        found = in_order(f"{area}{number} ")
        assert any(re.fullmatch(one, area) and re.fullmatch(other, number) for one, other in found)
    # Its length says that it is none, or its first digit does.
    assert in_order("0171555 ") == in_order("17155501990 ") == in_order("0" * 16) == []
    assert in_order("01715550199*") == []


def test_stop_words_mark_nothing_in_a_content() -> None:
    assert len(spelled([parse("what is the budget ")], 10)) == 1
    # In a name, which is short, they do.
    assert marked_name("the budget", parse("what is the budget ")) == "<mark>the</mark> <mark>budget</mark>"
    assert marked_name("what is it", parse("what is it ")) == "<mark>what</mark> <mark>is</mark> <mark>it</mark>"


@pytest.mark.parametrize(
    ("typed", "name", "marked"),
    [
        ('"project plan" ', "ProjectPlan_v2.txt", "<mark>ProjectPlan</mark>_v2.txt"),
        ("delivery ", "Deliveries.pdf", "<mark>Deliveries</mark>.pdf"),
        ("mueller ", "Müller.txt", None),
        ("müller ", "Mueller.txt", "<mark>Mueller</mark>.txt"),
        ("1.2.3 ", "app-v1.2.3.zip", "app-v<mark>1</mark>.<mark>2</mark>.<mark>3</mark>.zip"),
        ("보고서 ", "보고서를.txt", "<mark>보고서를</mark>.txt"),
        ("ประชุม ", "การประชุม.txt", "การ<mark>ประชุม</mark>.txt"),
    ],
)
def test_names_are_marked_in_every_form(typed: str, name: str, marked: str | None) -> None:
    assert marked_name(name, parse(typed)) == (marked or "<mark>Müller</mark>.txt")
