"""`_search` and the status routes: every parameter, valid and not, in the documented envelope."""

import json
import secrets
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from tests.support.app import Server

UNKNOWN = "cu737jrq50kcaicgn7p0"
FIELDS = ["id", "created", "updated", "session", "name", "icon", "url", "size"]


@dataclass(frozen=True)
class Shelf:
    """A tenant of its own with four attachments."""

    server: Server
    token: str
    ids: list[str]

    def search(self, query: str = "") -> list[str]:
        """The names of the hits."""
        return [hit["_source"]["name"] for hit in self.server.hits(query, token=self.token)]


@pytest.fixture(scope="module")
def shelf(server: Server) -> Shelf:
    token = server.make_token(tenant="shelf")
    ids = server.upload(("Alpha_Report2024.pdf", b"1"), ("beta-report.txt", b"22"), session="one", token=token)
    ids += server.upload(("GAMMA naïve.PDF", b"333"), session="two", token=token)
    ids += server.upload(('{"_index":"x-000001","_id":"', b""), token=token)
    return Shelf(server, token, ids)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("session=one&sort=name", ["Alpha_Report2024.pdf", "beta-report.txt"]),
        ("session=nobody", []),
        ("session=", []),
        ("session=one%22%7D", []),
        ("query=report&sort=name", ["Alpha_Report2024.pdf", "beta-report.txt"]),
        ("query=REPORT&session=one&sort=name:desc", ["beta-report.txt", "Alpha_Report2024.pdf"]),
        ("query=alph", ["Alpha_Report2024.pdf"]),
        ("query=2024", ["Alpha_Report2024.pdf"]),
        ("query=naive", ["GAMMA naïve.PDF"]),
        ("query=nai%CC%88ve", ["GAMMA naïve.PDF"]),
        ("query=beta-report.txt", ["beta-report.txt"]),
        ("query=beta+nothing", ["beta-report.txt"]),
        ("query=nothing+either", []),
        ("query=beta+nothing&default_operator=or", ["beta-report.txt"]),
        ("query=beta+nothing&default_operator=and", []),
        ("query=%2Bbeta+nothing", []),
        ("query=*&sort=size:desc&size=1", ["GAMMA naïve.PDF"]),
        ("query=%00", []),
        ("query=" + "%E6%96%87" * 800, []),
        ("sort=size:desc&size=1", ["GAMMA naïve.PDF"]),
        ("sort=size&size=2&from=1", ["Alpha_Report2024.pdf", "beta-report.txt"]),
        ("sort=created&size=1", ["Alpha_Report2024.pdf"]),
        ("sort=icon,name:desc&size=1", ['{"_index":"x-000001","_id":"']),
        ("from=4", []),
        ("from=9000&size=1000", []),
        ("size=0", []),
    ],
)
def test_valid(shelf: Shelf, query: str, names: list[str]) -> None:
    assert shelf.search(query) == names


