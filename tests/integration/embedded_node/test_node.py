"""A real node: what it starts, what it leaves behind, and what it says when it cannot start."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.embedded_node import EmbeddedNode, NodeError

# The first use of a version fetches it.
pytestmark = pytest.mark.timeout(900)

SEARCH = {"query": {"match": {"name": "adaptive"}}}

# Starts a node on the folder in the first argument, prints its pid and waits to be killed.
PARENT = """
import sys, time
from pathlib import Path
from app.embedded_node import EmbeddedNode
node = EmbeddedNode(Path(sys.argv[1])).start()
print(node.pid, node.url, flush=True)
time.sleep(600)
"""


def _gone(pid: int) -> bool:
    try:
        # A zombie that its new parent has not waited for yet holds no lock and no port.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _names(answer: dict[str, Any]) -> list[str]:
    return [hit["_source"]["name"] for hit in answer["hits"]["hits"]]


def _put(request_json: Callable[..., Any], node_url: str) -> None:
    request_json(f"{node_url}/files/_doc/1?refresh=true", "PUT", {"name": "adaptive searching"})


def test_two_nodes_side_by_side_and_a_third_on_taken_data(tmp_path: Path, request_json: Callable[..., Any]) -> None:
    with EmbeddedNode(tmp_path / "a") as first, EmbeddedNode(tmp_path / "b") as second:
        _put(request_json, first.url)
        request_json(f"{second.url}/files", "PUT", {})

        assert first.url != second.url
        assert _names(request_json(f"{first.url}/files/_search", "POST", SEARCH)) == ["adaptive searching"]
        assert _names(request_json(f"{second.url}/files/_search", "POST", SEARCH)) == []

        third = EmbeddedNode(tmp_path / "a")
        with pytest.raises(NodeError, match="failed to obtain node locks"):
            third.start()
        assert not third.is_alive()

        fourth = EmbeddedNode(tmp_path / "c", http_port=first.http_port)
        with pytest.raises(NodeError, match="[Aa]ddress already in use"):
            fourth.start()

        assert first.is_alive()


def test_parent_killed_leaves_no_node_and_the_data_starts_again(
    tmp_path: Path, request_json: Callable[..., Any], eventually: Callable[[Callable[[], bool], float], bool]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        _put(request_json, url)
        parent.kill()
    assert eventually(lambda: _gone(int(pid)), 60)

    with EmbeddedNode(tmp_path) as node:
        assert _names(request_json(f"{node.url}/files/_search", "POST", SEARCH)) == ["adaptive searching"]


def test_killed_then_stopped_keeps_its_documents_each_time(tmp_path: Path, request_json: Callable[..., Any]) -> None:
    node = EmbeddedNode(tmp_path).start()
    _put(request_json, node.url)
    node.kill()
    assert not node.is_alive()
    with pytest.raises(NodeError, match="not started"):
        _ = node.url

    node.start()
    assert _names(request_json(f"{node.url}/files/_search", "POST", SEARCH)) == ["adaptive searching"]

    os.kill(node.pid, signal.SIGTERM)
    assert node.wait() == 0
    assert "closed" in node.log_tail().splitlines()[-1]
    node.stop()


def test_unknown_setting_is_the_reason_given(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"unknown setting \[no\.such\]"):
        EmbeddedNode(tmp_path, settings={"no.such": "1"}).start()


def test_other_version_answers_a_search(tmp_path: Path, request_json: Callable[..., Any]) -> None:
    with EmbeddedNode(tmp_path, version="9.5.3") as node:
        _put(request_json, node.url)

        assert _names(request_json(f"{node.url}/files/_search", "POST", SEARCH)) == ["adaptive searching"]
        assert request_json(f"{node.url}/_nodes")["nodes"].popitem()[1]["version"] == "9.5.3"


def test_unknown_version_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"8\.19\.21"):
        EmbeddedNode(tmp_path, version="1.0.0").start()
