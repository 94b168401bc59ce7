"""`pit` of `GET /attachment/_search`: a walk by relevance meets each hit once, whatever others write meanwhile."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
import requests
from elasticsearch import Elasticsearch, NotFoundError

from tests.support.app import Server, ServerFactory

Json = dict[str, Any]
WORDS = "query=ledger+entry"


@pytest.fixture
def token(server: Server) -> str:
    """Of a tenant of its own."""
    return server.make_token(tenant=f"points-{secrets.token_hex(6)}")


def ask(server: Server, token: str, query: str) -> Json:
    answer = server.get(f"/attachment/_search?{query}", token=token)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def close(server: Server, token: str, point: str) -> requests.Response:
    return server.delete("/attachment/_pit", json={"id": point}, token=token)


def ledgers(server: Server, token: str, count: int) -> list[str]:
    """Of different lengths, so that scores differ, and some alike."""
    files = [(f"ledger {number:03}.txt", b"x") for number in range(count // 2)]
    files += [
        (f"a longer ledger, the entry of {'x ' * (number % 4)}{number}.txt", b"x") for number in range(count // 2)
    ]
    return server.upload(*files, session="walk", token=token)


def others(server: Server, token: str, victims: list[str]) -> None:
    """Change what scores rest on: more of the words, in shorter and longer names; and fewer of the hits."""
    files = [(f"ledger entry {number} {'of somebody else ' * (number % 3)}.txt", b"x") for number in range(60)]
    server.upload(*files, session="others", token=token)
    for each in victims:
        assert server.delete(f"/attachment/{each}", token=token).ok


#: How a page after the first is asked for: by what the walk has met, and the last hit.
WAYS: dict[str, Callable[[list[str], Json], str]] = {
    "search_after": lambda met, last: f"&search_after={quote(json.dumps(last['sort']))}",
    "from": lambda met, last: f"&from={len(met)}",
}


def walk(server: Server, token: str, query: str, way: str, between: Callable[[int], None], *, point: bool) -> list[str]:
    """The ids of all hits, in pages of 6; `between` pages something happens, by their number."""
    met: list[str] = []
    more = "&pit=true" if point else ""
    page = 0
    while True:
        answer = ask(server, token, f"{query}&size=6{more}")
        hits = answer["hits"]["hits"]
        met += [hit["_id"] for hit in hits]
        if len(hits) < 6:
            if point:
                assert close(server, token, answer["pit_id"]).json() == {"succeeded": True, "num_freed": 1}
            return met
        between(page)
        page += 1
        more = f"&pit={answer['pit_id']}" if point else ""
        more += WAYS[way](met, hits[-1])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "sort", ["", "&sort=_score:desc,id:desc", "&sort=_score:asc", "&sort=name", "&sort=size,_score"]
)
def test_each_hit_is_met_once_while_others_write(server: Server, token: str, way: str, sort: str) -> None:
    ids = ledgers(server, token, 20)

    def between(page: int) -> None:
        if page < 2:
            others(server, token, ids[page * 3 : page * 3 + 2])

    met = walk(server, token, f"query=ledger&session=walk{sort}", way, between, point=True)
    assert sorted(met) == sorted(ids)


def test_without_a_point_the_same_walk_is_wrong(server: Server, token: str) -> None:
    """So that the tests above have something to show."""
    ids = ledgers(server, token, 20)
    query = "query=ledger&session=walk&sort=_score:desc,id"
    met = walk(server, token, query, "search_after", lambda page: others(server, token, []), point=False)
    assert set(met) <= set(ids)
    # Scores were less, and some came again, or they were more, and some were passed over.
    assert sorted(met) != sorted(ids)


@pytest.mark.parametrize("way", WAYS)
def test_walks_beside_traffic(server: Server, token: str, way: str) -> None:
    ids = ledgers(server, token, 30)
    stop = threading.Event()

    def traffic() -> None:
        while not stop.is_set():
            made = server.upload(*[(f"ledger noise {n}.txt", b"ledger") for n in range(6)], session="n", token=token)
            for each in made[:4]:
                server.delete(f"/attachment/{each}", token=token)

    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(traffic) for _ in range(2)]
        try:
            for _ in range(3):
                met = walk(server, token, "query=ledger&session=walk", way, lambda page: None, point=True)
                assert sorted(met) == sorted(ids)
        finally:
            stop.set()
        for each in running:
            each.result()


def test_the_envelope_has_the_point_where_elasticsearch_has_it(server: Server, token: str) -> None:
    ledgers(server, token, 8)
    plain = ask(server, token, f"{WORDS}&session=walk&facets=extension&highlight=true")
    found = ask(server, token, f"{WORDS}&session=walk&facets=extension&highlight=true&pit=true")
    assert list(found) == ["pit_id", *plain]
    assert found["hits"]["max_score"] == plain["hits"]["max_score"] == plain["hits"]["hits"][0]["_score"]
    for hit, other in zip(found["hits"]["hits"], plain["hits"]["hits"], strict=True):
        assert hit.pop("sort") == [hit["_score"], hit["_id"]]
        assert hit == other
        assert hit["_index"] == server.index
    assert found["aggregations"] == plain["aggregations"]
    # A search without words has an order too, and is told of it.
    found = ask(server, token, f"session=walk&pit={found['pit_id']}")
    assert [hit["sort"] for hit in found["hits"]["hits"]] == [
        [hit["_score"], hit["_id"]] for hit in found["hits"]["hits"]
    ]
    # So is one that names its own.
    found = ask(server, token, f"session=walk&sort=size&pit={found['pit_id']}&size=1")
    assert found["hits"]["hits"][0]["sort"] == [1, found["hits"]["hits"][0]["_id"]]
    assert close(server, token, found["pit_id"]).ok


def test_what_was_deleted_is_still_there_and_what_came_is_not(server: Server, token: str) -> None:
    one, two = server.upload(("ledger one.txt", b"1"), ("ledger two.txt", b"2"), token=token)
    point = ask(server, token, "query=ledger&pit=true")["pit_id"]
    assert server.delete(f"/attachment/{one}", token=token).ok
    server.upload(("ledger three.txt", b"3"), token=token)
    found = ask(server, token, f"query=ledger&pit={point}")["hits"]["hits"]
    assert sorted(hit["_id"] for hit in found) == sorted([one, two])
    assert server.get(f"/attachment/{one}", token=token).status_code == 404
    assert {hit["_id"] for hit in ask(server, token, "query=ledger")["hits"]["hits"]}.isdisjoint({one})


def test_each_use_lets_it_live_on(start_server: ServerFactory) -> None:
    server = start_server()
    server.upload(("ledger.txt", b"x"))
    point = ask(server, server.token, "query=ledger&pit=true")["pit_id"]
    (path,) = (server.data / "points").glob(f"*/{point}")
    soon = time.time() + 20
    os.utime(path, (soon, soon))
    assert ask(server, server.token, f"query=ledger&pit={point}")["pit_id"] == point
    assert path.stat().st_mtime > time.time() + 200


HOSTILE = [
    "",
    "True",
    "TRUE",
    "false",
    "1",
    "x" * 43,
    "x" * 4000,
    "../" * 14 + "x",
    "a" * 42 + "%00",
    "%F0%9F%98%80" * 43,
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_point_that_was_never_there(server: Server, token: str, value: str) -> None:
    for query in ("query=x", "session=s", "sort=name", "size=0"):
        answer = server.get(f"/attachment/_search?{query}&pit={value}", token=token)
        assert (answer.status_code, answer.json()["status"]) == (404, 404), answer.text
        assert "No search context found" in answer.json()["error"]["reason"]


def test_twice_is_refused_and_so_is_what_exceeds_the_other_bounds(server: Server, token: str) -> None:
    point = ask(server, token, "pit=true")["pit_id"]
    for query, named in (
        (f"pit={point}&pit={point}", "pit"),
        ("pit=true&pit=true", "pit"),
        (f"pit={point}&from=10000", "from"),
        (f"pit={point}&size=1001", "size"),
        (f"pit={point}&search_after=[1]", "search_after"),
        (f'pit={point}&search_after=["x","y"]', "search_after"),
        (f'pit={point}&search_after=[1,"y"]&from=1', "search_after"),
        (f"pit={point}&keep_alive=1m", "keep_alive"),
    ):
        answer = server.get(f"/attachment/_search?{query}", token=token)
        assert (answer.status_code, f"[{named}]" in answer.text) == (400, True), answer.text
    assert close(server, token, point).ok


def test_it_is_its_tenants_alone(server: Server, token: str) -> None:
    server.upload(("ledger secret.txt", b"x"), token=token)
    point = ask(server, token, "query=ledger&pit=true")["pit_id"]
    stranger, reader = server.make_token(tenant="points-stranger"), server.make_token("read", tenant="x")
    for each in (f"/attachment/_search?query=ledger&pit={point}", f"/attachment/_search?pit={point}"):
        answer = server.get(each, token=stranger)
        assert (answer.status_code, "secret" in answer.text) == (404, False)
        assert server.get(each, token=reader).status_code == 403
    assert close(server, stranger, point).status_code == 404
    assert close(server, reader, point).status_code == 403
    # Another token of the same tenant may use it, closed or expired nobody.
    assert ask(server, token, f"query=ledger&pit={point}")["hits"]["total"]["value"] == 1
    assert close(server, token, point).ok
    for answer in (server.get(f"/attachment/_search?pit={point}", token=token), close(server, token, point)):
        assert (answer.status_code, answer.json()["status"]) == (404, 404)


def test_one_that_elasticsearch_has_forgotten_is_gone(server: Server, token: str) -> None:
    point = ask(server, token, "pit=true")["pit_id"]
    (path,) = (server.data / "points").glob(f"*/{point}")
    with Elasticsearch(server.elasticsearch_url) as direct:
        direct.close_point_in_time(id=path.read_text().partition(" ")[2])
    answer = server.get(f"/attachment/_search?pit={point}", token=token)
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


def test_elasticsearchs_own_language_has_the_same_points(server: Server, token: str) -> None:
    server.upload(("ledger.txt", b"x"), token=token)
    stranger = server.make_token(tenant="points-stranger")
    with (
        Elasticsearch(server.url, api_key=token, request_timeout=60) as client,
        Elasticsearch(server.url, api_key=stranger, request_timeout=60) as other,
    ):
        here, there = (
            ask(server, token, "pit=true")["pit_id"],
            client.open_point_in_time(index="coco_attachment", keep_alive="1m")["id"],
        )
        server.upload(("ledger later.txt", b"x"), token=token)
        for point in (here, there):
            assert client.search(pit={"id": point, "keep_alive": "1m"})["hits"]["total"]["value"] == 1
            assert ask(server, token, f"query=ledger&pit={point}")["hits"]["total"]["value"] == 1
            assert server.get(f"/attachment/_search?pit={point}", token=stranger).status_code == 404
            with pytest.raises(NotFoundError):
                other.search(pit={"id": point})
        assert client.close_point_in_time(id=here)["num_freed"] == 1
        assert close(server, token, there).ok
        for point in (here, there):
            assert server.get(f"/attachment/_search?pit={point}", token=token).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id":1}',
        b'{"id":null}',
        b'{"id":"x","more":1}',
        b'{"id":"x","id":"y"}',
        b"\xff",
        b"[" * 9999,
    ],
)
def test_closing_wants_one_id(server: Server, token: str, body: bytes) -> None:
    answer = server.delete("/attachment/_pit", data=body, token=token)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


@pytest.mark.parametrize("value", ["", "x", "x" * 43, "x" * 4000, "../" * 15, "\0" * 43, "é" * 43])
def test_closing_what_was_never_there(server: Server, token: str, value: str) -> None:
    answer = close(server, token, value)
    assert (answer.status_code, answer.json()["status"]) == (404, 404)
    assert server.delete("/attachment/_pit?id=x", json={"id": value}, token=token).status_code == 400


def test_a_tenant_has_a_bounded_number(start_server: ServerFactory) -> None:
    server = start_server(MAX_POINTS_IN_TIME="2")
    server.upload(("ledger.txt", b"x"))
    one, _ = (ask(server, server.token, "query=ledger&pit=true")["pit_id"] for _ in range(2))
    answer = server.get("/attachment/_search?query=ledger&pit=true")
    assert (answer.status_code, answer.json()["status"]) == (429, 429)
    assert "at most 2" in answer.json()["error"]["reason"]
    # Another tenant has its own, those that are open go on, and room is made by closing one.
    ask(server, server.make_token(tenant="other"), "pit=true")
    ask(server, server.token, f"query=ledger&pit={one}")
    assert close(server, server.token, one).ok
    ask(server, server.token, "query=ledger&pit=true")
    # What is refused before it begins opens none.
    assert server.get("/attachment/_search?pit=true&size=-1").status_code == 400
    assert len(list((server.data / "points" / "default").iterdir())) == 2


def test_a_search_that_fails_leaves_no_point_behind(start_server: ServerFactory) -> None:
    # The answer to a search is too large, and that to the opening of a point is not.
    server = start_server(MAX_ANSWER_SIZE="1MiB")
    for start in range(0, 300, 100):
        server.upload(*[(f"ledger {'x' * 900} {start + number}.txt", b"x") for number in range(100)])
    ask(server, server.token, "query=ledger&size=10&sort=name")
    answer = server.get("/attachment/_search?query=ledger&size=300&sort=name&pit=true")
    assert answer.status_code == 400, answer.text
    assert list((server.data / "points").glob("*/*")) == []


def test_ties_are_in_the_order_of_ids_and_nothing_else_is_different(server: Server, token: str) -> None:
    """Names that score alike, with ids that are not in the order in which they came."""
    bearer = {"Authorization": f"Bearer {token}"}
    for number in range(24):
        form = {"file": (f"{number:02}.txt", b"ledger")}
        assert server.post("/attachment/v1/upload", headers=bearer, files=form).ok
    query = "query=%2A"
    pages = [ask(server, token, f"{query}&size=5&from={at}")["hits"] for at in range(0, 25, 5)]
    hits = [hit for page in pages for hit in page["hits"]]
    assert len({hit["_id"] for hit in hits}) == 24
    assert len({hit["_score"] for hit in hits}) == 1
    assert [hit["_id"] for hit in hits] == sorted(hit["_id"] for hit in hits)
    assert {page["max_score"] for page in pages} == {hits[0]["_score"]}
    assert all(list(hit) == ["_index", "_type", "_id", "_score", "_source"] for hit in hits)
    # No hit has a best score, nor has a page without hits.
    assert ask(server, token, "query=nothing+of+it")["hits"]["max_score"] is None
    assert ask(server, token, f"{query}&size=0")["hits"]["max_score"] is None
    # What looks like an order in a name is a name.
    name = '","sort":[1,"x"]}'
    server.upload((name, b"x"), session="odd", token=token)
    (hit,) = ask(server, token, f"query={quote(name)}&session=odd")["hits"]["hits"]
    assert (hit["_source"]["name"], "sort" in hit) == (name, False)
