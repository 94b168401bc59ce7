"""What may be asked and what may not, without a server: every table, its limits and one past them."""

from __future__ import annotations

import itertools
import json
import math
import string
from pathlib import Path
from typing import Any

import pytest

from app.errors import SearchRefused
from app.search.expansions import MOST_LOOKS, MOST_NAMED, named
from app.search.language import (
    aggregations,
    body,
    fields,
    functions,
    limits,
    parameters,
    queries,
    reading,
    targets,
    weights,
)
from app.search.language.filtering import filtered
from app.search.language.refused import REASONS
from app.search.marking import spelled
from app.search.params import MAX_HIGHLIGHTED, MAX_WINDOW, SOURCE_FIELDS
from app.search.syntax import parse
from tests.dialects.elasticsearch.catalogue import AGGREGATIONS, QUERIES, filled

ROOT = Path(__file__).parents[3]
PAGE = 100


def searched(**content: Any) -> body.Search:
    return body.search({name.rstrip("_"): item for name, item in content.items()}, "mine", PAGE)


def asked(clause: dict[str, Any]) -> Any:
    """What a query becomes, without the filter around it."""
    return searched(query=clause).body["query"]["bool"]["must"][0]


def refused(**content: Any) -> str:
    with pytest.raises(SearchRefused) as raised:
        searched(**content)
    return str(raised.value)


def in_mapping() -> dict[str, str]:
    """The fields of the mapping, by their paths, with what they can be used for."""
    found = {}

    def walk(properties: dict[str, Any], before: str) -> None:
        for name, content in properties.items():
            if "properties" in content:
                walk(content["properties"], f"{before}{name}.")
            else:
                found[before + name] = "shown" if content.get("index") is False else content["type"]

    walk(json.loads((ROOT / "mappings" / "coco_attachment.json").read_text())["mappings"]["properties"], "")
    return found


#: Fields of the index that no caller may name.
INTERNAL = {"tenant", "passages_model"}


def test_every_field_of_the_mapping_is_decided() -> None:
    assert {**fields.FIELDS, **dict.fromkeys(INTERNAL, "keyword")} == in_mapping()
    assert not INTERNAL & {*fields.SOURCE, *fields.SOURCE_LEAVES}
    assert set(fields.SOURCE) == set(SOURCE_FIELDS)


def test_the_tenant_is_around_every_query() -> None:
    restriction = {"term": {"tenant": "mine"}}
    contents: list[dict[str, Any]] = [{}, {"query": {"match_all": {}}}]
    for content in (*contents, {"query": {"bool": {"must_not": {"ids": {"values": []}}}}}):
        made = body.search(content, "mine", PAGE).body["query"]["bool"]
        assert made["filter"] == [restriction]
        assert len(made["must"]) == 1
        assert body.count({key: content[key] for key in content}, "mine")["query"]["bool"]["filter"] == [restriction]


@pytest.mark.parametrize("name", sorted(set(QUERIES) - set(queries.QUERIES)))
def test_other_queries_are_refused_by_name(name: str) -> None:
    for content in QUERIES[name]:
        assert f"[{name}]" in refused(query={name: filled(content, "name", "x")})
        assert f"[{name}]" in refused(aggs={"a": {"filter": {name: filled(content, "name", "x")}}})


@pytest.mark.parametrize("name", sorted(set(AGGREGATIONS) - set(aggregations.AGGREGATIONS)))
def test_other_aggregations_are_refused_by_name(name: str) -> None:
    for content in AGGREGATIONS[name]:
        assert f"[{name}]" in refused(aggs={"a": {name: filled(content, "name", "x")}})


@pytest.mark.parametrize("none", [0, "0", 0.0, -1])
def test_buckets_of_no_document_are_refused_but_of_histograms(none: object) -> None:
    for name in aggregations.AGGREGATIONS:
        keys = ("shard_min_doc_count",) if "histogram" in name else ("min_doc_count", "shard_min_doc_count")
        for key in keys:
            assert f"[{name}" in refused(aggs={"a": {name: {"field": "session", "interval": 1, key: none}}})
    assert "[terms.min_doc_count]" in refused(aggs={"a": {"terms": {"field": "session", "min_doc_count": none}}})


def test_histograms_fill_their_gaps() -> None:
    for kind, made in (
        ("histogram", {"field": "size", "interval": 10}),
        ("date_histogram", {"field": "created", "calendar_interval": "day"}),
    ):
        for more in ({}, {"min_doc_count": 0}, {"min_doc_count": 1}, {"min_doc_count": 0, "hard_bounds": {"min": 1}}):
            assert searched(aggs={"a": {kind: {**made, **more}}}).body["aggs"]["a"] == {kind: {**made, **more}}
        hostile: list[Any] = [-1, 0.5, 2**31, None, True, [], "x"]
        for wrong in hostile:
            assert f"[{kind}.min_doc_count]" in refused(aggs={"a": {kind: {**made, "min_doc_count": wrong}}})
    # Milliseconds are counted, however they are written.
    day: dict[str, Any] = {"field": "created", "fixed_interval": "1m", "min_doc_count": 0}
    for low, high in (
        (1_700_000_000_000, 1_700_000_600_000),
        ("1700000000000", "1700000600000"),
        ("2026-01-01", "2026-01-02"),
    ):
        assert searched(aggs={"a": {"date_histogram": {**day, "extended_bounds": {"min": low, "max": high}}}})
    for low, high in (
        (0, 1_700_000_000_000),
        ("0", "1700000000000"),
        ("1000000000000", "1700000000000"),
        ("now-1d", "now"),
    ):
        assert "bounds" in refused(
            aggs={"a": {"date_histogram": {**day, "extended_bounds": {"min": low, "max": high}}}}
        )


