"""scripts/store copy and check-backend, as people run them: beside a server, and with words that mean nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from app.commands.store import main
from app.coordination.local.data_folder import open_data_folder
from tests.integration.commands.doors import door, findings, lines
from tests.support.app import ROOT, Server, ServerFactory
from tests.support.s3 import Gateway, new_prefix
from tests.support.seed import seed
from tests.support.traffic import Traffic


def test_a_store_is_moved_while_it_serves(start_server: ServerFactory, tmp_path: Path) -> None:
    """Copied beside uploads and deletes, killed in the middle, finished, and served from its new place."""
    server = start_server()
    seed(server.data, 300)
    (with_name,) = server.upload(("lantern.txt", b"lantern"))
    target = tmp_path / "moved"
    words = [str(server.data), str(target)]
    with Traffic(server) as traffic:
        while len(traffic.kept) < 4 and not traffic.failed:
            time.sleep(0.05)
        first = subprocess.Popen(
            [ROOT / "scripts/store", "copy", *words, "--workers", "1", "--rate", "0.05"],
            env={**os.environ, **server.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while sum(1 for _ in target.glob("attachments/*/*.json")) < 20:
            assert time.monotonic() < deadline
            assert first.poll() is None
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        first.wait()
        again = door(server, "store", "copy", *words, "--json")
        assert again.returncode == 0, again.stderr
        (summary,) = lines(again)
        assert summary["summary"]["whole"] is False
    assert traffic.failed == []
    # Not yet: a server that is given an unfinished copy refuses it.
    early = door(server, "store", "verify", DATA=str(target))
    assert (early.returncode, early.stdout) == (3, "")
    assert "unfinished copy" in early.stderr

    server.stop()
    done = door(server, "store", "copy", *words, "--finish", "--json")
    assert done.returncode == 0, done.stderr
    (summary,) = lines(done)
    assert summary["summary"]["whole"] is True
    assert summary["summary"]["attachments"] == 301 + len(traffic.kept)
    old = {path.relative_to(server.data): path.read_bytes() for path in server.data.glob("attachments/*/*")}
    assert {path.relative_to(target): path.read_bytes() for path in target.glob("attachments/*/*")} == old
    # With yesterday's settings the server does not start.
    with pytest.raises(RuntimeError, match="are in"):
        server.start()
    server.process = None

    (target / "tokens.json").write_bytes((server.data / "tokens.json").read_bytes())
    os.chmod(target / "tokens.json", 0o600)
    server.environment["DATA"] = str(target)
    server.start()
    server.await_health()
    assert server.get(f"/attachment/{with_name}").content == b"lantern"
    for each in traffic.kept:
        assert server.get(f"/attachment/{each}").content == b"b"
    for each in traffic.deleted:
        assert server.get(f"/attachment/{each}").status_code == 404
    assert [hit["_id"] for hit in server.hits("query=lantern")] == [with_name]
    assert door(server, "store", "rebuild").returncode == 0
    assert findings(server, "--read-data") == (0, [])
    # It is used now, so nothing is copied over it any more.
    late = door(server, "store", "copy", *words, "--finish", DATA=words[0])
    assert late.returncode == 3
    assert "is no copy" in late.stderr


@pytest.mark.needs("versitygw")
def test_a_store_is_moved_into_an_object_store(start_server: ServerFactory, s3: Gateway, tmp_path: Path) -> None:
    settings = s3.settings(new_prefix())
    place = settings.pop("STORAGE")
    server = start_server(**settings)
    small, large, gone = server.upload(
        ("lantern.txt", b"lantern"), ("large.bin", os.urandom(12_000_000)), ("gone.txt", b"gone")
    )
    checked = door(server, "store", "check-backend", place, "--seconds", "4", "--json")
    assert (checked.returncode, lines(checked)[-1]) == (0, {"summary": {"faults": 0}}), checked.stdout
    words = (str(server.data), place, "--workers", "8", "--json")
    # Nothing but the bucket and its place is there yet.
    assert not (s3.objects(place.removeprefix("s3://").partition("/")[2]) / "attachments").exists()
    copied = door(server, "store", "copy", *words, "--dry-run")
    assert (copied.returncode, lines(copied)[-1]["summary"]["copied"]) == (0, 3), copied.stderr
    server.delete(f"/attachment/{gone}")
    server.stop()
    done = door(server, "store", "copy", *words, "--finish")
    assert (done.returncode, lines(done)[-1]["summary"]["whole"]) == (0, True), done.stderr
    assert not (server.data / "objects" / "copy").exists()
    with pytest.raises(RuntimeError, match="are in"):
        server.start()
    server.process = None
    server.environment["STORAGE"] = place
    server.start()
    server.await_health()
    assert server.get(f"/attachment/{small}").content == b"lantern"
    (path,) = server.data.glob(f"attachments/*/{large}.bytes")
    assert server.get(f"/attachment/{large}").content == path.read_bytes()
    assert server.get(f"/attachment/{gone}").status_code == 404
    (new,) = server.upload(("new.txt", b"new"))
    assert {hit["_id"] for hit in server.hits()} == {small, large, new}
    other = door(server, "store", "copy", *words, "--finish")
    assert (other.returncode, other.stdout) == (3, "")
    assert f"has its attachments in [{place}]" in other.stderr


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, which is that of the settings."""
    folder = tmp_path / "store"
    open_data_folder(folder)
    monkeypatch.setenv("DATA", str(folder))
    monkeypatch.delenv("STORAGE", raising=False)
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder that is no store and has something."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    return folder


