"""Data of every released format opens, verifies and is rebuilt; data of a newer one is refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.coordination.local.data_folder import STORE_FORMAT
from tests.faults.conftest import await_settled
from tests.integration.commands.doors import door, findings
from tests.integration.upgrades.kept import DATA, open_copy
from tests.support.app import Server, ServerFactory

FORMATS = sorted(path.name for path in DATA.glob("format-*"))

#: What tests/data/make_store.py wrote, by name: the bytes and the session.
WRITTEN = {
    "Ärger & Co. „Übersicht“.PDF": (b"%PDF-1.4\n", "s1"),
    "no extension": (b"", None),
    "whole.txt": (b"whole", "s1"),
}


def opened(start_server: ServerFactory, data: Path) -> Server:
    server = start_server(start=False)
    open_copy(server, data)
    server.token = server.make_token()
    return server


def test_every_format_has_its_store() -> None:
    assert [f"format-{number}" for number in range(1, STORE_FORMAT + 1)] == FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_a_store_of_this_format(name: str, start_server: ServerFactory) -> None:
    server = opened(start_server, DATA / name)
    ids = {}
    for path in server.data.rglob("*.json"):
        if path.parent.parent.name == "attachments":
            record = json.loads(path.read_text())
            ids[record["name"]] = record["id"]
    server.start()
    for file, (content, _) in WRITTEN.items():
        answer = server.get(f"/attachment/{ids[file]}")
        assert (answer.status_code, answer.content) == (200, content)
    result = door(server, "store", "rebuild", "--remove-old")
    assert result.returncode == 0, result.stderr
    # What a crash had left is decided: the whole one stays, the half one is gone.
    await_settled(server)
    assert {(hit["_source"]["name"], hit["_source"]["session"]) for hit in server.hits()} == {
        (file, session) for file, (_, session) in WRITTEN.items()
    }
    assert not [path for path in server.stored_files() if not path.startswith("attachments/")]
    assert findings(server, "--read-data") == (0, [])
    server.upload(("new.txt", b"new"), session="new")
    assert len(server.hits("session=new")) == 1


def test_a_newer_store_is_refused(start_server: ServerFactory) -> None:
    server = opened(start_server, DATA / FORMATS[-1])
    path = server.data / "store.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "format": STORE_FORMAT + 1}))
    before = {each: each.stat().st_mtime_ns for each in server.data.rglob("*")}
    server.start(wait=False)
    assert server.process is not None
    assert server.process.wait(120) == 3
    server.process = None
    sentence = f"was written by a newer version (format {STORE_FORMAT + 1} > {STORE_FORMAT})"
    assert sentence in server.log.read_text()
    for command in (("store", "verify"), ("store", "rebuild"), ("index", "status")):
        result = door(server, *command)
        assert result.returncode == 3
        assert sentence in result.stderr
    changed = {each for each in server.data.rglob("*") if before.get(each) != each.stat().st_mtime_ns}
    assert {path.name for path in changed} <= {".lock", server.data.name}


def test_a_newer_record_is_not_guessed_at(start_server: ServerFactory) -> None:
    server = start_server()
    (one,) = server.upload(("one.txt", b"1"))
    (path,) = server.data.rglob(f"{one}.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    assert server.get(f"/attachment/{one}").status_code == 500
    assert findings(server) == (1, [("damaged-record", str(path.relative_to(server.data)))])
