"""Facets: how many of the hits have which value, as aggregations of Elasticsearch named like the facet. Pure."""

from __future__ import annotations

from typing import Any

Dsl = dict[str, Any]

#: Values of a facet: the most frequent ones, or the latest of the sessions.
VALUES = 20
KIB, MIB = 1024, 1024 * 1024


def _terms(field: str) -> Dsl:
    return {"terms": {"field": field, "size": VALUES}}


def _sessions() -> Dsl:
    """The sessions that an attachment came into last, each with when that was."""
    return {
        "terms": {"field": "session", "size": VALUES, "order": {"latest": "desc"}},
        "aggs": {"latest": {"max": {"field": "created"}}},
    }


def _ages() -> Dsl:
    """The last day, week, month and year, each with what the shorter ones have, and what is older."""
    ages = {"day": "1d", "week": "7d", "month": "30d", "year": "365d"}
    ranges: list[Dsl] = [{"key": key, "from": f"now-{age}"} for key, age in ages.items()]
    return {"date_range": {"field": "created", "ranges": [*ranges, {"key": "older", "to": "now-365d"}]}}


def _sizes() -> Dsl:
    """From the first number of bytes to below the second."""
    ranges: list[Dsl] = [
        {"key": "tiny", "to": 10 * KIB},
        {"key": "small", "from": 10 * KIB, "to": MIB},
        {"key": "medium", "from": MIB, "to": 10 * MIB},
        {"key": "large", "from": 10 * MIB, "to": 100 * MIB},
        {"key": "huge", "from": 100 * MIB},
    ]
    return {"range": {"field": "size", "ranges": ranges}}


#: The aggregation of each facet.
FACETS: dict[str, Dsl] = {
    **{name: _terms(name) for name in ("media_type", "extension", "dialect", "owner")},
    "session": _sessions(),
    "created": _ages(),
    "file_size": _sizes(),
}
