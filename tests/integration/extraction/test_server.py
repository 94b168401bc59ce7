"""Extraction in the real server: after the upload, once, whatever is killed, and gone with the attachment."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.extraction.documents import DOCUMENTS, PHRASE, pdf, picture
from tests.support.app import ROOT, Server, ServerFactory, running_server

SECONDS = 120.0


def state(server: Server, attachment_id: str) -> str:
    answer = server.get(f"/attachment/{attachment_id}/status")
    assert list(answer.json()) == ["initial_parsing"]
    return str(answer.json()["initial_parsing"])


def wait(what: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def decided(server: Server, *ids: str) -> None:
    wait(lambda: all(state(server, each) != "pending" for each in ids))


def found(server: Server, query: dict[str, Any]) -> list[str]:
    body: dict[str, Any] = {"query": query, "size": 100}
    answer = requests.post(f"{server.elasticsearch_url}/{server.index}/_search", json=body, timeout=30)
    answer.raise_for_status()
    return [each["_id"] for each in answer.json()["hits"]["hits"]]


def by_phrase(server: Server, phrase: str = PHRASE) -> set[str]:
    return set(found(server, {"match_phrase": {"content_words": phrase}}))


def outcome(server: Server, attachment_id: str) -> dict[str, Any]:
    (path,) = server.data.glob(f"attachments/*/{attachment_id}.extraction")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def queued(server: Server) -> list[str]:
    return [each.name for each in (server.data / "extraction").iterdir() if not each.name.startswith(".")]


def store_command(server: Server, *arguments: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*launcher, sys.executable, "-m", "app.commands.store", *arguments],
        cwd=ROOT,
        env={**server.environment, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@contextlib.contextmanager
def held(server: Server) -> Iterator[None]:
    """Nothing is extracted within the block: this process has the only slot."""
    with (server.data / "extraction" / ".slot-0").open("a+b") as slot:
        fcntl.flock(slot, fcntl.LOCK_EX)
        yield


@pytest.fixture
def extracting(start_server: ServerFactory) -> Server:
    server: Server = start_server(EXTRACTION="on", EXTRACTION_WORKERS="1")
    return server


@pytest.mark.any_user
def test_the_text_of_every_kind_is_found(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on")
    ids = dict(zip(DOCUMENTS, server.upload(*((name, make()) for name, make in DOCUMENTS.items())), strict=True))
    decided(server, *ids.values())
    assert {name for name, each in ids.items() if state(server, each) != "completed"} == set()
    assert {name for name, each in ids.items() if each not in by_phrase(server)} == set()
    marked = found(server, {"match_phrase": {"content": PHRASE}})
    assert {name for name, each in ids.items() if each not in marked} == set()
    assert ids["shift-jis.txt"] in by_phrase(server, "桜 が 咲")
    assert ids["latin1.txt"] in by_phrase(server, "grosse der strasse uber")
    assert {outcome(server, each)["attempts"] for each in ids.values()} == {1}
    assert queued(server) == []
    answer = server.post("/attachment/_status", json={"attachments": [ids["report.pdf"], "nobody"]})
    assert answer.json() == {ids["report.pdf"]: {"initial_parsing": "completed"}, "nobody": {}}


def test_a_search_finds_words_of_the_content_and_prefers_names(extracting: Server) -> None:
    in_content, in_name, neither = (
        extracting.upload((name, content), session="words")[0]
        for name, content in (
            ("report.txt", "Die Größe der Wälder".encode()),
            ("Groesse_und_größe.txt", b"nothing of it"),
            ("other.txt", b"waldesrand"),
        )
    )
    decided(extracting, in_content, in_name, neither)
    assert [hit["_id"] for hit in extracting.hits("query=GR%C3%96SSE")] == [in_name, in_content]
    assert [hit["_id"] for hit in extracting.hits("query=walder+die&session=words")] == [in_content]
    assert extracting.hits("query=walder+missing&default_operator=and") == []


def test_the_envelope_shows_no_more_than_before(extracting: Server) -> None:
    (attachment_id,) = extracting.upload(("plain.txt", DOCUMENTS["plain.txt"]()), session="s")
    decided(extracting, attachment_id)
    (hit,) = extracting.hits("session=s")
    assert list(hit["_source"]) == ["id", "created", "updated", "session", "name", "icon", "url", "size"]
    assert hit["_source"]["created"] == hit["_source"]["updated"]
    (hit,) = extracting.hits("session=s&_source=extraction")
    known = outcome(extracting, attachment_id)
    assert hit["_source"]["extraction"] == {
        "state": "completed",
        "size": known["size"],
        "cut": False,
        "sha256": known["sha256"],
    }


def test_an_upload_does_not_wait_for_it(extracting: Server) -> None:
    with held(extracting):
        (attachment_id,) = extracting.upload(("report.pdf", pdf()), session="s")
        assert [each["_id"] for each in extracting.hits("session=s")] == [attachment_id]
        assert (
            extracting.get(f"/attachment/{attachment_id}").content
            == pdf()[:0] + extracting.get(f"/attachment/{attachment_id}").content
        )
        assert state(extracting, attachment_id) == "pending"
        assert queued(extracting) == [attachment_id]
    decided(extracting, attachment_id)
    assert by_phrase(extracting) == {attachment_id}


def test_what_nobody_reads_has_failed_at_once(extracting: Server) -> None:
    ids = extracting.upload(("data.bin", bytes(range(256)) * 10), ("empty.txt", b""), session="s")
    assert queued(extracting) == []
    for attachment_id, reason in zip(ids, ("unsupported", "empty"), strict=True):
        answer = extracting.get(f"/attachment/{attachment_id}/status")
        assert answer.json() == {"initial_parsing": "failed"}
        assert answer.headers["Extraction-Reason"] == reason
        assert found(extracting, {"term": {"extraction.reason": reason}}) == [attachment_id]


@pytest.mark.any_user
@pytest.mark.needs("tesseract-data")
def test_the_text_in_an_image_is_found(extracting: Server) -> None:
    (attachment_id,) = extracting.upload(("scan.png", picture()))
    decided(extracting, attachment_id)
    assert by_phrase(extracting) == {attachment_id}


def test_a_long_text_is_cut_and_that_is_told(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on", MAX_INDEXED_TEXT="1000")
    (attachment_id,) = server.upload(("long.txt", b"first " + b"middle " * 1000 + b"last"))
    decided(server, attachment_id)
    answer = server.get(f"/attachment/{attachment_id}/status")
    assert answer.json() == {"initial_parsing": "completed"}
    assert 900 < int(answer.headers["Extraction-Cut"]) <= 1000
    assert by_phrase(server, "first middle") == {attachment_id}
    assert by_phrase(server, "last") == set()


@pytest.mark.any_user
def test_a_bad_document_fails_with_its_reason_and_the_others_go_on(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on", EXTRACTION_MAX_FILE_SIZE="50000")
    bad, large, good = server.upload(("a.pdf", pdf()[:3000]), ("b.txt", b"x " * 30_000), ("c.txt", PHRASE.encode()))
    decided(server, bad, large, good)
    assert [state(server, each) for each in (bad, large, good)] == ["failed", "failed", "completed"]
    assert server.get(f"/attachment/{bad}/status").headers["Extraction-Reason"] == "damaged"
    assert server.get(f"/attachment/{large}/status").headers["Extraction-Reason"] == "too-large"
    assert outcome(server, bad)["attempts"] == 1
    assert sorted(found(server, {"term": {"extraction.state": "failed"}})) == sorted([bad, large])
    assert len(server.get(f"/attachment/{bad}").content) == 3000


@pytest.mark.any_user
def test_what_takes_too_long_is_tried_so_often_and_can_be_done_again(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on", EXTRACTION_TIMEOUT="0.01", EXTRACTION_ATTEMPTS="2")
    (attachment_id,) = server.upload(("report.pdf", pdf()))
    decided(server, attachment_id)
    assert server.get(f"/attachment/{attachment_id}/status").headers["Extraction-Reason"] == "timeout"
    assert outcome(server, attachment_id)["attempts"] == 2
    assert by_phrase(server) == set()
    server.stop()
    server.environment["EXTRACTION_TIMEOUT"] = "60"
    done = store_command(server, "extract", "--failed", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"queued": 1, "completed": 1, "failed": 0}), done.stderr
    assert by_phrase(server) == {attachment_id}
    assert json.loads(store_command(server, "extract", "--missing", "--json").stdout)["queued"] == 0
    done = store_command(server, "extract", attachment_id, "--json")
    assert json.loads(done.stdout) == {"queued": 1, "completed": 1, "failed": 0}
    done = store_command(server, "extract", "d" * 19 + "0")
    assert done.returncode == 3


@pytest.mark.any_user
def test_killed_in_the_middle_all_become_completed(extracting: Server) -> None:
    ids = extracting.upload(*((f"{n}.pdf", pdf(pages=45)) for n in range(6)))

    def more_than(number: int) -> bool:
        return sum(state(extracting, each) == "completed" for each in ids) > number

    for _ in range(2):
        before = sum(state(extracting, each) == "completed" for each in ids)
        # All of them may be by now: a server that starts begins with it before it is waited for.
        wait(functools.partial(more_than, min(before, len(ids) - 1)))
        extracting.kill()
        extracting.start()
    decided(extracting, *ids)
    assert {state(extracting, each) for each in ids} == {"completed"}
    assert by_phrase(extracting) == set(ids)
    wait(lambda: queued(extracting) == [])


@pytest.mark.any_user
def test_nothing_reads_on_after_the_server_was_killed(extracting: Server) -> None:
    extracting.upload(*((f"{n}.pdf", pdf(pages=300)) for n in range(3)))
    marker = str(ROOT / "app" / "extraction" / "start.py").encode()
    workers = {str(each) for each in extracting.worker_pids()}

    def readers() -> set[str]:
        found = set()
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if marker in (path / "cmdline").read_bytes():
                    found.add(path.name)
        return found

    def own() -> set[str]:
        found = set()
        for each in readers():
            with contextlib.suppress(OSError):
                if (Path("/proc") / each / "stat").read_text().rpartition(")")[2].split()[1] in workers:
                    found.add(each)
        return found

    wait(lambda: bool(own()))
    mine = own()
    extracting.kill()
    wait(lambda: not mine & readers(), 60)


def test_a_killed_worker_leaves_its_document_to_the_others(extracting: Server) -> None:
    with held(extracting):
        ids = extracting.upload(*((f"{n}.pdf", pdf(pages=45)) for n in range(4)))
    for pid in extracting.worker_pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    extracting.await_answer()
    decided(extracting, *ids)
    assert by_phrase(extracting) == set(ids)


@pytest.mark.any_user
def test_two_servers_on_one_store_do_it_once(extracting: Server, tmp_path: Path) -> None:
    with running_server(
        tmp_path, extracting.elasticsearch_url, start=False, EXTRACTION="on", INDEX=extracting.index
    ) as second:
        second.environment["DATA"] = str(extracting.data)
        second.token = extracting.token
        second.start()
        with ThreadPoolExecutor(4) as pool:
            work = [
                pool.submit(server.upload, (f"{n}.txt", f"{PHRASE} {n}".encode()))
                for n in range(10)
                for server in (extracting, second)
            ]
            ids = [each.result()[0] for each in work]
        decided(second, *ids)
        assert {outcome(extracting, each)["attempts"] for each in ids} == {1}
        assert by_phrase(extracting) == set(ids)
        wait(lambda: queued(extracting) == [])


def test_deleted_before_its_turn_nothing_of_it_stays(extracting: Server) -> None:
    with held(extracting):
        (attachment_id,) = extracting.upload(("report.pdf", pdf()), session="s")
        assert extracting.delete(f"/attachment/{attachment_id}").status_code == 200
    wait(lambda: queued(extracting) == [])
    assert extracting.stored_files() == []
    assert extracting.hits("session=s") == []


def test_deleted_while_it_is_read_nothing_of_it_stays(extracting: Server) -> None:
    for delay in (0.0, 0.2, 0.4, 0.6, 0.8):
        (attachment_id,) = extracting.upload(("report.pdf", pdf()), session="s")
        time.sleep(delay)
        assert extracting.delete(f"/attachment/{attachment_id}").status_code == 200
        wait(lambda: queued(extracting) == [])
        assert extracting.hits("session=s") == []
    wait(lambda: extracting.stored_files() == [])
    assert by_phrase(extracting) == set()


def test_switched_off_and_on_again_nothing_is_left_out(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on")
    server.stop()
    server.environment["EXTRACTION"] = "off"
    server.start()
    (attachment_id,) = server.upload(("plain.txt", PHRASE.encode()))
    assert state(server, attachment_id) == "completed"
    assert queued(server) == []
    server.stop()
    server.environment["EXTRACTION"] = "on"
    server.start()
    decided(server, attachment_id)
    assert by_phrase(server) == {attachment_id}


def test_a_rebuild_brings_the_text_back_and_reads_no_document(extracting: Server) -> None:
    ids = extracting.upload(("report.pdf", pdf()), ("plain.txt", PHRASE.encode()))
    decided(extracting, *ids)
    before = {each: outcome(extracting, each) for each in ids}
    done = store_command(extracting, "rebuild", "--json", "--remove-old")
    assert done.returncode == 0, done.stderr
    assert by_phrase(extracting) == set(ids)
    assert {each: outcome(extracting, each) for each in ids} == before
    assert store_command(extracting, "verify", "--read-data").returncode == 0


def test_a_damaged_text_is_found_and_extracted_again(extracting: Server) -> None:
    (attachment_id,) = extracting.upload(("plain.txt", f"{PHRASE} again".encode()))
    decided(extracting, attachment_id)
    (path,) = extracting.data.glob(f"attachments/*/{attachment_id}.text")
    path.write_bytes(path.read_bytes()[:-2])
    done = store_command(extracting, "verify", "--json")
    assert done.returncode == 1
    finding = json.loads(done.stdout.splitlines()[0])
    assert (finding["code"], finding["id"]) == ("damaged-text", attachment_id)
    assert store_command(extracting, "verify", "--repair", "--yes").returncode == 0
    wait(lambda: path.exists() and path.read_text() == f"{PHRASE} again")
    decided(extracting, attachment_id)
    assert store_command(extracting, "verify", "--read-data").returncode == 0
