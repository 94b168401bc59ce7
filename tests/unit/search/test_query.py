"""Typed parameters to Elasticsearch's query language."""

import pytest

from app.search.params import SearchParams
from app.search.query import build

EVERYTHING = [
    SearchParams(),
    SearchParams(session="s"),
    SearchParams(query="q"),
    SearchParams(ids=()),
    SearchParams(ids=("a",), session="s", query="..."),
]


@pytest.mark.parametrize("params", EVERYTHING)
def test_the_tenant_is_always_a_filter(params: SearchParams) -> None:
    assert build(params, "t")["query"]["bool"]["filter"] == [{"term": {"tenant": "t"}}]


def test_a_session_scores_as_a_bare_term() -> None:
    assert build(SearchParams(session="s"), "t")["query"]["bool"]["must"] == [{"term": {"session": "s"}}]


def test_sorting_keeps_scores() -> None:
    body = build(SearchParams(sort=(("name", "desc"),)), "t")
    assert body["sort"] == [{"name": {"order": "desc"}}]
    assert body["track_scores"] is True
    assert "sort" not in build(SearchParams(), "t")


def clauses(query: str) -> list[dict[str, object]]:
    (clause,) = build(SearchParams(query=query), "t")["query"]["bool"]["must"]
    assert clause["bool"]["minimum_should_match"] == 1
    found: list[dict[str, object]] = clause["bool"]["should"]
    return found


def test_words_of_a_query_are_those_of_the_index() -> None:
    assert clauses("Größe_X") == [
        {"term": {"name": {"value": "Größe_X", "boost": 10}}},
        {"match_bool_prefix": {"name_words": {"query": "grosse x", "operator": "and", "boost": 3}}},
        {"match": {"content_words": {"query": "grosse x", "operator": "and"}}},
    ]


def test_a_query_without_words_is_an_exact_name() -> None:
    assert clauses("...") == [{"term": {"name": {"value": "...", "boost": 10}}}]


def test_paging_and_fields() -> None:
    body = build(SearchParams(offset=5, size=7, source=("id", "size")), "t")
    assert (body["from"], body["size"], body["_source"]) == (5, 7, ["id", "size"])
