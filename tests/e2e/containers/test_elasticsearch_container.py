"""Elasticsearch in a container: what the other tests rest on when they run there."""

import uuid

import pytest
import requests
from elasticsearch import Elasticsearch

pytestmark = pytest.mark.needs("docker", "elasticsearch-image")


def test_what_is_indexed_is_found(elasticsearch_container: str) -> None:
    index = f"container-{uuid.uuid4().hex}"
    with Elasticsearch(elasticsearch_container) as client:
        try:
            for number, name in enumerate(("adaptive searching", "stability")):
                client.index(index=index, id=str(number), document={"name": name}, refresh="wait_for")
            found = client.search(index=index, query={"match": {"name": "searching"}})
        finally:
            client.indices.delete(index=index, ignore_unavailable=True)
    assert [hit["_source"]["name"] for hit in found["hits"]["hits"]] == ["adaptive searching"]


def test_it_names_itself_as_elasticsearch(elasticsearch_container: str) -> None:
    answer = requests.get(f"{elasticsearch_container}/_cluster/health", timeout=60)
    assert answer.headers["X-Elastic-Product"] == "Elasticsearch"
    assert answer.json()["status"] in {"yellow", "green"}


def test_it_is_the_version_that_the_image_says(elasticsearch_container: str) -> None:
    nodes = requests.get(f"{elasticsearch_container}/_nodes?filter_path=nodes.*.version", timeout=60).json()["nodes"]
    assert [node["version"] for node in nodes.values()] == ["8.19.21"]
