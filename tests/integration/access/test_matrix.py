"""Every route against every way not to be allowed. A new route without an entry here fails the first test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import requests

from app.auth.tokens import SCOPES
from app.extraction.parts import Part
from app.model.attachment import now
from app.settings import Settings
from app.web.access import PUBLIC, required_scope
from app.web.app import create_app, dialect_of
from tests.support.app import Server
from tests.support.browsers import sign_in
from tests.support.texts import keep_text, keep_thumbnail

UNKNOWN_UUID = "497f6eca-6276-4993-bfeb-53cbbbba6f08"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
#: Header of a dialect -> how it shows a token.
SHOWN: dict[str, Callable[[str], dict[str, str]]] = {
    "coco": lambda token: {"X-API-TOKEN": token},
    "langdock": lambda token: {"Authorization": f"Bearer {token}"},
    "kore": lambda token: {"x-api-key": token},
    "coder": lambda token: {"Coder-Session-Token": token},
    "elasticsearch": lambda token: {"Authorization": f"Bearer {token}"},
    "openai": lambda token: {"Authorization": f"Bearer {token}"},
}


@dataclass(frozen=True)
class Route:
    """How to call one route rightly. `path` may have `{id}`: of an attachment (or chat) that `made` says how to make."""

    method: str
    rule: str
    path: str
    #: Statuses with a token that may.
    good: tuple[int, ...] = (200,)
    options: dict[str, Any] = field(default_factory=dict)
    made: str = ""


FILES = {"files": [("files", ("a.txt", b"some text"))]}
FILE = {"files": [("file", ("a.txt", b"some text"))]}
KORE_UPLOAD = {**FILE, "data": {"userReference": "matrix", "uploadType": "runtime"}}
CODER_UPLOAD = {"data": PNG, "headers": {"Content-Type": "image/png"}}
CODER_CHAT = {"json": {"organization_id": UNKNOWN_UUID, "content": [{"type": "text", "text": "hello"}]}}
CODER_FILES = f"/api/v2/chats/files?organization={UNKNOWN_UUID}"
KORE = "/apps/a1/environments/e1/attachments"
KORE_RULE = "/apps/<app_id>/environments/<environment>/attachments"
LINES = {
    "data": b'{"index":"coco_attachment"}\n{"size":0}\n',
    "headers": {"Content-Type": "application/x-ndjson"},
}

ROUTES = [
    Route("POST", "/chat/<session>/_upload", "/chat/matrix/_upload", options=FILES),
    Route("POST", "/attachment/_upload", "/attachment/_upload", options=FILES),
    Route("GET", "/attachment/<attachment_id>", "/attachment/{id}", made="coco"),
    Route("DELETE", "/attachment/<attachment_id>", "/attachment/{id}", made="coco"),
    Route("GET", "/attachment/_search", "/attachment/_search?session=matrix"),
    Route("POST", "/attachment/_search", "/attachment/_search", options={"json": {"attachments": []}}),
    Route("POST", "/attachment/_passages", "/attachment/_passages", options={"json": {"query": "text"}}),
    Route("GET", "/attachment/<attachment_id>/status", "/attachment/{id}/status", made="coco"),
    Route("GET", "/attachment/<attachment_id>/text", "/attachment/{id}/text", made="coco text"),
    Route("GET", "/attachment/<attachment_id>/parts", "/attachment/{id}/parts", made="coco text"),
    Route("GET", "/attachment/<attachment_id>/thumbnail", "/attachment/{id}/thumbnail", made="coco text"),
    Route("GET", "/attachment/_thumbnails", "/attachment/_thumbnails?attachments=x"),
    Route("POST", "/attachment/_thumbnails", "/attachment/_thumbnails", options={"json": {"attachments": []}}),
    Route("GET", "/attachment/_status", "/attachment/_status?attachments=x"),
    Route("POST", "/attachment/_status", "/attachment/_status", options={"json": {"attachments": []}}),
    Route("DELETE", "/attachment/_pit", "/attachment/_pit", good=(404,), options={"json": {"id": "x"}}),
    Route("POST", "/attachment/v1/upload", "/attachment/v1/upload", options=FILE),
    Route("POST", "/api/public/attachment/v1/upload", "/api/public/attachment/v1/upload", options=FILE),
    Route("POST", "/api/v2/chats", "/api/v2/chats", good=(201,), options=CODER_CHAT),
    Route("GET", "/api/v2/chats", "/api/v2/chats?q=archived:false"),
    Route("GET", "/api/v2/chats/<chat>", "/api/v2/chats/{id}", made="coder chat"),
    Route("POST", "/api/v2/chats/<chat>/archive", "/api/v2/chats/{id}/archive", good=(204,), made="coder chat"),
    # The chat that is made is not archived and has no workspace: with a token that may, that is the answer.
    Route("POST", "/api/v2/chats/<chat>/unarchive", "/api/v2/chats/{id}/unarchive", good=(400,), made="coder chat"),
    Route("GET", "/api/v2/chats/<chat>/git/watch", "/api/v2/chats/{id}/git/watch", good=(400, 426), made="coder chat"),
    Route("POST", "/api/v2/chats/files", CODER_FILES, good=(201,), options=CODER_UPLOAD),
    Route("GET", "/api/v2/chats/files/<file>", "/api/v2/chats/files/{id}", made="coder file"),
    # The server makes no embeddings; one that does is in tests/dialects/openai.
    Route("POST", "/v1/embeddings", "/v1/embeddings", good=(404,), options={"json": {"input": "x", "model": "m"}}),
    Route("GET", "/", "/"),
    *[
        Route(method, f"{before}{path}", f"{named}{path}{query}", options=options)
        for method in ("GET", "POST")
        for before, named in (("/<index:target>", "/coco_attachment"), ("", ""))
        for path, query, options in (
            ("/_search", "", {"json": {"query": {"match_all": {}}}}),
            ("/_count", "", {"json": {}}),
            ("/_msearch", "", LINES),
            ("/_field_caps", "?fields=name", {"json": {}}),
        )
    ],
    Route("POST", "/<index:target>/_pit", "/coco_attachment/_pit?keep_alive=10ms"),
    Route("GET", "/<alone:target>", "/coco_attachment"),
    Route("GET", "/<index:target>/_mapping", "/coco_*/_mapping"),
    Route("GET", "/_mapping", "/_mapping"),
    Route("GET", "/<index:target>/_doc/<path:document>", "/coco_attachment/_doc/{id}", made="coco"),
    Route("GET", "/<index:target>/_source/<path:document>", "/coco_attachment/_source/{id}", made="coco"),
    Route("GET", "/_cat/indices", "/_cat/indices"),
    Route("GET", "/_cat/indices/<index:target>", "/_cat/indices/coco_attachment"),
    Route("GET", "/_cluster/health", "/_cluster/health"),
    Route("GET", "/_cluster/health/<index:target>", "/_cluster/health/_all"),
    Route("DELETE", "/_pit", "/_pit", good=(404,), options={"json": {"id": "x"}}),
    *[
        route
        for prefix in ("", "/api/v2")
        for route in (
            Route("POST", f"{prefix}{KORE_RULE}/upload", f"{prefix}{KORE}/upload", options=KORE_UPLOAD),
            Route("DELETE", f"{prefix}{KORE_RULE}/<file_id>", f"{prefix}{KORE}/{{id}}", made="kore"),
        )
    ],
]
PUBLIC_RULES = {
    "/health",
    "/health/live",
    "/health/ready",
    # Needs the scope `admin` unless a setting opens it: tests/integration/operations/test_metrics.py.
    "/metrics",
    "/openapi",
    "/openapi.json",
    "/openapi/<asset>",
    "/page/",
    "/page/static/<path:name>",
    # Public to the gate: what they ask for themselves is in tests/integration/access/test_sign_in.py.
    "/page/sign-in",
    "/page/signed-in",
    "/page/sign-out",
}


#: What a route is about -> where it is made, with what, and the key of its id in the answer.
MAKERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "coco": ("/chat/matrix/_upload", "attachments", FILES),
    "coco text": ("/chat/matrix/_upload", "attachments", FILES),
    "kore": (f"{KORE}/upload", "fileId", KORE_UPLOAD),
    "coder chat": ("/api/v2/chats", "id", CODER_CHAT),
    "coder file": (CODER_FILES, "id", CODER_UPLOAD),
}


def make(server: Server, kind: str, token: str) -> str:
    """Make what a route is about; its id."""
    path, key, options = MAKERS[kind]
    answer = requests.post(
        server.url + path,
        timeout=60,
        **{
            **options,
            "headers": {**SHOWN[dialect_of(path.partition("?")[0]).name](token), **options.get("headers", {})},
        },
    )
    assert answer.status_code < 300, answer.text
    found = answer.json()[key]
    made = str(found[0] if isinstance(found, list) else found)
    if kind == "coco text":
        keep_text(server.data, made, b"some text", Part(0, 1))
        keep_thumbnail(server.data, made)
    return made


def call(
    server: Server,
    route: Route,
    token: str | None,
    attachment_id: str = UNKNOWN_UUID,
    more: dict[str, str] | None = None,
) -> requests.Response:
    headers = SHOWN[dialect_of(route.path.partition("?")[0]).name](token) if token is not None else {}
    headers |= more or {}
    path = route.path.replace("{id}", attachment_id)
    options = {**route.options}
    headers |= options.pop("headers", {})
    return requests.request(route.method, server.url + path, headers=headers, timeout=60, **options)


def is_there(server: Server, route: Route, made_id: str) -> bool:
    """Whether what a route is about still exists."""
    if route.made != "coder chat":
        return server.get(f"/attachment/{made_id}").status_code == 200
    headers = SHOWN["coder"](server.token)
    return requests.get(f"{server.url}/api/v2/chats/{made_id}", headers=headers, timeout=60).status_code == 200


def scope_of(route: Route) -> str:
    return _scopes()[route.rule, route.method]


_cache: dict[tuple[str, str], str] = {}


def _scopes() -> dict[tuple[str, str], str]:
    if not _cache:
        raise RuntimeError("filled by the fixture")
    return _cache


@pytest.fixture(scope="module", autouse=True)
def _routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    app = create_app(Settings(data=tmp_path_factory.mktemp("data")))
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            _cache[rule.rule, method] = str(required_scope(app.view_functions[rule.endpoint]))
    yield
    _cache.clear()


def test_every_route_has_an_entry() -> None:
    protected = {key for key, scope in _scopes().items() if scope != PUBLIC}
    assert {(route.rule, route.method) for route in ROUTES} == protected
    assert {rule for (rule, _), scope in _scopes().items() if scope == PUBLIC} == PUBLIC_RULES


every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.rule}")


@every_route
def test_the_right_token_may(route: Route, server: Server) -> None:
    token = server.make_token(scope_of(route))
    attachment_id = make(server, route.made, server.token) if route.made else ""
    assert call(server, route, token, attachment_id).status_code in route.good


@every_route
def test_no_token_or_a_wrong_one_is_401(route: Route, server: Server) -> None:
    expired = server.make_token(expires=now() + timedelta(milliseconds=1))
    server.tokens.create("to-revoke")
    revoked = server.tokens.rotate("to-revoke")
    server.tokens.revoke("to-revoke")
    time.sleep(0.01)
    attachment_id = make(server, route.made, server.token) if route.made else ""
    bodies = set()
    for token in (None, "", "wrong", server.token[:-1], f"{server.token}x", "tök", expired, revoked):
        wire = token.encode().decode("latin-1") if token is not None else None
        answer = call(server, route, wire, attachment_id)
        assert answer.status_code == 401, (token, answer.text)
        bodies.add(answer.text)
    # Nothing tells an expired or revoked token from one that never was.
    assert len(bodies) == 1
    if route.made:
        assert is_there(server, route, attachment_id)


@every_route
def test_a_token_without_the_scope_is_403(route: Route, server: Server) -> None:
    others = [scope for scope in SCOPES if scope != scope_of(route)]
    attachment_id = make(server, route.made, server.token) if route.made else ""
    answer = call(server, route, server.make_token(*others), attachment_id)
    assert answer.status_code == 403
    if route.made:
        assert is_there(server, route, attachment_id)


#: Where a signed-in browser's cookie stands for a token, and nowhere else.
COOKIE_DIALECTS = {"coco"}


@every_route
def test_a_browsers_cookie_is_taken_by_the_pages_own_dialect_alone(route: Route, server: Server) -> None:
    browser = sign_in(server.url, server.make_token(scope_of(route)))
    made_id = make(server, route.made, server.token) if route.made else ""
    if dialect_of(route.path.partition("?")[0]).name not in COOKIE_DIALECTS:
        # With everything that a page of this origin could show: the same answer as without any token.
        answers = [call(server, route, None, made_id, more) for more in ({}, browser.shown())]
        assert [answer.status_code for answer in answers] == [401, 401]
        assert answers[0].text == answers[1].text
    else:
        changes = route.method not in ("GET", "HEAD")
        # What another site's page could have the browser send: the cookie, never the proof.
        foreign = [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
        ]
        for more in foreign:
            assert call(server, route, None, made_id, browser.shown() | more).status_code == 401, more
        if changes:
            for proof in ({}, {"X-Page-Proof": ""}, {"X-Page-Proof": browser.proof[:-1]}, {"X-Page-Proof": "tök"}):
                more = {k: v.encode().decode("latin-1") for k, v in (browser.cookie() | proof).items()}
                assert call(server, route, None, made_id, more).status_code == 403, proof
        if route.made:
            assert is_there(server, route, made_id)
        assert call(server, route, None, made_id, browser.shown()).status_code in route.good
    if route.made and route.method != "DELETE":
        assert is_there(server, route, made_id)


def test_some_routes_take_the_cookie_and_some_do_not() -> None:
    """The test above would hold for a cookie that nothing takes."""
    takes = {dialect_of(route.path.partition("?")[0]).name in COOKIE_DIALECTS for route in ROUTES}
    assert takes == {True, False}


@every_route
def test_a_browser_without_the_scope_is_refused(route: Route, server: Server) -> None:
    browser = sign_in(server.url, server.make_token(*[scope for scope in SCOPES if scope != scope_of(route)]))
    made_id = make(server, route.made, server.token) if route.made else ""
    taken = dialect_of(route.path.partition("?")[0]).name in COOKIE_DIALECTS
    assert call(server, route, None, made_id, browser.shown()).status_code == (403 if taken else 401)


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.made], ids=lambda route: f"{route.method} {route.rule}"
)
def test_another_tenants_is_as_if_it_were_not(route: Route, server: Server) -> None:
    foreign = server.make_token(tenant="elsewhere")
    attachment_id = make(server, route.made, server.token)
    unknown = attachment_id[:-4] + ("0000" if not attachment_id.endswith("0000") else "1110")
    answers = [call(server, route, foreign, each) for each in (attachment_id, unknown)]
    assert [answer.status_code for answer in answers] == [404, 404]
    there, missing = answers
    assert there.text.replace(attachment_id, "ID") == missing.text.replace(unknown, "ID")
    volatile = {"date", "x-request-id"}
    assert {k: v for k, v in there.headers.items() if k.lower() not in volatile} == {
        k: v for k, v in missing.headers.items() if k.lower() not in volatile
    }
    assert is_there(server, route, attachment_id)


def test_another_tenant_finds_nothing(server: Server) -> None:
    ids = [make(server, "coco", server.token), make(server, "kore", server.token)]
    foreign = server.make_token(tenant="nobody")
    for query in ("", "session=matrix", "query=matrix", "query=text", "sort=created:desc&size=100"):
        answer = server.get(f"/attachment/_search?{query}", token=foreign).json()
        assert answer["hits"]["total"]["value"] == 0, query
    answer = server.post("/attachment/_search", token=foreign, json={"attachments": ids}).json()
    assert answer["hits"]["hits"] == []
    statuses = server.post("/attachment/_status", token=foreign, json={"attachments": ids}).json()
    assert statuses == {each: {} for each in ids}
    thumbnails = server.post("/attachment/_thumbnails", token=foreign, json={"attachments": ids}).json()
    assert thumbnails == {each: {} for each in ids}
