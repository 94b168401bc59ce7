"""Typed parameters to Elasticsearch's query language."""

from datetime import UTC, datetime

import pytest

from app.model.schema import DOCUMENTED_FIELDS
from app.search.facets import FACETS
from app.search.params import SearchParams
from app.search.query import answered, build, doubtful, slow

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
