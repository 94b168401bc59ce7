"""Aggregations: a table that maps each type that may be asked for to the function that checks it and builds it anew.

An aggregation counts the documents that the query found, so the tenant's filter holds for it. Types that look at other
documents (`global`, `significant_*`) are not offered. All types that are offered belong to Elasticsearch's core, so
that every cluster gives the same answers.

`min_doc_count: 0` is refused in `terms`, where it would list values that no found document has. In a histogram it is
allowed, and it is the default there, as in Elasticsearch: it fills the gaps with empty buckets. These are made from the
bounds of what was found (or from `extended_bounds`, which the caller gives), so they tell nothing that the other
buckets do not. The number of buckets that `extended_bounds` ask for is limited here. Elasticsearch limits the number of
all buckets to 65,536.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.search.language import limits, weights
from app.search.language.fields import EXACT, NUMERIC, field_of
from app.search.language.hits import inner_hits
from app.search.language.queries import query
from app.search.language.reading import (
    Check,
    Dsl,
    Where,
    boolean,
    choice,
    given_name,
    known,
    mapping,
    number,
    pattern,
    record,
    scalar,
    several,
    text,
    whole,
)
from app.search.language.tenant import owned

_NESTED = ("aggs", "aggregations")
#: Types whose number of buckets depends on what is found, and the number that is assumed if each bucket has hits.
_HISTOGRAMS = ("histogram", "date_histogram")
_MANY = limits.MAX_BUCKETS
_PATH = re.compile(rf"[^\[\]\x00-\x1f]{{1,300}}(?:\[[^\[\]]{{1,{limits.MAX_NAME}}}\][^\[\]\x00-\x1f]{{0,50}})?")


def aggregations(where: Where, value: Any, depth: int = 1, buckets: int = 1, many: int = 1) -> Dsl:
    """The aggregations of one level. `buckets`: how many buckets the aggregations around them may make, histograms not
    included. `many`: the factor for the histograms around them. Raises SearchRefused."""
    found = mapping(where, value)
    if depth > limits.MAX_AGGREGATION_DEPTH and found:
        where.refuse(f"is nested more than {limits.MAX_AGGREGATION_DEPTH} deep")
    return {
        given_name(where, name): _one(where.inside(name), content, depth, buckets, many)
        for name, content in found.items()
    }


def _one(where: Where, value: Any, depth: int, buckets: int, many: int) -> Dsl:
    found = mapping(where, value)
    where.budget.aggregations += 1
    if where.budget.aggregations > limits.MAX_AGGREGATIONS:
        where.refuse(f"is one of more than {limits.MAX_AGGREGATIONS} aggregations")
    types = [name for name in found if name not in (*_NESTED, "meta")]
    if "meta" in found:
        where.refuse("has [meta], which is not offered here")
    if len(types) != 1:
        where.refuse("expected the name of one aggregation type", "parsing_exception")
    (name,) = types
    if name not in AGGREGATIONS:
        known(where, name, AGGREGATIONS, "unknown aggregation type")
    built = AGGREGATIONS[name](where.inside(name), found[name])
    made: Dsl = {name: built}
    if name == "top_hits":
        where.budget.hits += buckets * many * int(built.get("size", 3))
    buckets *= _width(name, built)
    many *= _MANY if name in _HISTOGRAMS else 1
    if buckets > limits.MAX_BUCKET_PRODUCT:
        where.refuse(f"can make more than {limits.MAX_BUCKET_PRODUCT} buckets, together with those around it")
    for key in _NESTED:
        if key in found:
            if name not in _BUCKETS:
                where.refuse(f"[{name}] can't hold aggregations", "aggregation_initialization_exception")
            made["aggs"] = {**made.get("aggs", {}), **aggregations(where, found[key], depth + 1, buckets, many)}
    return made


def _width(name: str, built: Any) -> int:
    """How many buckets an aggregation may make. A histogram counts as 1: Elasticsearch itself counts its buckets, up to
    its own limit."""
    if name in ("terms", "composite"):
        return max(1, int(built.get("size", 10)))
    if name == "filters":
        return max(1, len(built["filters"]))
    if name in ("range", "date_range"):
        return max(1, len(built["ranges"]))
    return 1


_FORMAT: dict[str, Check] = {"format": text(limits.MAX_NAME)}
_ZONE: dict[str, Check] = {"time_zone": text(limits.MAX_NAME)}
_SIZE: dict[str, Check] = {"size": whole(1, limits.MAX_BUCKETS)}
_MISSING: dict[str, Check] = {"missing": scalar}


def _at_least_one(where: Where, value: Any) -> int:
    found = int(whole(0, 2**31 - 1)(where, value))
    if found == 0:
        where.refuse("must be at least 1: with 0 it would tell of documents that were not found")
    return found


def _path(where: Where, value: Any) -> str:
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        where.refuse("must be the path of an aggregation")
    return str(text()(where, value))


def _direction(where: Where, value: Any) -> Dsl:
    found = mapping(where, value)
    if len(found) != 1:
        where.refuse("requires one path in each entry", "parsing_exception")
    return {_path(where, name): choice("asc", "desc")(where, each) for name, each in found.items()}


_order = several(_direction, limits.MAX_SORTS)


def _included(where: Where, value: Any) -> Any:
    """A pattern, or a list of values."""
    if isinstance(value, list):
        where.spend_values(len(value))
        return [scalar(where, each) for each in value]
    return pattern(where, value)


def _terms(where: Where, value: Any) -> Dsl:
    table: dict[str, Check] = {
        "field": field_of(*EXACT),
        **_SIZE,
        "shard_size": whole(1, 10 * limits.MAX_BUCKETS),
        "min_doc_count": _at_least_one,
        "order": _order,
        "include": _included,
        "exclude": _included,
        "show_term_doc_count_error": boolean,
        "value_type": choice("string", "long", "double", "date", "boolean"),
        **_MISSING,
        **_FORMAT,
    }
    made = dict(record(table, "field")(where, value))
    if any(isinstance(made.get(name), str) for name in ("include", "exclude")):
        # With this hint, the pattern is tried on the values of the documents that were found, not on those of all
        # tenants.
        made["execution_hint"] = "map"
        weights.spend(where, weights.INCLUDED * sum(isinstance(made.get(name), str) for name in ("include", "exclude")))
    return made


def _several_ranges(bound: Check) -> Check:
    each = record({"key": given_name, "from": bound, "to": bound})
    return several(each, limits.MAX_RANGES)


def _keyed(name: str, check: Check) -> Check:
    """A check for an object of named entries, or for a list of entries. `check`: that for one entry."""

    def build(where: Where, value: Any) -> Any:
        if isinstance(value, Mapping):
            if len(value) > limits.MAX_RANGES:
                where.refuse(f"[{name}] has more than {limits.MAX_RANGES} entries")
            return {given_name(where, key): check(where, each) for key, each in value.items()}
        return several(check, limits.MAX_RANGES)(where, value)

    return build


# The least number of seconds that each calendar interval has.
_CALENDAR = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "month": 2_419_200, "quarter": 7_776_000}
_CALENDAR |= {"year": 31_536_000, "1m": 60, "1h": 3600, "1d": 86_400, "1w": 604_800, "1M": 2_419_200}
_CALENDAR |= {"1q": 7_776_000, "1y": 31_536_000}
_FIXED = re.compile(r"([1-9]\d{0,8})(ms|s|m|h|d)", re.ASCII)
#: Milliseconds since 1970 as text. They have more digits than a date.
_EPOCH = re.compile(r"-?\d{9,15}", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def _calendar(where: Where, value: Any) -> str:
    if not isinstance(value, str) or value not in _CALENDAR:
        where.refuse("must be a unit such as [month] or [1d]")
    return value


def _fixed(where: Where, value: Any) -> str:
    if not isinstance(value, str) or not _FIXED.fullmatch(value):
        where.refuse("must be a span of time such as [12h]")
    return value


def _bounds(where: Where, value: Any) -> Dsl:
    return dict(record({"min": scalar, "max": scalar})(where, value))


def _moment(where: Where, value: Any) -> float:
    """A bound of a date histogram, in seconds since 1970. Date math is refused, as it can't be evaluated here."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000
    if isinstance(value, str) and _EPOCH.fullmatch(value):
        return int(value) / 1000
    try:
        return datetime.fromisoformat(f"{value}+00:00" if "T" not in str(value) else str(value)).timestamp()
    except (ValueError, OverflowError):
        where.refuse("has bounds other than ISO 8601 times with a zone, dates or milliseconds")


