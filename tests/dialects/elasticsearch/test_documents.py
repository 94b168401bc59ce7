"""`_doc` and `_source`: one attachment by its id, the tenant's own and no other's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import elasticsearch
import pytest
import requests
from elasticsearch import Elasticsearch

from app.search.language.targets import PUBLIC_INDEX as INDEX
from app.search.params import SOURCE_FIELDS
from tests.support.app import Server


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return server.make_token("search", "write", tenant=f"documents-{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def document(server: Server, token: str) -> str:
    (made,) = server.upload(("Annual Report.pdf", b"some bytes"), session="s", token=token)
    return made


@pytest.fixture(scope="module")
def client(server: Server, token: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(server.url, api_key=token, max_retries=0, request_timeout=60) as made:
        yield made


def get(server: Server, token: str, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(options.pop("method", "GET"), server.url + path, headers=headers, timeout=60, **options)


def test_the_official_client(client: Elasticsearch, document: str) -> None:
    assert client.exists(index=INDEX, id=document)
    found = client.get(index=INDEX, id=document)
    assert (found["_id"], found["_index"], found["found"]) == (document, INDEX, True)
    assert {*found.keys()} == {"_id", "_index", "_version", "found", "_source"}
    assert found["_source"]["name"] == "Annual Report.pdf"
    assert found["_source"].keys() <= set(SOURCE_FIELDS)
    # What a search by its id tells.
    (hit,) = client.search(index=INDEX, query={"ids": {"values": [document]}})["hits"]["hits"]
    assert hit["_source"] == found["_source"]
    assert client.exists_source(index=INDEX, id=document)
    assert client.get_source(index=INDEX, id=document).body == found["_source"]
    assert client.get_source(index=INDEX, id=document, source_includes=["name", "tenant"]) == {
        "name": "Annual Report.pdf"
    }
    assert client.get(index=INDEX, id=document, source_excludes=["*"])["_source"] == {}
    assert "_source" not in client.get(index=INDEX, id=document, source=False)
    assert not client.exists(index=INDEX, id="missing")
    with pytest.raises(elasticsearch.NotFoundError) as raised:
        client.get(index=INDEX, id="missing")
    assert raised.value.body == {"_index": INDEX, "_id": "missing", "found": False}
    with pytest.raises(elasticsearch.NotFoundError) as raised:
        client.get_source(index=INDEX, id="missing")
    assert raised.value.error == "resource_not_found_exception"


def test_it_is_there_from_the_answer_to_its_upload_on_and_gone_with_it(
    server: Server, token: str, client: Elasticsearch
) -> None:
    (made,) = server.upload(("a.txt", b"x"), token=token)
    assert client.exists(index=INDEX, id=made)
    remover = server.make_token("delete", tenant=server.tokens.authenticate(token).tenant)
    assert server.delete(f"/attachment/{made}", token=remover).status_code == 200
    assert not client.exists(index=INDEX, id=made)


def test_another_tenants_is_not_there(server: Server, document: str) -> None:
    stranger = server.make_token("search", tenant="stranger")
    for kind in ("_doc", "_source"):
        for method in ("GET", "HEAD"):
            told = [
                get(server, stranger, f"/{INDEX}/{kind}/{each}", method=method)
                for each in (document, "0" * len(document))
            ]
            assert [each.status_code for each in told] == [404, 404]
            assert told[0].text.replace(document, "ID") == told[1].text.replace("0" * len(document), "ID")


def test_a_token_without_the_scope(server: Server, document: str, token: str) -> None:
    tenant = server.tokens.authenticate(token).tenant
    scopeless = server.make_token("read", "write", "delete", "admin", tenant=tenant)
    for kind in ("_doc", "_source"):
        answer = get(server, scopeless, f"/{INDEX}/{kind}/{document}")
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "security_exception")
        assert get(server, "wrong", f"/{INDEX}/{kind}/{document}").status_code == 401


HOSTILE = [
    "*",
    "_all",
    "../coco_chat",
    "a/b",
    "\0",
    "\u202e",
    '"',
    "'; DROP",
    "é" * 500,
    "x" * 5000,
    "{}",
    "%",
    "a b",
    "\\",
    "_search",
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda each: repr(each[:20]))
def test_hostile_ids_are_ids_that_nothing_has(server: Server, token: str, name: str) -> None:
    for kind, key in (("_doc", "found"), ("_source", "error")):
        answer = get(server, token, f"/{INDEX}/{kind}/{quote(name, safe='')}")
        if len(quote(name)) > 4000:
            # More than a request line may have.
            assert answer.status_code in (400, 404, 414)
            continue
        assert answer.status_code == 404, answer.text
        assert key in answer.json()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("stored_fields=name", "[stored_fields]"),
        ("version=1", "[version]"),
        ("version_type=external", "[version_type]"),
        ("unknown=1", "unrecognized parameter: [unknown]"),
        ("_source=name&_source=size", "more than once"),
        ("_source_includes=" + "x," * 60, "more than 50"),
        ("filter_path=" + "x." * 70, "filter_path"),
        ("pretty=perhaps", "[pretty]"),
    ],
)
def test_what_is_refused_says_why(server: Server, token: str, document: str, given: str, why: str) -> None:
    for kind in ("_doc", "_source"):
        answer = get(server, token, f"/{INDEX}/{kind}/{document}?{given}")
        assert answer.status_code == 400
        assert why in answer.json()["error"]["reason"]


def test_nothing_is_written(server: Server, token: str, document: str) -> None:
    for method in ("PUT", "POST", "DELETE"):
        answer = get(server, token, f"/{INDEX}/_doc/{document}", method=method, json={"a": 1})
        assert answer.status_code == 405
    assert get(server, token, f"/{INDEX}/_create/x", method="PUT", json={}).status_code == 404
    assert get(server, token, f"/{INDEX}/_update/{document}", method="POST", json={}).status_code == 404
