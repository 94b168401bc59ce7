"""Calls to an Elasticsearch without Elastic's client, for tests that look at the connections."""

from __future__ import annotations

import socket

from elastic_transport import NodePool

from app.index.calls import Calls
from app.index.node import Node, node_configs
from app.index.nodes import Nodes
from app.settings import Settings


def calls_to(settings: Settings) -> Calls:
    """Calls to the one node that the settings name."""
    return Calls(Nodes(NodePool(node_configs(settings), Node)))


def idle(calls: Calls) -> list[socket.socket]:
    """The connections that are kept."""
    (node,) = calls._nodes._pool.all()
    assert isinstance(node, Node)
    return node._idle
