"""The outside: media types, methods, bodies, and what is said when Elasticsearch is down."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.app import Server, running_server

VENDOR = "application/vnd.elasticsearch+json; compatible-with="


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    made = server.make_token(tenant=f"http-{secrets.token_hex(4)}")
    server.upload(("one.txt", b"x"), token=made)
    return made


def call(server: Server, token: str, path: str, method: str = "POST", **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    answer = requests.request(method, server.url + path, headers=headers, timeout=60, **options)
    assert answer.headers["X-Elastic-Product"] == "Elasticsearch"
    return answer


@pytest.mark.parametrize(
    ("accept", "status", "given"),
    [
        (None, 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("text/html", 200, "application/json"),
        ("application/json", 200, "application/json"),
        (f"{VENDOR}8", 200, "application/vnd.elasticsearch+json;compatible-with=8"),
        (f"{VENDOR}9", 200, "application/vnd.elasticsearch+json;compatible-with=9"),
        (f"{VENDOR}9,text/plain", 200, "application/vnd.elasticsearch+json;compatible-with=9"),
        (f"{VENDOR}7", 400, "application/json"),
        (f"{VENDOR}10", 400, "application/json"),
        ("application/cbor", 406, "application/json"),
        ("application/yaml", 406, "application/json"),
    ],
)
def test_accept(server: Server, token: str, accept: str | None, status: int, given: str) -> None:
    for path in ("/coco_attachment/_search", "/coco_attachment/_count", "/coco_attachment/_search?pretty"):
        answer = call(server, token, path, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, given)
        # An error in the same form.
        answer = call(server, token, f"{path.partition('?')[0]}?nonsense=1", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == given


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=UTF-8", 200),
        (f"{VENDOR}8", 200),
        (f"{VENDOR}9", 200),
        (f"{VENDOR}7", 400),
        ("application/x-ndjson", 406),
        ("application/x-www-form-urlencoded", 406),
        ("text/plain", 406),
        ("", 406),
    ],
)
def test_content_type(server: Server, token: str, content_type: str, status: int) -> None:
    answer = call(server, token, "/coco_attachment/_search", data=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    lines = b'{"index":"coco_attachment"}\n{}\n'
    for form in ("application/x-ndjson", "application/vnd.elasticsearch+x-ndjson; compatible-with=8"):
        answer = call(server, token, "/_msearch", data=lines, headers={"Content-Type": form})
        assert answer.status_code == 200, answer.text


def test_get_with_and_without_a_body(server: Server, token: str) -> None:
    for method in ("GET", "POST"):
        for body in (None, {"query": {"match": {"name": "one"}}}):
            answer = call(server, token, "/coco_attachment/_search", method, json=body)
            assert answer.json()["hits"]["total"]["value"] == 1
            assert call(server, token, "/coco_attachment/_count", method, json=body).json()["count"] == 1
    found = call(server, token, "/coco_attachment/_search?size=0&track_total_hits=true&pretty&human", "GET")
    assert found.text.endswith("}\n")
    assert call(server, token, "/", "HEAD").status_code == 200


def test_bodies_past_the_limits(server: Server, token: str) -> None:
    path, json_type = "/coco_attachment/_search", {"Content-Type": "application/json"}
    for size, status in ((256 * 1024, 200), (256 * 1024 + 1, 413)):
        content = b"{}".ljust(size)
        answer = call(server, token, path, data=content, headers=json_type)
        assert answer.status_code == status, answer.text
    for depth, kind in ((64, "x_content_parse_exception"), (65, "illegal_argument_exception")):
        content = ('{"a":' * depth + "1" + "}" * depth).encode()
        answer = call(server, token, path, data=content, headers=json_type)
        assert answer.json()["error"]["type"] == kind
    for content in (b"[]", b"1", b"{", b'{"size":1,"size":2}', b"\xff\xfe", b'{"query":{"match_all":{}}} x'):
        answer = call(server, token, path, data=content, headers=json_type)
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "parsing_exception")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/coco_attachment/_search", 405),
        ("DELETE", "/coco_attachment/_search", 405),
        ("PUT", "/coco_attachment", 405),
        ("POST", "/coco_attachment/_doc", 404),
        ("POST", "/_bulk", 404),
        ("GET", "/_cat/shards", 404),
        ("GET", "/_all,other/_search", 400),
        ("GET", "/*,other/_search", 404),
        ("GET", "/coco_attachment/_settings", 404),
        ("GET", "/coco_chat/_search", 404),
        ("POST", "/coco_attachment,other/_search", 404),
        ("GET", "/coco_attachment/_search/../../coco_chat/_search", 404),
        ("GET", "/coco_attachment/_search/scroll", 404),
    ],
)
def test_what_is_not_there(server: Server, token: str, method: str, path: str, status: int) -> None:
    answer = call(server, token, path, method)
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status
    assert answer.json()["error"]


def test_401_says_how(server: Server) -> None:
    for shown in ("", "Bearer", "Bearer x", "ApiKey x", "ApiKey eDp5", "Basic eDp5", "ApiKey ====", "\xff"):
        answer = requests.get(
            f"{server.url}/coco_attachment/_search", headers={"Authorization": shown.encode("latin-1")}, timeout=60
        )
        assert answer.status_code == 401
        assert answer.json()["error"]["root_cause"][0]["type"] == "security_exception"
        assert "Bearer" in answer.headers["WWW-Authenticate"]
        assert "ApiKey" in answer.headers["WWW-Authenticate"]
    # No header of another dialect counts.
    for name in ("X-API-TOKEN", "x-api-key", "Coder-Session-Token"):
        answer = requests.get(f"{server.url}/coco_attachment/_search", headers={name: server.token}, timeout=60)
        assert answer.status_code == 401


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Where nothing listens: the discard service.
    folder = tmp_path_factory.mktemp("alone")
    with running_server(folder, "http://127.0.0.1:9", INDEX="test_without_index") as running:
        yield running


def test_elasticsearch_down(alone: Server) -> None:
    for path, body in (
        ("/coco_attachment/_search", {}),
        ("/coco_attachment/_count", {}),
        ("/coco_attachment/_pit?keep_alive=1m", None),
    ):
        answer = call(alone, alone.token, path, json=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "no_shard_available_action_exception")
        assert int(answer.headers["Retry-After"]) > 0
    assert not [path for path in (alone.data / "points").rglob("*") if path.is_file()]
    lines = json.dumps({"index": "coco_attachment"}) + "\n{}\n"
    answer = call(alone, alone.token, "/_msearch", data=lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 503
    # What it is can be told without.
    assert call(alone, alone.token, "/", "GET").status_code == 200
