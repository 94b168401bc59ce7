"""Ports of loopback for servers that are told where to listen."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved() -> Iterator[socket.socket]:
    """A socket whose port is nobody else's within the block: the system gives it to no one who asks for any. A server can
    listen on it that sets SO_REUSEADDR, as servers do; until then connections to it are refused.

    Rejected: a port that was free a moment ago. With a server that takes seconds to start, and others that ask for ports
    meanwhile, it is taken at times.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """The port of such a socket."""
    with reserved() as holder:
        yield int(holder.getsockname()[1])
