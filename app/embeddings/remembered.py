"""The vectors of the queries that were asked last, so that the same query need not be read again: on its next page, with
marks, or asked again in a moment. Thread-safe.

Each tenant has its own, so no tenant can tell by the time of an answer what another has asked. They count only for the
process that made them: while that is away, a query has no vector, whether it was asked before or not.

Rejected: one list for all tenants, in which the queries of one push out those of another, and make them slower; and
vectors that outlive their process, with which some searches would still be by meaning while `/health` says that the model
is away.
"""

from __future__ import annotations

import hashlib
import threading
from typing import NamedTuple

from app.embeddings.contract import Vector

#: Of how many tenants, those that asked last, and how many vectors of each: 4 MiB in a worker at most.
TENANTS, EACH = 64, 32


class Process(NamedTuple):
    """A process that makes vectors. `socket`: the path of the socket on which it listens. `number`: its id."""

    socket: str
    number: int


#: A vector, and the tokens that its text had.
Read = tuple[Vector, int]


class Remembered:
    """Vectors by tenant and text. `process`: the one that made or would make them."""

    def __init__(self, tenants: int = TENANTS, each: int = EACH) -> None:
        self._tenants, self._each = tenants, each
        self._process: Process | None = None
        #: Both in the order in which they were last asked for.
        self._vectors: dict[str, dict[bytes, Read]] = {}
        self._lock = threading.Lock()

    def find(self, process: Process, tenant: str, text: str) -> Read | None:
        """What `process` answered this tenant for this text; None if it is not known (any more)."""
        key = _key(text)
        with self._lock:
            own = self._vectors.get(tenant, {}) if process == self._process else {}
            if key not in own:
                return None
            own[key] = found = own.pop(key)
            self._vectors[tenant] = self._vectors.pop(tenant)
            return found

    def keep(self, process: Process, tenant: str, text: str, read: Read) -> None:
        """Note what `process` answered. What another one answered is forgotten."""
        key = _key(text)
        with self._lock:
            if process != self._process:
                self._process = process
                self._vectors.clear()
            own = self._vectors[tenant] = self._vectors.pop(tenant, {})
            own.pop(key, None)
            own[key] = read
            if len(own) > self._each:
                own.pop(next(iter(own)))
            if len(self._vectors) > self._tenants:
                self._vectors.pop(next(iter(self._vectors)))


def _key(text: str) -> bytes:
    # Of bounded size, and no text of a query stays in memory.
    return hashlib.sha256(text.encode()).digest()
