"""Turns typed search parameters into Elasticsearch's query language. Pure.

The query of the caller is in scoring context. Conditions that only narrow it, and the tenant, are in filter context. So
a search by session alone scores like a bare `term` query, and no tenant finds documents of another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.model.schema import FIELDS, existing
from app.search import nearest
from app.search.facets import aggregations, collected
from app.search.inside import FILES, Inside, tell
from app.search.marking import highlight
from app.search.matching import ALL_WORDS, ranked
from app.search.names import mark_names
from app.search.nearest import Cited
from app.search.params import ADDED_FIELDS, BY_SCORE, FILTERS, SearchParams
from app.search.syntax import Item, Node, Pattern, bare, coded, leaves, parse

Dsl = dict[str, Any]


#: The facet that a filter on this field belongs to.
_FACET_OF = {each.name: each.facet_name for each in FIELDS}
_TENANT, _NAME, _NAME_ORDER = existing("tenant", "name", "name_order")
_PASSAGES, _VECTOR, _MODEL = existing("passages", "passages.vector", "passages_model")
#: A field that an index of an older version lacks. In such an index, it puts no document before another.
_YOUNGER = {_NAME_ORDER: {"unmapped_type": "keyword"}}


#: The `sort` that Elasticsearch puts at the end of each hit. Inside a JSON string every quote has a backslash before
#: it, so no text of a user can look like it.
_TOLD_ORDER = re.compile(rb',"sort":\[[^\[\]]*\](?=[},])')
#: The position of a hit in the index, behind values that may be any text. In a point in time, Elasticsearch adds it to
#: the `sort` of a hit, unless `search_after` has none. No client may see it (`app.search.language.order` says why).
_POSITION = re.compile(rb'(,"sort":\[(?:"(?:[^"\\]|\\.)*"|[^"\[\]])*),\d+\](?=[},])')
#: The best score, which Elasticsearch leaves out if it is given an order. In an order by score, it is that of the first
#: hit.
_BEST = re.compile(rb'"max_score":null(,"hits":\[\{[^{}]*?"_score":)([^,}]+)')


#: How much the nearness of a passage counts beside words; for how many attachments it counts, and how many passages are
#: compared at least to find these (docs/adr/0027-passages.md). They are the same on every page, so that no hit is told
#: twice.
MEANING_BOOST = 120
NEAREST, CANDIDATES = 50, 500


@dataclass(frozen=True)
class Meaning:
    """The meaning of a query. `vector`: signed bytes in hexadecimal. `model`: the model that made it, as documents name
    it. `least`: the lowest cosine with which a passage counts as near. `candidates`: how many passages are looked at."""

    vector: str
    model: str
    least: float
    candidates: int = CANDIDATES


#: The names of the parts of a score in a hit, and the lowest part for nearness that is told. Elasticsearch itself names
#: only the part of the words, and nothing that it finds among nested documents. Nearness gives much more than the
#: rounding error of a score.
_WORDS, _MEANING, _LEAST_PART = "words", "meaning", 0.01


def match(params: SearchParams) -> str:
    """What the query finds by, one of `app.search.params.MATCHES`. If the caller does not say, it is both for a query
    that has words and no operator, if the best hits are wanted, and not another order, counts, or every word. Codes
    mean nothing, so they are found by words."""
    if params.match is not None or params.query is None:
        return params.match or "words"
    ordered = params.sort not in ((), BY_SCORE)
    if ordered or params.facets or not params.size or params.default_operator == "and":
        return "words"
    return "both" if bare(params.query) and not coded(params.query) else "words"


def _ties(params: SearchParams) -> tuple[tuple[str, str], ...]:
    """The order of a search by words that asks for none: by score, then by id. It is the same on each page and in each
    copy of the index; by itself, Elasticsearch orders equal scores by the position in the index."""
    return BY_SCORE if params.query is not None and not params.sort and params.size else ()


def build(params: SearchParams, tenant: str, opened: datetime | None = None, meaning: Meaning | None = None) -> Dsl:
    """The search body for `params`, restricted to the documents of `tenant`. `opened`: when the point in time that is
    searched was opened, as a walk through it may last until the next day; None: now. `meaning`: that of the query, if
    it is used, beside the words or alone."""
    must: list[Dsl] = []
    filters: list[Dsl] = [{"term": {_TENANT: tenant}}]
    tree = _tree(params)
    clauses = _filters(params)
    own = _own_filters(params, clauses)
    for field, clause in clauses.items():
        values = params.filters.get(field, ())
        if len(values) == 1 and FILTERS[field].scored:
            term = {"term": {field: values[0]}}
            # It narrows the hits behind the query, and still counts in the score.
            must.append({"bool": {"should": [term, {"match_all": {"boost": 0}}]}} if field in own else term)
        elif _FACET_OF[field] not in own:
            filters.append(clause)
    if params.ids is not None:
        must.append({"ids": {"values": list(params.ids)}})
    if params.query is not None:
        today = {} if opened is None else {"today": f"{opened.astimezone(UTC):%Y-%m-%d}"}
        must.append(ranked(params.query, tree, beside=meaning is not None, **today))
    words: Dsl = {"bool": {"must": must or [{"match_all": {}}], "filter": filters}}
    if params.scores:
        words["bool"]["_name"] = _WORDS
    near = [] if meaning is None else _nearest(params, meaning, tenant, clauses, own)
    body: Dsl = {
        "query": _with_near(words, params, near) if near else words,
        "size": params.size,
        # An empty list would mean all fields.
        "_source": [each for each in params.source if each not in ADDED_FIELDS] or False,
    }
    if params.after is None:
        body["from"] = params.offset
    else:
        body["search_after"] = list(params.after)
    if order := params.sort or _ties(params):
        body["sort"] = [{field: {"order": direction, **_YOUNGER.get(field, {})}} for field, direction in order]
        # With another order, scores are only there if they are asked for. By score they are there anyway, and without
        # asking Elasticsearch may skip documents that can't be on the page.
        if params.sort or params.offset:
            body["track_scores"] = True
    if params.facets:
        body["aggs"] = aggregations(params.facets, own)
    if own:
        body["post_filter"] = {"bool": {"filter": list(own.values())}}
    if params.highlight:
        body["_source"] = list(dict.fromkeys((*(body["_source"] or ()), _NAME)))
        if (marked := highlight(tree, params.size)) is not None:
            body["highlight"] = marked
    return body


def _with_near(words: Dsl, params: SearchParams, near: list[Dsl]) -> Dsl:
    """The clause that finds what is `near`, and what the `words` find if these are wanted, too. A score is the sum of
    both."""
    if match(params) != "meaning":
        if params.query is not None and (not bare(params.query) or _every(params)):
            # What a query with an operator finds has no tier of its own, and has to be above what is merely near.
            words["bool"]["should"] = [{"match_all": {"boost": ALL_WORDS}}]
        near = [words, *near]
    return near[0] if len(near) == 1 else {"bool": {"should": near}}


def _nearest(
    params: SearchParams, meaning: Meaning, tenant: str, clauses: Mapping[str, Dsl], own: Mapping[str, Dsl]
) -> list[Dsl]:
    """The kNN for the attachments with the nearest passages, among those in which the words are looked for. All
    conditions are inside its filter: outside, they would only narrow down the nearest of all attachments. `own`: those
    of the `clauses` that are for the field of a requested facet, which they must not narrow. What is near without them
    is found once more: it is counted, and is no hit, as the `post_filter` removes it.

    It is a clause of the query. As a `knn` beside the query, Elasticsearch would look for it before, together with how
    often each word of the query occurs, and then ask and fetch in two more steps (docs/adr/0027-passages.md)."""
    ids = [{"ids": {"values": list(params.ids)}}] if params.ids is not None else []

    def near(narrowed: Iterable[Dsl], boost: float, inner: Dsl | None = None) -> Dsl:
        knn = {
            "field": _VECTOR,
            "query_vector": meaning.vector,
            "k": NEAREST,
            "num_candidates": meaning.candidates,
            "similarity": meaning.least,
            "boost": boost,
            "filter": [{"term": {_TENANT: tenant}}, {"term": {_MODEL: meaning.model}}, *narrowed, *ids],
        }
        inside = {} if inner is None else {"inner_hits": inner}
        return {"nested": {"path": _PASSAGES, "query": {"knn": knn}, "score_mode": "max", **inside}}

    inner = nearest.asked(params.passages or 1) if params.highlight or params.passages else None
    found = [near(clauses.values(), MEANING_BOOST, inner)]
    if own:
        facets = own.values()
        found.append(near([each for each in clauses.values() if each not in facets], 0))
    return found


def answered(
    params: SearchParams,
    answer: bytes,
    inside: Callable[[str], Inside | None] = lambda attachment_id: None,
    passage: Callable[[str, int], Cited | None] = lambda attachment_id, number: None,
) -> bytes:
    """The answer of Elasticsearch to that body, with what Elasticsearch can't do itself, and without an order that
    nobody asked for; byte for byte the same if nothing has to change. `inside`: returns the files inside an attachment,
    by its id; None if there are none. `passage`: returns one of its passages, by its number. Raises what these and
    `processing.spend` raise."""
    if params.point is not None and params.after is None:
        answer = _POSITION.sub(rb"\1]", answer)
    if _ties(params):
        answer = _BEST.sub(rb'"max_score":\2\1\2', _TOLD_ORDER.sub(b"", answer), 1)
    own = _own_filters(params, _filters(params))
    files = FILES in params.source
    if not own and not params.highlight and not files and not params.scores:
        return answer
    content = json.loads(answer)
    if params.scores:
        for hit in content["hits"]["hits"]:
            _tell_parts(hit)
    if own:
        content["aggregations"] = collected(content["aggregations"])
    if params.highlight:
        mark_names(content, _tree(params), params.source)
    if files:
        for hit in content["hits"]["hits"]:
            hit.setdefault("_source", {})
    if params.highlight or files:
        tell(content, inside, files=files)
    if params.highlight:
        nearest.tell(content, passage)
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _tell_parts(hit: Dsl) -> None:
    """Add to a hit the part of its score that is not that of the words; the score is the sum of both."""
    parts = hit.setdefault("matched_queries", {})
    left = hit["_score"] - parts.get(_WORDS, 0.0)
    if left > _LEAST_PART:
        parts[_MEANING] = round(left, 4)


def _every(params: SearchParams) -> bool:
    return params.default_operator == "and"


def _tree(params: SearchParams) -> Node | None:
    return None if params.query is None else parse(params.query, every=_every(params))


def slow(params: SearchParams) -> bool:
    """Whether the query may take long: it has a beginning, a word that may be misspelled, or a pattern."""
    return any(map(_expands, leaves(_tree(params))))


def doubtful(params: SearchParams) -> bool:
    """Whether the query may take long with some texts, though such queries are common: it has a word that is being
    typed, or a phrase."""
    return any(
        isinstance(node, Item) and (node.typed_on or any(len(each) > 1 for each in node.readings))
        for node in leaves(_tree(params))
    )


def _expands(node: Node) -> bool:
    return isinstance(node, Pattern) or (isinstance(node, Item) and (node.prefix or node.edits > 0))


def _own_filters(params: SearchParams, clauses: Mapping[str, Dsl]) -> dict[str, Dsl]:
    """For each requested facet whose field is filtered, that filter among `clauses`."""
    named = {_FACET_OF[field]: clause for field, clause in clauses.items()}
    return {name: clause for name, clause in named.items() if name in params.facets}


def _filters(params: SearchParams) -> dict[str, Dsl]:
    """For each filtered field, the clause of its filter."""
    found: dict[str, Dsl] = {field: {"terms": {field: list(values)}} for field, values in params.filters.items()}
    for field, (low, high) in params.ranges.items():
        if isinstance(low, datetime) or isinstance(high, datetime):
            limits = {"gte": low and low.isoformat(), "lt": high and high.isoformat()}
        else:
            limits = {"gte": low, "lte": high}
        if given := {key: value for key, value in limits.items() if value is not None}:
            found[field] = {"range": {field: given}}
    return found
