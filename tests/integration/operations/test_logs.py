"""The log: an object a line, the request's id everywhere, and nothing of what clients sent."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.dialects.coder.client import ORGANIZATION
from tests.support.app import Server, ServerFactory
from tests.support.peers import Answer, Asked, answering

CLOSED = "http://127.0.0.1:9"
TELLING = "telling-name-of-a-patient"


def lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def request_lines(server: Server) -> list[dict[str, Any]]:
    return [line for line in lines(server) if line["event"] == "request"]


def test_every_line_is_an_object_gunicorns_own_too(start_server: ServerFactory) -> None:
    server = start_server()
    answer = server.post(
        "/attachment/_upload", files=[("files", ("a.txt", b"twelve bytes"))], headers={"X-Request-Id": "up"}
    )
    (attachment_id,) = answer.json()["attachments"]
    for request_id, path in (("down:1", attachment_id), ("missing", "nothing-here"), ("unknown", "no/such/route")):
        server.get(f"/attachment/{path}", headers={"X-Request-Id": request_id})
    server.stop()
    found = lines(server)
    assert {"gunicorn.error", "app.requests"} <= {line["logger"] for line in found}
    for line in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
        assert line["level"] in ("info", "warning", "error")

    by_id = {line["request_id"]: line for line in request_lines(server)}
    upload, download, missing, unknown = (by_id[each] for each in ("up", "down:1", "missing", "unknown"))
    assert (upload["method"], upload["route"], upload["status"]) == ("POST", "/attachment/_upload", 200)
    assert (upload["dialect"], upload["received"] > 12, upload["seconds"] > 0) == ("coco", True, True)
    assert (download["route"], download["sent"]) == ("/attachment/<attachment_id>", 12)
    assert (missing["status"], missing["error"]) == (404, "not_found")
    assert (unknown["status"], unknown["route"]) == (404, "")


@pytest.mark.parametrize("given", ["", "x" * 65, 'a"b', "a b", "-a", "a\u00e9".encode().decode("latin-1")])
def test_an_id_that_is_not_well_formed_is_replaced(server: Server, given: str) -> None:
    answer = requests.get(f"{server.url}/health/live", headers={"X-Request-Id": given.encode("latin-1")}, timeout=60)
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-Id"])


def test_the_id_is_in_errors_and_files_too(server: Server) -> None:
    (attachment_id,) = server.upload(("a.txt", b"x"))
    for path in (f"/attachment/{attachment_id}", "/attachment/nothing", "/no/such", "/openapi.json"):
        answer = server.get(path, headers={"X-Request-Id": "mine"})
        assert answer.headers["X-Request-Id"] == "mine"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


class Recorder:
    """Hands everything on to the real Elasticsearch, and keeps which id came with which call."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.seen: list[tuple[str, str | None]] = []
        self.url = ""

    def answer(self, asked: Asked) -> Answer:
        self.seen.append((urlsplit(asked.path).path, asked.headers.get("X-Opaque-Id")))
        headers = {name: value for name, value in asked.headers.items() if name.lower() in ("accept", "content-type")}
        given = requests.request(asked.method, self.upstream + asked.path, headers=headers, data=asked.body, timeout=60)
        told = {name: given.headers[name] for name in ("Content-Type", "X-Elastic-Product") if name in given.headers}
        return Answer(given.status_code, given.content, told)


@pytest.fixture
def recorder(elasticsearch_url: str) -> Iterator[Recorder]:
    made = Recorder(elasticsearch_url)
    with answering(made.answer) as made.url:
        yield made


