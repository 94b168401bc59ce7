"""A cluster of three nodes, of which one dies or stands still: the others serve, and it is used again once it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.faults.conftest import BOUND, await_settled
from tests.support.app import Server, running_server, unique_index
from tests.support.cluster import Cluster, running_cluster
from tests.support.pauses import Pauses

#: The first start of a version fetches it.
pytestmark = pytest.mark.timeout(900)
#: Seconds within which the cluster has another primary, and the server uses a node again.
SECONDS = 90.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("several-nodes")
    settings: dict[str, Any] = {
        "WEB_WORKERS": "1",
        "ELASTICSEARCH_TIMEOUT": "4",
        "ELASTICSEARCH_URL": cluster.url,
        "INDEX_REPLICAS": "1",
        # It is not removed in the end, when all nodes are gone.
        "INDEX": unique_index(),
    }
    with running_server(folder, cluster.nodes[0].url, **settings) as running:
        running.upload(("first", b"first"))
        cluster.health()
        yield running


def warnings(server: Server) -> list[str]:
    """Those about addresses: a machine may have others."""
    answer = requests.get(f"{server.url}/health", timeout=60).json()
    return [each for each in answer.get("warnings", []) if "ELASTICSEARCH_URL" in each]


def told(*numbers: int) -> list[str]:
    return [f"Elasticsearch does not answer at address {each + 1} in ELASTICSEARCH_URL" for each in numbers]


def upload(server: Server, session: str, acknowledged: list[str]) -> int:
    """Upload a file, and the status; one that is acknowledged is among what `acknowledged` lists."""
    answer = server.post(f"/chat/{session}/_upload", files=[("files", ("a", b"a"))])
    if answer.status_code == 200:
        acknowledged += answer.json()["attachments"]
    return answer.status_code


def found(server: Server, session: str) -> set[str]:
    return {hit["_id"] for hit in server.hits(f"session={session}&size=1000")}


def test_the_nodes_have_the_copies_that_the_settings_say(server: Server, cluster: Cluster) -> None:
    assert len(cluster.copies(server.index)) == 2
    assert warnings(server) == []


def uploads(server: Server, session: str, acknowledged: list[str], count: int) -> Iterator[None]:
    """Upload until so many are acknowledged; each upload is answered within its time."""
    deadline = time.monotonic() + SECONDS
    while len(acknowledged) < count:
        assert time.monotonic() < deadline
        with Pauses() as pauses:
            began = time.monotonic()
            upload(server, session, acknowledged)
            assert time.monotonic() - began - pauses.seconds < BOUND
        yield


def test_a_killed_node(server: Server, cluster: Cluster) -> None:
    """The one that is named first. Uploads go on once the others have noticed; what is acknowledged is found at once."""
    acknowledged: list[str] = []
    cluster.kill(0)
    for _ in uploads(server, "killed", acknowledged, 20):
        assert set(acknowledged) <= found(server, "killed")
    assert requests.get(f"{server.url}/health", timeout=60).json()["status"] in ("green", "yellow")
    assert warnings(server) == told(0)
    cluster.nodes[0].start()
    cluster.health()
    assert warnings(server) == []
    await_settled(server)
    assert found(server, "killed") >= set(acknowledged)


def test_a_node_that_stands_still(server: Server, cluster: Cluster) -> None:
    """One that has no copy and is not the master: every upload is acknowledged, within its time."""
    other = next(each for each in range(3) if each != cluster.master())
    cluster.keep_off(server.index, other)
    assert other not in cluster.copies(server.index)
    acknowledged: list[str] = []
    with cluster.frozen(other):
        for _ in range(20):
            assert upload(server, "still", acknowledged) == 200
            assert set(acknowledged) == found(server, "still")
        assert warnings(server) == told(other)
    cluster.health(at=(other + 1) % 3)
    assert warnings(server) == []
    cluster.keep_off(server.index, None)


def test_a_copy_that_stands_still(server: Server, cluster: Cluster) -> None:
    """Uploads wait for it, and are refused in time, until Elasticsearch leaves it out."""
    copy = min(cluster.copies(server.index))
    acknowledged: list[str] = []
    with cluster.frozen(copy):
        for _ in uploads(server, "copy", acknowledged, 5):
            pass
    cluster.health(at=(copy + 1) % 3)
    await_settled(server)
    assert found(server, "copy") >= set(acknowledged)


def test_all_nodes_are_gone(server: Server, cluster: Cluster) -> None:
    """At first all but one, which is there but has no master: it is of no use alone, and says so."""
    (attachment,) = server.upload(("a", b"aa"), session="gone")
    for number in (0, 1):
        cluster.kill(number)
    deadline = time.monotonic() + SECONDS
    while warnings(server) != told(0, 1, 2):
        assert time.monotonic() < deadline
    assert server.request("GET", "/health").status_code == 503
    cluster.kill(2)
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/attachment/_search", {}),
        ("POST", "/chat/gone/_upload", {"files": [("files", ("b", b"b"))]}),
        ("GET", "/health", {}),
    ]
    for method, path, options in asked:
        with Pauses() as pauses:
            began = time.monotonic()
            assert server.request(method, path, **options).status_code == 503
            assert time.monotonic() - began - pauses.seconds < BOUND
    assert warnings(server) == told(0, 1, 2)
    assert server.get(f"/attachment/{attachment}").content == b"aa"
