"""What clients ask before they search: index, mapping, capabilities of fields, counts and health; each the tenant's own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any, cast

import elasticsearch
import pytest
import requests
from elasticsearch import Elasticsearch

from app.model.schema import FIELDS
from app.passages.keeping import quantized
from app.search.language import shape
from app.search.language.nearest import VECTOR, Vectors
from app.search.language.targets import PUBLIC_INDEX as INDEX
from tests.support.app import Server

NAMEABLE = {each.name: each for each in FIELDS if each.nameable}
SECRET = [each.name for each in FIELDS if not each.nameable and each.type not in ("object", "nested")]


@pytest.fixture(scope="module")
def tenant() -> str:
    return f"about-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def token(server: Server, tenant: str) -> str:
    return server.make_token("search", "write", tenant=tenant)


@pytest.fixture(scope="module")
def client(server: Server, token: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(server.url, api_key=token, max_retries=0, request_timeout=60) as made:
        yield made


def get(server: Server, token: str, path: str, method: str = "GET", **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, server.url + path, headers=headers, timeout=60, **options)


def test_whether_the_index_is_there(server: Server, token: str, client: Elasticsearch) -> None:
    for name in (INDEX, "*", "_all", "coco_*", f"{INDEX},*nothing"):
        assert client.indices.exists(index=name), name
    for name in ("other", "coco_chat", f"{INDEX},other", f"{INDEX}-000001", server.index):
        assert not client.indices.exists(index=name), name
    assert client.indices.exists(index=f"{INDEX},other", ignore_unavailable=True)
    assert client.indices.get(index="coco_*").keys() == {INDEX}
    assert client.indices.get(index="nothing*").body == {}
    told = get(server, token, f"/{INDEX}").text
    assert server.index not in told
    assert '"settings":{"index":{"provided_name":"coco_attachment"}}' in told


def leaves(properties: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, content in properties.items():
        if "properties" in content:
            found |= leaves(content["properties"], f"{before}{name}.")
        else:
            found[before + name] = content
    return found


def test_the_mapping_is_what_may_be_named(client: Elasticsearch) -> None:
    for index in (None, INDEX, "coco_*"):
        (told,) = client.indices.get_mapping(index=index).values()
        mapped = leaves(told["mappings"]["properties"])
        # This server makes no vectors.
        assert mapped.keys() == NAMEABLE.keys() - {VECTOR}
        assert {name: each["type"] for name, each in mapped.items()} == {name: NAMEABLE[name].type for name in mapped}
        assert mapped["url"] == {"type": "keyword", "index": False, "doc_values": False}
    assert not {*SECRET} & {*mapped}
    assert "passages" not in told["mappings"]["properties"]


def test_the_model_and_the_dimensions_of_vectors() -> None:
    for model, known in (("m 3", {"dims": 256, "meta": {"model": "m 3"}}), ("", {})):
        vectors = Vectors(model, 256, quantized)
        passages = shape.mapping(vectors)["properties"]["passages"]
        assert passages == {
            "type": "nested",
            "properties": {
                "vector": {
                    "type": "dense_vector",
                    "index": True,
                    "element_type": "byte",
                    "similarity": "cosine",
                    **known,
                }
            },
        }
        caps = shape.field_caps({"fields": "passages*"}, vectors, [INDEX])["fields"]
        assert {name: (kind, each[kind]["aggregatable"]) for name, each in caps.items() for kind in each} == {
            "passages": ("nested", False),
            VECTOR: ("dense_vector", False),
        }
        assert shape.field_caps({"fields": "passages*", "filters": ["-nested"]}, vectors, [INDEX])["fields"] == {}


def test_what_fields_can_do(client: Elasticsearch) -> None:
    caps = client.field_caps(index="*", fields="*")
    assert caps["indices"] == [INDEX]
    assert caps["fields"].keys() == {*NAMEABLE, "extraction"} - {VECTOR}
    for name, (searchable, aggregatable) in {
        "name": (True, True),
        "created": (True, True),
        "content": (True, False),
        "url": (False, False),
        "extraction": (False, False),
    }.items():
        ((kind, told),) = caps["fields"][name].items()
        assert told == {"type": kind, "metadata_field": False, "searchable": searchable, "aggregatable": aggregatable}
    for name, told in caps["fields"].items():
        if next(iter(told.values()))["aggregatable"]:
            client.search(index=INDEX, size=0, aggs={"a": {"value_count": {"field": name}}})
    assert client.field_caps(fields=["size", "tenant", "passages_model", "_id"])["fields"].keys() == {"size"}
    assert client.field_caps(index=INDEX, fields="*", types=["date"])["fields"].keys() == {"created", "updated"}
    assert client.field_caps(index=INDEX, fields="ext*", filters="-parent")["fields"].keys() == {
        name for name in NAMEABLE if name.startswith("ext")
    }
    asked = client.field_caps(index=INDEX, fields="name", index_filter={"range": {"created": {"gte": "now-1d"}}})
    assert asked["indices"] == [INDEX]
    assert client.field_caps(index="nothing*", fields="*").body == {"indices": [], "fields": {}}


def test_counts_are_the_tenants_own(server: Server, tenant: str, client: Elasticsearch, token: str) -> None:
    before = client.count(index=INDEX)["count"]
    server.upload(("a.txt", b"x"), ("b.txt", b"y"), token=token)
    server.upload(*((f"{number}.txt", b"z") for number in range(5)), token=server.make_token(tenant="others"))
    for target in (None, INDEX, "coco_*"):
        # With text as its usual form, the client's types know no other.
        (row,) = cast(list[dict[str, str]], client.cat.indices(index=target, format="json"))
        assert row["docs.count"] == str(before + 2)
        assert (row["index"], row["status"]) == (INDEX, "open")
        assert row.keys() == {"health", "status", "index", "docs.count"}
    text = str(client.cat.indices(v=True))
    assert text.split()[:4] == ["health", "status", "index", "docs.count"]
    assert text.split()[4:][2:] == [INDEX, str(before + 2)]
    lines = get(server, token, "/_cat/indices?v&h=index,dc").text.split("\n")
    assert len(lines[0]) == len(lines[1]) > 0
    assert "docs.count" in get(server, token, "/_cat/indices?help").text
    worst = {"green": "red", "yellow": "red", "red": "green"}[row["health"]]
    assert get(server, token, f"/_cat/indices?format=json&health={worst}").json() == []


def test_the_health(server: Server, client: Elasticsearch, token: str) -> None:
    told = client.cluster.health()
    assert told.keys() == {"cluster_name", "status", "timed_out"}
    assert told["status"] in ("green", "yellow")
    assert client.cluster.health(index=INDEX, level="indices")["indices"] == {INDEX: {"status": told["status"]}}
    assert client.cluster.health(wait_for_status="yellow", timeout="1s")["timed_out"] is False
    late = get(server, token, "/_cluster/health?wait_for_status=green")
    assert (late.status_code, late.json()["timed_out"]) == ((200, False) if told["status"] == "green" else (408, True))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/_cat/indices?h=index,store.size", "[store.size]"),
        ("/_cat/indices?h=pri", "[pri]"),
        ("/_cat/indices?bytes=b", "[bytes]"),
        ("/_cat/indices?format=yaml", "[format]"),
        ("/_cat/indices?nonsense=1", "[nonsense]"),
        ("/_cluster/health?level=shards", "[level]"),
        ("/_cluster/health?wait_for_active_shards=1", "[wait_for_active_shards]"),
        ("/_cluster/health?wait_for_status=blue", "[wait_for_status]"),
        (f"/{INDEX}/_field_caps", "no fields specified"),
        (f"/{INDEX}/_field_caps?fields={'x,' * 60}", "more than 50"),
        (f"/{INDEX}/_field_caps?fields={'x' * 129}", "longer than"),
        (f"/{INDEX}/_field_caps?fields=*&filters=everything", "field_caps.filters]"),
        (f"/{INDEX}/_mapping?include_type_name=true", "[include_type_name]"),
        (f"/{INDEX}?nonsense=1", "[nonsense]"),
    ],
)
def test_what_is_refused_says_why(server: Server, token: str, path: str, why: str) -> None:
    answer = get(server, token, path)
    assert answer.status_code == 400, answer.text
    assert why in json.dumps(answer.json())


@pytest.mark.parametrize(
    "content",
    [
        {"fields": {"a": 1}},
        {"fields": [["name"]]},
        {"fields": ["name"] * 51},
        {"fields": "*", "runtime_mappings": {"x": {"type": "keyword"}}},
        {"fields": "*", "index_filter": {"script": {}}},
        {"fields": "*", "index_filter": {"term": {"tenant": "x"}}},
        {"fields": "*", "nonsense": 1},
        {"fields": ["\ud800"]},
    ],
)
def test_hostile_bodies(server: Server, token: str, content: dict[str, Any]) -> None:
    answer = get(server, token, f"/{INDEX}/_field_caps", "POST", json=content)
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("end", ["_mapping", "_field_caps?fields=*", "_count", "_search", "_doc/x", "_source/x"])
@pytest.mark.parametrize(
    "name", ["coco_chat", "a" * 500, "%00", "%2e%2e%2fcoco_chat", "%ff", "<x-{now/d}>", "é", "a:b", "x," * 999]
)
def test_hostile_names_are_missing(server: Server, token: str, name: str, end: str) -> None:
    answer = get(server, token, f"/{name}/{end}")
    assert answer.status_code in (404, 400), answer.text
    assert server.index not in answer.text


def test_what_is_not_offered(server: Server, token: str, client: Elasticsearch) -> None:
    for path in ("_settings", "_alias", "_stats", "_mapping/field/name", "_segments", "_termvectors/x", "_explain/x"):
        assert get(server, token, f"/{INDEX}/{path}").status_code == 404, path
    for path in (
        "/_cat/shards",
        "/_cat/nodes",
        "/_cluster/state",
        "/_cluster/stats",
        "/_nodes",
        "/_tasks",
        "/_aliases",
    ):
        assert get(server, token, path).status_code == 404, path
    for method in ("PUT", "DELETE", "POST"):
        assert get(server, token, f"/{INDEX}", method).status_code == 405
        assert get(server, token, f"/{INDEX}/_mapping", method).status_code == 405
    with pytest.raises(elasticsearch.ApiError):
        client.indices.create(index="new")


def test_other_paths_stay_whose_they_are(server: Server, token: str) -> None:
    """Of what looks like the name of an index, no more is taken than before."""
    for path in ("/other", "/favicon.ico", "/chat/_search", "/chat/x/_mapping", "/page/x/_doc/y"):
        for method in ("GET", "POST", "PUT"):
            answer = get(server, token, path, method)
            assert answer.status_code in (401, 404), (path, answer.text)
            assert "X-Elastic-Product" not in answer.headers
    assert requests.get(f"{server.url}/attachment/_search", headers={"X-API-TOKEN": token}, timeout=60).ok