@pytest.mark.parametrize("name", ["tenant", "_index", "_id", "_source", "*", "ten*", "name.keyword", "", "_seq_no"])
def test_a_field_that_may_not_be_named_is_named_nowhere(name: str) -> None:
    for clause in (
        {"term": {name: "x"}},
        {"terms": {name: ["x"]}},
        {"match": {name: "x"}},
        {"match_phrase": {name: {"query": "x"}}},
        {"prefix": {name: "x"}},
        {"wildcard": {name: "x"}},
        {"regexp": {name: "x"}},
        {"fuzzy": {name: "x"}},
        {"range": {name: {"gte": 1}}},
        {"exists": {"field": name}},
        {"function_score": {"gauss": {name: {"scale": 1}}}},
    ):
        refused(query=clause)
    for kind in ("terms", "cardinality", "value_count", "missing", "min", "date_histogram"):
        refused(aggs={"a": {kind: {"field": name}}})
    refused(sort=[name])
    refused(collapse={"field": name})
    # A wildcard among several fields stands for those that may be named.
    for kind in ("multi_match", "simple_query_string"):
        several = {kind: {"query": "x", "fields": [name]}}
        if "*" in name:
            assert "tenant" not in json.dumps(searched(query=several).body["query"]["bool"]["must"])
        else:
            refused(query=several)
    parts: list[dict[str, Any]] = [{"_source": [name]}, {"fields": [name]}, {"highlight": {"fields": {name: {}}}}]
    for part in parts:
        try:
            made = searched(**part).body
        except SearchRefused:
            continue
        made.pop("query")
        assert "tenant" not in json.dumps(made)


def test_a_function_asks_only_documents_that_have_its_field() -> None:
    """Of a field that a document may lack, whichever version wrote it, the whole search would fail."""
    for name, kind in fields.FIELDS.items():
        if kind in fields.NUMERIC:
            asks = functions.has_value({"field": name}) is not None
            assert asks == (name not in {"created", "updated", "size"})


def test_source() -> None:
    everything = list(SOURCE_FIELDS)
    for value, told in (
        (None, everything),
        (True, everything),
        (False, False),
        ("name", ["name"]),
        (["name", "tenant", "content"], ["name"]),
        (["tenant"], ["-"]),
        ([], everything),
        ("s*", [name for name in fields.SOURCE_LEAVES if name.startswith("s")]),
        ({"excludes": ["*"]}, ["-"]),
        ({"includes": ["name", "size"], "excludes": ["si*"]}, ["name"]),
        ({"includes": ["extraction"], "excludes": ["extraction.sha256"]}, None),
    ):
        made = searched(_source=value).body["_source"]
        if told is None:
            assert made == [
                leaf for leaf in fields.SOURCE_LEAVES if leaf.startswith("extraction.") and "sha" not in leaf
            ]
        elif value == "s*":
            assert isinstance(told, list)
            assert sorted(made) == sorted(told)
        else:
            assert made == told, value
    assert searched().body["_source"] == everything
    assert searched(aggs={"a": {"top_hits": {}}}).body["aggs"]["a"]["top_hits"]["_source"] == everything


def test_full_text_is_folded_as_the_index_is() -> None:
    assert asked({"match": {"name": "Müller_Report.PDF"}}) == {"match": {"name_words": {"query": "muller report pdf"}}}
    made = searched(query={"match_phrase": {"content": "Große Prüfung"}}, highlight={"fields": {"content": {}}}).body
    assert made["query"]["bool"]["must"] == [{"match_phrase": {"content_words": {"query": "grosse prufung"}}}]
    marks = made["highlight"]["fields"][0]["content"]["highlight_query"]["bool"]["should"]
    assert marks == spelled([parse('"Große Prüfung"')], 10)
    assert asked({"match_phrase": {"name": "Große_Prüfung"}}) == {
        "match_phrase": {"name_text": {"query": "grosse prufung"}}
    }
    # Values are not.
    assert asked({"term": {"name": "Müller.PDF"}}) == {"term": {"name": {"value": "Müller.PDF"}}}
    assert asked({"match": {"session": "Müller"}}) == {"match": {"session": {"query": "Müller"}}}
    several = asked({"multi_match": {"query": "Über", "fields": ["name^2", "content"]}})
    assert several["dis_max"]["queries"] == [
        {"match": {"name_words": {"query": "uber", "boost": 2.0}}},
        {"match": {"content_words": {"query": "uber"}}},
    ]


def test_several_fields_as_one() -> None:
    made = asked({"combined_fields": {"query": "Große Prüfung.PDF", "fields": ["name^2", "content", "name_words"]}})
    assert made == {"combined_fields": {"query": "grosse prufung pdf", "fields": ["name_words^2", "content_words"]}}
    assert asked({"combined_fields": {"query": "x", "fields": ["n*x"]}}) == {"match_none": {}}
    for options in ({"fields": ["tenant"]}, {"fields": ["session"]}, {}, {"fields": ["name"], "auto_generate": True}):
        assert "[combined_fields" in refused(query={"combined_fields": {"query": "x", **options}})


def test_doc_values_are_those_of_exact_fields() -> None:
    made = searched(docvalue_fields=["si*", {"field": "created", "format": "yyyy"}, {"field": "name", "format": "x"}])
    assert made.body["docvalue_fields"] == [
        {"field": "size"},
        {"field": "created", "format": "yyyy"},
        {"field": "name"},
    ]
    everything = searched(docvalue_fields=["*"]).body["docvalue_fields"]
    assert not {each["field"] for each in everything} & {"tenant", "content", "content_words", "url"}
    for name in ("tenant", "_index", "_seq_no", "content", "url"):
        assert name in refused(docvalue_fields=[name])


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("Über uns", "uber uns"),
        ('"Große Prüfung" -alt', '"grosse prufung" -alt'),
        ("adaptive_searching.pdf", '"adaptive searching pdf"'),
        ("report.20*", "+report +20*"),
        ("(a | b) +c~2", "(a | b) +c~2"),
        ('open "quote', "open  quote"),
    ],
)
def test_the_little_language_keeps_its_operators(typed: str, sent: str) -> None:
    assert asked({"simple_query_string": {"query": typed}})["simple_query_string"]["query"] == sent


