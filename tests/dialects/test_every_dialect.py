"""What must hold whichever dialect a file comes in through: one matrix, each answer in that dialect's own shape."""

from __future__ import annotations

import http.client
import re
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
import requests

from app.dialects import DIALECTS
from tests.support.app import Server, ServerFactory, running_server
from tests.support.multipart import HOSTILE_NAMES
from tests.support.speakers import SPEAKERS, Speaker

LIMIT = 1000
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"
# Where nothing listens: the discard service.
CLOSED = "http://127.0.0.1:9"


@pytest.fixture(params=SPEAKERS, ids=lambda speaker: speaker.dialect)
def speaker(request: pytest.FixtureRequest) -> Speaker:
    chosen: Speaker = request.param
    return chosen


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server that takes files of 1,000 bytes."""
    folder = tmp_path_factory.mktemp("limited")
    with running_server(folder, elasticsearch_url, MAX_FILE_SIZE=str(LIMIT)) as running:
        yield running


@pytest.fixture(scope="module")
def indexless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose Elasticsearch is down. It has an index name of its own, so there is nothing to remove."""
    with running_server(tmp_path_factory.mktemp("indexless"), CLOSED, INDEX="test_without_index") as running:
        yield running


def test_every_dialect_that_takes_forms_is_here() -> None:
    """A new dialect is to have a row in SPEAKERS, or a line here that says where else its rows are."""
    elsewhere: set[str] = {"coder", "elasticsearch"}
    assert {dialect.name for dialect in DIALECTS} - elsewhere == {speaker.dialect for speaker in SPEAKERS}


def new_tenant() -> str:
    return f"tenant-{secrets.token_hex(6)}"


def test_is_found_and_served_under_its_id(server: Server, speaker: Speaker) -> None:
    token = server.make_token(tenant=new_tenant())
    content = b"%PDF-1.4\n" + secrets.token_bytes(300_000)
    attachment_id = speaker.stored(server, b"report.pdf", content, token)

    (hit,) = server.hits("_source=id,name,size,url,icon,dialect,media_type", token=token)
    assert hit["_id"] == attachment_id
    assert hit["_source"] == {
        "id": attachment_id,
        "name": "report.pdf",
        "size": len(content),
        "url": f"/attachment/{attachment_id}",
        "icon": "pdf",
        "dialect": speaker.dialect,
        "media_type": "application/pdf",
    }
    assert [each["_id"] for each in server.hits("query=report", token=token)] == [attachment_id]

    got = server.get(f"/attachment/{attachment_id}", token=token)
    assert got.status_code == 200
    assert got.content == content
    head = server.request("HEAD", f"/attachment/{attachment_id}", token=token)
    assert head.status_code == 200
    assert head.headers["Content-Length"] == str(len(content))
    assert head.headers["Filename"] == "report.pdf"
    assert re.fullmatch(r"\d{10}", head.headers["Created"])


@pytest.mark.parametrize("size", [0, 1])
def test_the_smallest_files(server: Server, speaker: Speaker, size: int) -> None:
    attachment_id = speaker.stored(server, b"small", b"x" * size)
    assert server.get(f"/attachment/{attachment_id}").content == b"x" * size


def test_another_tenants_is_not_there(server: Server, speaker: Speaker) -> None:
    attachment_id = speaker.stored(server, b"a.txt", b"mine", server.make_token(tenant=new_tenant()))
    other = server.make_token(tenant=new_tenant())
    assert server.hits(token=other) == []
    assert server.get(f"/attachment/{attachment_id}", token=other).status_code == 404
    assert server.delete(f"/attachment/{attachment_id}", token=other).status_code == 404
    assert server.get(f"/attachment/{attachment_id}").status_code == 404


def test_is_deleted_like_any_other(server: Server, speaker: Speaker) -> None:
    token = server.make_token(tenant=new_tenant())
    attachment_id = speaker.stored(server, b"a.txt", b"some text", token)
    assert server.delete(f"/attachment/{attachment_id}", token=token).status_code == 200
    assert server.get(f"/attachment/{attachment_id}", token=token).status_code == 404
    assert server.hits(token=token) == []
    assert not [path for path in server.stored_files() if attachment_id in path]


def test_token_missing_wrong_or_expired(server: Server, speaker: Speaker) -> None:
    expired = server.make_token(expires=datetime.now(UTC) - timedelta(seconds=1))
    before = server.stored_files()
    for token in ("", "wrong", "ünknown".encode().decode("latin-1"), server.token[:-1], expired):
        speaker.message(speaker.upload(server, b"a.txt", b"text", token), 401)
    assert server.stored_files() == before


def test_token_in_another_dialects_header(server: Server, speaker: Speaker) -> None:
    form = speaker.form(b"a.txt", b"text")
    for other in SPEAKERS:
        if other is not speaker:
            options = form.options(**other.token_headers(server.token))
            speaker.message(requests.post(server.url + speaker.upload_path, timeout=60, **options), 401)


def test_token_without_the_scope(server: Server, speaker: Speaker) -> None:
    token = server.make_token("read", "search", "delete", "admin")
    assert "write" in speaker.message(speaker.upload(server, b"a.txt", b"text", token), 403)
    speaker.stored(server, b"a.txt", b"text", server.make_token("write"))


