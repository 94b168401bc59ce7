"""Scores that rest on nothing but the query and the document itself. Pure.

Elasticsearch's relevance (BM25) counts in how many documents of the whole index a word is, so a score tells something of
other tenants' documents (SECURITY.md). With SCORES=constant every clause that would be scored so gives its boost to each
document that it finds, and the rest of a query (which clauses find a document, tiers, functions of a field, what is newer)
ranks as before. A clause that is not known here is taken for one that scores: a new one can't bring statistics back.

Rejected: an index for each tenant (a shard each costs memory without bound, and a small tenant pays as much as a large one;
a store of one's own is that already), the similarity `boolean` in the mapping (every document would have to be indexed anew,
and `combined_fields` is refused with it), and statistics that only count the tenant's documents (Elasticsearch has none).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Dsl = dict[str, Any]

#: Clauses whose score rests on no statistics.
_PLAIN = ("constant_score", "match_all", "match_none", "ids", "distance_feature")
#: Clauses that hold others, and under which keys those are that are scored. Beside these they only filter.
_HOLDERS = {
    "bool": ("must", "should"),
    "dis_max": ("queries",),
    "boosting": ("positive",),
    "function_score": ("query",),
}


def without_statistics(body: Mapping[str, Any]) -> Dsl:
    """A search body whose scores rest on no statistics; what it finds, counts and marks is the same."""
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
    """The boost of a clause: beside its other options, or in those of its only field."""
    if "boost" in content:
        return content["boost"]
    options = next(iter(content.values())) if len(content) == 1 else None
    return options.get("boost", 1) if isinstance(options, dict) else 1
