"""Typed search parameters to Elasticsearch's query language. Pure.

What the caller asked for is in scoring context, what only narrows it and who they are in filter context: so a search by
session alone scores as a bare `term` query does, and nobody's documents are found by anybody else.
"""

from __future__ import annotations

from typing import Any

from app.search.facets import FACETS
from app.search.marking import highlight, with_names
from app.search.matching import ranked
from app.search.params import SearchParams
from app.search.syntax import Node, parse

Dsl = dict[str, Any]


def build(params: SearchParams, tenant: str) -> Dsl:
    """The search body for `params`, restricted to the documents of `tenant`."""
    must: list[Dsl] = []
    filters: list[Dsl] = [{"term": {"tenant": tenant}}]
    tree = _tree(params)
    for field, values in params.filters.items():
        if field == "session" and len(values) == 1:
            must.append({"term": {"session": values[0]}})
        else:
            filters.append({"terms": {field: list(values)}})
    if params.ids is not None:
        must.append({"ids": {"values": list(params.ids)}})
    if params.query is not None:
        must.append(ranked(params.query, tree))
    filters += _ranges(params)
    body: Dsl = {
        "query": {"bool": {"must": must or [{"match_all": {}}], "filter": filters}},
        "size": params.size,
        "_source": list(params.source),
    }
    if params.after is None:
        body["from"] = params.offset
    else:
        body["search_after"] = list(params.after)
    if params.sort:
        body["sort"] = [{field: {"order": direction}} for field, direction in params.sort]
        # Asked-for order does not take the scores away that the envelope shows.
        body["track_scores"] = True
    if params.facets:
        body["aggs"] = {name: FACETS[name] for name in params.facets}
    if params.highlight:
        body["_source"] = list(dict.fromkeys((*params.source, "name")))
        if (marked := highlight(tree, params.size)) is not None:
            body["highlight"] = marked
    return body


def answered(params: SearchParams, answer: bytes) -> bytes:
    """The answer of Elasticsearch to that body, with what it can't do itself; byte for byte when that is nothing."""
    return with_names(answer, _tree(params), params.source) if params.highlight else answer


def _tree(params: SearchParams) -> Node | None:
    return None if params.query is None else parse(params.query)


def _ranges(params: SearchParams) -> list[Dsl]:
    (after, before), (low, high) = params.created, params.file_size
    bounds: dict[str, Dsl] = {
        "created": {"gte": after and after.isoformat(), "lt": before and before.isoformat()},
        "size": {"gte": low, "lte": high},
    }
    found = []
    for field, limits in bounds.items():
        if given := {key: value for key, value in limits.items() if value is not None}:
            found.append({"range": {field: given}})
    return found
