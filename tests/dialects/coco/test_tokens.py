"""Who may do what: tokens, scopes, tenants."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from app.model.attachment import now
from tests.support.app import Server
from tests.support.texts import keep_text, keep_thumbnail

UNKNOWN = "cu737jrq50kcaicgn7p0"

#: Each route: method, path, needed scope, options of the request. `{}` is an attachment's id.
ROUTES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("POST", "/chat/s/_upload", "write", {"files": [("files", ("a", b"x"))]}),
    ("POST", "/attachment/_upload", "write", {"files": [("files", ("a", b"x"))]}),
    ("GET", "/attachment/{}", "read", {}),
    ("HEAD", "/attachment/{}", "read", {}),
    ("DELETE", "/attachment/{}", "delete", {}),
    ("GET", "/attachment/_search", "search", {}),
    ("POST", "/attachment/_search", "search", {"json": {"attachments": ["{}"]}}),
    ("GET", "/attachment/{}/status", "read", {}),
    ("GET", "/attachment/{}/text", "read", {}),
    ("GET", "/attachment/{}/parts", "read", {}),
    ("GET", "/attachment/{}/thumbnail", "read", {}),
    ("GET", "/attachment/_thumbnails?attachments={}", "read", {}),
    ("POST", "/attachment/_thumbnails", "read", {"json": {"attachments": ["{}"]}}),
    ("GET", "/attachment/_status?attachments={}", "read", {}),
    ("POST", "/attachment/_status", "read", {"json": {"attachments": ["{}"]}}),
]


def call(
    server: Server, route: tuple[str, str, str, dict[str, Any]], attachment_id: str, token: str
) -> requests.Response:
    method, path, _, options = route
    if "json" in options:
        options = {"json": {"attachments": [attachment_id]}}
    headers = {"X-API-TOKEN": token} if token else {}
    return requests.request(method, server.url + path.format(attachment_id), headers=headers, timeout=30, **options)


def expired(server: Server) -> str:
    return server.make_token(expires=now() - timedelta(seconds=1))


def revoked(server: Server) -> str:
    text = server.make_token(name="to be revoked")
    assert server.get("/attachment/_search", token=text).status_code == 200
    server.tokens.revoke("to be revoked")
    return text


@pytest.mark.parametrize(
    "make", [lambda s: "", lambda s: "wrong", lambda s: s.token + "x", lambda s: s.token[:-1], expired, revoked]
)
def test_no_token_that_is_one(server: Server, make: Callable[[Server], str]) -> None:
    token = make(server)
    (attachment_id,) = server.upload(("mine.txt", b"mine"))
    for route in ROUTES:
        answer = call(server, route, attachment_id, token)
        assert answer.status_code == 401, route
        if route[0] != "HEAD":
            assert answer.text == '{"error":{"reason":"invalid login"},"status":401}\n'
    assert server.get(f"/attachment/{attachment_id}").content == b"mine"


def test_a_token_is_in_force_and_out_of_it_at_once(server: Server) -> None:
    # More requests than workers, so that each of them meets the change.
    token = server.make_token("search", name="short-lived")
    assert {server.get("/attachment/_search", token=token).status_code for _ in range(12)} == {200}
    server.tokens.revoke("short-lived")
    assert {server.get("/attachment/_search", token=token).status_code for _ in range(12)} == {401}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
def test_scopes(server: Server, route: tuple[str, str, str, dict[str, Any]]) -> None:
    (attachment_id,) = server.upload(("mine.txt", b"mine"))
    keep_text(server.data, attachment_id, b"mine")
    keep_thumbnail(server.data, attachment_id)
    others = [scope for scope in ("read", "search", "write", "delete", "admin") if scope != route[2]]
    answer = call(server, route, attachment_id, server.make_token(*others))
    assert answer.status_code == 403
    if route[0] != "HEAD":
        assert answer.json() == {"error": {"reason": f"the token lacks the scope [{route[2]}]"}, "status": 403}
    assert call(server, route, attachment_id, server.make_token(route[2])).status_code == 200


def comparable(answer: requests.Response, attachment_id: str) -> tuple[object, ...]:
    headers = {name: value for name, value in answer.headers.items() if name not in ("Date", "X-Request-Id")}
    return answer.status_code, headers, answer.text.replace(attachment_id, "ID")


@pytest.mark.parametrize("route", ROUTES[2:], ids=lambda route: f"{route[0]} {route[1]}")
def test_what_is_anothers_looks_like_nothing(server: Server, route: tuple[str, str, str, dict[str, Any]]) -> None:
    (attachment_id,) = server.upload(("secret.txt", b"secret"), session="theirs")
    keep_text(server.data, attachment_id, b"secret")
    keep_thumbnail(server.data, attachment_id)
    stranger = server.make_token(tenant=f"stranger-{attachment_id}")
    foreign = call(server, route, attachment_id, stranger)
    unknown = call(server, route, UNKNOWN, stranger)
    if route[1] == "/attachment/_search":
        assert foreign.json()["hits"]["total"]["value"] == 0
        assert foreign.json()["hits"]["hits"] == []
    else:
        assert comparable(foreign, attachment_id) == comparable(unknown, UNKNOWN)
        assert foreign.status_code == (200 if "/_" in route[1] else 404)
    assert server.get(f"/attachment/{attachment_id}").content == b"secret"


@pytest.mark.parametrize(
    "query", ["", "session=theirs-too", "query=secretive", "sort=name", "query=secretive.txt&session=theirs-too"]
)
def test_no_search_finds_what_is_anothers(server: Server, query: str) -> None:
    server.upload(("secretive.txt", b"secret"), session="theirs-too")
    assert server.hits(query)
    stranger = server.make_token(tenant="stranger")
    assert server.hits(query, token=stranger) == []


@pytest.mark.parametrize(
    "path", ["x", "..", "%2e%2e", "a%00b", "%3Fx", UNKNOWN + "%3Frefresh", UNKNOWN.upper(), "é" * 50]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_malformed_id_is_an_unknown_one(server: Server, method: str, path: str) -> None:
    prepared = requests.Request(method, server.url, headers=server.headers()).prepare()
    prepared.url = f"{server.url}/attachment/{path}"
    with requests.Session() as session:
        assert session.send(prepared, timeout=30).status_code == 404
