"""How many passages a search looks at, and how often a tenant's passages are counted for that."""

from __future__ import annotations

from app.search.query import CANDIDATES
from app.services.candidates import EXACT, LATE, MOST_TENANTS, SOON, Candidates


class Counted:
    """Tenants with so many passages, at a time."""

    def __init__(self, **passages: int) -> None:
        self.passages, self.now, self.asked = passages, 100.0, list[str]()
        self.candidates = Candidates(self.count, lambda: self.now)

    def count(self, tenant: str) -> int:
        self.asked.append(tenant)
        return self.passages.get(tenant, 0)


def test_all_passages_of_a_small_tenant_are_compared() -> None:
    found = Counted(small=EXACT, large=EXACT + 1)
    assert found.candidates.of("small") >= found.passages["small"]
    assert found.candidates.of("none") >= 0
    assert found.candidates.of("large") == CANDIDATES < EXACT


def test_they_are_counted_now_and_then() -> None:
    found = Counted(small=EXACT, large=EXACT + 1)
    for _ in range(3):
        found.candidates.of("small")
        found.candidates.of("large")
    assert found.asked == ["small", "large"]
    found.now += SOON
    found.passages["small"] = EXACT + 1
    assert (found.candidates.of("small"), found.candidates.of("large")) == (CANDIDATES, CANDIDATES)
    assert found.asked == ["small", "large", "small"]
    found.passages["large"] = 3
    found.now += LATE - SOON
    assert found.candidates.of("large") == EXACT


def test_of_very_many_tenants_not_all_counts_are_kept() -> None:
    found = Counted()
    for number in range(2 * MOST_TENANTS + 1):
        found.candidates.of(str(number))
    assert len(found.candidates._known) <= MOST_TENANTS
