"""Queries without statistics: what becomes of each clause, without a server."""

from __future__ import annotations

from typing import Any

from app.search.constant import without_statistics


def scored(query: dict[str, Any]) -> Any:
    return without_statistics({"query": query})["query"]


def test_what_scores_by_statistics_gives_its_boost() -> None:
    for clause, boost in (
        ({"term": {"session": "x"}}, 1),
        ({"match": {"content_words": {"query": "x", "boost": 3}}}, 3),
        ({"simple_query_string": {"query": "x", "fields": ["name"], "boost": 2}}, 2),
        ({"terms": {"session": ["x"], "boost": 4}}, 4),
        ({"never_seen": {"field": "x"}}, 1),
    ):
        assert scored(clause) == {"constant_score": {"filter": clause, "boost": boost}}


def test_what_does_not_stays() -> None:
    for clause in (
        {"match_all": {"boost": 0}},
        {"ids": {"values": ["a"]}},
        {"distance_feature": {"field": "created", "origin": "now", "pivot": "1d"}},
        {"constant_score": {"filter": {"term": {"a": "b"}}, "boost": 5}},
    ):
        assert scored(clause) == clause


def test_holders_keep_their_form_and_their_filters() -> None:
    term = {"term": {"a": "b"}}
    plain = {"constant_score": {"filter": term, "boost": 1}}
    assert scored({"bool": {"must": [term], "should": term, "filter": [term], "must_not": term, "boost": 2}}) == {
        "bool": {"must": [plain], "should": plain, "filter": [term], "must_not": term, "boost": 2}
    }
    assert scored({"dis_max": {"queries": [term], "tie_breaker": 0.3}})["dis_max"]["queries"] == [plain]
    functions = [{"filter": term, "weight": 2}]
    assert scored({"function_score": {"query": term, "functions": functions}}) == {
        "function_score": {"query": plain, "functions": functions}
    }
    rescored = without_statistics(
        {"rescore": [{"window_size": 5, "query": {"rescore_query": term, "query_weight": 2}}]}
    )
    assert rescored == {"rescore": [{"window_size": 5, "query": {"rescore_query": plain, "query_weight": 2}}]}
