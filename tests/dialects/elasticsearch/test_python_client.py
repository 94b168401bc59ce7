"""The official Python client, pointed at the server as if it were Elasticsearch."""

from __future__ import annotations

import base64
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import elasticsearch
import pytest
from elasticsearch import Elasticsearch

from app.search.language.targets import PUBLIC_INDEX as INDEX
from tests.dialects.elasticsearch.support import fill
from tests.support.app import Server

#: Attachments that are walked; WALK=100000 is the long one.
WALK = int(os.environ.get("WALK", "3000"))
PAGE = max(100, WALK // 100)


@pytest.fixture
def tenant() -> str:
    return f"python-{secrets.token_hex(4)}"


@pytest.fixture
def token(server: Server, tenant: str) -> str:
    return server.make_token(tenant=tenant)


@pytest.fixture
def client(server: Server, token: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(server.url, api_key=token, retry_on_timeout=False, max_retries=0, request_timeout=60) as made:
        yield made


def test_what_it_is(client: Elasticsearch) -> None:
    assert client.ping()
    assert client.info()["version"]["number"].startswith("8.")
    assert client.info()["tagline"] == "You Know, for Search"


def test_each_way_to_show_a_token(server: Server, token: str) -> None:
    encoded = base64.b64encode(f"any-id:{token}".encode()).decode()
    for shown in ({"api_key": token}, {"api_key": ("any-id", token)}, {"api_key": encoded}, {"bearer_auth": token}):
        with Elasticsearch(server.url, request_timeout=60, **shown) as client:
            assert client.count(index=INDEX)["count"] == 0


def test_search(server: Server, client: Elasticsearch, token: str) -> None:
    ids = server.upload(("Müller_Report-2024.pdf", b"x" * 10), ("notes.txt", b"y"), session="s1", token=token)
    server.upload(("Müller_Report-2025.pdf", b"x"), session="s1", token=server.make_token(tenant="someone"))
    for query in (
        {"match": {"name": "MULLER report"}},
        {"match_phrase": {"name": "report 2024"}},
        {"multi_match": {"query": "muller", "fields": ["name", "content"]}},
        {"simple_query_string": {"query": '"müller report" -notes', "default_operator": "and"}},
        {"term": {"name": "Müller_Report-2024.pdf"}},
        {"prefix": {"name": "Müller"}},
        {"wildcard": {"name": "*Report*"}},
        {"fuzzy": {"name_words": "mueller"}},
        {"bool": {"filter": [{"range": {"size": {"gt": 5}}}, {"exists": {"field": "session"}}]}},
        {"ids": {"values": ids[:1]}},
    ):
        answer = client.search(index=INDEX, query=query, highlight={"fields": {"name": {}}})
        assert [hit["_id"] for hit in answer["hits"]["hits"]] == ids[:1], query
        assert answer["hits"]["hits"][0]["_index"] == INDEX
    assert "tenant" not in answer["hits"]["hits"][0]["_source"]
    answer = client.search(
        index=INDEX,
        sort=[{"size": "desc"}],
        # Elasticsearch takes a list too; the client's types don't know it.
        source=["name"],  # type: ignore[arg-type]
        track_total_hits=True,
        aggs={"sessions": {"terms": {"field": "session"}, "aggs": {"first": {"top_hits": {"size": 1}}}}},
        collapse={"field": "session", "inner_hits": {"name": "all", "size": 5}},
    )
    assert answer["hits"]["total"] == {"value": 2, "relation": "eq"}
    (hit,) = answer["hits"]["hits"]
    assert hit["_source"] == {"name": "Müller_Report-2024.pdf"}
    assert {each["_id"] for each in hit["inner_hits"]["all"]["hits"]["hits"]} == set(ids)
    (bucket,) = answer["aggregations"]["sessions"]["buckets"]
    assert (bucket["key"], bucket["doc_count"]) == ("s1", 2)
    text = str(answer)
    assert server.index not in text
    assert "-000001" not in text
    assert client.count(index=INDEX, query={"match": {"name": "report"}})["count"] == 1
    filtered = client.search(index=INDEX, filter_path="hits.total.value,hits.hits._id", size=1, sort="size:desc")
    assert filtered == {"hits": {"total": {"value": 2}, "hits": [{"_id": ids[0]}]}}
    assert client.search(index=INDEX, rest_total_hits_as_int=True)["hits"]["total"] == 2


def test_a_content_is_found_and_marked_in_every_spelling(server: Server, client: Elasticsearch, tenant: str) -> None:
    fill(server, [f"german-{tenant}"], tenant, "Die Große Prüfung beginnt; 東京都の報告書 liegt bei.")
    for query, marked in (
        ({"match": {"content": "PRUFUNG"}}, "<em>Prüfung</em>"),
        ({"match_phrase": {"content": "grosse prufung"}}, "<em>Große</em> <em>Prüfung</em>"),
        ({"match_phrase": {"content": "報告書"}}, "<em>報</em><em>告</em><em>書</em>"),
        ({"match_bool_prefix": {"content": "große prüf"}}, "<em>Prüfung</em>"),
        ({"simple_query_string": {"query": '"große prüfung"'}}, "<em>Große</em> <em>Prüfung</em>"),
        ({"multi_match": {"query": "prufung", "fields": ["*"]}}, "<em>Prüfung</em>"),
    ):
        (hit,) = client.search(index=INDEX, query=query, highlight={"fields": {"content": {}}})["hits"]["hits"]
        assert marked in "".join(hit["highlight"]["content"]), query
        assert "content" not in hit["_source"]
        assert client.count(index=INDEX, query={"bool": {"must_not": query}})["count"] == 0


def test_msearch(server: Server, client: Elasticsearch, token: str) -> None:
    server.upload(("one.txt", b"x"), token=token)
    point = client.open_point_in_time(index=INDEX, keep_alive="1m")["id"]
    one, two, three, four = client.msearch(
        searches=[
            *({"index": INDEX}, {"query": {"match": {"name": "one"}}}),
            *({"index": INDEX}, {"query": {"range": {"created": {"gte": "no time"}}}}),
            *({}, {"pit": {"id": point}, "size": 0}),
            *({}, {"pit": {"id": "invented"}, "size": 0}),
        ]
    )["responses"]
    assert (one["status"], one["hits"]["total"]["value"]) == (200, 1)
    assert (two["status"], two["error"]["type"]) == (400, "parse_exception")
    assert "no time" in two["error"]["reason"]
    assert (three["pit_id"], three["hits"]["total"]["value"]) == (point, 1)
    assert (four["status"], four["error"]["type"]) == (404, "search_context_missing_exception")
    with pytest.raises(elasticsearch.BadRequestError, match="search 2"):
        client.msearch(index=INDEX, searches=[{}, {}, {}, {"query": {"script": {}}}])


def test_errors(server: Server, client: Elasticsearch) -> None:
    wrong: tuple[tuple[type[elasticsearch.ApiError], str, dict[str, Any]], ...] = (
        (elasticsearch.BadRequestError, "illegal_argument_exception", {"query": {"script_score": {}}}),
        (elasticsearch.BadRequestError, "x_content_parse_exception", {"query": {"nonsense": {}}}),
        (elasticsearch.BadRequestError, "illegal_argument_exception", {"from_": 10_000}),
        (elasticsearch.BadRequestError, "illegal_argument_exception", {"q": "tenant:x"}),
        (elasticsearch.NotFoundError, "index_not_found_exception", {"index": "coco_chat"}),
        (elasticsearch.NotFoundError, "index_not_found_exception", {"index": f"{INDEX}-000001"}),
        (elasticsearch.NotFoundError, "index_not_found_exception", {"index": f"{INDEX},other"}),
        (elasticsearch.NotFoundError, "search_context_missing_exception", {"index": None, "pit": {"id": "x"}}),
        (elasticsearch.BadRequestError, "invalid_index_name_exception", {"index": "_other"}),
    )
    for error, kind, call in wrong:
        with pytest.raises(error) as raised:
            client.search(**{"index": INDEX, **call})
        assert raised.value.error == kind, call
    for name in ("script_score", "global", "suggest"):
        with pytest.raises(elasticsearch.BadRequestError, match=name):
            client.search(index=INDEX, body={"aggs": {"a": {name: {}}}} if name == "global" else {name: {}})
    with pytest.raises(elasticsearch.AuthenticationException) as raised:
        client.options(api_key="wrong").search(index=INDEX)
    assert raised.value.error == "security_exception"
    with pytest.raises(elasticsearch.AuthorizationException):
        client.options(api_key=server.make_token("read")).search(index=INDEX)
    asked: tuple[Callable[[], Any], ...] = (
        lambda: client.index(index=INDEX, document={"a": 1}),
        lambda: client.delete(index=INDEX, id="x"),
        lambda: client.indices.delete(index=INDEX),
        lambda: client.cat.shards(),
        lambda: client.get(index=INDEX, id="x"),
    )
    for ask in asked:
        with pytest.raises((elasticsearch.NotFoundError, elasticsearch.ApiError)) as raised:
            ask()
        assert raised.value.meta.status in (404, 405)
    # What is not offered of the index does not say that there is none.
    with pytest.raises(elasticsearch.NotFoundError, match="no handler"):
        client.mget(index=INDEX, ids=["x"])


def walk(client: Elasticsearch, point: str | None, sort: list[Any]) -> Iterator[str]:
    """All ids, page by page."""
    after = None
    while True:
        options: dict[str, Any] = {"index": INDEX}
        if point is not None:
            options = {"pit": {"id": point, "keep_alive": "1m"}}
        hits = client.search(size=PAGE, sort=sort, search_after=after, source=False, track_total_hits=False, **options)[
            "hits"
        ]["hits"]
        if not hits:
            return
        yield from (hit["_id"] for hit in hits)
        after = hits[-1]["sort"]


def test_a_walk_meets_everything_once_while_uploads_go_on(
    server: Server, client: Elasticsearch, tenant: str, token: str
) -> None:
    wanted = {f"{number:020d}" for number in range(WALK)}
    fill(server, sorted(wanted), tenant)
    fill(server, (f"f{number:019d}" for number in range(500)), "someone-else")
    point = client.open_point_in_time(index=INDEX, keep_alive="1m")["id"]
    stop, late = threading.Event(), []

    def upload() -> None:
        while not stop.is_set():
            late.extend(server.upload(("late.txt", b"late"), token=token))

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        for sort in ([{"created": "asc"}], ["_shard_doc"], [{"session": "asc"}, {"id": "desc"}]):
            found = list(walk(client, point, sort))
            assert len(found) == len(set(found)) == WALK
            assert set(found) == wanted
        # Without a point in time too, when the order has no ties: what was there is met once.
        found = list(walk(client, None, [{"created": "asc"}, {"id": "asc"}]))
        assert len(found) == len(set(found))
        assert wanted <= set(found)
    finally:
        stop.set()
        thread.join()
    assert late
    assert client.close_point_in_time(id=point)["num_freed"] == 1


def test_a_point_in_time_is_its_tenants(server: Server, client: Elasticsearch, token: str) -> None:
    server.upload(("mine.txt", b"x"), token=token)
    other = server.make_token(tenant=f"other-{secrets.token_hex(4)}")
    point = client.open_point_in_time(index=INDEX, keep_alive="1m")["id"]
    said = []
    expired = client.open_point_in_time(index=INDEX, keep_alive="1ms")["id"]
    for shown, named in ((other, point), (token, "invented"), (token, f"{point[:-1]}-"), (token, expired)):
        stranger = client.options(api_key=shown)
        with pytest.raises(elasticsearch.NotFoundError) as raised:
            stranger.search(pit={"id": named, "keep_alive": "1m"})
        said.append(str(raised.value.body))
        with pytest.raises(elasticsearch.NotFoundError):
            stranger.close_point_in_time(id=named)
    assert len(set(said)) == 1
    for named in ("../../tokens.json", f"../{secrets.token_hex(4)}/{point}", "", "\0", "x" * 2000):
        with pytest.raises((elasticsearch.NotFoundError, elasticsearch.BadRequestError)):
            client.search(pit={"id": named})
    assert client.search(pit={"id": point})["hits"]["total"]["value"] == 1
    client.close_point_in_time(id=point)
    with pytest.raises(elasticsearch.NotFoundError):
        client.search(pit={"id": point})


def test_how_many_points_are_open_at_once(server: Server, client: Elasticsearch) -> None:
    limit = 20
    points = [client.open_point_in_time(index=INDEX, keep_alive="1m")["id"] for _ in range(limit)]
    with pytest.raises(elasticsearch.ApiError) as raised:
        client.open_point_in_time(index=INDEX, keep_alive="1m")
    assert raised.value.meta.status == 429
    assert raised.value.error == "es_rejected_execution_exception"
    client.close_point_in_time(id=points[0])
    points[0] = client.open_point_in_time(index=INDEX, keep_alive="1m")["id"]
    for point in points:
        client.close_point_in_time(id=point)
    for span in ("0s", "11m", "-1", "1y", ""):
        with pytest.raises(elasticsearch.BadRequestError):
            client.open_point_in_time(index=INDEX, keep_alive=span)


def test_tokens_end(server: Server, tenant: str) -> None:
    expired = server.make_token(tenant=tenant, expires=datetime.now(UTC) - timedelta(seconds=1))
    with (
        Elasticsearch(server.url, api_key=expired, request_timeout=60) as client,
        pytest.raises(elasticsearch.AuthenticationException),
    ):
        client.open_point_in_time(index=INDEX, keep_alive="1m")
