"""Facets: how many of the hits have which value, as aggregations of Elasticsearch named like the facet. Pure.

Whoever chose a value of a facet is to see what else there is to choose: so a facet is counted under all filters but its
own. The filters of the facets asked for therefore narrow the hits behind the query (`post_filter`) and each of the other
facets by itself. Rejected: a search of its own for each facet whose filter is set (the query, with its words and phrases,
would be answered up to eight times).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.model.schema import Counted, existing, listed

Dsl = dict[str, Any]

(_CREATED,) = existing("created")
#: Values of a facet: the most frequent ones, or the latest of the sessions.
VALUES = 20
KIB, MIB = 1024, 1024 * 1024


def _values(field: str) -> Dsl:
    return {"terms": {"field": field, "size": VALUES}}


def _latest(field: str) -> Dsl:
    """The values that an attachment came with last, each with when that was."""
    return {
        "terms": {"field": field, "size": VALUES, "order": {"latest": "desc"}},
        "aggs": {"latest": {"max": {"field": _CREATED}}},
    }


def _ages(field: str) -> Dsl:
    """The last day, week, month and year, each with what the shorter ones have, and what is older."""
    ages = {"day": "1d", "week": "7d", "month": "30d", "year": "365d"}
    ranges: list[Dsl] = [{"key": key, "from": f"now-{age}"} for key, age in ages.items()]
    return {"date_range": {"field": field, "ranges": [*ranges, {"key": "older", "to": "now-365d"}]}}


def _sizes(field: str) -> Dsl:
    """From the first number of bytes to below the second."""
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


#: Within a facet that others' filters narrow: its counts, and those of the values that its own filter names.
_COUNTED, _CHOSEN = "counted", "chosen"


def aggregations(asked: Sequence[str], own: Mapping[str, Dsl]) -> Dsl:
    """The aggregations of the facets `asked` for. `own`: of some of them, the filter that the search has on it."""
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
    """The facet of the values in `clause` alone: few may have them, yet who chose them wants to see them."""
    ((values),) = clause["terms"].values()
    return {**facet, "terms": {**facet["terms"], "size": len(values), "include": values}}


def collected(aggregated: Dsl) -> Dsl:
    """What Elasticsearch answered to `aggregations`, each facet in the one form that it has without filters."""
    return {name: _one(found) if _COUNTED in found else found for name, found in aggregated.items()}


def _one(found: Dsl) -> Dsl:
    counted: Dsl = found[_COUNTED]
    known = {bucket["key"] for bucket in counted["buckets"]}
    chosen = found.get(_CHOSEN, {}).get("buckets", [])
    missed = [bucket for bucket in chosen if bucket["key"] not in known]
    if missed:
        # Counted once, as buckets, and no more as the rest.
        counted["sum_other_doc_count"] -= sum(bucket["doc_count"] for bucket in missed)
        counted["buckets"] += missed
    return counted
