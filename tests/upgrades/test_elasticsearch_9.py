"""Elasticsearch 9: the same product on a real 9.x node, and what is no Elasticsearch, or an old one, refused at start."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from elasticsearch import BadRequestError, Elasticsearch, NotFoundError
from embedded_node import EmbeddedNode

from tests.commands.doors import door, findings, lines
from tests.support.app import Server, running_server

VERSION = "9.5.3"


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("nine")
    with EmbeddedNode(folder / "node", version=VERSION) as node, running_server(folder, node.url) as server:
        nodes = requests.get(f"{node.url}/_nodes", timeout=10).json()["nodes"]
        assert [each["version"] for each in nodes.values()] == [VERSION]
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
    with Elasticsearch(nine.url, api_key=token) as client:
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


class _Other(http.server.BaseHTTPRequestHandler):
    """A real HTTP server that answers as what it stands for would; `answers`: path -> status and body."""

    product: str | None = None
    version = ""

    def do_GET(self) -> None:  # noqa: N802
        content = json.dumps({"nodes": {"n": {"version": self.version}}, "version": {"number": self.version}}).encode()
        self.send_response(200)
        if self.product:
            self.send_header("X-Elastic-Product", self.product)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


# No 7.17 node runs here: what is real is the HTTP, and the form of the two answers that a server is judged by.
OTHERS = {
    "another product": (None, "2.11.0", "is not Elasticsearch"),
    "7.17": ("Elasticsearch", "7.17.29", "Elasticsearch 7.17.29 is too old: at least 8.0 is needed"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_refused_at_start(name: str, tmp_path: Path) -> None:
    product, version, sentence = OTHERS[name]
    handler = type("Other", (_Other,), {"product": product, "version": version})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{other.server_address[1]}"
            with running_server(tmp_path, url, start=False, INDEX="never_made") as server:
                server.start(wait=False)
                assert server.process is not None
                assert server.process.wait(60) == 3
                server.process = None
                assert sentence in server.log.read_text()
                assert "Traceback" not in server.log.read_text()
                # The commands refuse it as well.
                result = door(server, "index", "status")
                assert result.returncode == 3
                assert sentence in result.stderr
        finally:
            other.shutdown()
            thread.join()
