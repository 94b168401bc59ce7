"""Scores that depend on nothing but the query and the document itself. Pure.

Elasticsearch's relevance (BM25) counts how many documents of the whole index contain a word, so a score tells something
about other tenants' documents (SECURITY.md). With SCORES=constant, a clause that would be scored in this way gives its
boost to each document that it finds. Everything else (which clauses find a document, tiers, functions of a field, age)
ranks as before. A clause that this module does not know is treated as one with statistics, so a new clause can't bring
them back.

Rejected: an index for each tenant (each needs a shard, so memory grows without bound, and a small tenant costs as much
as a large one; anyone who wants this can run a store of their own); the similarity `boolean` in the mapping (every
document would have to be indexed again, and `combined_fields` is refused with it); statistics of the tenant's documents
alone (Elasticsearch has none).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Dsl = dict[str, Any]

#: Clauses whose score depends on no statistics.
_PLAIN = ("constant_score", "match_all", "match_none", "ids", "distance_feature", "knn")
#: Clauses that contain others, and the keys of those that are scored. The other keys only filter.
_HOLDERS = {
    "bool": ("must", "should"),
    "dis_max": ("queries",),
    "boosting": ("positive",),
    "function_score": ("query",),
    "nested": ("query",),
}


def without_statistics(body: Mapping[str, Any]) -> Dsl:
    """`body`, a search body, changed so that its scores depend on no statistics. It finds, counts and marks the
    same."""
    made = dict(body)
    if "query" in made:
        made["query"] = _scored(made["query"])
    if "rescore" in made:
        made["rescore"] = [
            {**each, "query": {**each["query"], "rescore_query": _scored(each["query"]["rescore_query"])}}
            for each in made["rescore"]
        ]
    return made


def _scored(query: Any) -> Any:
    if isinstance(query, list):
        return [_scored(each) for each in query]
    ((name, content),) = query.items()
    if name in _PLAIN:
        return query
    if name in _HOLDERS:
        return {name: {key: _scored(item) if key in _HOLDERS[name] else item for key, item in content.items()}}
    return {"constant_score": {"filter": query, "boost": _boost(content)}}


def _boost(content: Any) -> Any:
    """The boost of a clause: among its own options, or among those of its only field; 1 by default."""
    if "boost" in content:
        return content["boost"]
    options = next(iter(content.values())) if len(content) == 1 else None
    return options.get("boost", 1) if isinstance(options, dict) else 1