def _bounded(where: Where, made: Dsl, step: float, low: Any, high: Any) -> None:
    """Refuse bounds that ask for more empty buckets than may be made."""
    if "extended_bounds" in made and (high - low) / step > limits.MAX_BUCKET_PRODUCT:
        where.refuse(f"[extended_bounds] ask for more than {limits.MAX_BUCKET_PRODUCT} buckets")


_HISTOGRAM: dict[str, Check] = {
    "min_doc_count": whole(0, 2**31 - 1),
    "extended_bounds": _bounds,
    "hard_bounds": _bounds,
    "order": _order,
    "keyed": boolean,
    **_MISSING,
    **_FORMAT,
}


def _histogram(where: Where, value: Any) -> Dsl:
    table: dict[str, Check] = {
        "field": field_of("long"),
        "interval": number(1e-9, 1e18),
        "offset": number(-1e18, 1e18),
        **_HISTOGRAM,
    }
    made = dict(record(table, "field", "interval")(where, value))
    low, high = (number()(where, made.get("extended_bounds", {}).get(each, 0)) for each in ("min", "max"))
    _bounded(where, made, made["interval"], low, high)
    return made


def _date_histogram(where: Where, value: Any) -> Dsl:
    table: dict[str, Check] = {
        "field": field_of("date"),
        "calendar_interval": _calendar,
        "fixed_interval": _fixed,
        "offset": text(20),
        **_ZONE,
        **_HISTOGRAM,
    }
    made = dict(record(table, "field")(where, value))
    if ("calendar_interval" in made) == ("fixed_interval" in made):
        where.refuse("requires one of [calendar_interval] and [fixed_interval]")
    if "fixed_interval" in made:
        match = _FIXED.fullmatch(made["fixed_interval"])
        step = int(match[1]) * _UNITS[match[2]] if match else 1.0
    else:
        step = _CALENDAR[made["calendar_interval"]]
    low, high = (_moment(where, made.get("extended_bounds", {}).get(each, 0)) for each in ("min", "max"))
    _bounded(where, made, step, low, high)
    return made


