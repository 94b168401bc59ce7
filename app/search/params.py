"""Turns the parameters of a search, which anyone may have written, into a typed value. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.errors import InvalidParameter
from app.model.schema import DOCUMENTED_FIELDS, FIELDS, UNIQUE, listed
from app.search.facets import FACETS
from app.search.inside import FILES

#: The largest `from` + `size`: Elasticsearch's own default, which the mapping sets as well.
MAX_WINDOW = 10_000
DEFAULT_SIZE = 10
#: The most hits of a page with marked words or with the files inside: for each, its text or its outcome is read.
MAX_HIGHLIGHTED = 100
#: The most values of one filter.
MAX_VALUES = 100
#: A larger `from` is refused as a number. For one between the window and this limit, the error says how to go on.
MAX_OFFSET = 999_999_999
#: The most digits of a number: the largest that Elasticsearch can hold has 19.
_DIGITS = 18

#: Filters that may be given several times; a hit has any of the values.
FILTERS = {each.name: used for each, used in listed(lambda each: each.filter)}
#: The ranges, each with two parameters of its own.
RANGES = listed(lambda each: each.range)
PARAMETERS = {
    *FILTERS,
    *(name for _, used in RANGES for name in used.parameters),
    *(
        "query",
        "default_operator",
        "match",
        "from",
        "size",
        "sort",
        "search_after",
        "pit",
        "scores",
        "highlight",
        "facets",
        "_source",
    ),
}
SOURCE_FIELDS = (
    *DOCUMENTED_FIELDS,
    *(each.name for each, used in listed(lambda each: each.shown) if not used.default),
)
#: Names in `_source` that are no fields of the index: their values come from the files beside the attachment.
ADDED_FIELDS = (FILES,)
#: What a search may be sorted by, and the fields that make the order.
SORT_FIELDS: dict[str, tuple[str, ...]] = {
    **{each.name: each.sorted_by or (each.name,) for each in FIELDS if each.sort},
    "_score": ("_score",),
}
#: The type of the value in `search_after` for each of these fields.
_VALUES: dict[str, type] = {
    **{each.name: str if each.type == "keyword" else int for each in FIELDS},
    "_score": float,
}
#: The order of a search that asks for none. Equal scores are in the order of a field that no two attachments share.
BY_SCORE = (("_score", "desc"), (UNIQUE, "asc"))
#: The value of `pit` that asks for a new point in time; any other value is the id of one.
NEW_POINT = "true"
#: What a query finds by: its words, its meaning, or both. `MEANT`: those that need a vector.
MATCHES = ("words", "meaning", "both")
MEANT = frozenset({"meaning", "both"})
_LONG = 2**63


@dataclass(frozen=True)
class SearchParams:
    """A valid search.

    `filters`: by field, its values, of which a hit has at least one. `ranges`: by field, its two ends, None for an open
    end. Times are in UTC, and the second end is excluded; of numbers, both ends are included. `sort`: (field,
    direction) pairs, of which the last field is unique; empty if no order was asked for, and then none is told.
    `after`: the `sort` of the hit after which the page begins. `point`: the id of the point in time that is searched,
    or NEW_POINT; None for the present state. `match`: one of MATCHES; None if it was not asked for. `scores`: whether
    each hit says what its score is made of. `passages`: how many of the nearest passages of each hit are told with it
    (`app.search.nearest`). `default_operator`: which words of a query must be found if no operator in it says so: all
    of them (`and`), or any (`or`).
    """

    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    query: str | None = None
    default_operator: str = "or"
    match: str | None = None
    ids: tuple[str, ...] | None = None
    ranges: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    offset: int = 0
    size: int = DEFAULT_SIZE
    sort: tuple[tuple[str, str], ...] = ()
    after: tuple[Any, ...] | None = None
    point: str | None = None
    scores: bool = False
    highlight: bool = False
    facets: tuple[str, ...] = ()
    source: tuple[str, ...] = DOCUMENTED_FIELDS
    passages: int = 0


def parse(given: Mapping[str, Sequence[str]], *, max_page_size: int, max_query_length: int) -> SearchParams:
    """The search that the parameters of a query string ask for. Raises InvalidParameter, which names the first
    parameter that is unknown or invalid."""
    for name, several in given.items():
        if name not in PARAMETERS:
            raise InvalidParameter(name[:100], "is not known")
        if len(several) > 1 and name not in FILTERS:
            raise InvalidParameter(name, "is given more than once")
        if len(several) > MAX_VALUES:
            raise InvalidParameter(name, f"is given more than {MAX_VALUES} times")
    values = {name: several[0] for name, several in given.items()}
    offset = _number(values, "from", 0, MAX_OFFSET)
    size = _number(values, "size", DEFAULT_SIZE, max_page_size)
    if offset + size > MAX_WINDOW:
        # This also holds for a [from] that is beyond the window by itself.
        raise InvalidParameter(
            "from", f"plus [size] is more than {MAX_WINDOW}: go on with [sort] and [search_after] instead"
        )
    query = values.get("query")
    if query is not None and len(query) > max_query_length:
        raise InvalidParameter("query", f"is longer than {max_query_length} characters")
    match = _choice(values, "match", MATCHES, "words") if "match" in values else None
    if match in MEANT and not query:
        raise InvalidParameter("match", "needs [query]")
    scores = _choice(values, "scores", ("true", "false"), "false") == "true"
    if scores and not query:
        raise InvalidParameter("scores", "needs [query]")
    highlight = _choice(values, "highlight", ("true", "false"), "false") == "true"
    if highlight and size > MAX_HIGHLIGHTED:
        raise InvalidParameter("size", f"is more than {MAX_HIGHLIGHTED} with [highlight]")
    source = _names(values, "_source", (*SOURCE_FIELDS, *ADDED_FIELDS), DOCUMENTED_FIELDS)
    if FILES in source and size > MAX_HIGHLIGHTED:
        raise InvalidParameter("size", f"is more than {MAX_HIGHLIGHTED} with [_source={FILES}]")
    # In a point in time, hits have a `sort`, so that the client can go on from them.
    sort = _sort(values["sort"]) if "sort" in values else BY_SCORE if "pit" in values else ()
    return SearchParams(
        filters={name: _values(name, given[name]) for name in FILTERS if name in given},
        query=query or None,
        default_operator=_choice(values, "default_operator", ("and", "or"), "or"),
        match=match,
        ranges=_ranges(values),
        offset=offset,
        size=size,
        sort=sort,
        after=_after(values["search_after"], sort, offset) if "search_after" in values else None,
        point=values.get("pit"),
        scores=scores,
        highlight=highlight,
        facets=_names(values, "facets", tuple(FACETS), ()),
        source=source,
    )


def _values(name: str, several: Sequence[str]) -> tuple[str, ...]:
    if FILTERS[name].suffix:
        return tuple(each.lower().removeprefix(".") for each in several)
    return tuple(several)


def _ranges(values: Mapping[str, str]) -> dict[str, tuple[Any, Any]]:
    found = {}
    for each, used in RANGES:
        ends: list[Any] = [None, None]
        for position, name in enumerate(used.parameters):
            if name in values:
                text = values[name]
                ends[position] = _moment(text, name) if each.type == "date" else _amount(text, name, used.unit)
        if ends != [None, None]:
            found[each.name] = ends[0], ends[1]
    return found


def _number(values: Mapping[str, str], name: str, default: int, most: int) -> int:
    if name not in values:
        return default
    text = values[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= most):
        raise InvalidParameter(name, f"must be a whole number from 0 to {most}")
    return int(text)


def _amount(text: str, name: str, unit: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise InvalidParameter(name, f"must be a whole number of {unit}")
    return int(text)


def _moment(text: str, name: str) -> datetime:
    # A plus sign that was not encoded arrives as a blank.
    if len(text) > 6 and text[-6] == " ":
        text = f"{text[:-6]}+{text[-5:]}"
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidParameter(name, "must be a date or a time, as 2026-01-31 or 2026-01-31T12:00:00Z") from None


def _choice(values: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = values.get(name, default)
    if value not in allowed:
        raise InvalidParameter(name, f"must be of: {', '.join(allowed)}")
    return value


def _names(values: Mapping[str, str], name: str, allowed: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
    if name not in values:
        return default
    # A name that is given twice counts once, as each costs time.
    names = tuple(dict.fromkeys(values[name].split(",")))
    if not set(names) <= set(allowed):
        raise InvalidParameter(name, f"must be of: {', '.join(allowed)}")
    return names


def _sort(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for item in text.split(","):
        name, _, direction = item.partition(":")
        if name not in SORT_FIELDS or direction not in ("", "asc", "desc"):
            raise InvalidParameter("sort", f"must be FIELD or FIELD:asc|desc, fields: {', '.join(sorted(SORT_FIELDS))}")
        pairs.append((name, direction or ("desc" if name == "_score" else "asc")))
    if len(dict(pairs)) != len(pairs):
        raise InvalidParameter("sort", "names a field twice")
    found = [(field, direction) for name, direction in pairs for field in SORT_FIELDS[name]]
    return tuple(found) if UNIQUE in dict(found) else (*found, (UNIQUE, "asc"))


def _after(text: str, sort: tuple[tuple[str, str], ...], offset: int) -> tuple[Any, ...]:
    name = "search_after"
    if not sort:
        raise InvalidParameter(name, "needs [sort] or [pit]")
    if offset:
        raise InvalidParameter(name, "and [from] exclude each other")
    try:
        # Numbers that are far too long stay text, and are refused below.
        found = json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= 20 else digits)
    except (ValueError, RecursionError):
        found = None
    wanted = [_VALUES[each] for each, _ in sort]
    if not isinstance(found, list) or len(found) != len(wanted):
        raise InvalidParameter(name, f"must be the [sort] of a hit: a JSON array of {len(wanted)} values")
    if not all(map(_fits, found, wanted)):
        raise InvalidParameter(name, "has a value that its field can't have")
    return tuple(found)


def _fits(value: Any, wanted: type) -> bool:
    # A value is null if the document lacks the field.
    if wanted is str:
        return value is None or (isinstance(value, str) and not any("\ud800" <= each <= "\udfff" for each in value))
    if isinstance(value, bool):
        return False
    if wanted is int:
        return isinstance(value, int) and -_LONG <= value < _LONG
    return isinstance(value, int | float) and math.isfinite(value)
