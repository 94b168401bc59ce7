"""What must hold whichever dialect a file comes in through: one matrix, each answer in that dialect's own shape."""

from __future__ import annotations

import http.client
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from app.web.dialects import DIALECTS
from tests.support.app import Server, ServerFactory, running_server
from tests.support.breaking import Proxy
from tests.support.multipart import HOSTILE_NAMES, Form, Part
from tests.support.speakers import PNG, SPEAKERS, Speaker

LIMIT = 1000
FORM_SPEAKERS = [each for each in SPEAKERS if isinstance(each.body(b"", b""), Form)]
DELETING_SPEAKERS = [each for each in SPEAKERS if each.delete_path is not None]
# Where nothing listens: the discard service.
CLOSED = "http://127.0.0.1:9"


def with_each(speakers: Sequence[Speaker]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("speaker", speakers, ids=lambda speaker: speaker.dialect, indirect=True)


@pytest.fixture(params=SPEAKERS, ids=lambda speaker: speaker.dialect)
def speaker(request: pytest.FixtureRequest) -> Speaker:
    chosen: Speaker = request.param
    return chosen


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server that takes files of 1,000 bytes."""
    folder = tmp_path_factory.mktemp("limited")
    limits: dict[str, Any] = dict.fromkeys(("MAX_FILE_SIZE", "MAX_CHAT_FILE_SIZE"), str(LIMIT))
    with running_server(folder, elasticsearch_url, **limits) as running:
        yield running


@pytest.fixture(scope="module")
def indexless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose Elasticsearch is down. It has an index name of its own, so there is nothing to remove."""
    with running_server(tmp_path_factory.mktemp("indexless"), CLOSED, INDEX="test_without_index") as running:
        yield running


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server that has to keep more space free than any disk has; tests/faults fills a real one."""
    folder = tmp_path_factory.mktemp("full")
    with running_server(folder, elasticsearch_url, DISK_RESERVE=str(2**60)) as running:
        yield running


def test_every_dialect_that_takes_uploads_is_here() -> None:
    """A new dialect is to have a row in SPEAKERS, or a line here that says where else its rows are."""
    elsewhere = {"elasticsearch", "openai"}
    assert {dialect.name for dialect in DIALECTS} - elsewhere == {speaker.dialect for speaker in SPEAKERS}


def new_tenant() -> str:
    return f"tenant-{secrets.token_hex(6)}"


def test_is_found_and_served_under_its_id(server: Server, speaker: Speaker) -> None:
    token = server.make_token(tenant=new_tenant())
    head, media_type = speaker.sample
    content = head + secrets.token_bytes(300_000)
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
        "media_type": media_type,
    }
    assert [each["_id"] for each in server.hits("query=report", token=token)] == [attachment_id]

    got = server.get(f"/attachment/{attachment_id}", token=token)
    assert got.status_code == 200
    assert got.content == content
    told = server.request("HEAD", f"/attachment/{attachment_id}", token=token)
    assert told.status_code == 200
    assert told.headers["Content-Length"] == str(len(content))
    assert told.headers["Filename"] == "report.pdf"
    assert re.fullmatch(r"\d{10}", told.headers["Created"])


@pytest.mark.parametrize("size", [0, 1])
def test_the_smallest_files(server: Server, speaker: Speaker, size: int) -> None:
    content = speaker.head + b"x" * size
    assert server.get(f"/attachment/{speaker.stored(server, b'small', content)}").content == content


def test_another_tenants_is_not_there(server: Server, speaker: Speaker) -> None:
    attachment_id = speaker.stored(server, b"a.txt", speaker.head + b"mine", server.make_token(tenant=new_tenant()))
    other = server.make_token(tenant=new_tenant())
    assert server.hits(token=other) == []
    assert server.get(f"/attachment/{attachment_id}", token=other).status_code == 404
    assert server.delete(f"/attachment/{attachment_id}", token=other).status_code == 404
    assert server.get(f"/attachment/{attachment_id}").status_code == 404


def test_is_deleted_like_any_other(server: Server, speaker: Speaker) -> None:
    token = server.make_token(tenant=new_tenant())
    attachment_id = speaker.stored(server, b"a.txt", speaker.head + b"some text", token)
    assert server.delete(f"/attachment/{attachment_id}", token=token).status_code == 200
    assert server.get(f"/attachment/{attachment_id}", token=token).status_code == 404
    assert server.hits(token=token) == []
    assert not [path for path in server.stored_files() if attachment_id in path]


def test_token_missing_wrong_or_expired(server: Server, speaker: Speaker) -> None:
    expired = server.make_token(expires=datetime.now(UTC) - timedelta(seconds=1))
    before = server.stored_files()
    for token in ("", "wrong", "ünknown".encode().decode("latin-1"), server.token[:-1], expired):
        speaker.message(speaker.upload(server, b"a.txt", speaker.head, token), 401)
    assert server.stored_files() == before


def test_token_in_another_dialects_header(server: Server, speaker: Speaker) -> None:
    body = speaker.body(b"a.txt", speaker.head)
    for other in SPEAKERS:
        if other is not speaker:
            options = body.options(**other.token_headers(server.token))
            speaker.message(requests.post(server.url + speaker.upload_path, timeout=60, **options), 401)


def test_token_without_the_scope(server: Server, speaker: Speaker) -> None:
    token = server.make_token("read", "search", "delete", "admin")
    assert "write" in speaker.message(speaker.upload(server, b"a.txt", speaker.head, token), 403)
    speaker.stored(server, b"a.txt", speaker.head, server.make_token("write"))


@pytest.mark.parametrize("wire", HOSTILE_NAMES, ids=lambda wire: repr(wire[:24]))
def test_hostile_name(server: Server, speaker: Speaker, wire: bytes) -> None:
    token = server.make_token(tenant=new_tenant())
    content = speaker.head + b"some text"
    answer = speaker.upload(server, wire, content, token)
    name = speaker.names.get(wire)
    if wire not in speaker.names:
        # No header can hold it, so gunicorn refuses the request before any dialect sees it.
        assert answer.status_code == 400
        assert server.hits(token=token) == []
        return
    if name is None:
        speaker.message(answer, 400)
        assert server.hits(token=token) == []
        return
    assert answer.status_code == speaker.accepted, answer.text
    (hit,) = server.hits(token=token)
    assert hit["_source"]["name"] == name
    got = server.get(f"/attachment/{hit['_id']}", token=token)
    assert got.content == content
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
    if speaker.takes is not None and media_type not in speaker.takes:
        before = server.stored_files()
        speaker.message(speaker.upload(server, name, content), 400)
        assert server.stored_files() == before
        return
    got = server.get(f"/attachment/{speaker.stored(server, name, content)}")
    served = got.headers["Content-Type"].partition(";")[0]
    assert served == media_type if media_type else served != "application/pdf"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    shown = served in ("image/png", "text/plain")
    assert got.headers["Content-Disposition"].startswith("inline" if shown else "attachment")


def filled(speaker: Speaker, size: int) -> bytes:
    return speaker.head.ljust(size, b"\0")


def test_file_size_limit(limited: Server, speaker: Speaker) -> None:
    speaker.stored(limited, b"a.bin", filled(speaker, LIMIT))
    before = limited.stored_files()
    assert str(LIMIT) in speaker.message(speaker.upload(limited, b"a.bin", filled(speaker, LIMIT + 1)), 413)
    speaker.message(speaker.upload(limited, b"a.bin", filled(speaker, LIMIT + 1_000_000)), 413)
    assert limited.stored_files() == before


def test_file_size_limit_without_an_announced_length(limited: Server, speaker: Speaker) -> None:
    before = limited.stored_files()
    for size, status in ((LIMIT, speaker.accepted), (LIMIT + 1, 413), (LIMIT + 1_000_000, 413)):
        answer = speaker.upload_in_pieces(limited, b"a.bin", filled(speaker, size))
        if status == speaker.accepted:
            assert answer.status_code == status, answer.text
            before = limited.stored_files()
        else:
            speaker.message(answer, status)
            assert limited.stored_files() == before


@with_each(FORM_SPEAKERS)
def test_form_field_limits(server: Server, speaker: Speaker) -> None:
    """N fields of which each has N bytes are taken, one field or one byte more is not. The defaults: 32, and 8 KiB."""
    whole = speaker.body(b"a.txt", b"text")
    assert isinstance(whole, Form)
    own = sum(part.filename is None for part in whole.parts)
    for count, size, status in ((32 - own, 1, 200), (33 - own, 1, 400), (1, 8192, 200), (1, 8193, 400)):
        before = server.stored_files()
        extra = tuple(Part(f"field{number}", b"x" * size) for number in range(count))
        for parts in ((*extra, *whole.parts), (*whole.parts, *extra)):
            answer = speaker.send(server, Form(parts))
            if status == 200:
                assert answer.status_code == 200, answer.text
            else:
                speaker.message(answer, status)
                assert server.stored_files() == before


def test_too_large_is_said_before_the_body_is_read(server: Server, speaker: Speaker) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest("POST", speaker.upload_path)
    for name, value in speaker.body(b"a.bin", b"").options(**speaker.shown(server))["headers"].items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(10 * 1024**4))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_of_another_kind(server: Server, speaker: Speaker) -> None:
    headers = speaker.shown(server)
    before = server.stored_files()
    address = server.url + speaker.upload_path
    boundaryless = {"Content-Type": "multipart/form-data"}
    bodies: tuple[dict[str, Any], ...] = (
        {},
        {"data": b"raw"},
        {"json": {"file": "a"}},
        {"data": {"file": "a"}},
        {"data": b"--x", "headers": boundaryless},
        {"data": b"--x\r\ngarbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"data": b"", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    )
    for options in bodies:
        merged = {**options, "headers": {**headers, **options.get("headers", {})}}
        speaker.message(requests.post(address, timeout=60, **merged), 400)
    assert server.stored_files() == before


def test_unknown_route_and_wrong_method(server: Server, speaker: Speaker) -> None:
    for headers in ({}, speaker.shown(server)):
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = requests.request(method, server.url + speaker.unknown_path, headers=headers, timeout=60)
            speaker.message(answer, 404)
        answer = requests.patch(server.url + speaker.upload_path, headers=headers, timeout=60)
        speaker.message(answer, 405)
        assert "POST" in answer.headers["Allow"]


def test_index_down(indexless: Server, speaker: Speaker) -> None:
    answer = speaker.upload(indexless, b"a.txt", speaker.head)
    speaker.message(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert indexless.stored_files() == []


def test_disk_full(full: Server, speaker: Speaker) -> None:
    before = full.stored_files()
    speaker.message(speaker.upload(full, b"a.txt", speaker.head), 507)
    speaker.message(speaker.upload_in_pieces(full, b"a.txt", speaker.head), 507)
    assert full.stored_files() == before
    assert full.hits() == []


def test_data_folder_broken(start_server: ServerFactory, speaker: Speaker) -> None:
    server = start_server()
    # Not by its mode: whoever runs this may be allowed everything.
    shutil.rmtree(server.data / "incoming")
    (server.data / "incoming").write_bytes(b"no folder")
    speaker.message(speaker.upload(server, b"a.txt", speaker.head), 500)
    assert server.hits() == []


@with_each(DELETING_SPEAKERS)
def test_who_may_delete(server: Server, speaker: Speaker) -> None:
    tenant = new_tenant()
    mine = server.make_token(tenant=tenant)
    attachment_id = speaker.stored(server, b"a.txt", b"text", mine)
    expired = server.make_token(tenant=tenant, expires=datetime.now(UTC) - timedelta(seconds=1))
    for token in ("", "wrong", mine[:-1], expired):
        speaker.message(speaker.delete(server, attachment_id, token), 401)
    scopeless = server.make_token("read", "search", "write", "admin", tenant=tenant)
    assert "delete" in speaker.message(speaker.delete(server, attachment_id, scopeless), 403)
    assert server.get(f"/attachment/{attachment_id}", token=mine).content == b"text"

    foreign = speaker.delete(server, attachment_id, server.make_token(tenant=new_tenant()))
    assert speaker.unknown is not None
    assert (foreign.status_code, foreign.json()) == (404, speaker.unknown(attachment_id))
    assert [hit["_id"] for hit in server.hits(token=mine)] == [attachment_id]

    assert speaker.delete(server, attachment_id, mine).status_code == 200
    gone = speaker.delete(server, attachment_id, mine)
    assert (gone.status_code, gone.json()) == (404, speaker.unknown(attachment_id))


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    with Proxy(elasticsearch_url) as running:
        yield running


# The proxy comes first, so that it is still there when the server's index is removed.
@with_each(DELETING_SPEAKERS)
def test_delete_with_the_index_down(proxy: Proxy, start_server: ServerFactory, speaker: Speaker) -> None:
    server = start_server(elasticsearch_url=proxy.url)
    attachment_id = speaker.stored(server, b"a.txt", b"text")
    proxy.refuse()
    answer = speaker.delete(server, attachment_id)
    speaker.message(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert server.get(f"/attachment/{attachment_id}").content == b"text"
    proxy.accept()
    server.await_health()
    assert [hit["_id"] for hit in server.hits()] == [attachment_id]
    assert speaker.delete(server, attachment_id).status_code == 200
    assert server.hits() == []