def test_elasticsearch_is_told_for_which_request(recorder: Recorder, start_server: ServerFactory) -> None:
    """Whichever way a call takes: over a plain connection or through Elastic's client."""
    server = start_server(elasticsearch_url=recorder.url)
    chats = "/api/v2/chats"
    files = [("files", ("a.txt", b"x"))]
    asked: list[tuple[str, str, dict[str, Any], str]] = [
        ("POST", "/attachment/_upload", {"files": files}, f"/{server.index}/_bulk"),
        ("GET", "/attachment/_search", {}, f"/{server.index}/_search"),
        ("GET", "/coco_attachment/_count", {}, f"/{server.index}/_count"),
        ("POST", "/coco_attachment/_msearch", {"data": b"{}\n{}\n"}, "/_msearch"),
        ("POST", "/coco_attachment/_pit?keep_alive=1m", {}, f"/{server.index}/_pit"),
        ("POST", chats, {"json": {"organization_id": ORGANIZATION}}, f"/{server.index}_chat-000001."),
        ("GET", chats, {}, f"/{server.index}_chat/_search"),
        ("GET", "/health", {}, f"/_cluster/health/{server.index}"),
    ]
    shown = {"Authorization": f"Bearer {server.token}", "Coder-Session-Token": server.token}
    for number, (method, path, body, _) in enumerate(asked):
        headers = {**shown, "X-Request-Id": f"asked-{number}"}
        if path.endswith("_msearch"):
            headers["Content-Type"] = "application/x-ndjson"
        answer = server.request(method, path, headers=headers, **body)
        assert answer.ok, (path, answer.text)
    server.stop()
    for number, (_, _, _, call) in enumerate(asked):
        assert any(path.startswith(call) for path, told in recorder.seen if told == f"asked-{number}"), call


def test_no_line_has_a_secret_or_a_name(start_server: ServerFactory) -> None:
    server = start_server(API_TOKEN="fixed-secret-token", ELASTICSEARCH_API_KEY="c2VjcmV0LWVzLWtleQ==")
    secrets = [server.token, "fixed-secret-token", "c2VjcmV0LWVzLWtleQ", TELLING, "secret content", "private-session"]
    (attachment_id,) = server.upload((f"{TELLING}.pdf", b"secret content"), session="private-session")
    server.get(f"/attachment/{attachment_id}")
    server.get(f"/attachment/_search?query={TELLING}&session=private-session")
    server.get(f"/attachment/{TELLING}")
    server.get("/attachment/_search", token=f"{TELLING}-wrong")
    server.get(f"/{TELLING}?token={server.token}")
    server.post(f"/chat/private-session/_upload?{TELLING}", files=[("files", (TELLING + "/..", b"secret content"))])
    server.delete(f"/attachment/{attachment_id}")
    # Bytes gone behind the store's back: an answer of 500 with a cause.
    (damaged,) = server.upload((f"{TELLING}.txt", b"secret content"))
    next(server.data.glob(f"attachments/*/{damaged}.json")).write_text(f'{{"name": "{TELLING}"')
    assert server.get(f"/attachment/{damaged}").status_code == 500
    for garbage in (
        f"GET /{TELLING} {server.token}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nX-API-TOKEN {server.token}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {TELLING}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(garbage.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 ")
    server.stop()
    log = server.log.read_text()
    assert "Invalid request" in log
    assert "JSONDecodeError" in log, "a failure's type and place are there"
    assert [secret for secret in secrets if secret in log] == []


def test_nor_when_elasticsearch_is_away(start_server: ServerFactory) -> None:
    server = start_server(
        elasticsearch_url=CLOSED, INDEX="test_without_index", ELASTICSEARCH_API_KEY="c2VjcmV0LWtleQ=="
    )
    answer = server.post("/attachment/_upload", files=[("files", (f"{TELLING}.txt", b"secret content"))])
    assert answer.status_code == 503
    assert server.get(f"/attachment/_search?query={TELLING}").status_code == 503
    server.stop()
    log = server.log.read_text()
    assert "index_unavailable" in log
    assert [each for each in (server.token, TELLING, "c2VjcmV0", "secret content") if each in log] == []


def test_text_for_people(start_server: ServerFactory) -> None:
    server = start_server(LOG_FORMAT="text", LOG_LEVEL="info")
    server.upload(("a.txt", b"x"))
    server.stop()
    assert re.search(r"^\S+ INFO +request .*route=/attachment/_upload status=200", server.log.read_text(), re.MULTILINE)


def test_a_higher_level_leaves_requests_out(start_server: ServerFactory) -> None:
    server = start_server(LOG_LEVEL="error")
    server.upload(("a.txt", b"x"))
    server.stop()
    assert server.log.read_text() == ""