def code_of(*words: str) -> int:
    try:
        return main(list(words))
    except SystemExit as error:
        return int(error.code or 0)


def test_places_that_are_none(store: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, target = str(store), str(tmp_path / "target")
    for words in (
        (data, data),
        (data, f"{data}/"),
        (data, f"{data}/attachments"),
        (data, f"{data}/../store"),
        (data, str(tmp_path)),
        (data, str(other)),
        (data, str(other / "letter.txt")),
        (data, f"{other}/letter.txt/below"),
        (data, f"{tmp_path}/{'x' * 300}"),
        (str(other), target),
        (target, data),
        (data, ""),
        ("", target),
        (data, "\0"),
        (data, "s4://bucket/prefix"),
        (data, "file:///etc"),
        (data, "://"),
        ("http://127.0.0.1:9/", target),
    ):
        assert code_of("copy", *words) == 3, words
        printed = capsys.readouterr()
        assert (printed.out, len(printed.err.splitlines())) == ("", 1), (words, printed.err)
    for place in (target, f"{other}/letter.txt", "s4://x", "\0"):
        assert code_of("check-backend", place) == 3, place
        printed = capsys.readouterr()
        assert (printed.out, len(printed.err.splitlines())) == ("", 1), (place, printed.err)
    assert not Path(target).exists()
    assert [each.name for each in other.iterdir()] == ["letter.txt"]
    assert json.loads((store / "store.json").read_text()).keys() == {"format", "id"}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("to", "more"),
        ("to", "--rate", "0"),
        ("to", "--rate", "nan"),
        ("to", "--rate", "-1"),
        ("to", "--rate", "fast"),
        ("to", "--workers", "0"),
        ("to", "--workers", "65"),
        ("to", "--workers", "9" * 30),
        ("to", "--workers", "²"),
        ("to", "--without-damaged"),
        ("to", "--dry-run", "--finish"),
    ],
)
def test_options_that_mean_nothing(store: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("copy", str(store), *words) == 2
    assert capsys.readouterr().out == ""
    assert not Path("to").exists()


@pytest.mark.parametrize("seconds", ["0", "nan", "inf", "-3", "x", "3601"])
def test_seconds_that_are_none(store: Path, seconds: str) -> None:
    assert code_of("check-backend", "--seconds", seconds) == 2


def test_without_a_setting_the_folder_says_which_store_it_is(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATA")
    monkeypatch.chdir(tmp_path)
    assert code_of("copy", "store", "new", "--json") == 0
    assert json.loads(capsys.readouterr().out)["summary"]["attachments"] == 0
    assert json.loads((tmp_path / "new/store.json").read_text())["copy"]["from"] == str(store)
    assert (tmp_path / "new").stat().st_mode & 0o007 == 0
    # Another one than that of the settings is refused.
    monkeypatch.setenv("DATA", str(tmp_path / "new"))
    assert code_of("copy", str(store), "newer") == 3


def test_a_dry_run_makes_nothing(server: Server, tmp_path: Path) -> None:
    server.upload(("a.txt", b"a" * 1000))
    result = door(server, "store", "copy", str(server.data), str(tmp_path / "target"), "--dry-run", "--json")
    assert result.returncode == 0, result.stderr
    (summary,) = lines(result)
    assert summary["summary"]["copied"] == summary["summary"]["attachments"] >= 1
    assert summary["summary"]["bytes"] >= 1000
    assert not (tmp_path / "target").exists()
    assert "copy" not in json.loads((server.data / "store.json").read_text())


def test_damaged_bytes_are_named(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = seed(store, 2)
    (path,) = store.glob(f"attachments/*/{bad}.bytes")
    path.write_bytes(b"y")

    def printed(*options: str) -> tuple[int, list[dict[str, Any]]]:
        code = code_of("copy", str(store), str(tmp_path / "target"), "--json", *options)
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    for options in ((), ("--finish",)):
        code, (found, summary) = printed(*options)
        assert (code, summary["summary"]["whole"]) == (1, False)
        assert (found["code"], found["id"], found["path"]) == ("wrong-digest", bad, str(path.relative_to(store)))
    code, (_, summary) = printed("--finish", "--without-damaged")
    assert (code, summary["summary"]["whole"]) == (0, True)
    assert [each.stem for each in (tmp_path / "target").glob("attachments/*/*.bytes")] == [good]


def test_a_storage_is_checked_and_nothing_stays(server: Server, tmp_path: Path) -> None:
    """By several processes at once, in a folder and in a store that is served meanwhile."""
    before = server.stored_files()
    for place in (tmp_path, server.data):
        result = door(server, "store", "check-backend", str(place), "--seconds", "2", "--json")
        *found, summary = lines(result)
        assert (result.returncode, summary) == (0, {"summary": {"faults": 0}}), result.stdout
        assert all(each["ok"] and not each["fault"] and each["figure"] for each in found)
        assert found[-1]["check"] == "race"
        assert found[-1]["figure"].startswith("3 processes, ")
    assert list(tmp_path.iterdir()) == []
    assert server.stored_files() == before
