"""Points in time: frozen views of the index that a caller walks through page by page, each sealed to its tenant.

A record in the tenant's group holds Elasticsearch's own id of the view and when it was opened, until the view expires. The
caller is given the record's name, 256 random bits, which means nothing outside of its tenant's group: a name of another
tenant, of an expired or closed point, or an invented one are all the same missing record. All workers, and all servers
of the store, see the same records, also after a restart. The number of records is the number of open points, so it can
be bounded.

Rejected: an id that carries Elasticsearch's, encrypted or signed (nothing counts those that are open, and a key is one
more secret to keep), and a list in memory (a worker does not know of another's).

Nothing here is durable, on purpose: after a power cut the caller begins again.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from datetime import datetime

from app.coordination.contract import PointsInTime as Records
from app.errors import PointMissing, StorageFailed, TooManyPoints

_ID = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Point:
    """A point in time that is open: Elasticsearch's id of it, and when it was opened. `walk`: what a walk through it has to
    go on with, as whoever walks writes it; empty: nothing."""

    elastic: str
    opened: datetime
    walk: str = ""


class PointsInTime:
    """The points in time of one store; safe to use from several processes at once."""

    def __init__(self, records: Records, limit: int) -> None:
        """`limit`: how many each tenant may have open."""
        self._records = records
        self._limit = limit

    def reserve(self, tenant: str, seconds: float) -> str:
        """A new id, which has no meaning until `keep`. Raises TooManyPoints, StorageFailed, StorageFull."""
        point = secrets.token_urlsafe(32)
        if not self._records.add(tenant, point, b"", time.time() + seconds, self._limit):
            raise TooManyPoints(self._limit)
        return point

    def keep(self, tenant: str, point: str, found: Point, seconds: float) -> None:
        """Note what a point is in Elasticsearch, and that it lives for `seconds` from now on. A point that was closed
        meanwhile stays closed. Raises PointMissing when `point` does not have the form of an id, StorageFailed,
        StorageFull."""
        # None of the first two has a blank in it.
        content = f"{found.opened.isoformat()} {found.elastic} {found.walk}".rstrip(" ").encode()
        self._records.replace(tenant, _checked(point), content, time.time() + seconds)

    def find(self, tenant: str, point: str) -> Point:
        """Raises PointMissing."""
        try:
            found = self._records.read(tenant, _checked(point))
        except StorageFailed:
            raise PointMissing() from None
        if found is None or found.until < time.time() or not found.content:
            raise PointMissing()
        opened, _, rest = found.content.decode().partition(" ")
        elastic, _, walk = rest.partition(" ")
        try:
            return Point(elastic, datetime.fromisoformat(opened), walk)
        except ValueError:
            # Of an earlier version, which kept the id alone.
            raise PointMissing() from None

    def remove(self, tenant: str, point: str) -> None:
        """Forget a point, if it is there. Raises StorageFailed, StorageFull."""
        if _ID.fullmatch(point):
            self._records.remove(tenant, point)


def _checked(point: str) -> str:
    if not _ID.fullmatch(point):
        raise PointMissing()
    return point
