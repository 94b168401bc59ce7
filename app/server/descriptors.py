"""How a worker process's file descriptors are shared out, so that connections never take those of downloads and uploads.

A connection costs one whatever it does, and its client decides how many there are. So what requests need is set aside first,
for as many as there are threads; connections, and WebSockets beside them, get what is left.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

from app.settings import Settings

#: What a process has open besides: its listeners, log, libraries, locks, file events, and the pipes of what it starts.
BASE = 128
#: What a request has open besides the files of its form: the attachment, its folder, journal and locks.
OF_REQUEST = 6


@dataclass(frozen=True)
class Shares:
    """Connections and WebSockets of one process. `wanted` is what the settings would take, `there` what the system gives."""

    connections: int
    websockets: int
    wanted: int
    there: int

    @property
    def sentence(self) -> str | None:
        """What to say where there is less than wanted."""
        if self.there >= self.wanted:
            return None
        return (
            f"{self.there} file descriptors are there, and {self.wanted} would be needed (ulimit -n): "
            f"at most {self.connections} connections and {self.websockets} WebSockets in a worker process"
        )


def shares(settings: Settings, there: int) -> Shares:
    """What is given to whom where a process may have `there` descriptors."""
    reserved = BASE + settings.elasticsearch_connections + settings.web_threads * (settings.max_files + OF_REQUEST)
    # A worker takes one more before it makes room, each thread at worst.
    connections = settings.max_connections + settings.web_threads
    wanted = reserved + connections + settings.max_websockets
    if there >= wanted:
        return Shares(settings.max_connections, settings.max_websockets, wanted, there)
    # Uploads of as many files as may be in all threads at once are rare: they are promised half at most.
    left = there - min(reserved, there // 2)
    connections = max(1, min(settings.max_connections, left * 3 // 4 - settings.web_threads))
    websockets = max(1, min(settings.max_websockets, left - connections - settings.web_threads))
    return Shares(connections, websockets, wanted, there)


def in_force(settings: Settings) -> Shares:
    """The shares under this process's limit."""
    return shares(settings, _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def raise_limit(settings: Settings) -> Shares:
    """Raise this process's limit, and so that of its children, to what `settings` want, or as far as the system allows.

    The shares under it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    more = min(in_force(settings).wanted, _number(hard))
    if more > _number(soft):
        resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
    return in_force(settings)


def _number(limit: int) -> int:
    return 1 << 30 if limit == resource.RLIM_INFINITY else limit