def test_what_expands_to_some_words_expands_to_all_or_is_refused() -> None:
    assert asked({"fuzzy": {"name": "x"}})["fuzzy"]["name"]["rewrite"] == "constant_score"
    assert (
        asked({"match": {"name": {"query": "x", "fuzziness": 1}}})["match"]["name_words"]["fuzzy_rewrite"]
        == "constant_score"
    )
    assert "FUZZY" not in asked({"simple_query_string": {"query": "x~1"}})["simple_query_string"]["flags"]
    for options in ({"max_expansions": 1}, {"rewrite": "top_terms_1"}, {"fuzzy_rewrite": "top_terms_1"}):
        (name,) = options
        for clause in ("match", "match_bool_prefix", "fuzzy", "prefix", "wildcard", "regexp"):
            short = "query" if clause.startswith("match") else "value"
            assert f"[{name}]" in refused(query={clause: {"name": {short: "x", **options}}})


def nested(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"match_all": {}}
    for _ in range(depth - 1):
        made = {"bool": {"must": made}}
    return made


def levels(depth: int, size: int = 1) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(depth):
        made = {"a": {"terms": {"field": "session", "size": size}, **({"aggs": made} if made else {})}}
    return made


def clauses(count: int) -> dict[str, Any]:
    return {"bool": {"should": [{"term": {"id": "x"}}] * (count - 1)}}


def told(buckets: int, hits: int) -> dict[str, Any]:
    return {"a": {"terms": {"field": "session", "size": buckets}, "aggs": {"b": {"top_hits": {"size": hits}}}}}


def window(size: int) -> dict[str, Any]:
    return {"window_size": size, "query": {"rescore_query": {"match_all": {}}}}


LIMITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"query": nested(limits.MAX_QUERY_DEPTH)}, {"query": nested(limits.MAX_QUERY_DEPTH + 1)}),
    ({"query": clauses(limits.MAX_CLAUSES)}, {"query": clauses(limits.MAX_CLAUSES + 1)}),
    *[
        ({"query": {clause: inner(limit)}}, {"query": {clause: inner(limit + 1)}})
        for clause, limit, inner in (
            ("terms", limits.MAX_VALUES, lambda n: {"id": ["x"] * n}),
            ("ids", limits.MAX_VALUES, lambda n: {"values": ["x"] * n}),
            ("term", limits.MAX_TEXT, lambda n: {"name": "x" * n}),
            ("regexp", limits.MAX_PATTERN, lambda n: {"name": "x" * n}),
            ("wildcard", limits.MAX_PATTERN, lambda n: {"name": "x" * n}),
            ("prefix", limits.MAX_PATTERN, lambda n: {"name": "x" * n}),
            ("match", limits.MAX_WORDS, lambda n: {"content": "x " * n}),
            ("simple_query_string", limits.MAX_WORDS, lambda n: {"query": "x " * n}),
            ("match_all", limits.MAX_NAME, lambda n: {"_name": "x" * n}),
        )
    ],
    ({"aggs": levels(limits.MAX_AGGREGATION_DEPTH)}, {"aggs": levels(limits.MAX_AGGREGATION_DEPTH + 1)}),
    (
        {"aggs": {str(n): {"missing": {"field": "app"}} for n in range(limits.MAX_AGGREGATIONS)}},
        {"aggs": {str(n): {"missing": {"field": "app"}} for n in range(limits.MAX_AGGREGATIONS + 1)}},
    ),
    ({"aggs": levels(1, limits.MAX_BUCKETS)}, {"aggs": levels(1, limits.MAX_BUCKETS + 1)}),
    ({"aggs": levels(2, 100)}, {"aggs": levels(2, 101)}),
    *[
        ({"aggs": {"a": {kind: inner(limit)}}}, {"aggs": {"a": {kind: inner(limit + 1)}}})
        for kind, limit, inner in (
            ("range", limits.MAX_RANGES, lambda n: {"field": "size", "ranges": [{"to": 1}] * n}),
            ("filters", limits.MAX_RANGES, lambda n: {"filters": [{"match_all": {}}] * n}),
            ("top_hits", limits.MAX_INNER_HITS, lambda n: {"size": n}),
            (
                "histogram",
                limits.MAX_BUCKET_PRODUCT,
                lambda n: {"field": "size", "interval": 1, "extended_bounds": {"min": 0, "max": n}},
            ),
            (
                "date_histogram",
                limits.MAX_BUCKET_PRODUCT,
                lambda n: {"field": "created", "fixed_interval": "1s", "extended_bounds": {"min": 0, "max": n * 1000}},
            ),
        )
    ],
    ({"size": PAGE}, {"size": PAGE + 1}),
    *[
        ({**part, "size": limit}, {**part, "size": limit + 1})
        for limit, part in (
            (MAX_HIGHLIGHTED, {"highlight": {"fields": {"content": {}}}}),
            (limits.MAX_GROUPS_WITH_HITS, {"collapse": {"field": "session", "inner_hits": {"name": "x"}}}),
        )
    ],
    # Hits of all buckets and groups, beside those of the page.
    *[
        ({"size": 0, "aggs": {"a": {**around, "aggs": {"b": {"top_hits": {"size": size}}}}}}, past)
        for around, size, past in (
            ({"terms": {"field": "session", "size": 100}}, 100, {"size": 1, "aggs": told(100, 100)}),
            (
                {"filters": {"filters": [{"match_all": {}}] * 100}},
                100,
                {"size": 0, "aggs": {**told(100, 100), "more": {"top_hits": {"size": 1}}}},
            ),
            (
                {"date_histogram": {"field": "created", "calendar_interval": "day"}},
                limits.MAX_HITS // limits.MAX_BUCKETS,
                {
                    "size": 0,
                    "aggs": {
                        "a": {
                            "histogram": {"field": "size", "interval": 1},
                            "aggs": {"b": {"top_hits": {"size": limits.MAX_HITS // limits.MAX_BUCKETS + 1}}},
                        }
                    },
                },
            ),
        )
    ],
    (
        {"size": 100, "collapse": {"field": "session", "inner_hits": {"name": "x", "size": 99}}},
        {"size": 100, "collapse": {"field": "session", "inner_hits": {"name": "x", "size": 100}}},
    ),
    ({"from": MAX_WINDOW - PAGE, "size": PAGE}, {"from": MAX_WINDOW - PAGE + 1, "size": PAGE}),
    ({"rescore": {**window(limits.MAX_RESCORED)}}, {"rescore": {**window(limits.MAX_RESCORED + 1)}}),
    ({"rescore": [window(1)] * 4}, {"rescore": [window(1)] * 5}),
    ({"docvalue_fields": ["size"] * limits.MAX_FIELDS}, {"docvalue_fields": ["size"] * (limits.MAX_FIELDS + 1)}),
    ({"sort": ["size"] * limits.MAX_SORTS}, {"sort": ["size"] * (limits.MAX_SORTS + 1)}),
    (
        {"highlight": {"fields": {"content": {"number_of_fragments": limits.MAX_FRAGMENTS}}}},
        {"highlight": {"fields": {"content": {"number_of_fragments": limits.MAX_FRAGMENTS + 1}}}},
    ),
    (
        {"highlight": {"fragment_size": limits.MAX_FRAGMENT, "fields": {"content": {}}}},
        {"highlight": {"fragment_size": limits.MAX_FRAGMENT + 1, "fields": {"content": {}}}},
    ),
    # Of 10 hits each of 50 fragments, 4,000 characters: marked like this, half as many again and as much as the tags.
    *[
        ({"highlight": {"fields": {"content": at}}}, {"highlight": {"fields": {"content": past}}})
        for at, past in (
            ({"number_of_fragments": 50, "fragment_size": 666}, {"number_of_fragments": 50, "fragment_size": 667}),
            (
                {"number_of_fragments": 1, "fragment_size": 2000, "pre_tags": ["x" * 99], "post_tags": ["x" * 99]},
                {"number_of_fragments": 1, "fragment_size": 2000, "pre_tags": ["x" * 99], "post_tags": ["", "x" * 100]},
            ),
            ({"no_match_size": 2000}, {"fragment_size": 0}),
        )
    ],
    (
        {"pit": {"id": "x", "keep_alive": f"{limits.MAX_KEEP_ALIVE}s"}},
        {"pit": {"id": "x", "keep_alive": f"{limits.MAX_KEEP_ALIVE + 1}s"}},
    ),
]


@pytest.mark.parametrize(("at", "past"), LIMITS, ids=lambda each: json.dumps(each)[:60])
def test_limits(at: dict[str, Any], past: dict[str, Any]) -> None:
    largest = PAGE if "highlight" not in at and "collapse" not in at else 1000
    body.search(at, "mine", largest)
    with pytest.raises(SearchRefused):
        body.search(past, "mine", largest)


def test_the_limit_of_searches_in_one_request() -> None:
    pair = b'{}\n{"size":0}\n'
    assert len(body.searches(pair * limits.MAX_SEARCHES, "mine", PAGE)) == limits.MAX_SEARCHES
    with pytest.raises(SearchRefused, match=str(limits.MAX_SEARCHES)):
        body.searches(pair * (limits.MAX_SEARCHES + 1), "mine", PAGE)


def test_what_all_searches_of_one_request_may_be_told() -> None:
    marks = {"highlight": {"fields": {"content": {"number_of_fragments": 50, "fragment_size": 666}}}}
    pages = limits.MAX_HITS // 1000
    for at, past, what in (
        ([{"size": 1000}] * pages, [{"size": 1000}] * pages + [{"size": 1}], "hits"),
        ([marks], [marks, {**marks, "size": 1}], "marked"),
    ):
        made = [b"{}\n" + json.dumps(each).encode() + b"\n" for each in past]
        assert body.searches(b"".join(made[: len(at)]), "mine", 1000)
        with pytest.raises(SearchRefused, match=what):
            body.searches(b"".join(made), "mine", 1000)


def test_groups_are_asked_for_one_after_the_other() -> None:
    for inner, asked_for in (({}, None), ({"inner_hits": {"name": "x"}}, 1)):
        made = searched(collapse={"field": "session", **inner}).body["collapse"]
        assert made.get("max_concurrent_group_searches") == asked_for


def test_no_number_is_drawn_from_a_place_in_the_index() -> None:
    for options, drawn in (({}, {"field": "id"}), ({"seed": 5}, {"field": "id", "seed": 5}), ({"field": "name"},) * 2):
        for form in ({"random_score": options}, {"functions": [{"random_score": options, "weight": 2}]}):
            made = asked({"function_score": form})["function_score"]
            assert made.get("functions", [made])[0]["random_score"] == drawn


def test_an_order_ends_with_the_id_in_a_point_in_time() -> None:
    last = {"id": {"order": "asc"}}
    created = {"created": {"unmapped_type": "date"}}
    for point, content, made in (
        (False, {"sort": ["created"]}, [created]),
        (False, {"sort": ["_doc", "_score"]}, [{"id": {}}, "_score"]),
        (False, {"sort": [{"_doc": "desc"}]}, [{"id": {"order": "desc"}}]),
        (True, {"sort": ["created"]}, [created, last]),
        (True, {"sort": ["_score"]}, ["_score", last]),
        (True, {"sort": ["_shard_doc"]}, [{"id": {}}]),
        (True, {"sort": [{"_doc": "desc"}, "created"]}, [{"id": {"order": "desc"}}, created]),
        (True, {"sort": ["created"], "search_after": [5]}, [created]),
        (True, {"sort": ["created"], "search_after": [5, "x"]}, [created, last]),
        (True, {"sort": ["created"], "collapse": {"field": "session"}}, [created]),
        (True, {"sort": ["_score"], "rescore": {"query": {"rescore_query": {"match_all": {}}}}}, ["_score"]),
        (True, {"sort": []}, []),
        (True, {}, None),
    ):
        found = searched(**content, **({"pit": {"id": "x"}} if point else {})).body
        assert found.get("sort") == made, content
    refusals: tuple[tuple[dict[str, Any], str], ...] = (
        ({"sort": ["_shard_doc"]}, "needs a point in time"),
        ({"aggs": {"a": {"top_hits": {"sort": ["_shard_doc"]}}}}, "needs a point in time"),
        ({"sort": ["_doc"], "search_after": [7]}, "begin the walk anew"),
        ({"sort": ["created"], "search_after": [5, 7], "pit": {"id": "x"}}, "begin the walk anew"),
        ({"sort": ["id"], "search_after": ["x", 7], "pit": {"id": "x"}}, "search_after has 2 value(s) but sort has 1."),
        ({"sort": [], "search_after": [7], "pit": {"id": "x"}}, "needs a [sort]"),
        (
            {"sort": ["_score"], "search_after": [1], "rescore": {"query": {"rescore_query": {"match_all": {}}}}},
            "[rescore]",
        ),
    )
    for wrong, said in refusals:
        assert said in refused(**wrong), wrong


def test_deep_paging_names_the_way() -> None:
    said = refused(from_=MAX_WINDOW, size=1)
    assert "search_after" in said
    assert "_pit" in said


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"{}\n",
        b"{}\n{}",
        b'{"index":"_other"}\n{}\n',
        b'{"index":5}\n{}\n',
        b'{"index":"*","expand_wildcards":"some"}\n{}\n',
        b'{"routing":"x"}\n{}\n',
        b"nothing\nof the kind\n",
        b'{"index":"coco_attachment"}\n{"pit":{"id":"x"}}\n',
    ],
)
def test_lines_that_are_refused(lines: bytes) -> None:
    with pytest.raises(SearchRefused):
        body.searches(lines, "mine", PAGE)


