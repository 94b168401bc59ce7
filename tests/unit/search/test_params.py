"""Search parameters: what is allowed, at its limits and one past them."""

import pytest

from app.attachment import DOCUMENTED_FIELDS
from app.errors import InvalidParameter
from app.search.params import SearchParams, parse


def parsed(**values: str) -> SearchParams:
    return parse(
        {name.removesuffix("_"): value for name, value in values.items()}, max_page_size=100, max_query_length=10
    )


def test_defaults() -> None:
    assert parsed() == SearchParams(None, None, None, 0, 10, (), DOCUMENTED_FIELDS)


def test_all() -> None:
    found = parse(
        {"session": "s", "query": "q", "from": "3", "size": "0", "sort": "name,created:desc,_score", "_source": "id"},
        max_page_size=100,
        max_query_length=10,
    )
    assert found == SearchParams(
        "s", "q", None, 3, 0, (("name", "asc"), ("created", "desc"), ("_score", "desc")), ("id",)
    )


def test_an_empty_query_is_none_and_an_empty_session_is_one() -> None:
    assert parsed(query="").query is None
    assert parsed(session="").session == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", "100"),
        ("size", "0"),
        ("from", "9990"),
        ("query", "x" * 10),
        ("query", "ö" * 10),
        ("sort", "_score:asc"),
    ],
)
def test_at_the_limit(name: str, value: str) -> None:
    assert parse({name: value}, max_page_size=100, max_query_length=10)


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
        ("q", "x"),
        ("Session", "x"),
        ("filter_path", "x"),
    ],
)
def test_what_is_refused_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse({name: value}, max_page_size=100, max_query_length=10)
    assert caught.value.name == name
    assert f"[{name}]" in str(caught.value)


def test_the_window() -> None:
    assert parse({"from": "9900", "size": "100"}, max_page_size=100, max_query_length=10).offset == 9900
    with pytest.raises(InvalidParameter):
        parse({"from": "9901", "size": "100"}, max_page_size=100, max_query_length=10)
