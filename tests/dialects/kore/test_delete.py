"""A file is deleted only under its own app, environment and, where given, session."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.dialects.kore.conftest import Kore
from tests.support.multipart import Form, Part

Refused = Callable[[requests.Response, int], str]
Body = Callable[[dict[str, str]], dict[str, Any]]

BODIES: dict[str, Body] = {
    "multipart": lambda fields: Form(tuple(Part(name, value.encode()) for name, value in fields.items())).options(),
    "urlencoded": lambda fields: {"data": fields},
    "json": lambda fields: {"json": fields},
}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(params=BODIES)
def body(request: pytest.FixtureRequest) -> Body:
    """The fields of a delete in one of the three ways to send them, as options of requests."""
    return BODIES[request.param]


@pytest.mark.parametrize("prefix", ["/api/v2", ""])
@pytest.mark.parametrize("headers", [{}, {"Content-Type": "multipart/form-data"}])
def test_delete(kore: Kore, refused: Refused, prefix: str, headers: dict[str, str]) -> None:
    """The page names a content type, and a client may send it without a body."""
    file_id = kore.upload()
    kore.prefix = prefix
    answer = kore.delete(file_id, headers=headers)
    assert answer.status_code == 200
    assert answer.text == f'{{"fileId":"{file_id}","deleted":true}}\n'
    assert not kore.is_there(file_id)
    assert not [path for path in kore.server.stored_files() if file_id in path]
    refused(kore.delete(file_id), 404)


@pytest.mark.parametrize("names", [("sessionId",), ("sessionReference",), ("sessionId", "sessionReference")])
def test_session(kore: Kore, refused: Refused, body: Body, names: tuple[str, ...]) -> None:
    session = "séance 1&a=b"
    file_id = kore.upload(session)
    for wrong in ("another", "séance 1", ""):
        for name in names:
            refused(kore.delete(file_id, **body({**dict.fromkeys(names, session), name: wrong})), 404)
    assert kore.is_there(file_id)
    assert kore.delete(file_id, **body(dict.fromkeys(names, session))).status_code == 200
    assert not kore.is_there(file_id)


def test_a_body_without_fields(kore: Kore) -> None:
    for options in (BODIES["json"]({}), {"json": {"sessionId": None}}, {"data": b"", "headers": URLENCODED}):
        assert kore.delete(kore.upload(), **options).status_code == 200


@pytest.mark.parametrize("place", [{"app": "aa-other"}, {"environment": "live"}, {"app": "AA-6B1C"}])
def test_another_app_or_environment(kore: Kore, refused: Refused, place: dict[str, str]) -> None:
    file_id = kore.upload()
    refused(kore.delete(file_id, place=place), 404)
    refused(kore.delete(file_id, place=place, json={"sessionId": "session-1"}), 404)
    assert kore.is_there(file_id)


def test_another_tenant(kore: Kore, refused: Refused) -> None:
    file_id = kore.upload()
    refused(Kore(kore.server).delete(file_id), 404)
    assert kore.is_there(file_id)


def test_what_came_in_elsewhere(kore: Kore, refused: Refused) -> None:
    """It has no app and no environment, so it is under none."""
    (attachment_id,) = kore.server.upload(("a.txt", b"text"), session="session-1", token=kore.key)
    refused(kore.delete(attachment_id), 404)
    refused(kore.delete(attachment_id, place={"app": "None", "environment": "None"}), 404)
    assert kore.is_there(attachment_id)


def test_token(kore: Kore, refused: Refused) -> None:
    file_id = kore.upload()
    for key in ("", "wrong"):
        refused(kore.delete(file_id, headers={"x-api-key": key}), 401)
    scopeless = kore.server.make_token("read", "write", "search", "admin", tenant=kore.tenant)
    assert "delete" in refused(kore.delete(file_id, headers={"x-api-key": scopeless}), 403)
    assert kore.is_there(file_id)


@pytest.mark.parametrize(
    "make",
    [
        lambda known: f"f-{uuid.uuid4()}",
        lambda known: str(uuid.uuid4()),
        lambda known: known.removeprefix("f-"),
        lambda known: known.upper(),
        lambda known: f"{known}%3Frefresh=true",
        lambda known: f"{known}%00",
        lambda known: f"{known}%0A",
        lambda known: secrets.token_hex(400),
        lambda known: "upload",
        lambda known: "*",
        lambda known: "_all",
    ],
)
def test_an_id_that_nobody_has(kore: Kore, refused: Refused, make: Callable[[str], str]) -> None:
    file_id = kore.upload()
    refused(kore.delete(make(file_id)), 404)
    assert kore.is_there(file_id)


@pytest.mark.parametrize(
    "options",
    [
        {"query": "?sessionId=session-1"},
        {"query": "?force=true"},
        {"json": {"sessionid": "session-1"}},
        {"json": {"sessionId": 1}},
        {"json": {"sessionId": ["session-1"]}},
        {"json": ["session-1"]},
        {"data": b'{"sessionId":"another","sessionId":"session-1"}', "headers": JSON},
        {"data": b"{", "headers": JSON},
        {"data": b"sessionId=another&sessionId=session-1", "headers": URLENCODED},
        {"data": b"sessionId", "headers": URLENCODED},
        {"data": b"sessionId=%FF", "headers": URLENCODED},
        {"data": b"&".join([b"a=b"] * 100), "headers": URLENCODED},
        {"data": b"sessionId=session-1", "headers": {"Content-Type": "text/plain"}},
        {"data": b"sessionId=session-1"},
        Form((Part("sessionId", b"another"), Part("sessionId", b"session-1"))).options(),
        Form((Part("sessionId", b"session-1", b"a.txt"),)).options(),
        Form((Part("session", b"session-1"),)).options(),
        {"data": b"--x", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": iter([b'{"sessionid":', b'"session-1"}']), "headers": JSON},
    ],
)
def test_what_could_narrow_a_delete_is_never_overlooked(kore: Kore, refused: Refused, options: dict[str, Any]) -> None:
    file_id = kore.upload()
    refused(kore.delete(file_id, **options), 400)
    assert kore.is_there(file_id)


@pytest.mark.parametrize("content_type", [*URLENCODED.values(), *JSON.values(), "multipart/form-data; boundary=x"])
def test_a_body_that_is_too_large(kore: Kore, refused: Refused, content_type: str) -> None:
    file_id = kore.upload()
    refused(kore.delete(file_id, data=bytes(1_000_000), headers={"Content-Type": content_type}), 413)
    assert kore.is_there(file_id)
