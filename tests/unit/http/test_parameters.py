"""Query strings and JSON bodies, without a server."""

import json
from typing import Any

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from app.errors import IncompleteBody, InvalidParameter, InvalidRequest, RequestTooLarge, SearchRefused
from app.search.language import limits
from app.search.language.body import decoded
from app.web.parameters import MAX_DEPTH, id_list, json_object, query_parameters


def request_with(*, query: str = "", body: bytes = b"", length: int | None = None) -> Request:
    environ = EnvironBuilder(method="POST", query_string=query, data=body).get_environ()
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    return Request(environ)


def test_known_parameters() -> None:
    assert query_parameters(request_with(query="a=1&b=%C3%B6"), {"a", "b"}) == {"a": "1", "b": "ö"}


@pytest.mark.parametrize(("query", "named"), [("c=1", "c"), ("a=1&a=2", "a"), ("a=1&A=1", "A"), ("=1", "")])
def test_unknown_or_repeated(query: str, named: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        query_parameters(request_with(query=query), {"a"})
    assert caught.value.name == named


def test_a_long_unknown_name_is_cut() -> None:
    with pytest.raises(InvalidParameter) as caught:
        query_parameters(request_with(query="x" * 5000 + "=1"), set())
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'"x"', b"null", b"\xff", b"{'a':1}"])
def test_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        json_object(request_with(body=body), 1000)


def test_nesting() -> None:
    deepest = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    assert json_object(request_with(body=deepest), 1000)
    with pytest.raises(InvalidRequest, match="nested"):
        json_object(request_with(body=b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"), 1000)
    with pytest.raises(InvalidRequest):
        json_object(request_with(body=b"[" * 100_000), 200_000)
    # Brackets in a text are no nesting.
    assert json_object(request_with(body=json.dumps({"a": "[{" * 100}).encode()), 1000)


def test_nesting_in_the_language_of_elasticsearch() -> None:
    for depth in (limits.MAX_DEPTH, limits.MAX_DEPTH + 1, 100_000):
        body = b"[" * depth + b"]" * depth
        if depth == limits.MAX_DEPTH:
            assert decoded(body)
            continue
        with pytest.raises(SearchRefused, match="nested too deeply"):
            decoded(body)


def test_size() -> None:
    body = json.dumps({"a": "x" * 80}).encode()
    assert json_object(request_with(body=body), len(body))
    with pytest.raises(RequestTooLarge):
        json_object(request_with(body=body), len(body) - 1)


def test_a_body_that_ends_early() -> None:
    with pytest.raises(IncompleteBody):
        json_object(request_with(body=b"{}", length=10), 100)


def test_ids() -> None:
    assert id_list({"attachments": ["a", "b"]}, 2) == ["a", "b"]
    assert id_list({"attachments": []}, 2) == []


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({}, "attachments"),
        ({"attachments": "a"}, "attachments"),
        ({"attachments": [1]}, "attachments"),
        ({"attachments": None}, "attachments"),
        ({"attachments": ["a", "b", "c"]}, "attachments"),
        ({"attachments": [], "query": {}}, "query"),
    ],
)
def test_what_is_no_list_of_ids(content: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        id_list(content, 2)
    assert caught.value.name == named
