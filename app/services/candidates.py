"""How many passages a search by meaning looks at, by how many its tenant has.

Elasticsearch looks for the nearest in a graph, and compares a query with all passages that the filters let through if
they are no more than the candidates. In the graph of a small tenant it meets nearly all of them, too, and some twice:
that costs more than to compare with each once, and finds less. So where a tenant has few passages, as many candidates are
asked for, and none is missed (docs/adr/0027-passages.md has the figures).

How many a tenant has is counted once in a while. A count that is old costs time and never a hit: the passages that a
tenant has got since are looked for in the graph.

Rejected: as many candidates for everyone (a search of a large tenant would cost twice as much); a count with each search.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from app.search.query import CANDIDATES

#: A tenant with so many passages or fewer has all of them compared. In a graph, nearly as many would be met.
EXACT = 5_000
#: Seconds for which a count is used: that of a tenant with fewer passages, and that of one with more, which seldom loses
#: any.
SOON, LATE = 60.0, 600.0
#: Of how many tenants counts are kept.
MOST_TENANTS = 4096


class Candidates:
    """Chooses the number of candidates. Thread-safe. `count`: returns how many passages a tenant has, or any number above
    `EXACT` if they are more; it may raise."""

    def __init__(self, count: Callable[[str], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._count, self._clock = count, clock
        #: By tenant, until when the number counts, and the number.
        self._known: dict[str, tuple[float, int]] = {}

    def of(self, tenant: str) -> int:
        """How many passages a search of this tenant looks at. Raises what `count` raises."""
        until, chosen = self._known.get(tenant, (0.0, 0))
        now = self._clock()
        if now < until:
            return chosen
        few = self._count(tenant) <= EXACT
        chosen = EXACT if few else CANDIDATES
        if len(self._known) >= MOST_TENANTS:
            self._known.clear()
        self._known[tenant] = now + (SOON if few else LATE), chosen
        return chosen