def test_source_fields(shelf: Shelf) -> None:
    (hit,) = shelf.server.hits("session=two", token=shelf.token)
    assert list(hit) == ["_index", "_type", "_id", "_score", "_source"]
    assert (hit["_index"], hit["_type"]) == (shelf.server.index, "_doc")
    assert list(hit["_source"]) == FIELDS
    assert hit["_source"]["icon"] == "pdf"
    assert hit["_source"]["url"] == f"/attachment/{hit['_id']}"
    (hit,) = shelf.server.hits("session=two&_source=size,media_type,sha256", token=shelf.token)
    assert set(hit["_source"]) == {"size", "media_type", "sha256"}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("sesion=x", "sesion"),
        ("size=1&size=1", "size"),
        ("size=1001", "size"),
        ("size=-1", "size"),
        ("size=ten", "size"),
        ("from=10001", "from"),
        ("from=9991", "from"),
        ("from=", "from"),
        ("sort=tenant", "sort"),
        ("sort=name:down", "sort"),
        ("_source=tenant", "_source"),
        ("_source=", "_source"),
        ("query=" + "x" * 1025, "query"),
        ("pretty", "pretty"),
        ("filter_path=took", "filter_path"),
        ("%3Cscript%3E=1", "<script>"),
    ],
)
def test_invalid(server: Server, query: str, named: str) -> None:
    answer = server.get(f"/attachment/_search?{query}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert f"parameter [{named}]" in answer.json()["error"]["reason"]
    assert answer.json()["status"] == 400


def by_ids(shelf: Shelf, ids: list[str]) -> set[str]:
    answer = shelf.server.post("/attachment/_search", json={"attachments": ids}, token=shelf.token)
    assert answer.status_code == 200, answer.text
    return {hit["_id"] for hit in answer.json()["hits"]["hits"]}


def test_by_ids(shelf: Shelf) -> None:
    assert by_ids(shelf, shelf.ids) == set(shelf.ids)
    assert by_ids(shelf, [shelf.ids[0], UNKNOWN, shelf.ids[0], "", "x" * 600, "../x", "\ud800", "a?refresh"]) == {
        shelf.ids[0]
    }
    assert by_ids(shelf, []) == set()
    # More than the ten of a default page.
    many = shelf.server.upload(*[(f"{n}", b"x") for n in range(12)], token=shelf.server.make_token())
    answer = shelf.server.post("/attachment/_search", json={"attachments": many})
    assert {hit["_id"] for hit in answer.json()["hits"]["hits"]} == set(many)


@pytest.mark.parametrize("path", ["/attachment/_search", "/attachment/_status", "/attachment/_thumbnails"])
@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "{}", '{"attachments":"x"}', '{"attachments":[1]}', '{"attachments":[],"x":1}', "[" * 9000, "\0"],
)
def test_bodies_that_are_refused(server: Server, path: str, body: str) -> None:
    answer = server.post(path, data=body.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error", "status"}


@pytest.mark.parametrize("path", ["/attachment/_search", "/attachment/_status", "/attachment/_thumbnails"])
def test_as_many_ids_as_allowed_and_one_more(server: Server, path: str) -> None:
    assert server.post(path, json={"attachments": [UNKNOWN] * 1000}).status_code == 200
    answer = server.post(path, json={"attachments": [UNKNOWN] * 1001})
    assert (answer.status_code, "attachments" in answer.text) == (400, True)


def test_status(shelf: Shelf) -> None:
    server, token, ids = shelf.server, shelf.token, shelf.ids
    assert server.get(f"/attachment/{ids[0]}/status", token=token).json() == {"initial_parsing": "completed"}
    assert server.get(f"/attachment/{UNKNOWN}/status", token=token).status_code == 404
    expected = {ids[0]: {"initial_parsing": "completed"}, UNKNOWN: {}}
    answers = [
        server.get(f"/attachment/_status?attachments={ids[0]},{UNKNOWN}", token=token),
        server.request("GET", "/attachment/_status", json={"attachments": [ids[0], UNKNOWN]}, token=token),
        server.post("/attachment/_status", json={"attachments": [ids[0], UNKNOWN]}, token=token),
    ]
    assert [answer.json() for answer in answers] == [expected] * 3
    assert list(json.loads(answers[0].text)) == [ids[0], UNKNOWN]
    assert server.get("/attachment/_status?ids=x", token=token).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/attachment", 404),
        ("GET", "/attachment//x", 404),
        ("POST", "/attachment/_upload/x", 404),
        ("POST", "/chat//_upload", 404),
        ("GET", "/chat/s/_upload", 405),
        ("PUT", "/attachment/_upload", 405),
        ("POST", f"/attachment/{UNKNOWN}", 405),
        ("PATCH", f"/attachment/{UNKNOWN}/status", 405),
    ],
)
def test_what_there_is_not(server: Server, method: str, path: str, status: int) -> None:
    answer = server.request(method, path)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "status"}
    assert answer.json()["status"] == status
    assert ("Allow" in answer.headers) == (status == 405)


def test_unknown_attachments(server: Server) -> None:
    path = f"/attachment/{UNKNOWN}"
    assert server.get(path).text == f'{{"_id":"{UNKNOWN}","found":false}}\n'
    assert server.delete(path).text == f'{{"_id":"{UNKNOWN}","result":"not_found"}}\n'
    assert server.request("HEAD", path).status_code == 404


def test_health_needs_no_token(server: Server) -> None:
    answer = server.get("/health", token="wrong")
    assert answer.status_code == 200
    assert answer.json()["status"] in ("green", "yellow")


@pytest.mark.parametrize("query", ["gauge-wren", "gauge-wren*", "wren", "wrenzz~"])
def test_words_of_others_take_no_place(server: Server, query: str) -> None:
    mine, theirs = (server.make_token(tenant=secrets.token_hex(8)) for _ in range(2))
    letters = "abcdefgh"
    others = [(f"gauge-wren{one}{two}.txt", b"x") for one in letters for two in letters]
    server.upload(*others[:60], token=theirs)
    server.upload(("gauge-wrenzy.txt", b"x"), token=mine)
    found = server.hits(f"query={quote(query)}", token=mine)
    assert [hit["_source"]["name"] for hit in found] == ["gauge-wrenzy.txt"]