_SOURCES: dict[str, Check] = {}


def _composite_source(where: Where, value: Any) -> Dsl:
    found = mapping(where, value)
    if len(found) != 1:
        where.refuse("requires one name in each of its sources", "parsing_exception")
    ((name, content),) = found.items()
    inner = mapping(where, content)
    if len(inner) != 1:
        where.refuse("requires one type in each of its sources", "parsing_exception")
    ((kind, options),) = inner.items()
    known(where, kind, _SOURCES, "unknown source type")
    return {given_name(where, name): {kind: _SOURCES[kind](where.inside(kind), options)}}


_ORDERED: dict[str, Check] = {
    "order": choice("asc", "desc"),
    "missing_bucket": boolean,
    "missing_order": choice("first", "last", "default"),
}
_SOURCES |= {
    "terms": record({"field": field_of(*EXACT), **_ORDERED}, "field"),
    "histogram": record({"field": field_of("long"), "interval": number(1e-9, 1e18), **_ORDERED}, "field", "interval"),
    "date_histogram": record(
        {
            "field": field_of("date"),
            "calendar_interval": _calendar,
            "fixed_interval": _fixed,
            "offset": text(20),
            **_ZONE,
            **_FORMAT,
            **_ORDERED,
        },
        "field",
    ),
}


def _after(where: Where, value: Any) -> Dsl:
    found = mapping(where, value)
    return {given_name(where, name): None if each is None else scalar(where, each) for name, each in found.items()}


def _metric(*types: str, **more: Check) -> Check:
    return record({"field": field_of(*types), **_MISSING, **_FORMAT, **more}, "field")


def _over_buckets(**more: Check) -> Check:
    table: dict[str, Check] = {"buckets_path": _path, "gap_policy": choice("skip", "insert_zeros", "keep_values")}
    return record({**table, **_FORMAT, **more}, "buckets_path")


_number_of = record({"field": field_of("long"), "missing": number()}, "field")
_percents = several(number(0, 100), 50)

#: The types that may hold other aggregations.
_BUCKETS = {
    *("terms", "filter", "filters", "range", "date_range", "histogram", "date_histogram", "missing", "composite"),
    "sampler",
}

#: Every type that may be asked for, with its check.
AGGREGATIONS: dict[str, Check] = {
    "terms": _terms,
    "filter": owned(query),
    "filters": record(
        {
            "filters": _keyed("filters", owned(query)),
            "other_bucket": boolean,
            "other_bucket_key": given_name,
            "keyed": boolean,
        },
        "filters",
    ),
    "range": record(
        {"field": field_of("long"), "ranges": _several_ranges(number()), "keyed": boolean, **_MISSING, **_FORMAT},
        *("field", "ranges"),
    ),
    "date_range": record(
        {
            "field": field_of("date"),
            "ranges": _several_ranges(scalar),
            "keyed": boolean,
            **_ZONE,
            **_MISSING,
            **_FORMAT,
        },
        *("field", "ranges"),
    ),
    "histogram": _histogram,
    "date_histogram": _date_histogram,
    "missing": record({"field": field_of(*EXACT)}, "field"),
    "composite": record({"sources": several(_composite_source, 8), **_SIZE, "after": _after}, "sources"),
    "sampler": record({"shard_size": whole(1, 10 * limits.MAX_BUCKETS)}),
    "avg": _metric(*NUMERIC, "boolean"),
    "sum": _metric("long", "boolean"),
    "min": _metric(*NUMERIC, "boolean"),
    "max": _metric(*NUMERIC, "boolean"),
    "stats": _metric(*NUMERIC, "boolean"),
    "extended_stats": _metric("long", sigma=number(0, 100)),
    "value_count": _metric(*EXACT),
    "cardinality": _metric(*EXACT, precision_threshold=whole(0, 40_000)),
    "percentiles": _metric(*NUMERIC, percents=_percents, keyed=boolean),
    "percentile_ranks": _metric(*NUMERIC, values=several(number(), 50), keyed=boolean),
    "median_absolute_deviation": _metric("long"),
    "weighted_avg": record({"value": _number_of, "weight": _number_of, **_FORMAT}, "value", "weight"),
    "top_hits": inner_hits,
    "avg_bucket": _over_buckets(),
    "sum_bucket": _over_buckets(),
    "min_bucket": _over_buckets(),
    "max_bucket": _over_buckets(),
    "stats_bucket": _over_buckets(),
    "extended_stats_bucket": _over_buckets(sigma=number(0, 100)),
    "percentiles_bucket": _over_buckets(percents=_percents, keyed=boolean),
    "cumulative_sum": _over_buckets(),
}
