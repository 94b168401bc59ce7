"""`knn`: the attachments nearest to a vector that the store itself made, the tenant's own alone."""

from __future__ import annotations

import json
import math
import operator
import random
import secrets
import time
from array import array
from collections.abc import Iterator
from typing import Any

import elasticsearch
import pytest
import requests
from elasticsearch import Elasticsearch

from app.errors import EmbeddingsUnavailable, SearchRefused
from app.passages.keeping import quantized
from app.search.constant import without_statistics
from app.search.language import body, limits, nearest
from app.search.language.nearest import VECTOR, Vectors
from app.search.language.targets import PUBLIC_INDEX as INDEX
from tests.support.app import Server
from tests.support.models import MODEL, embed, patient_server

#: Of the model that is built in.
DIMENSIONS = 512
ONES = [1.0] * DIMENSIONS
MINE = [{"term": {"tenant": "mine"}}, {"term": {"passages_model": "model 1"}}]


def made(knn: Any, **more: Any) -> dict[str, Any]:
    return body.search(
        {"knn": knn, **more}, "mine", 1000, vectors=lambda: Vectors("model 1", DIMENSIONS, quantized)
    ).body


def refused(knn: Any, **more: Any) -> str:
    with pytest.raises(SearchRefused) as raised:
        made(knn, **more)
    return str(raised.value)


def asked(**more: Any) -> dict[str, Any]:
    return {"field": VECTOR, "query_vector": ONES, **more}


def test_whose_it_is_and_whose_model_made_it_is_inside() -> None:
    own: list[tuple[dict[str, Any], int]] = [
        ({}, 0),
        ({"filter": []}, 0),
        ({"filter": {"match_all": {}}}, 1),
        ({"filter": [{"term": {"session": "s"}}] * 2}, 2),
    ]
    for filters, count in own:
        (found,) = made(asked(**filters))["knn"]
        assert found["filter"][-2:] == MINE
        assert len(found["filter"]) == 2 + count
    for each in made([asked(), asked(k=3)])["knn"]:
        assert each["filter"] == MINE


def test_beside_it_nothing_else_is_found_unless_it_is_asked_for() -> None:
    restriction = [{"term": {"tenant": "mine"}}]
    alone = made(asked())["query"]["bool"]
    assert alone == {"must": [{"match_none": {}}], "filter": restriction}
    both = made(asked(), query={"match": {"name": "x"}})["query"]["bool"]
    assert both["must"][0] == {"match": {"name_words": {"query": "x"}}}
    assert both["filter"] == restriction
    # No vector at all is none: everything of the tenant, and of nobody else.
    empty = made([])
    assert "knn" not in empty
    assert empty["query"]["bool"] == {"must": [{"match_all": {}}], "filter": restriction}


def test_a_vector_is_compared_as_those_of_the_index_are_kept() -> None:
    vector = [(-1) ** at * (at % 7) / 9 for at in range(DIMENSIONS)]
    (found,) = made(asked(query_vector=vector))["knn"]
    assert found["query_vector"] == quantized(vector).hex()
    assert made(asked(query_vector=[1] * DIMENSIONS))["knn"][0]["query_vector"] == "7f" * DIMENSIONS


