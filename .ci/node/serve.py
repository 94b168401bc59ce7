"""Serves one node on port 9200 of the container until SIGTERM, or until the node ends by itself."""

import signal
import sys
from pathlib import Path
from types import FrameType

from app.embedded_node import EmbeddedNode


def leave(number: int, frame: FrameType | None) -> None:
    """End the process through the context manager below, which closes the node."""
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
# Bound to every address: the port is published from outside the container's loopback. Open, as the official image is when
# its security is off: it holds what tests put there.
with EmbeddedNode(Path("/data"), http_port=9200, settings={"network.host": "0.0.0.0"}, open_to_all=True) as node:
    sys.exit(node.wait())
