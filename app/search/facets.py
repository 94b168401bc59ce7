"""Facets: how many hits have each value of a field. A facet is an aggregation of Elasticsearch with its name. Pure.

Anyone who has chosen a value of a facet should still see the other values. So a facet is counted under all filters
except its own. For this, the filters on the fields of the requested facets are not part of the query: they narrow the
hits behind it (`post_filter`), and each of them narrows all other facets.

Rejected: a separate search for each facet whose filter is set (the query, with its words and phrases, would be answered
up to eight times).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.model.schema import Counted, existing, listed

Dsl = dict[str, Any]

(_CREATED,) = existing("created")
#: The most values of a facet: the most frequent ones, or those with the latest attachments.
VALUES = 20
KIB, MIB = 1024, 1024 * 1024


def _values(field: str) -> Dsl:
    return {"terms": {"field": field, "size": VALUES}}


def _latest(field: str) -> Dsl:
    """The values with the latest attachments, each with the time of its latest one."""
    return {
        "terms": {"field": field, "size": VALUES, "order": {"latest": "desc"}},
        "aggs": {"latest": {"max": {"field": _CREATED}}},
    }


def _ages(field: str) -> Dsl:
    """The last day, week, month and year, each including the shorter ones, and everything older."""
    ages = {"day": "1d", "week": "7d", "month": "30d", "year": "365d"}
    ranges: list[Dsl] = [{"key": key, "from": f"now-{age}"} for key, age in ages.items()]
    return {"date_range": {"field": field, "ranges": [*ranges, {"key": "older", "to": "now-365d"}]}}


def _sizes(field: str) -> Dsl:
    """Ranges of bytes, each without its upper bound."""
    ranges: list[Dsl] = [
        {"key": "tiny", "to": 10 * KIB},
        {"key": "small", "from": 10 * KIB, "to": MIB},
        {"key": "medium", "from": MIB, "to": 10 * MIB},
        {"key": "large", "from": 10 * MIB, "to": 100 * MIB},
        {"key": "huge", "from": 100 * MIB},
    ]
    return {"range": {"field": field, "ranges": ranges}}


_COUNTING: Mapping[Counted, Callable[[str], Dsl]] = {
    "values": _values,
    "latest": _latest,
    "ages": _ages,
    "sizes": _sizes,
}
#: The aggregation of each facet.
FACETS: dict[str, Dsl] = {
    each.facet_name: _COUNTING[used.counted](each.name) for each, used in listed(lambda each: each.facet)
}


#: The names of two aggregations within a facet that is narrowed: its counts, and the counts of the chosen values.
_COUNTED, _CHOSEN = "counted", "chosen"


def aggregations(asked: Sequence[str], own: Mapping[str, Dsl]) -> Dsl:
    """The aggregations for the facets in `asked`. `own`: for each of them whose field is filtered, that filter."""
    made: Dsl = {}
    for name in asked:
        others = [clause for facet, clause in own.items() if facet != name]
        inner = {_COUNTED: FACETS[name]}
        if name in own and "terms" in FACETS[name]:
            inner[_CHOSEN] = _chosen(FACETS[name], own[name])
        plain = not others and len(inner) == 1
        made[name] = FACETS[name] if plain else {"filter": {"bool": {"filter": others}}, "aggs": inner}
    return made


def _chosen(facet: Dsl, clause: Dsl) -> Dsl:
    """`facet` for the values in `clause` alone. They are chosen, so they are shown even if they are rare."""
    ((values),) = clause["terms"].values()
    return {**facet, "terms": {**facet["terms"], "size": len(values), "include": values}}


def collected(aggregated: Dsl) -> Dsl:
    """The facets in Elasticsearch's answer to `aggregations`, each in the form that it has without filters."""
    return {name: _one(found) if _COUNTED in found else found for name, found in aggregated.items()}


def _one(found: Dsl) -> Dsl:
    counted: Dsl = found[_COUNTED]
    known = {bucket["key"] for bucket in counted["buckets"]}
    chosen = found.get(_CHOSEN, {}).get("buckets", [])
    missed = [bucket for bucket in chosen if bucket["key"] not in known]
    if missed:
        # They are buckets now, and no longer part of the rest.
        counted["sum_other_doc_count"] -= sum(bucket["doc_count"] for bucket in missed)
        counted["buckets"] += missed
    return counted
