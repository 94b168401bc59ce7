"""Other versions of Elasticsearch, as real nodes: 9.x does all that 8.19 does; 7.17 is refused, as is another product."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from app.embedded_node import EmbeddedNode
from app.model.schema import DOCUMENTED_FIELDS
from tests.integration.commands.doors import door, findings, lines
from tests.support.app import Server, running_server
from tests.support.peers import Answer, Asked, answering

# The first use of a version fetches it.
pytestmark = pytest.mark.timeout(900)

OLD = "7.17.29"
NEW = "9.5.3"


@contextlib.contextmanager
def node(folder: Path, version: str) -> Iterator[str]:
    # The old one is only there to be refused, and too old to be guarded.
    with EmbeddedNode(folder / "node", version=version, archived=False, open_to_all=version == OLD) as made:
        nodes = requests.get(f"{made.url}/_nodes", timeout=60).json()["nodes"]
        assert [each["version"] for each in nodes.values()] == [version]
        yield made.url


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("nine")
    with node(folder, NEW) as url, running_server(folder, url) as server:
        yield server


def test_the_documented_answers(nine: Server) -> None:
    # Five attachments, two of them in the session: the documented score is the logarithm of 2.4.
    for number in range(3):
        nine.upload((f"other{number}.txt", b"x"), session="another")
    content = b"%PDF-1.4\n" + bytes(1000)
    ids = nine.upload(("neurips19-diskann.pdf", content), ("Adaptive_searching.pdf", content), session="s")
    assert nine.get(f"/attachment/{ids[0]}").content == content
    assert nine.request("HEAD", f"/attachment/{ids[0]}").headers["Filename"] == "neurips19-diskann.pdf"
    answer = nine.get("/attachment/_search?session=s")
    for hit in answer.json()["hits"]["hits"]:
        assert list(hit) == ["_index", "_type", "_id", "_score", "_source"]
        assert (hit["_index"], hit["_type"], hit["_score"]) == (nine.index, "_doc", 0.87546873)
        assert list(hit["_source"]) == ["id", "created", "updated", "session", "name", "icon", "url", "size"]
    assert [hit["_id"] for hit in answer.json()["hits"]["hits"]] == ids
    assert list(answer.json()) == ["took", "timed_out", "_shards", "hits"]
    assert answer.json()["hits"]["total"] == {"value": 2, "relation": "eq"}
    assert len(nine.hits("query=searching")) == 1
    assert nine.delete(f"/attachment/{ids[1]}").json() == {"_id": ids[1], "result": "deleted"}
    assert [hit["_id"] for hit in nine.hits("session=s")] == ids[:1]


def test_its_own_language(nine: Server) -> None:
    token = nine.make_token(tenant="language")
    ids = nine.upload(("Annual Report.pdf", b"x"), ("notes.txt", b"y"), session="s", token=token)
    with Elasticsearch(nine.url, api_key=token, request_timeout=60) as client:
        found = client.search(
            index="coco_attachment",
            query={"match": {"name": "REPORT"}},
            highlight={"fields": {"name": {}}},
            aggs={"a": {"terms": {"field": "session"}, "aggs": {"b": {"top_hits": {}}}}},
            collapse={"field": "session", "inner_hits": {"name": "x"}},
        )
        assert [(hit["_index"], hit["_id"]) for hit in found["hits"]["hits"]] == [("coco_attachment", ids[0])]
        assert nine.index not in str(found)
        assert client.count(index="coco_attachment")["count"] == 2
        for fuzzy in ({"fuzzy": {"name_words": "anual"}}, {"match": {"name": {"query": "anual", "fuzziness": 1}}}):
            assert client.count(index="coco_attachment", query=fuzzy)["count"] == 1
        with pytest.raises(BadRequestError, match="no time"):
            client.search(index="coco_attachment", query={"range": {"created": {"gte": "no time"}}})
        point = client.open_point_in_time(index="coco_attachment", keep_alive="1m")["id"]
        walked, after = [], None
        while hits := client.search(
            pit={"id": point, "keep_alive": "1m"}, size=1, sort=["created"], search_after=after
        )["hits"]["hits"]:
            walked += [hit["_id"] for hit in hits]
            after = hits[-1]["sort"]
        assert sorted(walked) == sorted(ids)
        several = client.msearch(searches=[{}, {"pit": {"id": point}, "size": 0}, {"index": "coco_attachment"}, {}])
        assert [each["hits"]["total"]["value"] for each in several["responses"]] == [2, 2]
        assert client.close_point_in_time(id=point)["num_freed"] == 1
        with pytest.raises(NotFoundError):
            client.search(pit={"id": point})


def test_rebuild_migrate_and_roll_back(nine: Server) -> None:
    (one,) = nine.upload(("one.txt", b"1"), session="moved")
    assert door(nine, "store", "rebuild", "--remove-old").returncode == 0
    assert [hit["_id"] for hit in nine.hits("session=moved")] == [one]
    assert door(nine, "index", "create").returncode == 0
    assert door(nine, "index", "status").returncode == 0
    for command in (("migrate", "--force"), ("rollback", "coco_attachment")):
        result = door(nine, "index", *command, "--json")
        assert result.returncode == 0, result.stderr
        assert all(each["done"] for each in lines(result))
        (two,) = nine.upload(("two.txt", b"2"), session=f"after {command[0]}")
        assert [hit["_index"] for hit in nine.hits(f"session=after {command[0]}")] == [nine.index]
    assert [hit["_id"] for hit in nine.hits("session=moved")] == [one]
    assert findings(nine) == (0, [])


def assert_refused(folder: Path, url: str, sentence: str) -> None:
    """The server does not start on `url`, nor does a command, and both say `sentence`."""
    with running_server(folder, url, start=False, INDEX="never_made") as server:
        server.start(wait=False)
        assert server.process is not None
        assert server.process.wait(120) == 3
        server.process = None
        assert sentence in server.log.read_text()
        assert "Traceback" not in server.log.read_text()
        result = door(server, "index", "status")
        assert result.returncode == 3
        assert sentence in result.stderr


def test_7_is_refused_for_it_mixes_up_the_fields(tmp_path: Path) -> None:
    """Asked for some fields of a document, 7.17 names them in an order of its own; should it ever keep the documented
    one, there is no reason left to refuse it."""
    document = {field: field for field in (*DOCUMENTED_FIELDS, "secret")}
    with node(tmp_path, OLD) as url:
        made = requests.put(f"{url}/documents/_doc/1?refresh=true", json=document, timeout=30)
        assert made.status_code == 201
        body = {"_source": list(DOCUMENTED_FIELDS)}
        hits = requests.post(f"{url}/documents/_search", json=body, timeout=30).json()["hits"]["hits"]
        fields = list(hits[0]["_source"])
        assert sorted(fields) == sorted(DOCUMENTED_FIELDS)
        assert fields != list(DOCUMENTED_FIELDS)
        assert_refused(tmp_path, url, f"Elasticsearch {OLD} is too old: at least 8.0 is needed")
        assert list(requests.get(f"{url}/_all", timeout=60).json()) == ["documents"]


def as_another(_: Asked) -> Answer:
    """The answer of another product that once was a copy of Elasticsearch."""
    content = json.dumps({"nodes": {"n": {"version": "2.11.0"}}, "version": {"number": "2.11.0"}}).encode()
    return Answer(body=content, headers={"Content-Type": "application/json"})


def test_another_product_is_refused(tmp_path: Path) -> None:
    with answering(as_another) as url:
        assert_refused(tmp_path, url, "is not Elasticsearch")
