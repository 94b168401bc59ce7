"""The tree of a query to Elasticsearch's language: what is looked for where, and what that may cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from app.search.matching import TIER, any_item, ranked
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
            if name in ("term", "prefix", "fuzzy", "wildcard", "match_phrase", "match_all", "distance_feature"):
                yield name, content
            else:
                yield from leaves(content)


@given(TYPED)
def test_every_text_makes_a_query_of_bounded_cost(typed: str) -> None:
    made = ranked(typed, parse(typed))
    json.dumps(made)
    found = list(leaves(made))
    assert 0 < len(found) < MOST_CLAUSES
    fields = {field for name, content in found if name not in ("match_all", "distance_feature") for field in content}
    assert fields <= {"name_exact", "name_words", "name_text", "content_words"}
    # Each is looked for at most three times over: found, in the name alone, and excluded.
    assert sum(name == "fuzzy" for name, _ in found) <= 6 * MAX_EXPANDED
    assert sum(name == "wildcard" for name, _ in found) <= 6 * MAX_PATTERNS
    for name, content in found:
        if name == "fuzzy":
            ((_, options),) = content.items()
            assert (options["prefix_length"], options["rewrite"]) == (1, "constant_score")
        assert "max_expansions" not in json.dumps(content)


def test_the_longest_query_is_within_the_limit_of_a_cluster() -> None:
    for word in ("a", "ab~", "a-b*", "a*b", "abc", "(a|b)", "-(a b)"):
        assert len(list(leaves(ranked("", parse(f"{word} " * MAX_WORDS))))) < MOST_CLAUSES


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
    exact, in_name, newer = made["should"]
    assert exact == {"constant_score": {"filter": {"term": {"name_exact": "some report.pdf"}}, "boost": TIER}}
    assert in_name["constant_score"]["boost"] == TIER
    assert not {"content_words"} & {field for _, content in leaves(in_name) for field in content}
    assert newer["distance_feature"]["boost"] < 1
    # Nothing but exclusions has no tiers to be in.
    assert not any_item(parse("-a -b"))  # type: ignore[arg-type]
    assert len(ranked("-a", parse("-a"))["bool"]["should"]) == 1
    assert ranked("...", None) == {"constant_score": {"filter": {"term": {"name_exact": "..."}}, "boost": TIER}}