def test_the_index_is_on_every_line() -> None:
    for header in (b'{"index":"coco_attachment"}', b'{"indices":["coco_attachment"],"preference":"_local"}'):
        (one,) = body.searches(header + b'\n{"query":{"ids":{"values":["x"]}}}\n', "mine", PAGE)
        assert one.body["query"]["bool"]["filter"] == [{"term": {"tenant": "mine"}}]
        assert not one.nowhere


def test_each_line_names_its_indices() -> None:
    for header, names, nowhere, missing in (
        ("{}", [], False, None),
        ("{}", ["coco_*"], False, None),
        ("{}", ["nothing*"], True, None),
        ("{}", ["nothing"], False, "nothing"),
        ('{"index":"coco_*"}', ["nothing"], False, None),
        ('{"index":["coco_attachment","other"]}', [], False, "other"),
        ('{"index":"coco_attachment-000001"}', [], False, "coco_attachment-000001"),
        ('{"index":"other","ignore_unavailable":true}', [], True, None),
        ('{"index":"other*","allow_no_indices":false}', [], False, "other*"),
        ('{"index":"*","expand_wildcards":"closed"}', [], True, None),
    ):
        (one,) = body.searches(f"{header}\n{{}}\n".encode(), "mine", PAGE, names=names)
        assert (one.nowhere, one.missing and one.missing.name) == (nowhere, missing), header


def test_bodies_that_are_no_searches() -> None:
    for content in (b"[", b'{"a":1,"a":2}', b"\xff", b'{"size":NaN}'):
        try:
            value = body.decoded(content)
        except SearchRefused:
            continue
        with pytest.raises(SearchRefused):
            body.search(value, "mine", PAGE)
    for value in (5, [], "x", None, {"a": 1, "b": 2}, {}):
        with pytest.raises(SearchRefused):
            body.search({"query": value}, "mine", PAGE)
    numbers: tuple[Any, ...] = (float("nan"), float("inf"), 10**400, True, [], {})
    for number in numbers:
        for clause in ({"match_all": {"boost": number}}, {"term": {"size": number}}):
            if number is True and "term" in clause:
                continue
            with pytest.raises(SearchRefused):
                body.search({"query": clause}, "mine", PAGE)
    with pytest.raises(SearchRefused):
        body.search({"query": {"term": {"name": "\ud800"}}}, "mine", PAGE)


def test_reasons_are_given_to_nothing_that_is_allowed() -> None:
    # Which is no clause, and stands in the body itself.
    allowed = {*queries.QUERIES, *aggregations.AGGREGATIONS, *body.TOP_LEVEL} - {"knn"}
    assert not set(REASONS) & allowed
    assert "knn" not in queries.QUERIES


def parsed(kind: str = "search", **values: str) -> parameters.Url:
    return parameters.parse(kind, {name: [value] for name, value in values.items()}, "/coco_attachment/_search")


