"""Typed parameters to Elasticsearch's query language."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.model.schema import DOCUMENTED_FIELDS
from app.search.constant import without_statistics
from app.search.facets import FACETS
from app.search.params import BY_SCORE, SearchParams
from app.search.query import Meaning, answered, build, doubtful, match, slow
from app.search.syntax import bare

EVERYTHING = [
    SearchParams(),
    SearchParams(filters={"session": ("s",)}),
    SearchParams(query="q"),
    SearchParams(query="-q | (x) *", highlight=True, facets=tuple(FACETS)),
    SearchParams(filters={"owner": ("t", "u")}, ranges={"size": (1, None), "created": (None, datetime.now(UTC))}),
    SearchParams(ids=()),
    SearchParams(ids=("a",), filters={"session": ("s",)}, query="..."),
]


@pytest.mark.parametrize("params", EVERYTHING)
def test_the_tenant_is_always_a_filter(params: SearchParams) -> None:
    assert build(params, "t")["query"]["bool"]["filter"][0] == {"term": {"tenant": "t"}}


def test_a_session_scores_as_a_bare_term() -> None:
    assert build(SearchParams(filters={"session": ("s",)}), "t") == {
        "query": {"bool": {"must": [{"term": {"session": "s"}}], "filter": [{"term": {"tenant": "t"}}]}},
        "from": 0,
        "size": 10,
        "_source": list(DOCUMENTED_FIELDS),
    }


def test_all_other_filters_leave_the_score_alone() -> None:
    params = SearchParams(
        filters={"session": ("s", "t"), "extension": ("",)},
        ranges={
            "created": (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
            "size": (0, 0),
        },
    )
    assert build(params, "t")["query"]["bool"] == {
        "must": [{"match_all": {}}],
        "filter": [
            {"term": {"tenant": "t"}},
            {"terms": {"session": ["s", "t"]}},
            {"terms": {"extension": [""]}},
            {"range": {"created": {"gte": "2026-01-01T00:00:00+00:00", "lt": "2026-02-01T00:00:00+00:00"}}},
            {"range": {"size": {"gte": 0, "lte": 0}}},
        ],
    }


def test_sorting_keeps_scores() -> None:
    body = build(SearchParams(sort=(("name", "desc"),)), "t")
    assert body["sort"] == [{"name": {"order": "desc"}}]
    assert body["track_scores"] is True
    assert "sort" not in build(SearchParams(), "t")


def test_paging_and_fields() -> None:
    body = build(SearchParams(offset=5, size=7, source=("id", "size")), "t")
    assert (body["from"], body["size"], body["_source"]) == (5, 7, ["id", "size"])
    body = build(SearchParams(sort=(("id", "asc"),), after=("x",)), "t")
    assert (body["search_after"], "from" in body) == (["x"], False)


def test_only_who_asks_for_marks_pays_for_them() -> None:
    assert "highlight" not in build(SearchParams(query="q"), "t")
    assert "highlight" not in build(SearchParams(highlight=True), "t")
    body = build(SearchParams(query="q", highlight=True, source=("id",)), "t")
    assert (body["_source"], list(body["highlight"]["fields"])) == (["id", "name"], ["content"])
    answer = b'{"hits":{"hits":[]} }'
    assert answered(SearchParams(query="q"), answer) is answer


@pytest.mark.parametrize("text", ["a*", "-a*", "(b | c~) d", "re*rt.pdf", '"a b" c~1', "beta-rep*"])
def test_what_stands_for_many_words_may_be_slow(text: str) -> None:
    assert slow(SearchParams(query=text))


@pytest.mark.parametrize("text", ['"a b"', '"a b"~2 -c', "a.b c", "report 2024"])
def test_words_in_their_order_and_one_that_is_being_typed_may_be_slow(text: str) -> None:
    assert doubtful(SearchParams(query=text))
    assert not slow(SearchParams(query=text))


@pytest.mark.parametrize("text", [None, "a", "*", 'report "2024"'])
def test_words_are_not(text: str | None) -> None:
    assert not slow(SearchParams(query=text))
    assert not doubtful(SearchParams(query=text))


def origin(query: object) -> list[str]:
    """From when on ages count, wherever a query says so."""
    if isinstance(query, list):
        return [found for each in query for found in origin(each)]
    if not isinstance(query, dict):
        return []
    mine = [query["distance_feature"]["origin"]] if "distance_feature" in query else []
    return mine + [found for each in query.values() for found in origin(each)]


def test_a_walk_keeps_the_day_on_which_it_began() -> None:
    params = SearchParams(query="x", point="p")
    opened = datetime(2026, 2, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert origin(build(params, "t", opened)) == ["2026-01-31"]
    assert origin(build(params, "t")) == ["now/d"]


def test_words_have_an_order_that_nobody_is_told() -> None:
    told = (
        b'{"max_score":null,"hits":[{"_id":"a","_score":2.5,"_source":{"name":"\\",\\"sort\\":[1]}"},"sort":[2.5,"a"]},'
    )
    told += b'{"_id":"b","_score":1.0,"sort":[1.0,"b"]}]}'
    without = b'{"max_score":2.5,"hits":[{"_id":"a","_score":2.5,"_source":{"name":"\\",\\"sort\\":[1]}"}},'
    without += b'{"_id":"b","_score":1.0}]}'
    words = SearchParams(query="x")
    assert build(words, "t")["sort"] == [{"_score": {"order": "desc"}}, {"id": {"order": "asc"}}]
    assert answered(words, told) == without
    # Elasticsearch has to look for the best score where it is on another page.
    assert "track_scores" not in build(words, "t")
    assert build(SearchParams(query="x", offset=1), "t")["track_scores"] is True
    # Of no words, and of an order that was asked for, nothing is touched.
    for params in (SearchParams(), SearchParams(filters={"session": ("s",)}), SearchParams(query="x", size=0)):
        assert "sort" not in build(params, "t")
        assert answered(params, told) is told
    assert answered(SearchParams(query="x", sort=(("id", "asc"),)), told) is told


@pytest.mark.parametrize(
    "values", [[1.5, "id", 3], ['a]},"sort":[1,2]}', "\\", "id", 77], [None, None, "id", 0], ["é\0", 5, "id", 10**18]]
)
def test_no_position_in_the_index_is_told(values: list[object]) -> None:
    def answer(order: list[object]) -> bytes:
        hit = {"_id": "x", "_source": {"name": "a,12]}"}, "sort": order}
        return json.dumps({"hits": [hit, hit]}, ensure_ascii=False, separators=(",", ":")).encode()

    assert answered(SearchParams(point="p"), answer(values)) == answer(values[:-1])
    # Elasticsearch adds none to an order that goes on behind a hit, which may end with a number.
    assert answered(SearchParams(point="p", after=("x", 1)), answer(["x", 1])) == answer(["x", 1])
    assert answered(SearchParams(), answer(values)) == answer(values)


NEAR = Meaning("7f00", "model 1", 0.22)


def clauses(query: dict[str, Any]) -> list[dict[str, Any]]:
    """The clauses of which one is enough."""
    return query["bool"]["should"] if list(query.get("bool", {})) == ["should"] else [query]


@pytest.mark.parametrize("params", [each for each in EVERYTHING if each.query])
def test_all_that_narrows_is_inside_of_what_is_near(params: SearchParams) -> None:
    """The tenant first: the nearest of all tenants, of which some are left out, would be less than there are."""
    narrowed = replace(params, filters={**params.filters, "owner": ("o",), "session": ("s",)}, ids=("a",))
    body = build(narrowed, "t", meaning=NEAR)
    words, *near = clauses(body["query"])
    several = [each["nested"]["query"]["knn"] for each in near]
    assert [each["nested"]["path"] for each in near] == ["passages"] * len(near)
    for each in several:
        assert each["filter"][:2] == [{"term": {"tenant": "t"}}, {"term": {"passages_model": "model 1"}}]
        assert {"ids": {"values": ["a"]}} in each["filter"]
    own = [{"terms": {"owner": ["o"]}}, {"terms": {"session": ["s"]}}]
    assert [clause in several[0]["filter"] for clause in own] == [True, True]
    # What a facet counts without its own filter gives no score.
    assert len(several) == (2 if params.facets else 1)
    for each in several[1:]:
        assert (each["boost"], [clause in each["filter"] for clause in own]) == (0, [False, False])
    # Only a search with marks says which passages are near.
    assert [("inner_hits" in each["nested"]) for each in near] == [params.highlight, False][: len(near)]
    without = build(narrowed, "t")
    # What an operator asks for stays above what is near.
    above = words["bool"].pop("should", None)
    assert above == (None if bare(params.query or "") else [{"match_all": {"boost": 400.0}}])
    assert words["bool"]["filter"] == without["query"]["bool"]["filter"]
    assert {name: each for name, each in body.items() if name != "query"} == {
        name: each for name, each in without.items() if name != "query"
    }
    alone = build(replace(narrowed, match="meaning"), "t", meaning=NEAR)
    assert clauses(alone.pop("query")) == near
    assert alone == {name: each for name, each in body.items() if name != "query"}


def test_what_has_a_word_as_it_is_written_is_above_what_is_near() -> None:
    """Also where no word has another form, and by words alone nothing would be below it."""
    for text in ("INV-2024/0173 ", "whale "):
        shown = json.dumps(build(SearchParams(query=text, match="both"), "t", meaning=NEAR)["query"])
        assert '"boost": 400.0' in shown
    assert '"boost": 400.0' not in json.dumps(build(SearchParams(query="INV-2024/0173 "), "t")["query"])
    strict = build(SearchParams(query="some words", match="both", default_operator="and"), "t", meaning=NEAR)
    assert clauses(strict["query"])[0]["bool"]["should"] == [{"match_all": {"boost": 400.0}}]


def test_nearness_counts_as_it_is_also_without_statistics() -> None:
    body = build(SearchParams(query="some words", match="both"), "t", meaning=NEAR)
    words, near = clauses(without_statistics(body)["query"])
    assert near == clauses(body["query"])[1]
    assert words != clauses(body["query"])[0]


def test_the_parts_of_a_score_have_names() -> None:
    words = clauses(build(SearchParams(query="some words", scores=True), "t", meaning=NEAR)["query"])[0]
    assert words["bool"]["_name"] == "words"
    for parts, expected in (
        (',"matched_queries":{"words":12.5}', {"words": 12.5, "meaning": 40.0}),
        (',"matched_queries":{"words":52.5}', {"words": 52.5}),
        ("", {"meaning": 52.5}),
    ):
        told = f'{{"hits":{{"max_score":null,"hits":[{{"_id":"a","_score":52.5,"sort":[52.5,"a"]{parts}}}]}}}}'
        found = json.loads(answered(SearchParams(query="x", scores=True), told.encode()))["hits"]
        assert found == {"max_score": 52.5, "hits": [{"_id": "a", "_score": 52.5, "matched_queries": expected}]}
    placed = b'{"hits":[{"_id":"a","sort":[2.5,"a",7],"matched_queries":{"words":2.5}}]}'
    assert answered(SearchParams(query="x", point="p", sort=BY_SCORE), placed) == placed.replace(b",7]", b"]")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (SearchParams(), "words"),
        (SearchParams(query="some words"), "both"),
        (SearchParams(query="some words", offset=20, highlight=True, filters={"session": ("s",)}), "both"),
        (SearchParams(query="some words", sort=BY_SCORE), "both"),
        (SearchParams(query="some words", sort=BY_SCORE, point="p", after=(1, "x")), "both"),
        (SearchParams(query="some words", sort=(("_score", "asc"), ("id", "asc"))), "words"),
        (SearchParams(query="some words", sort=(("name", "asc"), ("id", "asc"))), "words"),
        (SearchParams(query="some words", facets=("owner",)), "words"),
        (SearchParams(query="some words", size=0), "words"),
        (SearchParams(query="some words", default_operator="and"), "words"),
        (SearchParams(query="some words", match="words"), "words"),
        (SearchParams(query="+some words", match="meaning", size=0, facets=("owner",)), "meaning"),
        *(
            (SearchParams(query=each), "words")
            for each in ("a | b", "+a b", "-a b", '"a b"', "a*", "a~", "(a b)", "*", "!?")
        ),
        *(
            (SearchParams(query=each), "words")
            for each in ("INV-2024/0173", "v1.2.3", "10.0.0.1", "a@example.org", "report.pdf", "my_file", "2024 17")
        ),
        *(
            (SearchParams(query=each), "both")
            for each in (
                "invoice INV-2024/0173",
                "well-known",
                "what?",
                "2024年公司的收入是多少",
                "Ende.",
                "a -",
                "l'eau",
            )
        ),
    ],
)
def test_by_what_a_query_is_to_find(params: SearchParams, expected: str) -> None:
    assert match(params) == expected
