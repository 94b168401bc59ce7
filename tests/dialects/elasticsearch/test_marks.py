"""How many words of one text a search marks, by a real Elasticsearch: each takes some kilobytes of its heap."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from app.search.expansions import MOST_WORDS
from tests.dialects.elasticsearch.support import fill
from tests.support.app import Server

#: Different words of a text, all of which begin alike; few enough that no node ends by them.
WORDS = 3000


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    tenant = f"marks-{secrets.token_hex(4)}"
    fill(server, [f"{tenant}-1"], tenant, " ".join(f"a{number:05d}" for number in range(WORDS)))
    return server.make_token(tenant=tenant)


def marks(server: Server, token: str, highlight: dict[str, Any], query: dict[str, Any] | None = None) -> int:
    answer = server.post(
        "/coco_attachment/_search",
        json={
            "query": query or {"match_all": {}},
            "highlight": {**highlight, "pre_tags": ["\u2020"], "post_tags": [""]},
        },
        headers={"Authorization": f"Bearer {token}"},
        token="",
    )
    assert answer.status_code == 200, answer.text
    (hit,) = answer.json()["hits"]["hits"]
    return sum(each.count("\u2020") for each in hit.get("highlight", {}).get("content", []))


MUCH = {"number_of_fragments": 50, "fragment_size": 500}
PREFIX = {"prefix": {"content": "a"}}


@pytest.mark.parametrize(
    "clause",
    [
        PREFIX,
        {"wildcard": {"content": "*0*"}},
        {"regexp": {"content": "a[0-9]+"}},
        {"fuzzy": {"content": {"value": "a00000", "fuzziness": 2}}},
        {"bool": {"should": [PREFIX, {"wildcard": {"content": "*1*"}}]}},
    ],
)
def test_no_search_marks_more_words_than_there_are_places_for(
    server: Server, token: str, clause: dict[str, Any]
) -> None:
    for strict in (True, False):
        asked = {"fields": {"content": {**MUCH, "highlight_query": clause}}, "require_field_match": strict}
        assert 0 < marks(server, token, asked) <= MOST_WORDS
        by_query = {"fields": {"content": MUCH}, "require_field_match": strict}
        assert 0 < marks(server, token, by_query, clause) <= MOST_WORDS


#: What stands for all words of a kind, in another field than the one that is marked.
BESIDE: tuple[dict[str, Any], ...] = (
    {"range": {"session": {"gte": "a"}}},
    {"range": {"name": {"gte": "a"}}},
    {"match_bool_prefix": {"content": "a"}},
    {"multi_match": {"query": "a", "type": "bool_prefix"}},
    {"simple_query_string": {"query": "a*"}},
    {"match": {"content": {"query": "a00000", "fuzziness": 2}}},
    {"prefix": {"content_words": "a"}},
)


@pytest.mark.parametrize("clause", BESIDE, ids=lambda clause: json.dumps(clause))
def test_what_is_asked_of_another_field_marks_no_more_either(
    server: Server, token: str, clause: dict[str, Any]
) -> None:
    """A range of session ids marked each word of a text: sixteen of them, in 15 texts of a megabyte, ended a node."""
    openly = {"require_field_match": False}
    for asked in (
        {"fields": {"content": MUCH}, **openly},
        {"fields": {"content": {**MUCH, **openly}}},
        {"fields": {"content": {**MUCH, **openly}}, "highlight_query": clause},
        {"fields": {"content": {**MUCH, **openly, "highlight_query": clause}}},
    ):
        every = {"bool": {"should": [{"match_all": {}}, clause]}}
        assert marks(server, token, asked, every) <= MOST_WORDS


FEW = {"prefix": {"content": "a0000"}}
SESSION, NOTHING = {"prefix": {"session": "wal"}}, {"wildcard": {"session": "*nothing*"}}


@pytest.mark.parametrize(
    "clause",
    [
        {"bool": {"must": [FEW, SESSION], "must_not": [NOTHING]}},
        {"bool": {"should": [FEW, SESSION, NOTHING]}},
        {"bool": {"should": [FEW, NOTHING], "minimum_should_match": 1, "filter": [SESSION]}},
        {"bool": {"must": [{"bool": {"filter": [SESSION]}}, {"constant_score": {"filter": FEW}}]}},
        {"bool": {"must": [FEW, {"bool": {"must_not": [{"bool": {"must_not": [SESSION]}}]}}]}},
        {"bool": {"must": [FEW], "must_not": [{"bool": {"should": [NOTHING, NOTHING]}}]}},
        {"constant_score": {"filter": {"bool": {"should": [FEW, SESSION]}}}},
        {"constant_score": {"filter": {"bool": {"must": [FEW, SESSION], "should": [SESSION]}}}},
        {"dis_max": {"queries": [FEW, SESSION, NOTHING]}},
        {"boosting": {"positive": FEW, "negative": SESSION, "negative_boost": 0.5}},
        {"function_score": {"query": {"bool": {"must": [SESSION, FEW]}}}},
    ],
    ids=json.dumps,
)
def test_what_is_asked_of_other_fields_takes_no_marks(server: Server, token: str, clause: dict[str, Any]) -> None:
    """Whether a document has to have it, may not, or either."""
    assert marks(server, token, {"fields": {"content": MUCH}}, clause) == 10
    assert marks(server, token, {"fields": {"content": MUCH}, "highlight_query": clause}) == 10


def test_words_of_other_fields_are_marked_where_that_is_asked(server: Server, token: str) -> None:
    asked = {"fields": {"content": {**MUCH, "require_field_match": False}}}
    name = {"term": {"session": "a00007"}}
    assert marks(server, token, asked, {"bool": {"should": [{"match_all": {}}, name]}}) == 1


def test_words_themselves_are_marked_as_often_as_they_occur(server: Server, token: str) -> None:
    asked = {"fields": {"content": MUCH}}
    assert marks(server, token, asked, {"terms": {"content": [f"a{number:05d}" for number in range(1000)]}}) == 1000
