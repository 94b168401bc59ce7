"""What gives the store a user of its own in Elasticsearch, as compose.yaml runs it.

The security API itself is in no jar that is published, so here a server notes what it is asked for; what it is to be asked
is Elasticsearch's documentation. That it lets an Elasticsearch without security be is seen with a real one.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers import Answer, Asked, answering

FOLDER = Path(__file__).parents[3] / "deploy" / "elasticsearch"
ELASTIC, STORE = 'of "all\\', "of the 'store\" \\"


class Security:
    """Notes each call as (method, path, body); `statuses` are the answers to the methods and paths that are no 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.statuses: dict[tuple[str, str], int] = {}
        self.url = ""


@pytest.fixture
def security() -> Iterator[Security]:
    made = Security()
    login = base64.b64encode(f"elastic:{ELASTIC}".encode()).decode()

    def answer(asked: Asked) -> Answer:
        made.calls.append((asked.method, asked.path, json.loads(asked.body) if asked.body else None))
        admitted = asked.headers["Authorization"] == f"Basic {login}"
        return Answer(made.statuses.get((asked.method, asked.path), 200) if admitted else 401)

    with answering(answer) as made.url:
        yield made


def setup(url: str, password: str = ELASTIC) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ELASTICSEARCH_URL": url, "ELASTIC_PASSWORD": password, "STORE_PASSWORD": STORE}
    command = ["bash", str(FOLDER / "setup")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_role_and_a_user_with_it(security: Security) -> None:
    done = setup(security.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    role = {
        "cluster": ["monitor"],
        "indices": [{"names": ["coco_attachment*", "coco_chat*"], "privileges": ["all"]}],
    }
    assert security.calls == [
        ("GET", "/_security/_authenticate", None),
        ("PUT", "/_security/role/attachment_store", role),
        ("PUT", "/_security/user/attachment_store", {"password": STORE, "roles": ["attachment_store"]}),
    ]


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/_security/_authenticate", "503 to the user elastic"),
        ("PUT", "/_security/role/attachment_store", "503 to the role"),
        ("PUT", "/_security/user/attachment_store", "503 to the user of the store"),
    ],
)
def test_what_is_refused_is_said_and_tried_again(security: Security, method: str, path: str, said: str) -> None:
    """compose.yaml starts again what ends with another status than 0."""
    security.statuses[(method, path)] = 503
    done = setup(security.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert security.calls[-1][:2] == (method, path)


def test_a_wrong_password(security: Security) -> None:
    done = setup(security.url, "wrong")
    assert done.returncode == 1
    assert "401 to the user elastic" in done.stderr
    assert len(security.calls) == 1


def test_nobody_there() -> None:
    done = setup("http://127.0.0.1:9")
    assert (done.returncode, done.stderr) == (1, "setup: Elasticsearch does not answer.\n")


def test_an_elasticsearch_without_security(elasticsearch_url: str) -> None:
    done = setup(elasticsearch_url)
    assert done.returncode == 0
    assert "has no security" in done.stderr
