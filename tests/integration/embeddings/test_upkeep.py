"""Passages through years: another model while people search, a kill while vectors are made, and what the doors say."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.passages.keeping import decoded
from app.storage.contract import Artefact
from tests.integration.commands.doors import door, findings, lines
from tests.support.app import Server
from tests.support.artefacts import path_of
from tests.support.models import Kept, await_process, await_that, cut_model, kept, patient_server

BOILER = "In winter the rooms are heated by a boiler that burns gas. It is serviced every year. " * 3
WHALE = "The humpback is a whale that sings for hours and travels from the poles to warm water. " * 3
QUESTION = "heating of the building"
#: For vectors that are only a part of what their model makes.
NEAR = {"EMBEDDINGS_SIMILARITY": "0.15", "EMBEDDINGS_NOISE": "1"}
#: What the question finds by its meaning.
FOUND = ("meaning", ["boiler.txt"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with kept(tmp_path_factory.mktemp("model") / "data") as made:
        yield made


def await_done(server: Server) -> None:
    """Wait until nothing is left to do."""
    await_that(lambda: not [each for each in (server.data / "extraction").iterdir() if not each.name.startswith(".")])


def asked(server: Server) -> tuple[str, list[str]]:
    """By what the question is looked for, and the names of what is found."""
    answer = server.get(f"/attachment/_search?match=meaning&query={QUESTION.replace(' ', '+')}")
    assert answer.status_code == 200, answer.text
    return answer.headers["Search-Match"], [hit["_source"]["name"] for hit in answer.json()["hits"]["hits"]]


def warned(server: Server) -> bool:
    told = server.get("/health")
    assert told.status_code == 200
    return any("scripts/index migrate" in each for each in told.json().get("warnings", []))


def status(server: Server) -> tuple[int, str, list[str]]:
    """What `scripts/index status` says: its exit code, what the index needs, its warnings."""
    done = door(server, "index", "status", "coco_attachment", "--json")
    (found,) = lines(done)
    return done.returncode, found["needs"], found["warnings"]


def test_another_model_while_people_search(tmp_path: Path, elasticsearch_url: str, model: Kept) -> None:
    with (
        cut_model(model, 256) as url,
        patient_server(tmp_path, elasticsearch_url, EXTRACTION="on", **NEAR) as server,
    ):
        server.upload(("boiler.txt", BOILER.encode()), ("whale.txt", WHALE.encode()))
        await_done(server)
        assert asked(server) == FOUND
        assert (warned(server), status(server)) == (False, (0, "nothing", []))
        server.stop()

        # The words are found while the other model is at work, and each place says what is to be done.
        server.environment |= {"EMBEDDINGS": url, "EMBEDDINGS_MODEL": "half"}
        server.start()
        assert asked(server)[0] == "words"
        await_done(server)
        assert asked(server)[0] == "words"
        await_that(lambda: warned(server))
        code, needs, warnings = status(server)
        assert (code, needs, len(warnings)) == (1, "migration", 1)
        shown = door(server, "index", "status", "coco_attachment")
        assert warnings[0] in shown.stdout
        assert findings(server) == (0, [])

        assert door(server, "index", "migrate", "coco_attachment").returncode == 0
        await_that(lambda: asked(server) == FOUND)
        await_that(lambda: not warned(server))
        assert status(server) == (0, "nothing", [])
        assert findings(server) == (0, [])


def test_a_server_whose_index_is_migrated_for_another_model_finds_by_words(
    tmp_path: Path, elasticsearch_url: str, model: Kept
) -> None:
    """The migration comes first, and the server is started again later."""
    with (
        cut_model(model, 256) as url,
        patient_server(tmp_path, elasticsearch_url, EXTRACTION="on", **NEAR) as server,
    ):
        server.upload(("boiler.txt", BOILER.encode()))
        await_done(server)
        assert asked(server) == FOUND
        other = {"EMBEDDINGS": url, "EMBEDDINGS_MODEL": "half"}
        assert door(server, "index", "migrate", "coco_attachment", timeout=240, **other).returncode == 0
        # No vector decides yet how many numbers one has, but the migration did.
        for _ in range(20):
            assert asked(server)[0] == "words"
        server.stop()
        server.environment |= other
        server.start()
        await_that(lambda: asked(server) == FOUND)
        await_done(server)
        assert findings(server) == (0, [])


def test_where_the_model_does_not_answer_the_index_stays_as_it_is(tmp_path: Path, elasticsearch_url: str) -> None:
    with patient_server(tmp_path, elasticsearch_url, EXTRACTION="on") as server:
        server.upload(("boiler.txt", BOILER.encode()))
        await_done(server)
        away = {"EMBEDDINGS": "http://127.0.0.1:9/v1", "EMBEDDINGS_MODEL": "away", "EMBEDDINGS_TIMEOUT": "1"}
        told = door(server, "index", "migrate", "coco_attachment", "--force", timeout=240, **away)
        assert told.returncode == 0
        assert "can't be reached" in told.stderr
        await_that(lambda: asked(server) == FOUND)


def test_passages_are_made_anew_on_demand(tmp_path: Path, elasticsearch_url: str) -> None:
    with patient_server(tmp_path, elasticsearch_url, EXTRACTION="on") as server:
        ids = server.upload(("boiler.txt", BOILER.encode()), ("whale.txt", WHALE.encode()), ("none.bin", b"\0"))
        await_done(server)
        places = [path_of(server.data, each, Artefact.PASSAGES) for each in ids[:2]]
        whole = [each.read_bytes() for each in places]
        for word in ("extract", "extract --no-wait"):
            done = door(server, "store", *word.split(), "--passages", "--json")
            assert (done.returncode, lines(done)) == (0, [{"queued": 0, "completed": 0, "failed": 0}])
        known = decoded(whole[0])
        places[0].write_bytes(type(known)(**{**vars(known), "model": "another"}).encoded())
        places[1].unlink()
        expected = sorted(("outdated-passages", str(each.relative_to(server.data))) for each in places)
        code, found = findings(server)
        assert (code, [each for each in found if each[0] == "outdated-passages"]) == (1, expected)
        done = door(server, "store", "extract", "--passages", "--json")
        assert (done.returncode, lines(done)) == (0, [{"queued": 2, "completed": 2, "failed": 0}]), done.stderr
        assert [each.read_bytes() for each in places] == whole
        assert findings(server) == (0, [])
        # Of an id, whether that is needed or not; also of one that has no text.
        moment = places[0].stat().st_mtime_ns
        done = door(server, "store", "extract", "--passages", "--json", ids[0], ids[2])
        assert (done.returncode, lines(done)) == (0, [{"queued": 2, "completed": 2, "failed": 0}]), done.stderr
        assert places[0].stat().st_mtime_ns > moment
        assert findings(server) == (0, [])
        # What can't be.
        for words, told in (
            (["--passages", "../etc"], "there is no attachment"),
            (["--passages", "x" * 5000], "there is no attachment"),
            (["--passages", "--all"], "not allowed with"),
        ):
            refused = door(server, "store", "extract", *words)
            assert (refused.returncode in (2, 3), told in refused.stderr) == (True, True), refused.stderr
        off = door(server, "store", "extract", "--passages", EMBEDDINGS="off")
        assert (off.returncode, "no embeddings" in off.stderr) == (3, True)
        server.stop()
        # Nobody has the model now.
        waiting = door(server, "store", "extract", "--passages", "--json", ids[0])
        assert (waiting.returncode, lines(waiting)) == (1, [{"queued": 1, "completed": 0, "failed": 1}]), waiting.stderr
        assert places[0].read_bytes() == whole[0]
        server.start()
        await_process(server)
        await_done(server)
        assert findings(server) == (0, [])


def test_killed_while_vectors_are_made_nothing_is_half_done(tmp_path: Path, elasticsearch_url: str) -> None:
    """Each text has several calls for vectors; the server is killed in the middle of the first one and of a later one."""
    with patient_server(tmp_path, elasticsearch_url, EXTRACTION="on") as server:
        texts = {f"{number}.txt": f"{BOILER} Number {number}. " * 150 for number in range(4)}
        ids = server.upload(*((name, text.encode()) for name, text in texts.items()))
        places = [path_of(server.data, each, Artefact.PASSAGES) for each in ids]

        def working() -> bool:
            """Whether the text of one is read, and its vectors are still to be made."""
            for each in ids:
                with contextlib.suppress(FileNotFoundError, ValueError):
                    said = json.loads((server.data / "extraction" / each).read_text())
                    if said["left"] == ["passages"]:
                        return True
            return False

        for done in (0, 1):
            await_that(lambda done=done: sum(each.exists() for each in places) >= done and working())  # type: ignore[misc]
            server.kill()
            for each in places:
                if each.exists():
                    decoded(each.read_bytes())
            server.start()
        await_that(lambda: all(each.exists() for each in places))
        await_done(server)
        assert findings(server, "--read-data") == (0, [])
        assert asked(server)[0] == "meaning"
