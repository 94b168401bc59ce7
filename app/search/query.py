"""Typed search parameters to Elasticsearch's query DSL. Pure.

What the caller asked for is in scoring context, who they are in filter context: so a search by session alone scores as a
bare `term` query does, and nobody's documents are found by anybody else.
"""

from __future__ import annotations

from typing import Any

from app.search.params import SearchParams
from app.search.words import content_words, words

Dsl = dict[str, Any]


def build(params: SearchParams, tenant: str) -> Dsl:
    """The search body for `params`, restricted to the documents of `tenant`."""
    must: list[Dsl] = []
    if params.session is not None:
        must.append({"term": {"session": params.session}})
    if params.ids is not None:
        must.append({"ids": {"values": list(params.ids)}})
    if params.query is not None:
        must.append(_by_words(params.query))
    body: Dsl = {
        "query": {"bool": {"must": must or [{"match_all": {}}], "filter": [{"term": {"tenant": tenant}}]}},
        "from": params.offset,
        "size": params.size,
        "_source": list(params.source),
    }
    if params.sort:
        body["sort"] = [{field: {"order": direction}} for field, direction in params.sort]
        # Asked-for order does not take the scores away that the envelope shows.
        body["track_scores"] = True
    return body


def _by_words(query: str) -> Dsl:
    """Every word of `query` in the name (the last one as a beginning too) or every word in the text of the content.

    Words as the index has them. An exact name counts most, then words of the name, then the content.
    """
    should: list[Dsl] = [{"term": {"name": {"value": query, "boost": 10}}}]
    if in_name := words(query):
        by_name = {"query": in_name, "operator": "and", "boost": 3}
        should.append({"match_bool_prefix": {"name_words": by_name}})
    if in_content := content_words(query):
        should.append({"match": {"content_words": {"query": in_content, "operator": "and"}}})
    return {"bool": {"should": should, "minimum_should_match": 1}}
