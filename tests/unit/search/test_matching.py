"""The tree of a query to Elasticsearch's language: what is looked for where, and what that may cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from app.search.matching import ALL_WORDS, MOST_IN_TIERS, TIER, any_item, ranked
from app.search.syntax import MAX_EXPANDED, MAX_PATTERNS, MAX_WORDS, parse
from tests.unit.search.test_syntax import TYPED

#: The least that a cluster takes (`indices.query.bool.max_clause_count`).
MOST_CLAUSES = 1024


def leaves(clause: Any) -> Iterator[tuple[str, Any]]:
    """The clauses that hold no others."""
    if isinstance(clause, list):
        for each in clause:
            yield from leaves(each)
    elif isinstance(clause, dict):
        for name, content in clause.items():
            if name in (
                "term",
                "prefix",
                "fuzzy",
                "wildcard",
                "match_phrase",
                "match",
                "terms",
                "match_all",
                "distance_feature",
            ):
                yield name, content
            else:
                yield from leaves(content)


def clauses(made: Any) -> int:
    """As a cluster counts them: each word of a text is one."""
    texts = (
        options if name == "terms" else options["query"].split() if name in ("match", "match_phrase") else [""]
        for name, content in leaves(made)
        for field, options in content.items()
        if field != "boost"
    )
    return sum(map(len, texts))


@given(TYPED)
def test_every_text_makes_a_query_of_bounded_cost(typed: str) -> None:
    made = ranked(typed, parse(typed))
    json.dumps(made)
    found = list(leaves(made))
    assert 0 < clauses(made) < MOST_CLAUSES
    fields = {field for name, content in found if name not in ("match_all", "distance_feature") for field in content}
    fields -= {"boost"}
    assert fields <= {*("name_exact", "name_words", "name_text", "name_stems", "content_words", "content_stems")}
    # Each is looked for at most four times over: found, as it is written, in the name alone, and excluded.
    assert sum(name == "fuzzy" for name, _ in found) <= 8 * MAX_EXPANDED
    assert sum(name == "wildcard" for name, _ in found) <= 8 * MAX_PATTERNS
    for name, content in found:
        if name == "fuzzy":
            ((_, options),) = content.items()
            assert (options["prefix_length"], options["rewrite"]) == (1, "constant_score")
        assert "max_expansions" not in json.dumps(content)


def test_the_longest_query_is_within_the_limit_of_a_cluster() -> None:
    for word in (
        "a",
        "ab~",
        "a-b*",
        "a*b",
        "abc",
        "(a|b)",
        "-(a b)",
        "umlautüber",
        "fooBarBaz",
        "word1",
        "1,234.50",
        "보고서를",
    ):
        for count in (5, 10, MOST_IN_TIERS, MAX_WORDS):
            typed = " ".join(f"{word[:-1]}{number}{word[-1]}" if word.isalpha() else word for number in range(count))
            for every in (False, True):
                assert clauses(ranked(typed, parse(typed, every=every))) < MOST_CLAUSES
    assert clauses(ranked("", parse("漢字仮名交文字列東京都庁" * 6))) < MOST_CLAUSES


@pytest.mark.parametrize(
    ("typed", "name", "field", "value"),
    [
        ("report ", "term", "name_words", "report"),
        ("report ", "term", "content_words", "report"),
        ("report", "prefix", "name_words", "report"),
        ("re* ", "prefix", "content_words", "re"),
        ("a*b?c\\d.txt ", "wildcard", "name_exact", "a*b\\?c\\\\d.txt"),
        ("a*b ", "wildcard", "name_words", "a*b"),
    ],
)
def test_where_a_word_is_looked_for(typed: str, name: str, field: str, value: str) -> None:
    found = [
        content[field] for kind, content in leaves(ranked(typed, parse(typed))) if kind == name and field in content
    ]
    assert value in [each["value"] if isinstance(each, dict) else each for each in found]


def test_the_tiers() -> None:
    made = ranked("Some Report.PDF", parse("Some Report.PDF"))["bool"]
    _, exact, in_name, *_ = made["must"][0]["bool"]["should"]
    (newer,) = made["should"]
    assert exact == {"constant_score": {"filter": {"term": {"name_exact": "some report.pdf"}}, "boost": TIER}}
    assert in_name["constant_score"]["boost"] == TIER
    assert not {"content_words"} & {field for _, content in leaves(in_name) for field in content}
    assert newer["distance_feature"]["boost"] < 1
    # Nothing but exclusions has no tiers to be in.
    assert not any_item(parse("-a -b"))  # type: ignore[arg-type]
    assert len(ranked("-a", parse("-a"))["bool"]["should"]) == 2
    assert ranked("...", None) == {"constant_score": {"filter": {"term": {"name_exact": "..."}}, "boost": TIER}}


def tiers(typed: str, *, every: bool = False) -> tuple[list[Any], list[Any]]:
    """Of a query: what finds, and what lifts some of that."""
    found = ranked(typed, parse(typed, every=every))["bool"]["must"][0]["bool"]["should"]
    return found[:2], [each["constant_score"] for each in found[3:]]


def test_loose_words_are_any_of_them_and_all_of_them_come_first() -> None:
    (found, _), (any_form, as_written) = tiers("which budgets were postponed ")
    assert len(found["bool"]["should"]) == 2
    assert found["bool"]["minimum_should_match"] == 1
    for each in (any_form, as_written):
        assert len(each["filter"]["bool"]["must"]) == 2
        assert each["boost"] == ALL_WORDS
    # Stems, without a score where they only say in which tier a hit is.
    assert {name for name, content in leaves(found) if "content_stems" in content} == {"match"}
    assert {name for name, content in leaves(found) if "name_stems" in content} == {"terms"}
    assert {name for name, content in leaves(any_form) if "content_stems" in content} == {"terms"}
    assert not {name for name, content in leaves(as_written)} & {"match", "terms"}
    # Both together are less than what a name with all words has.
    assert 2 * ALL_WORDS < TIER


def test_asked_for_every_word_each_has_to_be_there() -> None:
    for typed, every in (("which budgets were postponed ", True), ("which budgets were +postponed ", False)):
        (found, _), (as_written,) = tiers(typed, every=every)
        assert len(found["bool"]["must"]) == len(as_written["filter"]["bool"]["must"]) == 4


def test_what_is_quoted_or_left_out_has_no_other_endings() -> None:
    for typed in ('"budgets" ', "-budgets ", "budgets* ", "budgets~ ", '"postponed budgets" '):
        assert not {name for name, _ in leaves(ranked(typed, parse(typed)))} & {"match", "terms"}, typed


def test_long_queries_have_no_tiers_of_all_words() -> None:
    words = [f"{letter}budget" for letter in "abcdefghijklmnop"]
    assert len(tiers(" ".join(words[:MOST_IN_TIERS]) + " ")[1]) == 2
    assert tiers(" ".join(words[: MOST_IN_TIERS + 1]) + " ")[1] == []


@pytest.mark.parametrize(
    ("typed", "least"), [("東京", 1), ("東京都", 2), ("東京都庁", 2), ("東京都庁舎", 2), ("東京都庁舎" * 5, 2)]
)
def test_some_pairs_of_a_long_run_have_to_be_there(typed: str, least: int) -> None:
    pairs = [content for name, content in leaves(tiers(f"{typed} x ")[0]) if name == "match"]
    (found,) = [each["content_stems"] for each in pairs if "content_stems" in each]
    assert found["minimum_should_match"] == least
