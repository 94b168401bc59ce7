"""Helpers for the tests of the embedded node: plain HTTP, and waiting for something to become true."""

import base64
import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest


def _request(url: str, method: str = "GET", body: object = None) -> Any:
    # A login in it is for the header; urllib would take it for a part of the host's name.
    parts = urlsplit(url)
    login, _, address = parts.netloc.rpartition("@")
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    request = urllib.request.Request(
        parts._replace(netloc=address).geturl(),
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
        return json.load(answer)


def _eventually(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def request_json() -> Callable[..., Any]:
    """A function (url, method, body) that returns the decoded JSON answer and raises on any other status than 2xx."""
    return _request


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], float], bool]:
    """A function (condition, seconds) that returns whether the condition came true in that time."""
    return _eventually
