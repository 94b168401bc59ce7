"""Browsers are refused on purpose, and told nothing that would let a page in."""

from __future__ import annotations

import pytest
import requests

from tests.support.app import Server
from tests.support.multipart import Form, Part

UPLOADS = ("/attachment/v1/upload", "/api/public/attachment/v1/upload")
UNKNOWN = ("/attachment/v1/nothing", "/attachment/v1/status", "/api/public/nothing")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def cors_headers(answer: requests.Response) -> list[str]:
    names = [name.lower() for name in answer.headers]
    return [name for name in names if name.startswith(("access-control-", "cross-origin-", "timing-allow-"))]


@pytest.mark.parametrize("path", UPLOADS + UNKNOWN)
@pytest.mark.parametrize("origin", ["https://example.com", "null", ""])
def test_an_origin_is_refused_whatever_else(server: Server, path: str, origin: str) -> None:
    good = {"Authorization": f"Bearer {server.token}"}
    for method in METHODS:
        for headers in ({}, {"Authorization": "Bearer wrong"}, good, {**good, **PREFLIGHT}):
            answer = requests.request(method, server.url + path, headers={**headers, "Origin": origin}, timeout=60)
            assert answer.status_code == 403
            assert cors_headers(answer) == []
            if method != "HEAD":
                assert list(answer.json()) == ["error"]


def test_an_upload_with_an_origin_is_not_stored(server: Server) -> None:
    before = server.stored_files()
    form = Form((Part("file", bytes(3_000_000), b"a.bin"),))
    options = form.options(Authorization=f"Bearer {server.token}", Origin=server.url)
    answer = requests.post(server.url + UPLOADS[0], timeout=60, **options)
    assert answer.status_code == 403
    assert server.stored_files() == before


@pytest.mark.parametrize("path", UPLOADS + UNKNOWN)
def test_never_a_cors_header(server: Server, path: str) -> None:
    for method in METHODS:
        for token in (server.token, "wrong"):
            headers = {"Authorization": f"Bearer {token}", **PREFLIGHT}
            answer = requests.request(method, server.url + path, headers=headers, timeout=60)
            assert cors_headers(answer) == []
    form = Form((Part("file", b"text", b"a.txt"),))
    answer = requests.post(server.url + UPLOADS[0], timeout=60, **form.options(Authorization=f"Bearer {server.token}"))
    assert answer.status_code == 200
    assert cors_headers(answer) == []


def test_other_dialects_are_not_concerned(server: Server) -> None:
    answer = server.get("/attachment/_search", headers={"Origin": "https://example.com"})
    assert answer.status_code == 200
