"""Search parameters: what is allowed, at its limits and one past them."""

import json
from datetime import UTC, datetime

import pytest

from app.errors import InvalidParameter
from app.model.schema import DOCUMENTED_FIELDS
from app.search.facets import FACETS
from app.search.params import FILTERS, MATCHES, MAX_VALUES, PARAMETERS, SearchParams, parse


def parsed(**values: str) -> SearchParams:
    return read({name.removesuffix("_"): value for name, value in values.items()})


def read(values: dict[str, str]) -> SearchParams:
    return parse({name: [value] for name, value in values.items()}, max_page_size=100, max_query_length=10)


def test_defaults() -> None:
    assert parsed() == SearchParams(size=10, source=DOCUMENTED_FIELDS)


def test_all() -> None:
    found = parse(
        {
            "session": ["s", "t"],
            "extension": [".PDF", ""],
            "query": ["q"],
            "from": ["3"],
            "size": ["0"],
            "sort": ["name,created:desc,_score"],
            "created_after": ["2026-01-31"],
            "created_before": ["2026-01-31T12:00:00+02:00"],
            "min_size": ["0"],
            "max_size": ["9"],
            "highlight": ["true"],
            "facets": ["owner,created"],
            "_source": ["id"],
        },
        max_page_size=100,
        max_query_length=10,
    )
    assert found == SearchParams(
        filters={"session": ("s", "t"), "extension": ("pdf", "")},
        query="q",
        ranges={
            "created": (datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 1, 31, 10, tzinfo=UTC)),
            "size": (0, 9),
        },
        offset=3,
        size=0,
        sort=(("name_order", "asc"), ("name", "asc"), ("created", "desc"), ("_score", "desc"), ("id", "asc")),
        highlight=True,
        facets=("owner", "created"),
        source=("id",),
    )


def test_an_empty_query_is_none_and_an_empty_session_is_one() -> None:
    assert parsed(query="").query is None
    assert parsed(session="").filters == {"session": ("",)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", "100"),
        ("size", "0"),
        ("from", "9990"),
        ("query", "x" * 10),
        ("query", "ö" * 10),
        ("sort", "_score:asc"),
        ("created_after", "0001-01-01"),
        ("created_before", "9999-12-31T23:59:59.999999Z"),
        ("created_before", "2026-01-31T12:00:00 02:00"),
        ("min_size", "9" * 18),
        ("facets", ",".join(FACETS)),
    ],
)
def test_at_the_limit(name: str, value: str) -> None:
    assert read({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", "101"),
        ("size", "-1"),
        ("size", ""),
        ("size", "1.0"),
        ("size", "1e1"),
        ("size", " 1"),
        ("size", "١"),
        ("size", "²"),
        ("size", "9" * 5000),
        ("from", "-1"),
        ("from", "9991"),
        ("from", "10001"),
        ("from", "x"),
        ("query", "x" * 11),
        ("sort", ""),
        ("sort", "tenant"),
        ("sort", "name:up"),
        ("sort", "name:asc:asc"),
        ("sort", "name,name:desc"),
        ("sort", "name,"),
        ("sort", "name_words"),
        ("_source", ""),
        ("_source", "*"),
        ("_source", "tenant"),
        ("_source", "id,nothing"),
        ("_source", "content"),
        ("created_after", ""),
        ("created_after", "yesterday"),
        ("created_after", "2026-02-30"),
        ("created_before", "0001-01-01T00:00:00+01:00"),
        ("min_size", "9" * 19),
        ("max_size", "-1"),
        ("max_size", "1k"),
        ("highlight", "yes"),
        ("scores", "yes"),
        ("scores", "true"),
        ("facets", ""),
        ("facets", "tenant"),
        ("facets", "owner,"),
        ("q", "x"),
        ("Session", "x"),
        ("filter_path", "x"),
    ],
)
def test_what_is_refused_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read({name: value})
    assert caught.value.name == name
    assert f"[{name}]" in str(caught.value)


def test_the_window_and_the_way_beyond_it() -> None:
    assert read({"from": "9900", "size": "100"}).offset == 9900
    for values in ({"from": "9901", "size": "100"}, {"from": "10001", "size": "0"}):
        with pytest.raises(InvalidParameter, match=r"\[search_after\]"):
            read(values)


def test_highlighting_reads_texts_so_pages_are_shorter() -> None:
    assert read({"highlight": "true", "size": "100"}).highlight
    with pytest.raises(InvalidParameter, match="100 with"):
        parse({"highlight": ["true"], "size": ["101"]}, max_page_size=1000, max_query_length=10)


def test_what_may_be_repeated() -> None:
    most = [str(number) for number in range(MAX_VALUES)]
    for name in FILTERS:
        assert len(parse({name: most}, max_page_size=100, max_query_length=10).filters[name]) == MAX_VALUES
        with pytest.raises(InvalidParameter, match="more than"):
            parse({name: [*most, "x"]}, max_page_size=100, max_query_length=10)
    for name in PARAMETERS - set(FILTERS):
        with pytest.raises(InvalidParameter, match="more than once"):
            parse({name: ["1", "1"]}, max_page_size=100, max_query_length=10)


@pytest.mark.parametrize(
    ("sort", "after"),
    [
        ("id", '["x"]'),
        ("session:desc", '[null,"x"]'),
        ("size", '[9223372036854775807,"x"]'),
        ("_score", '[0.5,"x"]'),
        ("_score", '[1,"x"]'),
        ("id,created", '["x",-9223372036854775808]'),
    ],
)
def test_where_a_page_begins(sort: str, after: str) -> None:
    assert read({"sort": sort, "search_after": after}).after == tuple(json.loads(after))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"search_after": '["x"]'}, r"needs \[sort\]"),
        ({"search_after": '["x"]', "sort": "id", "from": "1"}, "exclude"),
        *(
            ({"search_after": text, "sort": "created"}, "must be|can't have")
            for text in (
                *("", "x", "{}", "[]", "null", '"x"', "[1]", '[1,"x",2]', '["1","x"]', "[1,2]", '[true,"x"]'),
                *('[1.5,"x"]', '[9223372036854775808,"x"]', f'[{"9" * 5000},"x"]', '[1,"\\ud800"]', "[" * 100_000),
                *('[[1],"x"]', '[{},"x"]', '[NaN,"x"]'),
            )
        ),
        ({"search_after": '[NaN,"x"]', "sort": "_score"}, "can't have"),
        ({"search_after": '[1e999,"x"]', "sort": "_score"}, "can't have"),
    ],
)
def test_where_no_page_begins(values: dict[str, str], why: str) -> None:
    with pytest.raises(InvalidParameter, match=why):
        read(values)


def test_by_what_a_query_finds() -> None:
    for match in MATCHES:
        assert parsed(query="q", match=match).match == match
    assert parsed(query="q").match is None
    assert parsed(match="words").match == "words"
    assert parsed(query="q", match="both", pit="true").match == "both"
    for given in ({"match": "all", "query": "q"}, {"match": "meaning"}, {"match": "both", "query": ""}):
        with pytest.raises(InvalidParameter, match=r"\[match\]"):
            read(given)
