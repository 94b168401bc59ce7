"""The parameters of a search, from text that anybody may have written to a typed value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.attachment import DIALECT_FIELDS, DOCUMENTED_FIELDS
from app.errors import InvalidParameter

#: How far `from` + `size` may reach; Elasticsearch's own default, set in the mapping as well.
MAX_WINDOW = 10_000
DEFAULT_SIZE = 10

PARAMETERS = {"session", "query", "from", "size", "sort", "_source"}
SOURCE_FIELDS = (*DOCUMENTED_FIELDS, "owner", "dialect", "media_type", "sha256", "extraction", *DIALECT_FIELDS)
SORT_FIELDS = {"_score", "id", "created", "updated", "session", "name", "icon", "size", "media_type"}


@dataclass(frozen=True)
class SearchParams:
    """A search that makes sense. `sort` is (field, direction) pairs; empty leaves the order to Elasticsearch."""

    session: str | None = None
    query: str | None = None
    ids: tuple[str, ...] | None = None
    offset: int = 0
    size: int = DEFAULT_SIZE
    sort: tuple[tuple[str, str], ...] = ()
    source: tuple[str, ...] = DOCUMENTED_FIELDS


def parse(values: Mapping[str, str], *, max_page_size: int, max_query_length: int) -> SearchParams:
    """Search parameters from a query string. Raises InvalidParameter, naming the first that is unknown or invalid."""
    for name in values:
        if name not in PARAMETERS:
            raise InvalidParameter(name[:100], "is not known")
    offset = _number(values, "from", 0, 0, MAX_WINDOW)
    size = _number(values, "size", DEFAULT_SIZE, 0, max_page_size)
    if offset + size > MAX_WINDOW:
        raise InvalidParameter("from", f"plus [size] is more than {MAX_WINDOW}")
    query = values.get("query")
    if query is not None and len(query) > max_query_length:
        raise InvalidParameter("query", f"is longer than {max_query_length} characters")
    return SearchParams(
        session=values.get("session"),
        query=query or None,
        offset=offset,
        size=size,
        sort=_sort(values["sort"]) if "sort" in values else (),
        source=_source(values["_source"]) if "_source" in values else DOCUMENTED_FIELDS,
    )


def _number(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    if name not in values:
        return default
    text = values[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
        raise InvalidParameter(name, f"must be a whole number from {low} to {high}")
    return int(text)


def _sort(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for item in text.split(","):
        name, _, direction = item.partition(":")
        if name not in SORT_FIELDS or direction not in ("", "asc", "desc"):
            raise InvalidParameter("sort", f"must be FIELD or FIELD:asc|desc, fields: {', '.join(sorted(SORT_FIELDS))}")
        pairs.append((name, direction or ("desc" if name == "_score" else "asc")))
    if len(dict(pairs)) != len(pairs):
        raise InvalidParameter("sort", "names a field twice")
    return tuple(pairs)


def _source(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in SOURCE_FIELDS:
            raise InvalidParameter("_source", f"must be of: {', '.join(SOURCE_FIELDS)}")
    return names
