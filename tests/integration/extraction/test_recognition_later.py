"""Data of recognition that comes later, or that of other languages: what has pictures is read again, and nothing else."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from app.extraction.recognition_data import TURNS, recognition_folder, recognition_languages
from app.extraction.scans import NOT_INSTALLED
from tests.integration.extraction.documents import PHRASE, picture, word
from tests.integration.extraction.test_environment import state
from tests.integration.extraction.test_pictures import scanned
from tests.integration.extraction.test_server import by_phrase, decided, outcome, store_command, wait
from tests.support.app import ServerFactory
from tests.support.namespaces import own_mounts

pytestmark = pytest.mark.needs("tesseract-data")


def packed(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr(name, content)
    return buffer.getvalue()


def test_what_has_pictures_is_read_when_data_has_come(start_server: ServerFactory) -> None:
    data = recognition_folder()
    server = start_server(launcher=own_mounts([f"mount -t tmpfs tmpfs {data}"]), EXTRACTION="on")
    alone, scan, mixed, inside, deep, note, report = server.upload(
        ("alone.png", picture()),
        ("scan.pdf", scanned(PHRASE)),
        ("mixed.pdf", scanned("typed in between", PHRASE, text_on=1)),
        ("inside.zip", packed("photo.png", picture())),
        ("deep.zip", packed("inside.zip", packed("scan.pdf", scanned(PHRASE)))),
        ("note.txt", b"nothing of it"),
        ("report.docx", word()),
    )
    every = (alone, scan, mixed, inside, deep, note, report)
    decided(server, *every)
    assert {name: state(server, each) for name, each in zip("123456", every[:6], strict=True)} == {
        "1": ("failed", "unsupported"),
        "2": ("failed", "empty"),
        **dict.fromkeys("3456", ("completed", None)),
    }
    assert outcome(server, scan)["detail"] == NOT_INSTALLED
    assert outcome(server, mixed)["cut"] is True
    assert [outcome(server, each)["recognition"] for each in (scan, mixed, inside, deep)] == [[]] * 4
    kept = [outcome(server, each) for each in (note, report)]
    assert [each["recognition"] for each in kept] == [None, None]
    assert by_phrase(server) == {report}
    server.stop()
    server.launcher = ()
    server.start()
    wait(lambda: by_phrase(server) == {alone, scan, mixed, inside, deep, report})
    decided(server, *every)
    assert {state(server, each) for each in every} == {("completed", None)}
    assert outcome(server, mixed)["cut"] is False
    assert all("eng" in outcome(server, each)["recognition"] for each in (alone, scan, mixed, inside, deep))
    assert [outcome(server, each) for each in (note, report)] == kept
    # Once: another start has nothing to do.
    times = [outcome(server, each)["at"] for each in every]
    server.stop()
    server.start()
    server.await_health()
    assert [outcome(server, each)["at"] for each in every] == times


def test_pictures_are_read_anew_in_other_languages_when_asked_for(start_server: ServerFactory, tmp_path: Path) -> None:
    data = recognition_folder()
    assert data is not None
    more = tmp_path / "data"
    shutil.copytree(data, more)
    # As good as another language: its data is of English.
    shutil.copy(more / "eng.traineddata", more / "deu.traineddata")
    server = start_server(EXTRACTION="on")
    scan, inside, note = server.upload(
        ("scan.pdf", scanned(PHRASE)), ("inside.zip", packed("photo.png", picture())), ("note.txt", b"nothing of it")
    )
    wait(lambda: by_phrase(server) == {scan, inside})
    decided(server, scan, inside, note)
    there = [*recognition_languages(data), *([TURNS] if (data / f"{TURNS}.traineddata").is_file() else [])]
    assert sorted(outcome(server, scan)["recognition"]) == sorted(there)
    assert json.loads(store_command(server, "extract", "--outdated", "--json").stdout)["queued"] == 0
    before = outcome(server, note)
    server.stop()
    server.launcher = own_mounts([f"mount --bind {more} {data}"])
    server.start()
    server.await_health()
    assert sorted(outcome(server, scan)["recognition"]) == sorted(there)
    counts = json.loads(store_command(server, "extract", "--outdated", "--json", launcher=server.launcher).stdout)
    assert counts == {"queued": 2, "completed": 2, "failed": 0}
    for each in (scan, inside):
        assert sorted(outcome(server, each)["recognition"]) == sorted([*there, "deu"])
    assert (
        json.loads(store_command(server, "extract", "--outdated", "--json", launcher=server.launcher).stdout)["queued"]
        == 0
    )
    assert outcome(server, note) == before
    assert by_phrase(server) == {scan, inside}
