"""Chat files: the error table row by row and in its order, what is an image, and how it is served."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.dialects.coder.client import FILES, NOT_FOUND, ORGANIZATION, PNG, call, upload, uploaded
from tests.support.app import Server, ServerFactory

MISSING_ORGANIZATION = (400, {"message": "Missing organization query parameter."})
INVALID_ORGANIZATION = (400, {"message": "Invalid organization ID."})
UNSUPPORTED = (
    400,
    {
        "message": "Unsupported file type.",
        "detail": "Allowed types: image/png, image/jpeg, image/gif, image/webp.",
    },
)
TOO_LARGE = (413, {"message": "File too large.", "detail": "Maximum file size is 10485760 bytes."})
LIMIT = 10485760

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"


def chunked(*pieces: bytes) -> Iterator[bytes]:
    yield from pieces


def test_upload_and_download(server: Server) -> None:
    file_id = uploaded(server, disposition="attachment; filename=shot.png")
    assert str(UUID(file_id)) == file_id
    answer = call(server, "GET", f"{FILES}/{file_id}")
    assert answer.status_code == 200
    assert answer.content == PNG
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Length"] == str(len(PNG))
    assert answer.headers["Content-Disposition"] == 'inline; filename="shot.png"'
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_found_by_search_and_download_of_the_store(server: Server) -> None:
    token = server.make_token(tenant="coder-search")
    file_id = uploaded(server, token=token, disposition="attachment; filename=whiteboard.png")
    assert [hit["_id"] for hit in server.hits("query=whiteboard", token=token)] == [file_id]
    assert server.get(f"/attachment/{file_id}", token=token).content == PNG


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"query": ""}, MISSING_ORGANIZATION),
        ({"query": "?organization="}, MISSING_ORGANIZATION),
        ({"query": "?organization=acme"}, INVALID_ORGANIZATION),
        ({"query": f"?organization={ORGANIZATION}0"}, INVALID_ORGANIZATION),
        ({"query": f"?organization={ORGANIZATION}%0A"}, INVALID_ORGANIZATION),
        ({"media_type": None}, UNSUPPORTED),
        ({"media_type": ""}, UNSUPPORTED),
        ({"media_type": "image/svg+xml", "content": SVG}, UNSUPPORTED),
        ({"media_type": "image/png", "content": SVG}, UNSUPPORTED),
        ({"media_type": "image/bmp"}, UNSUPPORTED),
        ({"media_type": "application/octet-stream"}, UNSUPPORTED),
        ({"media_type": "image/png", "content": b""}, UNSUPPORTED),
        ({"media_type": "image/png", "content": b"\x89PNG\r\n\x1a"}, UNSUPPORTED),
        ({"media_type": "image/png", "content": b"\n" + PNG}, UNSUPPORTED),
        ({"media_type": "image/webp", "content": b"RIFF\x00\x00\x00\x00WAVE"}, UNSUPPORTED),
        ({"media_type": "image/gif", "content": b"GIF88a"}, UNSUPPORTED),
        ({"content": PNG.ljust(LIMIT + 1)}, TOO_LARGE),
        # In the order of checks: organization, declared length, declared type, detected type, size as read.
        (
            {"query": "?organization=acme", "content": SVG.ljust(LIMIT + 1), "media_type": "text/html"},
            INVALID_ORGANIZATION,
        ),
        ({"content": SVG.ljust(LIMIT + 1), "media_type": "text/html"}, TOO_LARGE),
    ],
)
def test_refused(server: Server, options: dict[str, Any], expected: tuple[int, Any]) -> None:
    answer = upload(server, **options)
    assert (answer.status_code, answer.json()) == expected


def test_size_as_read_is_checked_last(server: Server) -> None:
    filling = itertools.repeat(b"\0" * 1024**2, 11)
    answer = upload(server, itertools.chain([SVG], filling))
    assert (answer.status_code, answer.json()) == UNSUPPORTED
    answer = upload(server, itertools.chain([PNG], itertools.repeat(b"\0" * 1024**2, 11)))
    assert (answer.status_code, answer.json()) == TOO_LARGE


def test_the_limit_itself_is_accepted(server: Server) -> None:
    content = PNG.ljust(LIMIT, b"\0")
    assert call(server, "GET", f"{FILES}/{uploaded(server, content)}").content == content
    assert upload(server, chunked(content[:5], content[5:])).status_code == 201


def test_the_limit_is_a_setting(start_server: ServerFactory) -> None:
    small = start_server(MAX_CHAT_FILE_SIZE="100")
    answer = upload(small, PNG.ljust(101))
    assert (answer.status_code, answer.json()["detail"]) == (413, "Maximum file size is 100 bytes.")
    assert upload(small, PNG.ljust(100)).status_code == 201
    assert len(small.stored_files()) == 2


@pytest.mark.parametrize(
    ("content", "declared", "served"),
    [
        (PNG, "image/png", "image/png"),
        (JPEG, "image/jpeg", "image/jpeg"),
        (b"GIF87a", "image/gif", "image/gif"),
        (b"GIF89a rest", "image/gif", "image/gif"),
        (WEBP, "image/webp", "image/webp"),
        # What it is beats what it is called, where both are on the list.
        (PNG, "image/jpeg", "image/png"),
        (WEBP, "image/png", "image/webp"),
        (PNG, "IMAGE/PNG; charset=binary", "image/png"),
        # Truncated, and two things at once: the signature decides.
        (PNG[:8], "image/png", "image/png"),
        (JPEG[:3], "image/jpeg", "image/jpeg"),
        (b"GIF89a/*" + SVG + b"*/=1;", "image/gif", "image/gif"),
        (PNG + b"PK\x03\x04 <html><script>", "image/png", "image/png"),
    ],
)
def test_served_as_what_it_is(server: Server, content: bytes, declared: str, served: str) -> None:
    answer = call(server, "GET", f"{FILES}/{uploaded(server, content, media_type=declared)}")
    assert (answer.headers["Content-Type"], answer.content) == (served, content)


def test_first_bytes_may_come_one_by_one(server: Server) -> None:
    assert upload(server, chunked(*(bytes([each]) for each in WEBP)), media_type="image/webp").status_code == 201


@pytest.mark.parametrize(
    ("disposition", "served"),
    [
        (None, 'inline; filename="image.png"'),
        ("attachment; filename=", 'inline; filename="image.png"'),
        ('attachment; filename="dir/shot.png"', 'inline; filename="shot.png"'),
        (
            'attachment; filename="naïve.png"'.encode(),
            "inline; filename=\"na_ve.png\"; filename*=UTF-8''na%C3%AFve.png",
        ),
    ],
)
def test_names(server: Server, disposition: str | bytes | None, served: str) -> None:
    answer = call(server, "GET", f"{FILES}/{uploaded(server, disposition=disposition)}")
    assert answer.headers["Content-Disposition"] == served


def test_etag_and_range(server: Server) -> None:
    path = f"{FILES}/{uploaded(server)}"
    tag = call(server, "GET", path).headers["ETag"]
    unchanged = call(server, "GET", path, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    part = call(server, "GET", path, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PNG")
    assert part.headers["Content-Range"] == f"bytes 1-3/{len(PNG)}"
    beyond = call(server, "GET", path, headers={"Range": "bytes=999-"})
    assert beyond.status_code == 416
    assert "immutable" not in beyond.headers["Cache-Control"]
    head = call(server, "HEAD", path)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(PNG)), b"")


@pytest.mark.parametrize("text", ["x", ORGANIZATION[:-1], "urn:" + ORGANIZATION, "%7B" + ORGANIZATION])
def test_no_uuid(server: Server, text: str) -> None:
    answer = call(server, "GET", f"{FILES}/{text}")
    assert (answer.status_code, answer.json()) == (400, {"message": "Invalid file ID."})


def test_uuids_in_every_form(server: Server) -> None:
    file_id = uploaded(server)
    forms = (file_id.upper(), file_id.replace("-", ""), f"urn:uuid:{file_id}", f"%7B{file_id}%7D")
    assert [call(server, "GET", f"{FILES}/{each}").status_code for each in forms] == [200] * 4
    assert upload(server, query=f"?organization={ORGANIZATION.upper()}").status_code == 201


def test_unknown_foreign_and_other_dialects_files(server: Server) -> None:
    foreign = uploaded(server, token=server.make_token(tenant="coder-other"))
    langdock = server.post(
        "/attachment/v1/upload",
        headers={"Authorization": f"Bearer {server.token}"},
        files={"file": ("x.html", b"<html>")},
    ).json()["attachmentId"]
    for each in (ORGANIZATION, foreign, langdock):
        answer = call(server, "GET", f"{FILES}/{each}")
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


def test_who_may(server: Server) -> None:
    signed_out = {"message": "You are signed out or your session has expired. Please sign in again to continue."}
    expired = server.make_token(expires=datetime.now(UTC) - timedelta(seconds=1))
    for token in ("", "wrong", expired):
        for answer in (upload(server, token=token), call(server, "GET", f"{FILES}/{ORGANIZATION}", token)):
            assert (answer.status_code, answer.json()) == (401, signed_out)
    answer = upload(server, token=server.make_token("read"))
    assert (answer.status_code, answer.json()) == (
        403,
        {"message": "Forbidden.", "detail": "the token lacks the scope [write]"},
    )
    assert call(server, "GET", f"{FILES}/{ORGANIZATION}", server.make_token("write")).status_code == 403


def test_unknown_routes_have_this_shape(server: Server) -> None:
    answer = call(server, "GET", "/api/v2/chats/no/such/route")
    assert (answer.status_code, answer.json()) == (404, {"message": "Route not found."})
    answer = call(server, "DELETE", f"{FILES}/{ORGANIZATION}")
    assert (answer.status_code, answer.json()) == (405, {"message": "Method not allowed."})
    assert "GET" in answer.headers["Allow"]


def test_index_down(start_server: ServerFactory) -> None:
    down = start_server(ELASTICSEARCH_URL="http://127.0.0.1:1")
    answer = upload(down)
    assert answer.status_code == 503
    assert answer.json() == {
        "message": "The service is not available.",
        "detail": "Elasticsearch is not available",
    }
    assert answer.headers["Retry-After"]
    assert down.stored_files() == []
