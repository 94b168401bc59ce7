"""Alive and ready are two questions."""

import requests

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
