"""Alive and ready are two questions."""

import pytest
import requests

from tests.dialects.coder.client import chat
from tests.support.app import Server, ServerFactory

CLOSED = "http://127.0.0.1:9"


def test_a_whole_server_is_alive_and_ready(server: Server) -> None:
    alive = requests.get(f"{server.url}/health/live", timeout=60)
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    ready = requests.get(f"{server.url}/health/ready", timeout=60)
    assert ready.status_code == 200
    assert ready.json() == requests.get(f"{server.url}/health", timeout=60).json()


def test_without_elasticsearch_it_is_alive_but_not_ready(start_server: ServerFactory) -> None:
    server = start_server(elasticsearch_url=CLOSED, INDEX="test_without_index")
    assert requests.get(f"{server.url}/health/live", timeout=60).status_code == 200
    ready = requests.get(f"{server.url}/health/ready", timeout=60)
    assert ready.status_code == 503
    assert ready.json()["status"] == "red"
    assert ready.json()["reasons"]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("closed", "closed"),
        ("read_only", "read-only"),
        ("write", "read-only"),
        ("read_only_allow_delete", "read-only because Elasticsearch's disk is nearly full"),
        ("read", "blocked"),
        ("metadata", "blocked"),
    ],
)
@pytest.mark.parametrize("which", ["the index", "the index of chats"])
def test_what_keeps_the_index_from_its_work_is_said(
    start_server: ServerFactory, which: str, block: str, said: str
) -> None:
    """Elasticsearch's own health stays green all the while, for its shards are there."""
    server = start_server(WEB_WORKERS="1")
    server.upload(("a", b"aa"))
    chat(server)
    alias = server.index if which == "the index" else f"{server.index}_chat"
    (name,) = requests.get(f"{server.elasticsearch_url}/_alias/{alias}", timeout=60).json()
    url = f"{server.elasticsearch_url}/{name}"
    assert server.get("/health").status_code == 200

    def change(on: bool) -> None:
        if block == "closed":
            requests.post(f"{url}/{'_close' if on else '_open'}", timeout=60).raise_for_status()
        else:
            settings = {f"index.blocks.{block}": True if on else None}
            requests.put(f"{url}/_settings", json=settings, timeout=60).raise_for_status()

    change(True)
    try:
        ready = server.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "red", "reasons": [f"{which} is {said}"]})
    finally:
        change(False)
    server.await_health()
