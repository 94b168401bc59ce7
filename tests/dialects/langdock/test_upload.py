"""Langdock's one route: what it answers, and what of a form it takes."""

from __future__ import annotations

import re
import secrets

import pytest
import requests

from app.web.dialects.langdock import dialect
from tests.support.app import Server
from tests.support.multipart import Form, Part

PATHS = ("/attachment/v1/upload", "/api/public/attachment/v1/upload")
FILE = Part("file", b"some text\n", b"notes.txt")


def post(server: Server, form: Form, path: str = PATHS[0], **headers: str) -> requests.Response:
    options = form.options(**{"Authorization": f"Bearer {server.token}", **headers})
    return requests.post(server.url + path, timeout=60, **options)


@pytest.mark.parametrize("path", PATHS)
def test_answer(server: Server, path: str) -> None:
    answer = post(server, Form((FILE,)), path)
    assert answer.status_code == 200
    match = re.fullmatch(
        r'\{"attachmentId":"([0-9a-f-]{36})","file":\{"name":"notes.txt","mimeType":"text/plain","sizeInBytes":10\}\}\n',
        answer.text,
    )
    assert match is not None, answer.text
    source = server.post("/attachment/_search", json={"attachments": [match[1]]}).json()["hits"]["hits"][0]["_source"]
    assert source["session"] is None


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (Part("file", b"a field, no file"),),
        (Part("files", b"x", b"a.txt"),),
        (Part("File", b"x", b"a.txt"),),
        (FILE, FILE),
        (FILE, Part("other", b"x", b"a.txt")),
        (Part("other", b"x", b"a.txt"), FILE),
    ],
    ids=["nothing", "a field", "files", "File", "two", "another after", "another before"],
)
def test_not_exactly_one_file(server: Server, parts: tuple[Part, ...]) -> None:
    before = server.stored_files()
    answer = post(server, Form(parts))
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert server.stored_files() == before


def test_no_file_is_said_as_documented(server: Server) -> None:
    assert post(server, Form((Part("a", b"b"),))).json() == {"error": "No file provided"}


def test_fields_besides_the_file_are_ignored(server: Server) -> None:
    assert post(server, Form((Part("purpose", b"chat"), FILE, Part("purpose", b"chat")))).status_code == 200


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER  {}"])
def test_the_scheme_is_no_matter_of_case(server: Server, header: str) -> None:
    assert post(server, Form((FILE,)), Authorization=header.format(server.token)).status_code == 200


@pytest.mark.parametrize("header", ["{}", "Basic {}", "ApiKey {}", "Bearer", "Bearer ", "Bearer{}", "Bearer x {}"])
def test_other_credentials(server: Server, header: str) -> None:
    answer = post(server, Form((FILE,)), Authorization=header.format(server.token))
    assert answer.status_code == 401
    assert list(answer.json()) == ["error"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_no_header_at_all(server: Server) -> None:
    answer = requests.post(server.url + PATHS[0], timeout=60, **Form((FILE,)).options())
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/attachment/v1", "/attachment/v1/", "/attachment/v1/status", "/api/public", "/api/public/attachment/x"]
)
def test_below_the_prefixes_everything_is_langdocks(server: Server, path: str) -> None:
    """`/attachment/v1/status` too, which has the form of one of Coco's paths."""
    assert dialect.owns(path)
    for headers in ({}, {"Authorization": f"Bearer {server.token}"}, server.headers()):
        answer = requests.get(server.url + path, headers=headers, timeout=60)
        assert answer.status_code == 404
        assert list(answer.json()) == ["error"]


def test_its_neighbours_are_not_langdocks(server: Server) -> None:
    (attachment_id,) = server.upload(("a.txt", b"text"))
    assert server.get(f"/attachment/{attachment_id}/status").status_code == 200
    for path in (f"/attachment/{attachment_id}/status", "/attachment/v10", "/attachment/v1x/upload", "/api/publicity"):
        assert not dialect.owns(path)
    assert server.get(f"/attachment/{secrets.token_hex(4)}").json()["found"] is False
