"""`sort=name`: as a person expects it, on a real node, whichever way it is walked."""

from __future__ import annotations

import json
import random
from urllib.parse import quote

import pytest
from elasticsearch import Elasticsearch

from app.model.attachment import extension
from app.search.collation import MOST_WEIGHTS, order_key
from tests.support.app import Server

#: In order. Where names are alike but for case, accents, zeros and form, by their code points.
NAMES = [
    "(draft) plan.txt",
    "2 plans.txt",
    "10 plans.txt",
    "Apfel 2.txt",
    "apfel 02.txt",
    "Äpfel 3.txt",
    "apfel １０.txt",
    "e.txt",
    "é.txt",
    "E 1.txt",
    "file" + "9" * 40 + ".txt",
    "File1" + "0" * 40 + ".txt",
    "report.pdf",
    "Report 2.docx",
    "report 10.pdf",
    "x" * 1000 + "1.txt",
    "x" * 1000 + "2.txt",
    "Zebra.txt",
    "Ω.txt",
    "яблоко.txt",
    "日本 2.txt",
]


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    token = server.make_token(tenant="names")
    mixed = NAMES.copy()
    random.Random(3).shuffle(mixed)
    server.upload(*[(name, b"x") for name in mixed], session="names", token=token)
    return token


def expected() -> list[str]:
    return sorted(NAMES, key=lambda name: (order_key(name), name.encode()))


def test_pages_are_in_order(server: Server, token: str) -> None:
    assert expected() == NAMES
    for direction, wanted in (("name", NAMES), ("name:asc", NAMES), ("name:desc", NAMES[::-1])):
        hits = server.hits(f"session=names&size=100&sort={direction}", token=token)
        assert [hit["_source"]["name"] for hit in hits] == wanted
        pages = [server.hits(f"sort={direction}&size=4&from={at}", token=token) for at in range(0, len(NAMES), 4)]
        assert [hit["_source"]["name"] for page in pages for hit in page] == wanted
    # Behind another field, and before it.
    hits = server.hits("sort=extension,name:desc&size=100", token=token)
    backwards = NAMES[::-1]
    backwards.sort(key=extension)
    assert [hit["_source"]["name"] for hit in hits] == backwards


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_a_walk_goes_on_with_what_a_hit_says(server: Server, token: str, direction: str) -> None:
    met: list[str] = []
    after = ""
    while hits := server.hits(f"sort=name:{direction}&size=3{after}", token=token):
        for hit in hits:
            name = hit["_source"]["name"]
            met.append(name)
            assert hit["sort"] == [order_key(name), name, hit["_id"]]
            assert len(hit["sort"][0]) <= 4 * MOST_WEIGHTS
        after = f"&search_after={quote(json.dumps(hits[-1]['sort']))}"
    assert met == (NAMES if direction == "asc" else NAMES[::-1])


def test_same_names_are_met_once_each(server: Server) -> None:
    token = server.make_token(tenant="same-names")
    ids = [each for _ in range(5) for each in server.upload(("same.txt", b"x"), ("SAME.txt", b"x"), token=token)]
    met: list[str] = []
    after = ""
    while hits := server.hits(f"sort=name&size=3{after}", token=token):
        met += [hit["_id"] for hit in hits]
        after = f"&search_after={quote(json.dumps(hits[-1]['sort']))}"
    assert sorted(met) == sorted(ids)
    assert [hit["_source"]["name"] for hit in server.hits("sort=name", token=token)] == ["SAME.txt"] * 5 + [
        "same.txt"
    ] * 5


@pytest.mark.parametrize(
    "after",
    [
        '["a.txt","x"]',
        '["00","a.txt",1]',
        '["00",["a.txt"],"x"]',
        '[true,"a.txt","x"]',
        '["00","a.txt","x","y"]',
        '["\\ud800","a.txt","x"]',
    ],
)
def test_what_no_hit_says_is_refused(server: Server, token: str, after: str) -> None:
    answer = server.get(f"/attachment/_search?sort=name&search_after={quote(after)}", token=token)
    assert (answer.status_code, "[search_after]" in answer.text) == (400, True)


def test_what_any_hit_could_say_is_taken(server: Server, token: str) -> None:
    for after in ([None, None, "x"], ["zz" * 3000, "\0", ""], ["", "", ""]):
        asked = quote(json.dumps(after))
        assert server.get(f"/attachment/_search?sort=name&search_after={asked}", token=token).status_code == 200


def test_elasticsearchs_language_sorts_by_the_name_itself_and_by_the_key(server: Server, token: str) -> None:
    with Elasticsearch(server.url, api_key=token, request_timeout=60) as client:
        for field, wanted in (("name", sorted(NAMES)), ("name_order", NAMES)):
            found = client.search(index="coco_attachment", sort=[field, "name"], size=100)["hits"]["hits"]
            assert [hit["_source"]["name"] for hit in found] == wanted
        key = order_key("report.pdf")
        found = client.search(index="coco_attachment", query={"term": {"name_order": key}})["hits"]["hits"]
        assert [hit["_source"]["name"] for hit in found] == ["report.pdf"]
        assert "name_order" not in found[0]["_source"]
