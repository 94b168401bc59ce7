"""Media types that an earlier version stored wrong are shown, put right, and followed by document, download and text."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.integration.commands.doors import door, findings, lines
from tests.support.app import Server, ServerFactory
from tests.support.packed import archive, compound, content_types

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
BODY = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def letter(word: str) -> bytes:
    text = f'<w:document xmlns:w="{BODY}"><w:body><w:p><w:r><w:t>{word}</w:t></w:r></w:p></w:body></w:document>'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    relation = f'<Relationship Id="r" Type="{office}" Target="word/document.xml"/>'
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    return archive(
        {
            "word/document.xml": text,
            "_rels/.rels": f'<Relationships xmlns="{package}">{relation}</Relationships>',
            "[Content_Types].xml": content_types(f"{WORD}.main+xml").replace("/x", "/word/document.xml"),
        }
    )


def record(server: Server, attachment_id: str) -> Path:
    (path,) = server.data.glob(f"attachments/*/{attachment_id}.json")
    return path


def stored_before(server: Server, attachment_id: str, media_type: str) -> None:
    """The record as an earlier version wrote it, and its document."""
    path = record(server, attachment_id)
    content = json.loads(path.read_text())
    content.pop("unread", None)
    path.write_text(json.dumps(content | {"media_type": media_type}))


@pytest.fixture
def server(start_server: ServerFactory) -> Server:
    return start_server(EXTRACTION="on")


def settled(server: Server, *ids: str) -> None:
    deadline = time.monotonic() + 120
    while any(server.get(f"/attachment/{each}/status").json()["initial_parsing"] == "pending" for each in ids):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_wrong_types_are_shown_and_put_right(server: Server) -> None:
    right, wrong, old, picture = server.upload(
        ("right.txt", b"lantern right"),
        ("wrong", letter("lantern")),
        ("old.xls", compound(["Workbook"])),
        ("x.gif", b"GIF89a" + bytes(20)),
    )
    settled(server, right, wrong, old, picture)
    server.stop()
    stored_before(server, wrong, "application/octet-stream")
    stored_before(server, old, "application/CDFV2")
    server.start()
    door(server, "store", "verify", "--repair", "--yes")
    before = {each: record(server, each).read_bytes() for each in (right, wrong, old, picture)}
    tag = server.get(f"/attachment/{wrong}").headers["ETag"]

    shown = door(server, "store", "types", "--json")
    *differences, summary = lines(shown)
    assert shown.returncode == 1
    assert summary == {"summary": {"attachments": 4, "wrong": 2, "changed": 0, "unread": 0}}
    assert sorted(differences, key=lambda each: each["id"]) == sorted(
        [
            {"id": wrong, "stored": "application/octet-stream", "found": WORD},
            {"id": old, "stored": "application/CDFV2", "found": "application/vnd.ms-excel"},
        ],
        key=lambda each: each["id"],
    )
    assert {each: record(server, each).read_bytes() for each in before} == before

    done = door(server, "store", "types", "--apply")
    assert done.returncode == 0, done.stderr
    assert f"{wrong}: application/octet-stream is {WORD}" in done.stdout.splitlines()
    settled(server, wrong, old)
    answer = server.get(f"/attachment/{wrong}")
    assert answer.headers["Content-Type"] == WORD
    assert answer.headers["ETag"] != tag
    assert server.get(f"/attachment/{wrong}", headers={"If-None-Match": tag}).status_code == 200
    assert server.get(f"/attachment/{wrong}", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert server.get(f"/attachment/{wrong}", headers={"If-Match": answer.headers["ETag"]}).status_code == 200
    assert [hit["_id"] for hit in server.hits(f"media_type={WORD}")] == [wrong]
    assert {hit["_id"] for hit in server.hits("query=lantern")} == {right, wrong}
    assert record(server, right).read_bytes() == before[right]
    assert findings(server) == (0, [])
    assert lines(door(server, "store", "types", "--json"))[-1]["summary"]["wrong"] == 0
    rebuilt = door(server, "store", "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert [hit["_id"] for hit in server.hits(f"media_type={WORD}&query=lantern")] == [wrong]


def test_only_those_of_one_tenant(server: Server) -> None:
    (mine,) = server.upload(("a.txt", b"x y"), token=server.make_token(tenant="mine"))
    (other,) = server.upload(("a.txt", b"x y"), token=server.make_token(tenant="other"))
    settled_types = {}
    for each in (mine, other):
        stored_before(server, each, "text/html")
    assert lines(door(server, "store", "types", "--apply", "--tenant", "mine", "--json"))[-1] == {
        "summary": {"attachments": 1, "wrong": 1, "changed": 1, "unread": 0}
    }
    settled_types = {each: json.loads(record(server, each).read_text())["media_type"] for each in (mine, other)}
    assert settled_types == {mine: "text/plain", other: "text/html"}


def test_what_was_read_as_something_else_goes(server: Server) -> None:
    """A text that was made of what is none."""
    (sound,) = server.upload(("a.mp3", b"ID3\x04" + bytes(200)))
    stored_before(server, sound, "text/plain")
    settled_before = door(server, "store", "extract", sound)
    assert settled_before.returncode in (0, 1)
    (text,) = record(server, sound).parent.glob(f"{sound}.extraction")
    assert text.exists()
    assert door(server, "store", "types", "--apply").returncode == 0
    settled(server, sound)
    answer = server.get(f"/attachment/{sound}/status")
    assert (answer.json()["initial_parsing"], answer.headers["Extraction-Reason"]) == ("failed", "unsupported")
    assert findings(server) == (0, [])


def test_bytes_that_are_missing_are_counted(server: Server) -> None:
    (attachment_id,) = server.upload(("a.txt", b"x"))
    record(server, attachment_id).with_suffix(".bytes").unlink()
    shown = door(server, "store", "types", "--json")
    assert (shown.returncode, lines(shown)[-1]["summary"]["unread"]) == (1, 1)
