"""What was read of a file, for whoever may download it: its text, and where its parts begin."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from app.coordination.local import Local
from app.extraction.parts import Part
from app.extraction.queue import Queue
from app.storage.contract import Artefact
from tests.integration.extraction.documents import PHRASE, pdf, word
from tests.integration.extraction.test_server import decided, outcome, store_command
from tests.support.app import Server, ServerFactory
from tests.support.artefacts import path_of
from tests.support.texts import keep_text

TEXT = "Příliš žluťoučký kůň\n" * 50
CONTENT = TEXT.encode()
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'


@pytest.fixture(scope="module")
def kept(server: Server) -> str:
    """The id of an attachment whose text was taken out."""
    (attachment_id,) = server.upload(("dopis.doc", b"\xd0\xcf\x11\xe0" + bytes(100)), session="kept")
    keep_text(server.data, attachment_id, CONTENT, Part(0, 1), Part(len("Příliš ".encode()), 2, "Kůň"))
    return attachment_id


def missing(answer: requests.Response, attachment_id: str) -> bool:
    return (answer.status_code, answer.json()) == (404, {"_id": attachment_id, "found": False})


def test_it_is_a_plain_text_that_runs_nowhere(server: Server, kept: str) -> None:
    answer = server.get(f"/attachment/{kept}/text")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    headers = answer.headers
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Disposition"] == 'inline; filename="dopis.doc.txt"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["ETag"] == ETAG
    assert headers["Cache-Control"] == "private, no-cache"
    assert abs(datetime.now(UTC) - parsedate_to_datetime(headers["Last-Modified"])) < timedelta(hours=1)
    head = server.request("HEAD", f"/attachment/{kept}/text")
    assert (head.status_code, head.content) == (200, b"")
    volatile = ("Date", "X-Request-Id")
    assert {name: head.headers.get(name) for name in headers if name not in volatile} == {
        name: value for name, value in headers.items() if name not in volatile
    }


def test_what_is_called_a_text_keeps_its_name(server: Server) -> None:
    (attachment_id,) = server.upload(("brief.TXT", b"x"), session="kept")
    keep_text(server.data, attachment_id, b"x")
    answer = server.get(f"/attachment/{attachment_id}/text")
    assert answer.headers["Content-Disposition"] == 'inline; filename="brief.TXT"'


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        ("bytes=-5", len(CONTENT) - 5, len(CONTENT)),
        ("bytes=7-", 7, None),
    ],
)
def test_parts_of_it(server: Server, kept: str, value: str, start: int, stop: int | None) -> None:
    answer = server.get(f"/attachment/{kept}/text", headers={"Range": value})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{(stop or len(CONTENT)) - 1}/{len(CONTENT)}"
    assert answer.headers["Content-Length"] == str(len(answer.content))


def test_its_conditions_are_those_of_a_download(server: Server, kept: str) -> None:
    def status(**headers: str) -> int:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return server.get(f"/attachment/{kept}/text", headers=given).status_code

    modified = parsedate_to_datetime(server.get(f"/attachment/{kept}/text").headers["Last-Modified"])
    assert status(If_None_Match=ETAG) == 304
    assert status(If_None_Match='"other"') == 200
    assert status(If_Match=ETAG, Range="bytes=0-0") == 206
    assert status(If_Match='"other"', Range="bytes=0-0") == 412
    assert status(If_Range='"other"', Range="bytes=0-0") == 200
    assert status(If_Modified_Since=format_datetime(modified, usegmt=True)) == 304
    assert status(Range=f"bytes={len(CONTENT)}-") == 416


def test_nginx_is_not_told_to_send_it(start_server: ServerFactory) -> None:
    """It is no file of the folder that nginx knows by that address."""
    server = start_server(ACCEL_REDIRECT="/_attachments/")
    (attachment_id,) = server.upload(("a.doc", b"bytes"))
    keep_text(server.data, attachment_id, CONTENT)
    answer = server.get(f"/attachment/{attachment_id}/text")
    assert answer.content == CONTENT
    assert "X-Accel-Redirect" not in answer.headers
    assert "X-Accel-Redirect" in server.get(f"/attachment/{attachment_id}").headers


def test_where_its_parts_begin(server: Server, kept: str) -> None:
    assert server.get(f"/attachment/{kept}/parts").json() == {
        "size": len(CONTENT),
        "sha256": ETAG.strip('"'),
        "cut": False,
        "parts": [{"at": 0, "page": 1}, {"at": 10, "page": 2, "title": "Kůň"}],
    }
    # An earlier version did not keep them.
    (path,) = server.data.glob(f"attachments/*/{kept}.extraction")
    record = json.loads(path.read_text())
    try:
        earlier = {name: value for name, value in record.items() if name != "parts"}
        path.write_text(json.dumps({**earlier, "format": 1}))
        assert server.get(f"/attachment/{kept}/parts").json()["parts"] is None
    finally:
        path.write_text(json.dumps(record))


@pytest.mark.parametrize("what", ["text", "parts"])
def test_where_there_is_none(server: Server, what: str) -> None:
    (plain, empty) = server.upload(("a.bin", b"bytes"), ("b.doc", b"bytes"), session="kept")
    keep_text(server.data, empty, b"")
    for attachment_id in (plain, empty, "cv9r1krq50k4qhqcqhu0"):
        answer = server.get(f"/attachment/{attachment_id}/{what}")
        assert missing(answer, attachment_id)
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("what", ["text", "parts"])
def test_it_goes_with_its_attachment(server: Server, what: str) -> None:
    (attachment_id,) = server.upload(("a.doc", b"bytes"), session="kept")
    keep_text(server.data, attachment_id, CONTENT)
    assert server.get(f"/attachment/{attachment_id}/{what}").status_code == 200
    assert server.delete(f"/attachment/{attachment_id}").status_code == 200
    assert missing(server.get(f"/attachment/{attachment_id}/{what}"), attachment_id)
    # And where only the record has gone so far.
    (attachment_id,) = server.upload(("a.doc", b"bytes"), session="kept")
    keep_text(server.data, attachment_id, CONTENT)
    path_of(server.data, attachment_id, Artefact.RECORD).unlink()
    assert missing(server.get(f"/attachment/{attachment_id}/{what}"), attachment_id)


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT + b"x", CONTENT.replace(b"\n", b" "), None])
def test_another_text_than_was_kept_is_given_to_nobody(server: Server, damage: bytes | None) -> None:
    (attachment_id,) = server.upload(("a.doc", b"bytes"), session="kept")
    keep_text(server.data, attachment_id, CONTENT)
    path = path_of(server.data, attachment_id, Artefact.TEXT)
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    for method, headers in (("GET", {}), ("GET", {"Range": "bytes=0-0"}), ("HEAD", {})):
        answer = server.request(method, f"/attachment/{attachment_id}/text", headers=headers)
        assert answer.status_code == 500
        assert "ETag" not in answer.headers
        if method == "GET":
            assert answer.json() == {"error": {"reason": "The text of this attachment is damaged"}, "status": 500}
    # What is written just now is not damaged: it is not there yet.
    Queue(Local(server.data).claims).add(attachment_id, "default")
    assert missing(server.get(f"/attachment/{attachment_id}/text"), attachment_id)


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"{}", b'{"format": 99}', b"\xff", b'{"format": 2, "parts": [{"at": -1}]}', b"[" * 5000]
)
def test_an_outcome_that_is_damaged_is_none(server: Server, damage: bytes) -> None:
    (attachment_id,) = server.upload(("a.doc", b"bytes"), session="kept")
    keep_text(server.data, attachment_id, CONTENT)
    (path,) = server.data.glob(f"attachments/*/{attachment_id}.extraction")
    path.write_bytes(damage)
    for what in ("text", "parts"):
        assert missing(server.get(f"/attachment/{attachment_id}/{what}"), attachment_id)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("what", ["text", "parts"])
def test_it_is_read_only(server: Server, kept: str, method: str, what: str) -> None:
    answer = server.request(method, f"/attachment/{kept}/{what}")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_langdock_has_no_such_paths(server: Server) -> None:
    for what in ("text", "parts"):
        answer = server.get(f"/attachment/v1/{what}", headers={"Authorization": f"Bearer {server.token}"})
        assert (answer.status_code, list(answer.json())) == (404, ["error"])


def pages(text: bytes, parts: list[dict[str, Any]]) -> list[str]:
    ends = [*(each["at"] for each in parts[1:]), len(text)]
    return [text[each["at"] : end].decode() for each, end in zip(parts, ends, strict=True)]


def test_what_is_searched_is_what_is_given(start_server: ServerFactory, tmp_path: Path) -> None:
    server = start_server(EXTRACTION="on")
    old = "Příliš žluťoučký kůň úpěl ďábelské ódy. " * 20
    report, letter, note = server.upload(
        ("report.pdf", pdf(pages=3, phrase_on=2)), ("letter.docx", word()), ("old.txt", old.encode("cp1250"))
    )
    decided(server, report, letter, note)
    text = server.get(f"/attachment/{report}/text")
    found = server.get(f"/attachment/{report}/parts").json()
    assert text.headers["ETag"] == f'"{found["sha256"]}"'
    assert [PHRASE in each for each in pages(text.content, found["parts"])] == [False, True, False]
    assert f"In Word: {PHRASE}" in server.get(f"/attachment/{letter}/text").content.decode()
    assert server.get(f"/attachment/{note}/text").content.decode() == old.strip()
    # Taken out again it is the same text, of another time.
    assert store_command(server, "extract", report, "--json").returncode == 0
    again = server.get(f"/attachment/{report}/text")
    assert (again.content, again.headers["ETag"]) == (text.content, text.headers["ETag"])
    assert outcome(server, report)["attempts"] == 1


def test_a_text_that_was_cut_says_so(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on", MAX_INDEXED_TEXT="1000")
    (attachment_id,) = server.upload(("long.txt", b"word " * 1000))
    decided(server, attachment_id)
    found = server.get(f"/attachment/{attachment_id}/parts").json()
    assert found["cut"] is True
    assert len(server.get(f"/attachment/{attachment_id}/text").content) == found["size"] <= 1000