@pytest.mark.parametrize("wire", HOSTILE_NAMES, ids=lambda wire: repr(wire[:24]))
def test_hostile_name(server: Server, speaker: Speaker, wire: bytes) -> None:
    token = server.make_token(tenant=new_tenant())
    name = HOSTILE_NAMES[wire]
    answer = speaker.upload(server, wire, b"some text", token)
    if name is None:
        speaker.message(answer, 400)
        assert server.hits(token=token) == []
        return
    assert answer.status_code == 200, answer.text
    (hit,) = server.hits(token=token)
    assert hit["_source"]["name"] == name
    got = server.get(f"/attachment/{hit['_id']}", token=token)
    assert got.content == b"some text"
    assert "Set-Cookie" not in got.headers
    disposition = got.headers["Content-Disposition"]
    extended = re.search(r"filename\*=UTF-8''(\S+)", disposition)
    plain = re.search(r'filename="([^"]*)"', disposition)
    assert plain is not None
    assert (unquote(extended[1]) if extended else plain[1]) == name


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        (b"picture.png", b"<!DOCTYPE html><script>alert(1)</script>", "text/html"),
        (b"page.html", PNG, "image/png"),
        (b"picture.jpg", b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "image/svg+xml"),
        (b"notes.pdf", b"just some words\n", "text/plain"),
        (b"run.pdf", b"\x7fELF\x02\x01\x01" + bytes(57), None),
    ],
    ids=["html", "png", "svg", "text", "elf"],
)
def test_the_content_says_the_type(
    server: Server, speaker: Speaker, name: bytes, content: bytes, media_type: str | None
) -> None:
    got = server.get(f"/attachment/{speaker.stored(server, name, content)}")
    served = got.headers["Content-Type"].partition(";")[0]
    assert served == media_type if media_type else served != "application/pdf"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    shown = served in ("image/png", "text/plain")
    assert got.headers["Content-Disposition"].startswith("inline" if shown else "attachment")


def test_file_size_limit(limited: Server, speaker: Speaker) -> None:
    speaker.stored(limited, b"a.bin", bytes(LIMIT))
    before = limited.stored_files()
    assert str(LIMIT) in speaker.message(speaker.upload(limited, b"a.bin", bytes(LIMIT + 1)), 413)
    speaker.message(speaker.upload(limited, b"a.bin", bytes(LIMIT + 1_000_000)), 413)
    assert limited.stored_files() == before


def test_file_size_limit_without_an_announced_length(limited: Server, speaker: Speaker) -> None:
    before = limited.stored_files()
    for size, status in ((LIMIT, 200), (LIMIT + 1, 413), (LIMIT + 1_000_000, 413)):
        options = speaker.form(b"a.bin", bytes(size)).options(**speaker.token_headers(limited.token))
        body = options.pop("data")
        pieces = (body[at : at + 1000] for at in range(0, len(body), 1000))
        answer = requests.post(limited.url + speaker.upload_path, data=pieces, timeout=60, **options)
        if status == 200:
            assert answer.status_code == 200, answer.text
            before = limited.stored_files()
        else:
            speaker.message(answer, status)
            assert limited.stored_files() == before


def test_too_large_is_said_before_the_body_is_read(server: Server, speaker: Speaker) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("POST", speaker.upload_path)
    form = speaker.form(b"a.bin", b"")
    for name, value in speaker.token_headers(server.token).items():
        connection.putheader(name, value)
    connection.putheader("Content-Type", form.content_type)
    connection.putheader("Content-Length", str(10 * 1024**4))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_no_form(server: Server, speaker: Speaker) -> None:
    headers = speaker.token_headers(server.token)
    address = server.url + speaker.upload_path
    boundaryless = {"Content-Type": "multipart/form-data"}
    for options in (
        {},
        {"data": b"raw"},
        {"json": {"file": "a"}},
        {"data": {"file": "a"}},
        {"data": b"--x", "headers": boundaryless},
        {"data": b"--x\r\ngarbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"data": b"", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    ):
        merged = {**options, "headers": {**headers, **options.get("headers", {})}}
        speaker.message(requests.post(address, timeout=60, **merged), 400)


def test_unknown_route_and_wrong_method(server: Server, speaker: Speaker) -> None:
    for headers in ({}, speaker.token_headers(server.token)):
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = requests.request(method, server.url + speaker.unknown_path, headers=headers, timeout=60)
            speaker.message(answer, 404)
        answer = requests.get(server.url + speaker.upload_path, headers=headers, timeout=60)
        speaker.message(answer, 405)
        assert "POST" in answer.headers["Allow"]


def test_index_down(indexless: Server, speaker: Speaker) -> None:
    answer = speaker.upload(indexless, b"a.txt", b"text")
    speaker.message(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert indexless.stored_files() == []


def test_data_folder_broken(start_server: ServerFactory, speaker: Speaker) -> None:
    server = start_server()
    # Not by its mode: whoever runs this may be allowed everything.
    shutil.rmtree(server.data / "incoming")
    (server.data / "incoming").write_bytes(b"no folder")
    speaker.message(speaker.upload(server, b"a.txt", b"text"), 500)
    assert server.hits() == []
