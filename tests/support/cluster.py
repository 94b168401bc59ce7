"""Several embedded nodes that form one cluster on loopback, for tests of what happens when one of them dies or stands still.

The product starts single nodes only. A cluster's nodes talk to each other through ports without a password, which a
product must not open; here it is a cluster of nothing but a test's documents.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from app.embedded_node import EmbeddedNode
from tests.support.ports import reserved_port

HEAP = "256m"
#: Elasticsearch's own times are made for networks that lose packets: it takes half a minute until it leaves out a node that
#: stands still. So much shorter, a test of that takes seconds.
TIMES = {
    "cluster.fault_detection.follower_check.interval": "500ms",
    "cluster.fault_detection.follower_check.timeout": "1s",
    "cluster.fault_detection.follower_check.retry_count": "2",
    "cluster.fault_detection.leader_check.interval": "500ms",
    "cluster.fault_detection.leader_check.timeout": "1s",
    "cluster.fault_detection.leader_check.retry_count": "2",
    # A copy on a node that has gone is not waited for: the others get another one.
    "cluster.publish.timeout": "5s",
    "cluster.follower_lag.timeout": "5s",
}


class Cluster:
    """`nodes`: those of it, of which each is the whole cluster to whoever asks. They end with the block of
    `running_cluster`."""

    def __init__(self, nodes: list[EmbeddedNode]) -> None:
        self.nodes = nodes
        self._urls = [each.url for each in nodes]

    @property
    def url(self) -> str:
        """All addresses, as ELASTICSEARCH_URL takes them."""
        return ",".join(self._urls)

    def ask(self, path: str, *, at: int = 0, **options: Any) -> Any:
        """The answer to a GET of the node `at`."""
        answer = requests.get(f"{self._urls[at]}{path}", timeout=60, **options)
        answer.raise_for_status()
        return json.loads(answer.content)

    def health(self, *, at: int = 0, status: str = "green", nodes: int | None = None) -> None:
        """Wait until the cluster has this health, with so many nodes; all of them unless said otherwise."""
        wanted = f"wait_for_nodes={nodes or len(self.nodes)}&wait_for_status={status}&timeout=60s"
        assert self.ask(f"/_cluster/health?{wanted}", at=at)["timed_out"] is False

    def numbers(self) -> dict[str, int]:
        """By the name of a node, its number."""
        return {f"node-{number}": number for number in range(len(self.nodes))}

    def copies(self, alias: str, *, at: int = 0) -> set[int]:
        """The numbers of the nodes that have copies of the index behind `alias`."""
        shards = self.ask(f"/_cat/shards/{alias}?format=json&h=node", at=at)
        return {self.numbers()[each["node"]] for each in shards if each["node"]}

    def master(self, *, at: int = 0) -> int:
        """The number of the master."""
        (found,) = self.ask("/_cat/master?format=json", at=at)
        return self.numbers()[found["node"]]

    def keep_off(self, alias: str, number: int | None, *, at: int = 0) -> None:
        """Have no copy of the index behind `alias` on this node, and wait until that is so. None: anywhere again."""
        name = None if number is None else f"node-{number}"
        body = {"index.routing.allocation.exclude._name": name}
        requests.put(f"{self._urls[at]}/{alias}/_settings", json=body, timeout=60).raise_for_status()
        self.ask("/_cluster/health?wait_for_no_relocating_shards=true&wait_for_status=green&timeout=60s", at=at)

    def kill(self, number: int) -> None:
        self.nodes[number].kill()

    @contextlib.contextmanager
    def frozen(self, *numbers: int) -> Iterator[None]:
        """Within it, these stand still: they accept connections and answer nothing."""
        pids = [self.nodes[each].pid for each in numbers]
        for each in pids:
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in pids:
                os.kill(each, signal.SIGCONT)


@contextlib.contextmanager
def running_cluster(folder: Path, count: int = 3) -> Iterator[Cluster]:
    """So many nodes, once they have found each other, with their data in `folder`."""
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(reserved_port()) for _ in range(count)]
        names = [f"node-{number}" for number in range(count)]
        settings = {
            "cluster.name": f"test-{ports[0]}",
            "discovery.type": "multi-node",
            "discovery.seed_hosts": ",".join(f"127.0.0.1:{port}" for port in ports),
            "cluster.initial_master_nodes": ",".join(names),
            "network.server": "true",
            **TIMES,
        }
        nodes = [
            EmbeddedNode(
                folder / name,
                heap=HEAP,
                settings={**settings, "node.name": name, "transport.port": str(port)},
                open_to_all=True,
            )
            for name, port in zip(names, ports, strict=True)
        ]
        for each in nodes:
            stack.callback(each.stop)
        for each in nodes:
            each.launch()
        for each in nodes:
            each.wait_until_ready()
        yield Cluster(nodes)