def test_how_many_are_found_and_looked_at() -> None:
    for given, size, k, looked in (
        ({}, 10, 10, 100),
        ({}, 0, 1, 100),
        ({"k": 5}, 10, 5, 100),
        ({"k": 200}, 10, 200, 300),
        ({"k": 5, "num_candidates": 7}, 10, 5, 100),
        ({"num_candidates": 500}, 10, 10, 500),
        ({"k": 1000}, 10, 1000, 1000),
    ):
        (found,) = made(asked(**given), size=size)["knn"]
        assert (found["k"], found["num_candidates"]) == (k, looked)
    assert "cannot be less than [k]" in refused(asked(k=5, num_candidates=4))
    assert "cannot be less than [k]" in refused(asked(num_candidates=4))
    assert made([asked(num_candidates=limits.MAX_CANDIDATES // 4)] * 4)
    assert "passages in all" in refused([asked(num_candidates=limits.MAX_CANDIDATES // 4 + 1)] * 4)
    assert "entries" in refused([asked()] * (limits.MAX_VECTORS + 1))


def test_what_all_searches_of_one_request_may_look_at() -> None:
    line = b"{}\n" + json.dumps({"knn": asked()}).encode() + b"\n"

    def searches(count: int) -> list[body.Search]:
        return body.searches(line * count, "mine", 10, vectors=lambda: Vectors("m", DIMENSIONS, quantized))

    most = limits.MAX_CANDIDATES // limits.LEAST_CANDIDATES
    assert sum(each.candidates for each in searches(most)) == limits.MAX_CANDIDATES
    with pytest.raises(SearchRefused, match="passages that are looked at"):
        searches(most + 1)


@pytest.mark.parametrize(
    ("knn", "why"),
    [
        (asked(field="content"), "can't use the field [content]"),
        (asked(field="passages"), "can't use the field"),
        (asked(field="*"), "can't use the field"),
        (asked(query_vector=ONES[1:]), f"list of {DIMENSIONS} numbers"),
        (asked(query_vector=[*ONES, 1]), f"list of {DIMENSIONS} numbers"),
        (asked(query_vector="7f" * DIMENSIONS), "not a text"),
        (asked(query_vector=[0] * DIMENSIONS), "no direction"),
        (asked(query_vector=["x", *ONES[1:]]), "must be a number"),
        (asked(query_vector=[True, *ONES[1:]]), "must be a number"),
        (asked(query_vector=[None, *ONES[1:]]), "must be a number"),
        (asked(query_vector=[1e300, *ONES[1:]]), "number from"),
        (asked(query_vector=[float("nan"), *ONES[1:]]), "number from"),
        (asked(query_vector={}), "numbers"),
        ({"query_vector": ONES}, "requires [field]"),
        ({"field": VECTOR}, "requires [query_vector]"),
        (
            {"field": VECTOR, "query_vector_builder": {"text_embedding": {}}, "query_vector": ONES},
            "POST /v1/embeddings",
        ),
        (asked(k=0), "whole number"),
        (asked(k=limits.MAX_CANDIDATES + 1), "whole number"),
        (asked(num_candidates=10_000), "whole number"),
        (asked(similarity=2), "number from"),
        (asked(boost=-1), "number from"),
        (asked(rescore_vector={"oversample": 2}), "[rescore_vector]"),
        (asked(filter={"script": {}}), "runs a script"),
        (asked(filter={"term": {"tenant": "other"}}), "can't use the field [tenant]"),
        (asked(filter={"term": {"passages_model": "x"}}), "can't use the field [passages_model]"),
        (asked(filter=[{"match_all": {}}] * 300), "more than 256"),
        (asked(inner_hits={"_source": True}), "unknown field"),
        (asked(inner_hits={"size": 101}), "whole number"),
        (asked(nonsense=1), "unknown field [nonsense]"),
        ("x", "must be an object"),
        ([[]], "must be an object"),
        (5, "must be an object"),
    ],
)
def test_what_is_refused_says_why(knn: Any, why: str) -> None:
    assert why in refused(knn)


def test_hits_of_passages_count_as_hits() -> None:
    assert made(asked(inner_hits={"size": 9}), size=1000)["knn"][0]["inner_hits"]["_source"] is False
    assert "hits" in refused(asked(inner_hits={"size": 10}), size=1000)


def test_groups_are_not_filled_by_what_is_near() -> None:
    """Elasticsearch fills them by the query alone; without one it would by everybody's documents."""
    groups = {"field": "session", "inner_hits": {"name": "x"}}
    assert "needs a [query]" in refused(asked(), collapse=groups)
    assert made(asked(), collapse={"field": "session"})
    assert made(asked(), collapse=groups, query={"match_all": {}})["query"]["bool"]["filter"]


def test_it_is_no_clause() -> None:
    for place in (
        {"query": {"knn": asked()}},
        {"post_filter": {"knn": asked()}},
        {"query": {"nested": {"path": "passages"}}},
    ):
        with pytest.raises(SearchRefused, match="is not offered here"):
            body.search(place, "mine", 10, vectors=lambda: Vectors("m", DIMENSIONS, quantized))


def test_vectors_are_asked_for_where_there_is_one() -> None:
    def away() -> Vectors:
        raise EmbeddingsUnavailable()

    assert body.search({"query": {"match_all": {}}}, "mine", 10, vectors=away)
    with pytest.raises(EmbeddingsUnavailable):
        body.search({"knn": asked()}, "mine", 10, vectors=away)
    with pytest.raises(SearchRefused, match="EMBEDDINGS"):
        body.search({"knn": asked()}, "mine", 10)


def test_scores_without_statistics_keep_it() -> None:
    sent = made(asked(), query={"match": {"content": "x"}})
    assert without_statistics(sent)["knn"] == sent["knn"]


def test_a_server_without_vectors_says_so(server: Server) -> None:
    with (
        Elasticsearch(server.url, api_key=server.token, max_retries=0, request_timeout=60) as client,
        pytest.raises(elasticsearch.BadRequestError, match="EMBEDDINGS"),
    ):
        client.search(index=INDEX, knn=asked())


# With the real model

TEXTS = {
    "whale.txt": "The humpback whale sings for hours in warm water, and its song changes every year.",
    "boiler.txt": "The boiler in the cellar heats water for the radiators on all floors of the house.",
    "bread.txt": "Knead flour, water, salt and yeast, let the dough rest, and bake it in a hot oven.",
}


@pytest.fixture(scope="module")
def meant(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    with patient_server(tmp_path_factory.mktemp("knn"), elasticsearch_url, EXTRACTION="on") as running:
        files = [(name, text.encode()) for name, text in TEXTS.items()]
        others = [
            (f"zqx {number}.txt", f"{text} It is number {number}.".encode())
            for number in range(9)
            for text in TEXTS.values()
        ]
        ids = running.upload(*files, session="mine")
        ids += running.upload(*others, session="mine", token=running.make_token(tenant="others"))
        deadline = time.monotonic() + 240
        while any((running.data / "extraction" / each).exists() for each in ids):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield running


@pytest.fixture(scope="module")
def client(meant: Server) -> Iterator[Elasticsearch]:
    with Elasticsearch(meant.url, api_key=meant.token, max_retries=0, request_timeout=60) as made:
        yield made


def vector(server: Server, text: str) -> list[float]:
    answer = embed(server, [text])
    assert answer.status_code == 200, answer.text
    found: list[float] = answer.json()["data"][0]["embedding"]
    return found


QUESTION = "how are rooms kept warm in winter"


def test_what_is_near_is_found(meant: Server, client: Elasticsearch) -> None:
    near = {"field": VECTOR, "query_vector": vector(meant, QUESTION), "k": 3, "num_candidates": 50}
    found = client.search(index=INDEX, knn=near)
    hits = found["hits"]["hits"]
    assert [hit["_source"]["name"] for hit in hits][0] == "boiler.txt"
    # Of the tenant's own alone, though others have nearer ones in plenty.
    assert sorted(hit["_source"]["name"] for hit in hits) == sorted(TEXTS)
    assert found["hits"]["total"]["value"] == 3
    assert client.search(index=INDEX, knn={**near, "similarity": 0.99})["hits"]["hits"] == []
    assert [hit["_score"] for hit in client.search(index=INDEX, knn={**near, "boost": 10})["hits"]["hits"]] == [
        pytest.approx(10 * hit["_score"], rel=1e-4) for hit in hits
    ]
    one = client.search(index="coco_*", knn={**near, "filter": {"term": {"name": "bread.txt"}}})["hits"]["hits"]
    assert [hit["_source"]["name"] for hit in one] == ["bread.txt"]
    counted = client.search(index=INDEX, knn={**near, "k": 1}, aggs={"a": {"terms": {"field": "name"}}}, size=0)
    assert [each["key"] for each in counted["aggregations"]["a"]["buckets"]] == ["boiler.txt"]


def test_beside_words(meant: Server, client: Elasticsearch) -> None:
    near = {"field": VECTOR, "query_vector": vector(meant, QUESTION), "k": 1, "boost": 60}
    found = client.search(
        index=INDEX, knn=near, query={"match": {"content": "whale"}}, highlight={"fields": {"content": {}}}
    )
    assert [hit["_source"]["name"] for hit in found["hits"]["hits"]] == ["boiler.txt", "whale.txt"]
    assert "<em>whale</em>" in found["hits"]["hits"][1]["highlight"]["content"][0]
    point = client.open_point_in_time(index=INDEX, keep_alive="1m")["id"]
    assert client.search(pit={"id": point}, knn=near)["hits"]["hits"][0]["_source"]["name"] == "boiler.txt"
    one, two = client.msearch(index=INDEX, searches=[{}, {"knn": near}, {}, {"query": {"match_all": {}}}])["responses"]
    assert [len(each["hits"]["hits"]) for each in (one, two)] == [1, 3]


def test_which_passage_it_was(meant: Server, client: Elasticsearch) -> None:
    near = {"field": VECTOR, "query_vector": vector(meant, QUESTION), "k": 1, "inner_hits": {"name": "near", "size": 2}}
    (hit,) = client.search(index=INDEX, knn=near)["hits"]["hits"]
    (passage,) = hit["inner_hits"]["near"]["hits"]["hits"]
    assert passage["_nested"] == {"field": "passages", "offset": 0}
    assert passage["_index"] == INDEX
    assert "vector" not in json.dumps(hit["inner_hits"]).replace("passages.vector", "")


def test_nobody_elses_in_any_part_of_an_answer(meant: Server, client: Elasticsearch) -> None:
    near = {"field": VECTOR, "query_vector": vector(meant, QUESTION), "k": 50, "num_candidates": 100}
    parts: list[dict[str, Any]] = [
        {"aggs": {"a": {"terms": {"field": "name", "size": 100}, "aggs": {"b": {"top_hits": {}}}}}},
        {"collapse": {"field": "session", "inner_hits": {"name": "x", "size": 100}}, "query": {"match_none": {}}},
        {"collapse": {"field": "session"}},
        {"rescore": {"query": {"rescore_query": {"match_all": {}}}}},
        {"post_filter": {"bool": {"must_not": {"match_none": {}}}}},
        {"sort": ["name"], "track_total_hits": True},
        {"query": {"match_all": {}}},
        {"highlight": {"fields": {"*": {"no_match_size": 100}}}},
    ]
    for part in parts:
        told = json.dumps(client.search(index=INDEX, body={"knn": [near, near], "size": 50, **part}).body)
        assert "boiler.txt" in told
        assert "zqx" not in told, part
    stranger = client.options(api_key=meant.make_token("search", tenant=f"nobody-{secrets.token_hex(4)}"))
    assert stranger.search(index=INDEX, knn=near)["hits"]["total"]["value"] == 0


def test_all_passages_of_a_small_tenant_are_compared(meant: Server, client: Elasticsearch) -> None:
    """Among twenty times as many of others', which are nearer."""
    told = client.indices.get_mapping(index=INDEX)[INDEX]["mappings"]["properties"]["passages"]["properties"]["vector"]
    chance = random.Random(18)
    asked_with = [chance.gauss(0, 1) for _ in range(DIMENSIONS)]
    lines, own = [], {}
    for number in range(2100):
        mine = number % 21 == 0
        vector_of = quantized([chance.gauss(0, 1) + (0 if mine else each) for each in asked_with])
        identity = f"{'few' if mine else 'many'}{number}"
        source = {
            "id": identity,
            "created": "2026-01-01T00:00:00Z",
            "name": identity,
            "size": 1,
            "tenant": identity[:3],
        }
        source |= {"passages_model": told["meta"]["model"], "passages": [{"vector": vector_of.hex()}]}
        lines += [json.dumps({"index": {"_id": identity}}), json.dumps(source)]
        if mine:
            own[identity] = cosine(vector_of, quantized(asked_with))
    address = f"{meant.elasticsearch_url}/{meant.index}/_bulk?refresh=true"
    for at in range(0, len(lines), 400):
        content = "\n".join([*lines[at : at + 400], ""]).encode()
        answer = requests.post(address, data=content, headers={"Content-Type": "application/x-ndjson"}, timeout=120)
        assert not answer.json()["errors"], answer.text[:500]
    few = client.options(api_key=meant.make_token("search", tenant="few"))
    near = {"field": VECTOR, "query_vector": asked_with, "k": 5, "num_candidates": 5}
    hits = few.search(index=INDEX, knn=near)["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == sorted(own, key=lambda each: -own[each])[:5]
    for hit in hits:
        assert hit["_score"] == pytest.approx((1 + own[hit["_id"]]) / 2, rel=1e-4)


def cosine(one: bytes, other: bytes) -> float:
    left, right = array("b", one), array("b", other)
    product: int = sum(map(operator.mul, left, right))
    return product / (math.hypot(*left) * math.hypot(*right))


def test_the_mapping_says_which_model(meant: Server, client: Elasticsearch) -> None:
    told = client.indices.get_mapping(index=INDEX)[INDEX]["mappings"]["properties"]["passages"]["properties"]["vector"]
    assert (told["dims"], told["element_type"]) == (DIMENSIONS, "byte")
    assert told["meta"]["model"].startswith(MODEL)
    assert client.field_caps(index=INDEX, fields=VECTOR)["fields"][VECTOR]["dense_vector"]["searchable"]


def test_the_names_are_in_the_documentation() -> None:
    assert {*nearest.NAMES} == {
        "field",
        "query_vector",
        "k",
        "num_candidates",
        "filter",
        "similarity",
        "boost",
        "inner_hits",
    }