def test_the_query_string() -> None:
    assert parsed(size="5", sort="created:desc,id").body == {"size": 5, "sort": [{"created": {"order": "desc"}}, "id"]}
    assert parsed(_source="false").body == {"_source": False}
    assert parsed(_source_includes="name", _source_excludes="s*").body["_source"] == {
        "includes": ["name"],
        "excludes": ["s*"],
    }
    assert parsed(rest_total_hits_as_int="true").body == {"track_total_hits": True}
    assert parsed(pretty="", preference="x").pretty
    assert parsed().indices == targets.Options()
    said = parsed(allow_no_indices="false", ignore_unavailable="", expand_wildcards="open,hidden").indices
    assert said == targets.Options(True, False, ("open", "hidden"))
    for wrong in ({"expand_wildcards": "some"}, {"allow_no_indices": "perhaps"}, {"expand_wildcards": "open," * 20}):
        with pytest.raises(SearchRefused):
            parsed(**wrong)
    for name in ("q", "scroll", "routing", "explain", "stored_fields", "docvalue_fields", "suggest_field", "unknown"):
        with pytest.raises(SearchRefused, match=rf"\[{name}\]"):
            parsed(**{name: "x"})
    for kind, name in (("count", "q"), ("count", "size"), ("open", "routing"), ("msearch", "size")):
        with pytest.raises(SearchRefused, match=rf"\[{name}\]"):
            parsed(kind, **{name: "1"})
    with pytest.raises(SearchRefused):
        parameters.parse("search", {"size": ["1", "2"]}, "/")


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        ("took", {"took": 1}),
        ("hits.hits._id", {"hits": {"hits": [{"_id": "a"}, {"_id": "b"}]}}),
        ("**._id", {"hits": {"hits": [{"_id": "a"}, {"_id": "b"}]}}),
        ("h*.total", {"hits": {"total": {"value": 2}}}),
        ("-hits", {"took": 1}),
        ("hits,-hits.hits", {"hits": {"total": {"value": 2}}}),
        ("nothing", {}),
        ("**.**._id", {"hits": {"hits": [{"_id": "a"}, {"_id": "b"}]}}),
        ("**.hits.**.value", {"hits": {"total": {"value": 2}}}),
        ("hits.total.**", {"hits": {"total": {"value": 2}}}),
    ],
)
def test_filter_path(paths: str, left: dict[str, Any]) -> None:
    answer = {"took": 1, "hits": {"total": {"value": 2}, "hits": [{"_id": "a", "x": 1}, {"_id": "b", "x": 2}]}}
    assert filtered(answer, tuple(paths.split(","))) == left


def test_paths_that_can_be_walked_in_many_ways_cost_no_more_than_others() -> None:
    steps = limits.MAX_PATH_STEPS
    paths = [".".join(["**", "*"] * (steps // 2)), ".".join(["*"] * steps), ",".join(["**.x", "**.*.y"] * (steps // 5))]
    answer: Any = {"x": 1}
    for _ in range(30):
        answer = {"a": answer, "b": [answer]} if len(json.dumps(answer)) < 10_000 else {"a": answer}
    for each in paths:
        found = parsed(filter_path=each).filter_path
        filtered(answer, found)
        filtered(answer, tuple(f"-{path}" for path in found))
    with pytest.raises(SearchRefused, match="filter_path"):
        parsed(filter_path=".".join(["**"] * (steps + 1)))


def weighing(count: int, clause: dict[str, Any]) -> dict[str, Any]:
    return {"query": {"bool": {"should": [clause] * count}}}


@pytest.mark.parametrize(
    ("clause", "weight"),
    [
        ({"prefix": {"content": "a"}}, 1),
        ({"fuzzy": {"content": "abcdefg"}}, 1),
        ({"fuzzy": {"name": "a" * 15}}, 1),
        ({"fuzzy": {"name": "a" * 64}}, 5),
        ({"fuzzy": {"content": "\u4e00" * 100}}, 19),
        ({"match": {"content": {"query": f"one {'a' * 64}", "fuzziness": 1}}}, 6),
        ({"prefix": {"content": ""}}, 4),
        ({"match": {"content": {"query": "one two", "fuzziness": 1}}}, 2),
        ({"match": {"session": {"query": "one", "fuzziness": 1}}}, 1),
        ({"match_bool_prefix": {"content": "one tw"}}, 1),
        ({"multi_match": {"query": "one two", "fuzziness": 1, "fields": ["name", "content"]}}, 4),
        ({"simple_query_string": {"query": "on* tw* three", "fields": ["content"]}}, 2),
        ({"range": {"session": {"gte": "a"}}}, 2),
        ({"wildcard": {"content": "*a*"}}, 4),
        ({"wildcard": {"content": "a??????????*"}}, 4),
        ({"wildcard": {"content": "*a????????"}}, 7),
        ({"regexp": {"content": ".*a"}}, 4),
    ],
)
def test_clauses_that_stand_for_all_words_which_fit(clause: dict[str, Any], weight: int) -> None:
    most = limits.MAX_EXPANSIONS // weight
    found = searched(**weighing(most, clause))
    assert found.expansions == most * weight
    assert "all words which fit" in refused(**weighing(most + 1, clause))
    # Wherever they stand, and in a count.
    with pytest.raises(SearchRefused):
        body.count(weighing(most + 1, clause), "mine")
    assert "fit" in refused(**weighing(most, clause), rescore={"query": {"rescore_query": clause}})
    assert "fit" in refused(**weighing(most, clause), aggs={"a": {"filter": clause}})
    assert "fit" in refused(**weighing(most, clause), highlight={"fields": {"content": {"highlight_query": clause}}})


def test_what_stands_for_itself_weighs_nothing() -> None:
    for clause in ({"term": {"session": "a"}}, {"range": {"size": {"gte": 1}}}, {"match": {"content": "a b"}}):
        assert searched(query=clause).expansions == 0


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"match_phrase": {"content": "a b " * 5}}, "more than 4 times"),
        ({"match_phrase": {"content": {"query": "a b a", "slop": 1}}}, "may lie apart"),
        ({"multi_match": {"query": "a b a", "type": "phrase", "slop": 2}}, "may lie apart"),
        ({"simple_query_string": {"query": '"a b a"~3'}}, "may lie apart"),
        ({"simple_query_string": {"query": r'\"x" "a b a"~3'}}, "may lie apart"),
        ({"simple_query_string": {"query": "a-b-" * 5}}, "more than 4 times"),
        ({"bool": {"should": [{"match_phrase": {"content": f"a{n} b"}} for n in range(65)]}}, "one too many"),
    ],
)
def test_phrases_that_take_long(query: dict[str, Any], why: str) -> None:
    assert why in refused(query=query)


