"""A search whose client leaves is given up, and its place is free for the next."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.app import ServerFactory
from tests.support.breaking import Fault, Proxy


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    with Proxy(elasticsearch_url) as running:
        yield running


def test_a_client_that_leaves_takes_its_search_along(proxy: Proxy, start_server: ServerFactory) -> None:
    """Of one tenant one such search is on its way in a worker: the next is answered only when the first is given up."""
    server = start_server(elasticsearch_url=proxy.url, WEB_WORKERS="1", ELASTICSEARCH_TIMEOUT="120")
    content = json.dumps({"query": {"match_all": {}}})
    server.upload(("a.txt", b"x"))
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    held = threading.Event()
    fault = proxy.fault = Fault("_search", hold_answer_until=held, times=1)
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            lines = [f"{name}: {value}" for name, value in headers.items()]
            head = ["POST /coco_attachment/_search HTTP/1.1", "Host: x", f"Content-Length: {len(content)}", *lines]
            leaving.sendall("\r\n".join([*head, "", content]).encode())
            assert fault.through.wait(60)
        answer = server.post("/coco_attachment/_search", data=content, headers=headers, token="")
    finally:
        held.set()
    assert answer.status_code == 200, answer.text
    assert answer.json()["hits"]["total"]["value"] == 1
