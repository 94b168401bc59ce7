"""What each release kept, data folder and indices, is served, carried over and made again by this version.

tests/data/make_release.py says what that is and how it was made. The indices lie in a node of their own, under the names and
aliases that the release gave them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from app.embedded_node import EmbeddedNode
from app.search.collation import order_key
from app.services.indexing import DERIVED_FIELDS
from tests.data.make_release import ALIASES, found, state, timeless
from tests.dialects.coder.client import CHATS, call, chat
from tests.integration.commands.doors import door, findings, lines
from tests.integration.upgrades.kept import DATA, open_copy, restore_indices
from tests.support.app import Server, running_server
from tests.support.browsers import sign_in

# The node's files may have to be fetched.
pytestmark = pytest.mark.timeout(900)

#: What `scripts/index status` says that each index needs, by release. This version serves it without that.
NEEDS = {"release-0.1.0": {"coco_attachment": "migration", "coco_chat": "nothing"}}

BOOT = Path("/proc/sys/kernel/random/boot_id")
SECONDS = 120.0

Json = dict[str, Any]


@dataclass
class Kept:
    """A server of this version, not started, where one of the release was stopped."""

    name: str
    server: Server
    told: Json
    indices: list[str]

    def token(self, name: str) -> str:
        return str(self.told["tokens"][name])

    def __post_init__(self) -> None:
        self.server.token = self.token("all")

    def start(self, **environment: str) -> None:
        self.server.environment |= environment
        self.server.start()

    def answers(self, *, migrated: bool = False) -> list[Json]:
        """What the release answered to each search, in the form of `asked`: by name as this version orders, in an index
        that has the key for it or does not."""
        return [_by_name(each["query"], each["answer"], migrated) for each in self.told["searches"]]

    def asked(self) -> list[Json]:
        """What this version answers to the same."""
        answers = []
        for each in self.told["searches"]:
            answer = self.server.get(f"/attachment/_search?{each['query']}", token=self.token(each["token"]))
            assert answer.status_code == 200, answer.text
            answers.append(timeless(each["query"], answer.json()))
        return answers

    def documents(self, alias: str) -> dict[str, tuple[int, Json]]:
        """The version and the `_source` of each document, by its id."""
        url = f"{self.server.elasticsearch_url}/{alias}"
        requests.post(f"{url}/_refresh", timeout=60).raise_for_status()
        hits = requests.get(f"{url}/_search?size=1000&version=true", timeout=60).json()["hits"]["hits"]
        return {hit["_id"]: (hit["_version"], hit["_source"]) for hit in hits}


def _by_name(query: str, answer: Json, migrated: bool) -> Json:
    if "sort=name" not in query:
        return answer
    hits = [
        {**hit, "sort": [order_key(hit["sort"][0]) if migrated else None, *hit["sort"]]}
        for hit in answer["hits"]["hits"]
    ]
    if migrated:
        hits.sort(key=lambda hit: (hit["sort"][0], hit["sort"][1].encode(), hit["sort"][2]))
    return {**answer, "hits": {**answer["hits"], "hits": hits}}


def kept_of(documents: dict[str, tuple[int, Json]]) -> dict[str, tuple[int, Json]]:
    """Documents without what every version makes anew of their names."""
    return {
        each: (version, {name: value for name, value in source.items() if name not in DERIVED_FIELDS})
        for each, (version, source) in documents.items()
    }


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedNode(tmp_path_factory.mktemp("node")) as made:
        yield made.url


@pytest.fixture(params=sorted(path.name for path in DATA.glob("release-*")))
def kept(request: pytest.FixtureRequest, tmp_path: Path, node: str) -> Iterator[Kept]:
    folder = DATA / request.param
    with running_server(tmp_path, node, start=False, INDEX=ALIASES[0]) as server:
        try:
            open_copy(server, folder / "data")
            # The machine was not started again since, so that is no reason to look through what is stored.
            scanned = server.data / "extraction/.scanned"
            _, condition = scanned.read_text().split(" ", 1)
            scanned.write_text(f"{BOOT.read_text().strip()} {condition}")
            told = json.loads((folder / "told.json").read_text())
            yield Kept(request.param, server, told, restore_indices(node, folder))
            if server.process is not None:
                server.stop()
        finally:
            for name in requests.get(f"{node}/_all?filter_path=*.aliases", timeout=60).json():
                requests.delete(f"{node}/{name}", timeout=60).raise_for_status()


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def queued(server: Server) -> list[str]:
    return [each.name for each in (server.data / "extraction").iterdir() if not each.name.startswith(".")]


def assert_downloads(kept: Kept) -> None:
    for each in kept.told["files"]:
        answer = kept.server.get(f"/attachment/{each['id']}", token=kept.token(each["token"]))
        assert (answer.status_code, hashlib.sha256(answer.content).hexdigest()) == (200, each["sha256"]), each
    assert kept.server.get(f"/attachment/{kept.told['deleted']}").status_code == 404


def assert_tokens(kept: Kept) -> None:
    server = kept.server
    (theirs,) = (each["id"] for each in kept.told["files"] if each["token"] == "other")
    assert server.get(f"/attachment/{theirs}").status_code == 404
    assert server.get(f"/attachment/{theirs}", token=kept.token("revoked")).status_code == 401
    form = {"files": ("no.txt", b"no")}
    assert server.post("/attachment/_upload", token=kept.token("reader"), files=form).status_code == 403
    assert sign_in(server.url, kept.token("reader")).answer.json()["name"] == "reader"


def assert_chats(kept: Kept) -> None:
    """That each chat is shown and listed as it was, and can be changed: after that they are as they were but for times."""
    server = kept.server
    told = kept.told["chats"]
    for each in told.values():
        shown = call(server, "GET", f"{CHATS}/{each['id']}").json()
        assert {**shown, "updated_at": None} == {**each, "updated_at": None}
    for archived in (False, True):
        listed = call(server, "GET", f"{CHATS}?q=archived:{str(archived).lower()}").json()
        assert {each["id"] for each in listed} == {each["id"] for each in told.values() if each["archived"] == archived}
    for what, status in (("archive", 204), ("archive", 400), ("unarchive", 204)):
        assert call(server, "POST", f"{CHATS}/{told['kept']['id']}/{what}").status_code == status
    assert call(server, "GET", f"{CHATS}/{told['kept']['id']}", kept.token("other")).status_code == 404


def assert_found(kept: Kept, but: str | None = None) -> None:
    """That whatever has text, but for one, is found by it, and the text is given out."""
    for each in kept.told["files"]:
        token = kept.token(each["token"])
        if each["words"] is not None and each["id"] != but:
            assert each["id"] in found(kept.server, each["words"], token), each
            text = kept.server.get(f"/attachment/{each['id']}/text", token=token)
            assert each["words"] in " ".join(text.content.decode().split()), each
    assert kept.told["deleted"] not in found(kept.server, "deleted", kept.token("all"))


def assert_not_less(kept: Kept) -> None:
    """That each search has the same hits as then: besides these what is read by now and was not, or is found with other
    endings by now."""
    for then, now in zip(kept.answers(), kept.asked(), strict=True):
        before, after = ({hit["_id"]: hit for hit in each["hits"]["hits"]} for each in (then, now))
        assert {each: hit for each, hit in after.items() if each in before} == before


def assert_goes_on(kept: Kept) -> None:
    """That what comes and goes now does so as ever."""
    server = kept.server
    one, two = server.upload(("new.txt", b"a new text"), ("other.txt", b"another"), session="new")
    assert server.delete(f"/attachment/{two}").status_code == 200
    assert [hit["_id"] for hit in server.hits("session=new")] == [one]
    assert server.get(f"/attachment/{one}").content == b"a new text"
    made = chat(server, content=[{"type": "text", "text": "new"}])["id"]
    assert made in [each["id"] for each in call(server, "GET", CHATS).json()]
    wait(lambda: not queued(server))
    assert findings(server, "--read-data") == (0, [])


def test_each_has_what_is_run_before_the_start() -> None:
    assert sorted(NEEDS) == sorted(path.name for path in DATA.glob("release-*"))


def test_is_served_as_it_was(kept: Kept) -> None:
    server = kept.server
    result = door(server, "index", "status", "--json")
    assert {each["index"]: each["needs"] for each in lines(result)} == NEEDS[kept.name]
    before = {alias: kept.documents(alias) for alias in ALIASES}
    kept.start(EXTRACTION="off")
    server.await_health()
    assert kept.asked() == kept.answers()
    assert_downloads(kept)
    assert_tokens(kept)
    assert_found(kept, but=kept.told["waiting"])
    # Nothing was written by looking.
    assert {alias: kept.documents(alias) for alias in ALIASES} == before
    assert_chats(kept)
    assert findings(server, "--read-data") == (0, [])


def test_what_was_not_read_is_read_after_the_start(kept: Kept) -> None:
    server, token = kept.server, kept.token("all")
    before = {each["id"]: server.data.glob(f"attachments/*/{each['id']}.text") for each in kept.told["files"]}
    texts = {path: path.read_bytes() for paths in before.values() for path in paths}
    assert texts
    assert queued(server) == [kept.told["waiting"]]
    kept.start(EXTRACTION="on")
    # Noted when all are in the queue.
    wait(lambda: (server.data / "extraction/.readers").exists() and not queued(server))
    # What was to be done, and what the release had no reader for or called failed, for another reason now.
    assert_found(kept)
    archive, damaged = kept.told["unread"]
    assert archive in found(server, "heliotrope manifold", token)
    assert state(server, archive, token) == "completed"
    (hit,) = server.hits("query=damaged&_source=extraction")
    assert (hit["_id"], hit["_source"]["extraction"]["reason"]) == (damaged, "damaged")
    # What was read stays as it is.
    assert {path: path.read_bytes() for path in texts} == texts
    assert_not_less(kept)
    assert_goes_on(kept)


@pytest.mark.needs("tesseract-data")
def test_is_read_anew_when_asked_to(kept: Kept) -> None:
    server = kept.server
    kept.start(EXTRACTION="on")
    (slides,) = (each["id"] for each in kept.told["files"] if each["name"] == "slides.pptx")
    assert server.get(f"/attachment/{slides}/parts").json()["parts"] is None
    (image,) = (each["id"] for each in kept.told["files"] if each["name"] == "shot.png")
    for option in ("--outdated", "--thumbnails"):
        # That exits with 1 for the damaged one, where it is among them.
        assert door(server, "store", "extract", option).returncode in (0, 1)
    assert server.get(f"/attachment/{slides}/parts").json()["parts"][0]["page"] == 1
    assert server.get(f"/attachment/{image}/thumbnail").headers["Content-Type"] == "image/webp"
    assert_found(kept)
    assert_not_less(kept)
    assert_goes_on(kept)


def test_is_carried_over_and_back(kept: Kept) -> None:
    server = kept.server
    kept.start(EXTRACTION="off")
    server.await_health()
    before = {alias: kept.documents(alias) for alias in ALIASES}
    needed = {each["index"]: each["needed"] for each in lines(door(server, "index", "migrate", "--dry-run", "--json"))}
    assert needed == {alias: need == "migration" for alias, need in NEEDS[kept.name].items()}
    # An update can't make what is made of each name.
    assert door(server, "index", "update", ALIASES[0], "--yes").returncode == 1
    result = door(server, "index", "migrate", "--force", "--json")
    assert result.returncode == 0, result.stderr
    moved = {each["index"]: each for each in lines(result)}
    for alias in ALIASES:
        assert (moved[alias]["from"] in kept.indices, moved[alias]["copied"]) == (True, len(before[alias]))
        # The same documents with their versions, so that none of before can come back over them.
        assert kept_of(kept.documents(alias)) == kept_of(before[alias])
    assert kept.asked() == kept.answers(migrated=True)
    assert_found(kept, but=kept.told["waiting"])
    assert_chats(kept)
    assert findings(server, "--read-data") == (0, [])
    # What the server writes from now on, which knew the index that was there before, has the key too.
    (new,) = server.upload(("new 10.txt", b"new"), session="written after")
    (hit,) = server.hits("session=written+after&sort=name")
    assert hit["sort"] == [order_key("new 10.txt"), "new 10.txt", new]
    assert server.delete(f"/attachment/{new}").ok
    for alias in ALIASES:
        assert door(server, "index", "rollback", alias).returncode == 0
    assert kept.asked() == kept.answers()
    assert_found(kept, but=kept.told["waiting"])
    assert_chats(kept)
    server.stop()
    kept.start(EXTRACTION="on")
    assert_goes_on(kept)


def test_is_made_again_when_the_index_is_lost(kept: Kept) -> None:
    server = kept.server
    for name in kept.indices:
        if name.startswith(f"{ALIASES[0]}-"):
            requests.delete(f"{server.elasticsearch_url}/{name}", timeout=60).raise_for_status()
    kept.start(EXTRACTION="off")
    assert server.get("/attachment/_search?session=first").status_code == 503
    assert server.get("/health").json()["reasons"] == ["The index is missing: run scripts/store rebuild"]
    assert_downloads(kept)
    assert_chats(kept)
    result = door(server, "store", "rebuild", "--json")
    assert result.returncode == 0, result.stderr
    server.await_health()
    assert kept.asked() == kept.answers(migrated=True)
    assert_found(kept, but=kept.told["waiting"])
    assert_downloads(kept)
    server.stop()
    kept.start(EXTRACTION="on")
    wait(lambda: not queued(server))
    assert_found(kept)
    assert_goes_on(kept)