def test_phrases_that_do_not() -> None:
    for options in ("a b a", {"query": "a b c", "slop": 1000}):
        assert searched(query={"match_phrase": {"content": options}}).expansions == 2
    assert searched(query={"match_phrase": {"content": "word"}}).expansions == 0


def test_patterns_of_aggregations() -> None:
    def made(count: int) -> dict[str, Any]:
        return {f"a{number}": {"terms": {"field": "session", "include": "a.*"}} for number in range(count)}

    most = limits.MAX_EXPANSIONS // 8
    # Tried on the values of what was found.
    assert all(each["terms"]["execution_hint"] == "map" for each in searched(aggs=made(most)).body["aggs"].values())
    assert "fit" in refused(aggs=made(most + 1))
    assert "execution_hint" not in searched(aggs={"a": {"terms": {"field": "session"}}}).body["aggs"]["a"]["terms"]


def test_expressions_share_what_their_automata_may_cost() -> None:
    def of(count: int) -> list[Any]:
        found = searched(**weighing(count, {"regexp": {"content": "a.*"}})).body["query"]["bool"]["must"][0]
        return [each["regexp"]["content"].get("max_determinized_states") for each in found["bool"]["should"]]

    most = limits.MAX_DETERMINIZED // limits.DETERMINIZED
    assert of(most) == [None] * most
    assert of(most + 1) == [limits.MAX_DETERMINIZED // (most + 1)] * (most + 1)


def test_groups_and_several_searches_count_too() -> None:
    groups = {"field": "session", "inner_hits": {"name": "x", "size": 1}}
    most = limits.MAX_GROUPED_EXPANSIONS // 11
    assert searched(**weighing(most, {"prefix": {"name": "a"}}), collapse=groups)
    assert "in every group" in refused(**weighing(most + 1, {"prefix": {"name": "a"}}), collapse=groups)
    lines = ["{}", json.dumps(weighing(64, {"prefix": {"name": "a"}}))]
    assert len(body.searches("\n".join([*lines * 2, ""]).encode(), "mine", PAGE)) == 2
    with pytest.raises(SearchRefused, match="expanded words"):
        body.searches("\n".join([*lines * 3, ""]).encode(), "mine", PAGE)


def test_what_marks_words_is_bounded() -> None:
    prefix = {"prefix": {"content": "a"}}
    own = {"content": {"require_field_match": False}, "name": {"highlight_query": prefix, "require_field_match": False}}
    highlights: tuple[dict[str, Any], ...] = (
        {"fields": {"content": {}}},
        {"fields": own},
        {"fields": {"content": {"require_field_match": False}}, "highlight_query": prefix},
        {"fields": {"content": {}}, "require_field_match": False},
        {"fields": {"content": {"require_field_match": False}}},
        {"fields": {"content": {}}, "highlight_query": prefix, "require_field_match": False},
        {"fields": {"content": {"highlight_query": prefix, "require_field_match": False}}},
    )
    for highlight in highlights:
        for clause in (prefix, {"function_score": {"query": prefix}}, {"bool": {"must": [prefix]}}):
            marking = searched(query=clause, highlight=highlight).body["highlight"]
            written = json.dumps(marking)
            assert written.count('"prefix"') == written.count("top_terms_boost_") > 0
            assert "tenant" not in written
            assert all(each["require_field_match"] for entry in marking["fields"] for each in entry.values())
    # The query itself finds all that fits.
    assert asked(prefix) == {"prefix": {"content": {"value": "a"}}}


#: What marks, and how often it looks through each text.
LOOKING: list[tuple[dict[str, Any], int]] = [
    ({"prefix": {"content": "a"}}, 2),
    ({"wildcard": {"content": "*a*"}}, 2),
    ({"regexp": {"content": "a.*"}}, 2),
    ({"fuzzy": {"content": "a" * 7}}, 2),
    ({"fuzzy": {"content": {"value": "a" * 60}}}, 16),
    ({"bool": {"should": [{"prefix": {"content": "a"}}, {"bool": {"must": [{"prefix": {"content": "b"}}]}}]}}, 4),
    ({"prefix": {"name": "a"}}, 0),
    ({"fuzzy": {"name": "a" * 200}}, 6),
    ({"term": {"content": "a"}}, 0),
]


@pytest.mark.parametrize(("clause", "count"), LOOKING, ids=lambda each: json.dumps(each)[:60])
def test_what_marks_weighs_for_each_hit(clause: dict[str, Any], count: int) -> None:
    plain: dict[str, Any] = {"fields": {"content": {}, "name": {}}}
    own = {"fields": {"content": {"highlight_query": clause}, "name": {"highlight_query": clause}}}
    for highlight, query in ((plain, clause), ({**plain, "highlight_query": clause}, {}), (own, {})):
        asked_for = {"query": query or {"match_all": {}}, "highlight": highlight}
        for size in (0, 1, 10, 25):
            assert searched(**asked_for, size=size).looks == count * size, highlight
    if not count:
        return
    many = {"bool": {"should": [clause] * (MOST_LOOKS // count // 25)}}
    assert searched(query=many, highlight=plain, size=25).looks <= MOST_LOOKS
    more = {"bool": {"should": [*many["bool"]["should"], clause]}}
    assert "take a smaller [size]" in refused(query=more, highlight=plain, size=25)
    # Without marks, and on a smaller page, it may be asked.
    assert searched(query=more, size=25).looks == 0
    assert searched(query=more, highlight=plain, size=12).looks <= MOST_LOOKS


def test_what_people_type_is_marked_on_every_page() -> None:
    words = " ".join(f"word{number}" for number in range(100))
    for clause in (
        {"match_bool_prefix": {"content": "the quarterly rep"}},
        {"match": {"content": words}},
        {"match_phrase": {"content": words}},
        {"multi_match": {"query": words[:300], "fields": ["name", "content"]}},
        {"simple_query_string": {"query": f'{"x" * 80}~ {"y" * 255}~ rep* "{words[:500]}"'}},
        {"bool": {"should": [{"match_phrase": {"content": " ".join(f"a{n} b{n}" for n in range(8))}}] * 31}},
    ):
        for size in (10, PAGE):
            made = searched(query=clause, highlight={"fields": {"content": {}, "name": {}}}, size=size)
            assert made.looks <= MOST_LOOKS
            assert made.body["highlight"]["fields"][0]["content"]["highlight_query"]["bool"]["should"]
    lines = [
        "{}",
        json.dumps({"query": {"match": {"content": "one two thr"}}, "highlight": {"fields": {"content": {}}}}),
    ]
    assert len(body.searches("\n".join([*lines * 32, ""]).encode(), "mine", PAGE)) == 32
    marked = {"highlight": {"fields": {"content": {}}}, "size": 50}
    lines = ["{}", json.dumps(weighing(12, {"prefix": {"content": "a"}}) | marked)]
    assert len(body.searches("\n".join([*lines * 2, ""]).encode(), "mine", PAGE)) == 2
    with pytest.raises(SearchRefused, match="looks through texts for marks"):
        body.searches("\n".join([*lines * 3, ""]).encode(), "mine", PAGE)


#: Queries of which Elasticsearch marks no other words than those that they name, and how many.
NAMED = {
    "match_all": ({}, 0),
    "match_none": ({}, 0),
    "query_string": ({"query": "*"}, 0),
    "ids": ({"values": ["a"]}, 0),
    "exists": ({"field": "content"}, 0),
    "distance_feature": ({"field": "created", "origin": "now", "pivot": "1d"}, 0),
    "term": ({"content": "a"}, 1),
    "terms": ({"content": ["a", "b"], "boost": 2}, 2),
    "match": ({"name": {"query": "a b"}}, 2),
    "match_phrase": ({"content": "a b"}, 2),
    "multi_match": ({"query": "a b", "fields": ["name", "content"]}, 4),
    "combined_fields": ({"query": "a b", "fields": ["name"]}, 2),
    "simple_query_string": ({"query": "a b"}, 2),
    "bool": ({"must": [{"term": {"name": "a"}}], "should": {"match": {"name": "b"}}, "minimum_should_match": 1}, 2),
    "boosting": ({"positive": {"term": {"name": "a"}}, "negative": {"match_all": {}}, "negative_boost": 0.5}, 1),
    "constant_score": ({"filter": {"term": {"name": "a"}}, "boost": 2}, 1),
    "dis_max": ({"queries": [{"term": {"name": "a"}}, {"term": {"name": "b"}}]}, 2),
    "function_score": (
        {"query": {"term": {"name": "a"}}, "functions": [{"filter": {"prefix": {"name": "a"}}, "weight": 2}]},
        1,
    ),
}
#: Those that stand for words which they do not name.
OPEN: dict[str, list[Any]] = {
    "prefix": [{"name": "a"}],
    "wildcard": [{"name": "a*"}],
    "regexp": [{"name": "a.*"}],
    "fuzzy": [{"name": "a"}],
    "range": [{"name": {"gte": "a"}}, {"session": {"lt": "z"}}],
    "match_bool_prefix": [{"name": "a"}],
    "match": [{"name": {"query": "a", "fuzziness": 1}}, {"session": {"query": "a", "fuzziness": "AUTO"}}],
    "term": [{"name": {"value": "a", "case_insensitive": True}}],
    "multi_match": [{"query": "a", "type": "bool_prefix"}, {"query": "a", "fields": ["name"], "fuzziness": 1}],
    "simple_query_string": [{"query": "a*"}, {"query": "b \u0915\u093f*"}],
}


def test_only_what_names_its_words_marks_them_in_other_fields() -> None:
    assert {*NAMED, *OPEN} == {*queries.QUERIES}

    def made(name: str, said: Any) -> Any:
        return queries.query(reading.Where("query", marking=True), {name: said})

    for name, (said, words) in NAMED.items():
        assert named(made(name, said)) == words, name
    openly = [(name, said) for name, each in OPEN.items() for said in each]
    for name, said in openly:
        assert named(made(name, said)) == math.inf, (name, said)
        for holding in ({"bool": {"filter": [{name: said}]}}, {"constant_score": {"filter": {name: said}}}):
            for highlight in (
                {"fields": {"content": {"require_field_match": False}}},
                {"fields": {"content": {"highlight_query": holding, "require_field_match": False}}},
            ):
                marking = searched(query=holding, highlight=highlight).body["highlight"]
                assert marking["fields"][0]["content"]["require_field_match"] is True
    plain = {"fields": {"content": {"require_field_match": False}}}
    marking = searched(query={"match": {"name": "a"}}, highlight=plain).body["highlight"]
    assert marking["fields"] == [{"content": {"require_field_match": False}}]


def test_every_beginning_has_its_weight() -> None:
    """Whatever it ends with, in fields of words and exact ones."""
    for field, beginnings in (("content", ["a*", "\u0915\u093f*"]), ("session", ["a*", "a.*", "\u0915\u093f*"])):
        for typed in beginnings:
            where = reading.Where("query")
            queries.query(where, {"simple_query_string": {"query": f"{typed} {typed}", "fields": [field]}})
            assert where.budget.expansions == 2 * weights.BEGINNING, typed


def test_more_words_than_are_looked_for_are_not_marked_in_other_fields() -> None:
    def strict(count: int) -> Any:
        letters = map("".join, itertools.product(string.ascii_lowercase, repeat=3))
        words = [{"match": {"name": " ".join(itertools.islice(letters, limits.MAX_WORDS))}} for _ in range(count)]
        highlight = {"fields": {"content": {"require_field_match": False}}}
        marking = searched(query={"bool": {"should": words}}, highlight=highlight).body["highlight"]
        return marking["fields"][0]["content"]["require_field_match"]

    assert strict(MOST_NAMED // limits.MAX_WORDS) is False
    assert strict(MOST_NAMED // limits.MAX_WORDS + 1) is True
