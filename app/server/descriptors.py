"""How a worker process divides its file descriptors, so that connections never take those of downloads and uploads.

Every connection needs one, and clients decide how many connections there are. So the descriptors that requests need are
reserved first, for as many requests as there are threads; connections and WebSockets get the rest.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

from app.settings import Settings

#: Other descriptors of a process: its listeners, log, libraries, locks, file events, and the pipes of its child
#: processes.
BASE = 128
#: Descriptors of a request besides the files of its form: the attachment, its folder, journal and locks.
OF_REQUEST = 6


@dataclass(frozen=True)
class Shares:
    """Connections and WebSockets of one process. `wanted`: how many the settings need; `there`: how many the system
    allows."""

    connections: int
    websockets: int
    wanted: int
    there: int

    @property
    def sentence(self) -> str | None:
        """The warning where there are fewer than wanted."""
        if self.there >= self.wanted:
            return None
        return (
            f"{self.there} file descriptors are there, and {self.wanted} would be needed (ulimit -n): "
            f"at most {self.connections} connections and {self.websockets} WebSockets in a worker process"
        )


def shares(settings: Settings, there: int) -> Shares:
    """The shares of a process that may have `there` descriptors."""
    reserved = BASE + settings.elasticsearch_connections + settings.web_threads * (settings.max_files + OF_REQUEST)
    # A worker accepts one more before it makes room; in the worst case each thread does.
    connections = settings.max_connections + settings.web_threads
    wanted = reserved + connections + settings.max_websockets
    if there >= wanted:
        return Shares(settings.max_connections, settings.max_websockets, wanted, there)
    # Uploads of as many files as are allowed, in all threads at once, are rare: at most half is reserved for them.
    left = there - min(reserved, there // 2)
    connections = max(1, min(settings.max_connections, left * 3 // 4 - settings.web_threads))
    websockets = max(1, min(settings.max_websockets, left - connections - settings.web_threads))
    return Shares(connections, websockets, wanted, there)


def in_force(settings: Settings) -> Shares:
    """The shares with this process's limit."""
    return shares(settings, _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def raise_limit(settings: Settings) -> Shares:
    """Raise this process's limit, and with it that of its children, to what `settings` need, or as far as the system
    allows.

    Returns the shares with the new limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    more = min(in_force(settings).wanted, _number(hard))
    if more > _number(soft):
        resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
    return in_force(settings)


def _number(limit: int) -> int:
    return 1 << 30 if limit == resource.RLIM_INFINITY else limit
