"""`scripts/index`: what differs, what is added, what moves, what goes; and what is refused with nothing done."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from app.extraction.record import Extraction
from app.files import locked
from app.index.mappings import MAPPINGS, load
from app.model.attachment import now
from app.search.words import content_words
from app.storage.contract import Artefact
from app.storage.filesystem import Filesystem
from tests.integration.commands.doors import door, lines
from tests.support.app import ROOT, Server, ServerFactory
from tests.support.artefacts import path_of

#: Of the mapping of attachments, as the file has it.
VERSION = int(load(MAPPINGS / "coco_attachment.json")["mappings"]["_meta"]["mapping_version"])
FIRST_MAPPING = ROOT / "tests/data/coco_attachment-mapping-1.json"

Json = dict[str, Any]
Change = Callable[[Json], None]


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Change], str]:
    """Write the mapping files, that of attachments changed, to a folder; its path."""

    def write(change: Change) -> str:
        folder = tmp_path / "mappings"
        folder.mkdir(exist_ok=True)
        for path in MAPPINGS.glob("*.json"):
            content = json.loads(path.read_text())
            if path.stem == "coco_attachment":
                change(content)
            (folder / path.name).write_text(json.dumps(content))
        return str(folder)

    return write


def add_field(content: Json) -> None:
    content["mappings"]["properties"]["language"] = {"type": "keyword"}
    content["mappings"]["_meta"]["mapping_version"] += 1


def change_field(content: Json) -> None:
    content["mappings"]["properties"]["icon"] = {"type": "keyword", "ignore_above": 64}


def lose_field(content: Json) -> None:
    del content["mappings"]["properties"]["sha256"]


def index(server: Server, *words: str) -> tuple[int, list[Json]]:
    result = door(server, "index", words[0], "--json", *words[1:])
    assert result.stdout or result.returncode == 3, result.stderr
    return result.returncode, lines(result)


def generations(server: Server, alias: str | None = None) -> Json:
    found: Json = requests.get(f"{server.elasticsearch_url}/{alias or server.index}-0*", timeout=60).json()
    return found


def names(server: Server, *numbers: int) -> list[str]:
    return [f"{server.index}-{number:06d}" for number in numbers]


def current(server: Server) -> str:
    (name,) = requests.get(f"{server.elasticsearch_url}/_alias/{server.index}", timeout=60).json()
    return str(name)


def test_status_of_what_is_as_the_files_say(start_server: ServerFactory) -> None:
    server = start_server()
    server.upload(("a.txt", b"a"))
    code, (attachments, chats) = index(server, "status")
    assert (code, chats["needs"], attachments["needs"]) == (0, "nothing", "nothing")
    assert attachments["differences"] == []
    assert index(server, "create", "--dry-run")[1][1] == {
        "index": f"{server.index}_chat",
        "generation": None,
        "needed": True,
        "done": False,
    }
    assert generations(server, f"{server.index}_chat") == {}
    assert index(server, "create")[0] == 0
    code, (attachments, chats) = index(server, "status")
    assert (code, chats["needs"], attachments["needs"]) == (0, "nothing", "nothing")
    assert attachments["generations"] == [
        {
            "name": names(server, 1)[0],
            "current": True,
            "unfinished": False,
            "own": True,
            "mapping_version": VERSION,
            "documents": 1,
        }
    ]


def test_an_index_that_nobody_needed_yet_needs_nothing(start_server: ServerFactory) -> None:
    """As that of chats, which the first chat makes; that of attachments is missed from the start."""
    server = start_server()
    server.upload(("a.txt", b"a"))
    alias = f"{server.index}_chat"
    common = {"index": alias, "done": False}
    carried = {**common, "from": None, "to": None, "refused": []}
    expected = {
        ("update", "--yes"): {**common, "generation": None, "added": [], "refused": []},
        ("migrate", "--force", "--shards", "2"): {**carried, "needed": False},
        ("rollback",): carried,
        ("settings", "--replicas", "0"): {**common, "generation": None, "settings": {}},
        ("settings", "--file"): {**common, "generation": None, "settings": {}},
        ("delete", "--yes"): {**common, "generations": []},
    }
    for (command, *options), result in expected.items():
        assert index(server, command, "coco_chat", *options) == (0, [result]), command
    assert index(server, "migrate")[0] == 0
    assert generations(server, alias) == {}
    assert requests.delete(f"{server.elasticsearch_url}/{names(server, 1)[0]}", timeout=60).ok
    code, (attachments, _) = index(server, "status")
    assert (code, attachments["needs"]) == (1, "create")
    assert index(server, "migrate", "coco_attachment")[0] == 3


def test_update_adds_and_asks_before(start_server: ServerFactory, changed: Callable[[Change], str]) -> None:
    server = start_server()
    options = ("coco_attachment", "--mappings", changed(add_field))
    code, (status,) = index(server, "status", *options)
    assert (code, status["needs"]) == (1, "update")
    assert [each["field"] for each in status["differences"]] == ["language", "mappings._meta.mapping_version"]
    for refusal in ((), ("--dry-run",)):
        before = generations(server)
        code, (result,) = index(server, "update", *options, *refusal)
        assert (code, result["done"]) == (0 if refusal else 1, False)
        assert generations(server) == before
    code, (result,) = index(server, "update", *options, "--yes")
    assert (code, result["done"], result["refused"]) == (0, True, [])
    (found,) = generations(server).values()
    assert found["mappings"]["properties"]["language"] == {"type": "keyword"}
    assert found["mappings"]["_meta"]["mapping_version"] == VERSION + 1
    assert found["mappings"]["_meta"]["store_id"] == json.loads((server.data / "store.json").read_text())["id"]
    assert index(server, "status", *options)[0] == 0


def test_update_refuses_what_it_cannot_add(start_server: ServerFactory, changed: Callable[[Change], str]) -> None:
    server = start_server()

    def both(content: Json) -> None:
        add_field(content)
        change_field(content)

    before = generations(server)
    code, (result,) = index(server, "update", "coco_attachment", "--mappings", changed(both), "--yes")
    assert (code, result["done"]) == (1, False)
    (refused,) = result["refused"]
    assert (refused["field"], refused["needs"]) == ("icon", "migration")
    assert generations(server) == before


def test_an_index_of_a_newer_version_is_left_alone(
    start_server: ServerFactory, changed: Callable[[Change], str]
) -> None:
    server = start_server()
    assert index(server, "update", "coco_attachment", "--mappings", changed(add_field), "--yes")[0] == 0
    before = generations(server)
    for command in (("update", "--yes"), ("migrate", "--force")):
        result = door(server, "index", command[0], "coco_attachment", *command[1:])
        assert result.returncode == 3
        assert "made by a newer version" in result.stderr
    assert generations(server) == before
    # Nor does a server work with it.
    server.stop()
    server.start(wait=False)
    assert server.process is not None
    assert server.process.wait(120) == 3
    server.process = None
    assert f"was made by a newer version (mapping {VERSION + 1} > {VERSION})" in server.log.read_text()


def test_migrate_roll_back_and_forth_and_delete(start_server: ServerFactory, changed: Callable[[Change], str]) -> None:
    server = start_server()
    one, two = server.upload(("one.txt", b"1"), ("two.txt", b"2"), session="s")
    options = ("coco_attachment", "--mappings", changed(change_field))
    assert index(server, "migrate", "coco_attachment") == (
        0,
        [
            {
                "index": server.index,
                "from": names(server, 1)[0],
                "to": None,
                "needed": False,
                "refused": [],
                "done": False,
            }
        ],
    )
    code, (result,) = index(server, "migrate", *options, "--dry-run")
    assert (code, result["needed"], result["done"]) == (0, True, False)
    assert list(generations(server)) == names(server, 1)

    code, (result,) = index(server, "migrate", *options)
    assert (code, result["to"], result["copied"]) == (0, names(server, 2)[0], 2)
    assert current(server) == names(server, 2)[0]
    assert generations(server)[names(server, 2)[0]]["mappings"]["properties"]["icon"]["ignore_above"] == 64
    assert "building" not in generations(server)[names(server, 2)[0]]["mappings"]["_meta"]

    # What came and went since the migration has done so after the rollback too.
    (three,) = server.upload(("three.txt", b"3"), session="s")
    assert server.delete(f"/attachment/{one}").ok
    code, (result,) = index(server, "rollback", "coco_attachment")
    assert (code, result["from"], result["to"]) == (0, *reversed(names(server, 1, 2)))
    assert current(server) == names(server, 1)[0]
    assert sorted(hit["_id"] for hit in server.hits("session=s")) == sorted([two, three])
    refused = door(server, "index", "rollback", "coco_attachment")
    assert refused.returncode == 3
    assert "no older generation" in refused.stderr
    # One that newer software made is not gone to.
    url = f"{server.elasticsearch_url}/{names(server, 2)[0]}/_mapping"
    meta = generations(server)[names(server, 2)[0]]["mappings"]["_meta"]
    requests.put(url, json={"_meta": {**meta, "mapping_version": meta["mapping_version"] + 1}}, timeout=60)
    refused = door(server, "index", "rollback", "coco_attachment", "--to", names(server, 2)[0])
    assert (refused.returncode, current(server)) == (3, names(server, 1)[0])
    assert "was made by a newer version" in refused.stderr
    requests.put(url, json={"_meta": meta}, timeout=60)
    assert index(server, "rollback", "coco_attachment", "--to", names(server, 2)[0])[0] == 0
    assert current(server) == names(server, 2)[0]
    assert sorted(hit["_id"] for hit in server.hits("session=s")) == sorted([two, three])
    assert door(server, "store", "verify").returncode == 0

    for kept in (names(server, 2)[0], names(server, 9)[0], f"{server.index}_chat-000001"):
        assert door(server, "index", "delete", "coco_attachment", kept, "--yes").returncode == 3
    assert index(server, "delete", "coco_attachment")[0] == 1
    assert list(generations(server)) == names(server, 1, 2)
    assert index(server, "delete", "coco_attachment", "--yes") == (
        0,
        [{"index": server.index, "generations": names(server, 1), "done": True}],
    )
    assert list(generations(server)) == names(server, 2)


def test_fields_that_documents_have_are_not_lost_unasked(
    start_server: ServerFactory, changed: Callable[[Change], str]
) -> None:
    server = start_server()
    server.upload(("one.txt", b"1"))
    options = ("coco_attachment", "--mappings", changed(lose_field))
    code, (result,) = index(server, "migrate", *options)
    assert (code, result["refused"], result["done"]) == (1, ["sha256"], False)
    assert list(generations(server)) == names(server, 1)
    code, (result,) = index(server, "migrate", *options, "--drop-field", "sha256")
    assert (code, result["confirmed"], result["done"]) == (1, False, False)
    assert index(server, "migrate", *options, "--drop-field", "sha256", "--yes")[1][0]["done"] is True
    (hit,) = requests.get(f"{server.elasticsearch_url}/{server.index}/_search", timeout=60).json()["hits"]["hits"]
    assert "sha256" not in hit["_source"]


def keep_text(server: Server, attachment_id: str, text: str) -> None:
    """As if `text` had been extracted: in the files, and from there in the index."""
    content = text.encode()
    outcome = Extraction(now(), 1, size=len(content), sha256=hashlib.sha256(content).hexdigest(), characters=len(text))
    path_of(server.data, attachment_id, Artefact.TEXT).write_bytes(content)
    path_of(server.data, attachment_id, Artefact.OUTCOME).write_text(json.dumps(outcome.to_record()))
    assert door(server, "store", "verify", "--repair", "--yes").returncode == 0


def older(server: Server) -> None:
    """Make the index what the first version of the mapping made of the same attachments."""
    old = json.loads(FIRST_MAPPING.read_text())
    (name,) = generations(server)
    url = f"{server.elasticsearch_url}/{server.index}"
    documents = requests.get(f"{url}/_search?version=true&size=100", timeout=60).json()["hits"]["hits"]
    old["mappings"]["_meta"]["store_id"] = json.loads((server.data / "store.json").read_text())["id"]
    requests.delete(f"{server.elasticsearch_url}/{name}", timeout=60).raise_for_status()
    body = {**old, "aliases": {server.index: {"is_write_index": True}}}
    requests.put(f"{server.elasticsearch_url}/{name}", json=body, timeout=60).raise_for_status()
    for hit in documents:
        source = {key: value for key, value in hit["_source"].items() if key in old["mappings"]["properties"]}
        if "extraction" in source:
            text = Filesystem(server.data, reserve=0).read(hit["_id"], Artefact.TEXT)
            assert text is not None
            source |= {"content": text.decode(), "content_words": content_words(text.decode())}
        path = f"{url}/_doc/{hit['_id']}?version={hit['_version']}&version_type=external&refresh=true"
        requests.put(path, json=source, timeout=60).raise_for_status()


def test_an_index_of_the_first_version_is_refused_and_carried_over(start_server: ServerFactory) -> None:
    server = start_server()
    one, two = server.upload(("Größe_one.txt", b"1"), ("two.txt", b"2"), session="s")
    keep_text(server, two, "Extracted tëxt")
    before = server.hits("session=s")
    server.stop()
    older(server)
    # A server says what to do, and changes nothing.
    server.start(wait=False)
    assert server.process is not None
    assert server.process.wait(120) == 3
    server.process = None
    assert "made by an older version (mapping 1 < 2): run `scripts/index migrate` once" in server.log.read_text()
    code, (status, _) = index(server, "status")
    assert (code, status["needs"]) == (1, "migration")
    code, (result,) = index(server, "update", "coco_attachment", "--yes")
    assert (code, result["done"]) == (1, False)
    code, (result,) = index(server, "migrate", "coco_attachment")
    assert (code, result["copied"], result["refused"]) == (0, 2, [])
    server.start()
    assert [hit["_source"] for hit in server.hits("session=s")] == [hit["_source"] for hit in before]
    assert [hit["_id"] for hit in server.hits("query=extracted+text")] == [two]
    assert [hit["_id"] for hit in server.hits("query=grosse&extension=txt")] == [one]
    assert door(server, "store", "verify", "--read-data").returncode == 0
    # The text is found, shown in parts, and not sent with every hit any more.
    (hit,) = server.hits("query=text&highlight=true")
    assert hit["highlight"] == {"content": ["Extracted <mark>tëxt</mark>"]}
    (raw,) = requests.get(f"{server.elasticsearch_url}/{server.index}/_search?q=id:{two}", timeout=60).json()["hits"][
        "hits"
    ]
    assert "content" not in raw["_source"]
    # And back, for the software that made it.
    server.stop()
    code, (result,) = index(server, "rollback", "coco_attachment")
    assert (code, result["to"], result["refused"]) == (0, names(server, 1)[0], [])
    (raw,) = requests.get(f"{server.elasticsearch_url}/{server.index}/_search?q=id:{two}", timeout=60).json()["hits"][
        "hits"
    ]
    assert (raw["_source"]["content"], raw["_source"]["content_words"]) == ("Extracted tëxt", "extracted text")


def test_derived_data_and_chats_are_carried_over(start_server: ServerFactory) -> None:
    server = start_server()
    (one,) = server.upload(("one.txt", b"1"))
    url = f"{server.elasticsearch_url}/{server.index}"
    keep_text(server, one, "Extracted tëxt")
    assert index(server, "create", "coco_chat")[0] == 0
    chat: dict[str, Any] = {"id": "c1", "tenant": "default", "title": "A chat", "archived": False}
    chats = f"{server.elasticsearch_url}/{server.index}_chat/_doc/c1"
    for archived in (True, False):
        assert requests.put(f"{chats}?refresh=true", json={**chat, "archived": archived}, timeout=60).ok
    before = [requests.get(each, timeout=60).json() for each in (f"{url}/_doc/{one}", chats)]
    code, results = index(server, "migrate", "--force", "--shards", "2")
    assert (code, [each["copied"] for each in results]) == (0, [1, 1])
    after = [requests.get(each, timeout=60).json() for each in (f"{url}/_doc/{one}", chats)]
    for old, new in zip(before, after, strict=True):
        assert new["_index"] != old["_index"]
        assert (new["_version"], new["_source"]) == (old["_version"], old["_source"])
    settings = generations(server)[names(server, 2)[0]]["settings"]["index"]
    assert settings["number_of_shards"] == "2"
    # And out of two shards again.
    assert index(server, "migrate", "coco_attachment")[1][0]["done"] is True
    assert requests.get(f"{url}/_doc/{one}", timeout=60).json()["_source"] == before[0]["_source"]
    assert [hit["_id"] for hit in server.hits("query=extracted+text")] == [one]
    assert door(server, "store", "verify", "--read-data").returncode == 0


def test_settings(start_server: ServerFactory) -> None:
    server = start_server()
    assert index(server, "settings", "coco_attachment", "--replicas", "0", "--refresh-interval", "5s")[0] == 0
    ((_, found),) = generations(server).items()
    assert found["settings"]["index"]["number_of_replicas"] == "0"
    assert found["settings"]["index"]["refresh_interval"] == "5s"
    code, (status,) = index(server, "status", "coco_attachment")
    assert (code, status["needs"]) == (1, "settings")
    assert index(server, "settings", "coco_attachment", "--file", "--dry-run")[1][0]["settings"] == {
        "auto_expand_replicas": "0-1",
        "refresh_interval": "1s",
    }
    assert index(server, "settings", "coco_attachment", "--file")[0] == 0
    assert index(server, "status", "coco_attachment")[0] == 0
    assert door(server, "index", "settings", "coco_attachment").returncode == 2


def test_shards_and_replicas_are_what_the_settings_say(start_server: ServerFactory) -> None:
    """Of an index that the server makes; then replicas are changed at once, and shards by a migration alone."""
    server = start_server(INDEX_SHARDS="2", INDEX_REPLICAS="0")
    (one,) = server.upload(("one.txt", b"1"))

    def sizes(number: int) -> tuple[str, str, str]:
        found = generations(server)[names(server, number)[0]]["settings"]["index"]
        return found["number_of_shards"], found["number_of_replicas"], found["auto_expand_replicas"]

    assert sizes(1) == ("2", "0", "false")
    server.environment |= {"INDEX_SHARDS": "1", "INDEX_REPLICAS": "2"}
    code, (attachments, chats) = index(server, "status")
    assert (code, chats["needs"], attachments["needs"]) == (1, "nothing", "migration")
    assert [(each["field"], each["file"], each["cluster"], each["needs"]) for each in attachments["differences"]] == [
        ("settings.number_of_shards", 1, "2", "migration"),
        ("settings.number_of_replicas", 2, "0", "settings"),
    ]
    assert index(server, "settings", "coco_attachment", "--file")[0] == 0
    assert sizes(1) == ("2", "2", "false")
    server.environment["INDEX_REPLICAS"] = "auto"
    assert [each["done"] for each in index(server, "migrate")[1]] == [True, False]
    assert (sizes(2)[0], sizes(2)[2]) == ("1", "0-1")
    assert index(server, "create", "coco_chat")[0] == 0
    code, (attachments, chats) = index(server, "status")
    assert (code, chats["needs"], attachments["needs"]) == (0, "nothing", "nothing")
    assert [hit["_id"] for hit in server.hits("size=10")] == [one]


def test_two_at_once_are_one_too_many(start_server: ServerFactory) -> None:
    server = start_server()
    with (server.data / ".rebuild.lock").open("ab") as lock:
        assert locked(lock.fileno())
        for command in (("index", "migrate", "--force"), ("index", "delete", "coco_attachment"), ("store", "rebuild")):
            result = door(server, *command)
            assert result.returncode == 3
            assert "another rebuild or migration" in result.stderr
        assert door(server, "index", "status", "coco_attachment").returncode == 0
    assert list(generations(server)) == names(server, 1)


def test_other_indices_and_other_stores_are_not_touched(start_server: ServerFactory) -> None:
    server = start_server()
    foreign = names(server, 2)[0]
    url = f"{server.elasticsearch_url}/{foreign}"
    requests.put(url, json={"mappings": {"_meta": {"store_id": "another"}}}, timeout=60).raise_for_status()
    assert door(server, "index", "delete", "coco_attachment", foreign, "--yes").returncode == 3
    assert index(server, "delete", "coco_attachment", "--yes")[1][0]["generations"] == []
    assert door(server, "index", "rollback", "coco_attachment", "--to", foreign).returncode == 3
    assert index(server, "migrate", "coco_attachment", "--force")[1][0]["to"] == names(server, 3)[0]
    assert requests.get(url, timeout=60).ok


def test_without_a_store_or_elasticsearch(start_server: ServerFactory, tmp_path: Path) -> None:
    server = start_server(start=False)

    def said(*words: str) -> tuple[int, str]:
        result: subprocess.CompletedProcess[str] = door(server, "index", *words)
        return result.returncode, result.stderr

    assert said("status", "--data", str(tmp_path / "nowhere")) == (3, f"there is no store in {tmp_path / 'nowhere'}\n")
    server.start()
    code, text = said("status", "--url", "http://127.0.0.1:1")
    assert code == 3
    assert text.startswith("Elasticsearch is not available")
    assert said("status", "nothing")[0] == 2
