"""Whole bodies: of a search, of a count, of an msearch (pairs of lines), and of the request that closes a point in
time.

The tenant's filter is put around a body's query here (`tenant` says where else it is). A body without a query finds all
of the tenant's documents, each with the score 1 that `match_all` gives. A body with `knn` alone finds only what is
near: its query is `match_none`. So every body has a query with the filter, whatever Elasticsearch runs that query for.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.errors import NoSuchIndex, SearchRefused
from app.model.schema import existing
from app.search.expansions import MOST_LOOKS, MOST_NAMED, bounded, looks, named
from app.search.language import limits, nearest, targets, weights
from app.search.language.aggregations import aggregations
from app.search.language.hits import (
    collapse,
    docvalue_fields,
    fields,
    highlight,
    min_score,
    most_marked,
    rescore,
    source,
)
from app.search.language.nearest import Vectors
from app.search.language.order import search_after, settle, sort
from app.search.language.queries import query
from app.search.language.reading import (
    Check,
    Dsl,
    Where,
    boolean,
    known,
    mapping,
    record,
    seconds,
    several,
    text,
    whole,
)
from app.search.language.tenant import filtered, owned
from app.search.marking import budget, spelled
from app.search.nesting import is_deeper
from app.search.params import MAX_HIGHLIGHTED, MAX_WINDOW
from app.search.syntax import parse

(_CONTENT,) = existing("content")


@dataclass(frozen=True)
class Point:
    """A point in time that a search names. `id`: its sealed id. `keep_alive`: for how many more seconds it is to live;
    None leaves its time to live as it is."""

    id: str
    keep_alive: float | None = None


@dataclass(frozen=True)
class Search:
    """A search body that is safe to send.

    `point`: the point in time that it searches; None for the index itself. `hits`: the most hits that its answer may
    have. `marked`: the most characters of marked contents in its answer. `expansions`: the weight of the clauses that
    stand for every word that matches. `looks`: how many times marking goes through the words of a text. `candidates`:
    how many passages are compared to find the nearest.

    For a search of an msearch: `nowhere`: whether its header names no index, so that it finds nothing; `missing`: the
    error, if its header names an index that does not exist.
    """

    body: Dsl
    point: Point | None = None
    hits: int = 0
    marked: int = 0
    expansions: int = 0
    looks: int = 0
    candidates: int = 0
    nowhere: bool = False
    missing: NoSuchIndex | None = None


def _timeout(where: Where, value: Any) -> Any:
    # Accepted and ignored: an answer is complete or there is none, and how long it may take is a setting of the server.
    return text(20)(where, value)


def _tracked(where: Where, value: Any) -> bool | int:
    if isinstance(value, bool) or value in ("true", "false"):
        return bool(boolean(where, value))
    return int(whole(0, limits.MAX_TRACKED)(where, value))


def _point(where: Where, value: Any) -> Point:
    made = record({"id": text(), "keep_alive": lambda inner, each: seconds(inner, each, limits.MAX_KEEP_ALIVE)}, "id")(
        where, value
    )
    return Point(**made)


def _top_level(max_page_size: int, vectors: Callable[[], Vectors]) -> dict[str, Check]:
    # They are checked in this order, as highlights mark what the queries ask for.
    return {
        "query": query,
        "knn": nearest.nearest(vectors),
        "rescore": rescore,
        "post_filter": owned(query),
        "from": whole(0, 2**31 - 1),
        "size": whole(0, max_page_size),
        "sort": sort,
        "search_after": search_after,
        "_source": source,
        "fields": fields,
        "docvalue_fields": docvalue_fields,
        "highlight": highlight,
        "aggs": aggregations,
        "aggregations": aggregations,
        "collapse": collapse,
        "track_total_hits": _tracked,
        "track_scores": boolean,
        "min_score": min_score,
        "version": boolean,
        "timeout": _timeout,
        "terminate_after": whole(0, 2**31 - 1),
        "pit": _point,
    }


#: The keys that a search body may have, for the documentation.
TOP_LEVEL = tuple(_top_level(1, nearest.without))


def search(
    content: Mapping[str, Any],
    tenant: str,
    max_page_size: int,
    url: Mapping[str, Any] | None = None,
    vectors: Callable[[], Vectors] = nearest.without,
) -> Search:
    """A search body, checked and built anew, for `tenant`. `url`: the keys that the URL gives; they replace those of
    the body. `vectors`: returns what is known about the vectors of the index; it is called only if the body has a
    `knn`.

    Raises SearchRefused, which names the clause, and what `vectors` raises.
    """
    table = _top_level(max_page_size, vectors)
    where = Where("search", tenant=tenant)
    # Grafana puts an empty `script_fields` into each search.
    given = {name: item for name, item in content.items() if (name, item) != ("script_fields", {})} | dict(url or {})
    for name in given:
        known(where, name, table, "unknown key")
    if "aggs" in given and "aggregations" in given:
        where.refuse("has both [aggs] and [aggregations]", "parsing_exception")
    made: Dsl = {name: table[name](where.inside(name), given[name]) for name in table if name in given}
    made.pop("timeout", None)
    point = made.pop("pit", None)
    if not made.get("knn"):
        made.pop("knn", None)
    # With `knn` alone, only what is near is found: nothing else was asked for.
    alone = "knn" in made and "query" not in made
    made["query"] = filtered({"match_none": {}} if alone else made.get("query"), tenant)
    made.setdefault("_source", source(where, None))
    nearest.settle(where, made, made.get("size", 10))
    _check_window(where, made, point)
    if alone and "inner_hits" in made.get("collapse", {}):
        where.inside("collapse").refuse("with [inner_hits] needs a [query] beside [knn]: groups are filled by that")
    settle(where, made, point is not None)
    hits = _hits(where, made)
    weights.share(where.budget)
    marked = 0
    looked = 0
    if "highlight" in made:
        size = made.get("size", 10)
        if size > MAX_HIGHLIGHTED:
            where.inside("highlight").refuse(f"is for a [size] of at most {MAX_HIGHLIGHTED}")
        looked = size * _bound_marks(where, made, given.get("query"), size)
        if looked > MOST_LOOKS:
            where.inside("highlight").refuse(
                f"may look {looked} times through the words of a text, for each hit of the page and each beginning, "
                f"pattern, expression or fuzzy word that marks; {MOST_LOOKS} times are allowed: take a smaller [size], or a "
                "[highlight_query] with fewer of them"
            )
        made["highlight"]["max_analyzed_offset"] = budget(size)
        marked = size * most_marked(made["highlight"], budget(size))
        if marked > limits.MAX_MARKED:
            where.inside("highlight").refuse(
                f"of [content] may make {marked} characters, tags and all, of which {limits.MAX_MARKED} are allowed: take a "
                "smaller [size], [number_of_fragments] or [fragment_size], or shorter tags"
            )
    return Search(made, point, hits, marked, where.budget.expansions, looked, where.budget.candidates)


#: A clause of a body, which may match many words, takes twice as long as a word that a person typed.
_WRITTEN = 2


def _bound_marks(where: Where, made: Dsl, asked: Any, size: int) -> int:
    """Limit the number of words that the highlights of a body mark, in place.

    Highlights mark the words of their `highlight_query` or, without one, those of the query itself. In `content`, they
    mark every spelling of what the full-text clauses look for. Returns how many times this goes through the words of a
    text, for each hit.
    """
    marking: Dsl = made["highlight"]
    typed = spelled(map(parse, where.budget.marks), size) if "highlight_query" not in marking else []
    common = marking.pop("highlight_query", None)
    if common is None and asked is not None:
        # Only the clauses of the query that find words. Their cost was counted with the query, so it is not counted
        # again.
        marks = query(Where("highlight", tenant=where.tenant, marking=True), asked)
        common = marks if named(marks) > MOST_NAMED else None
    found = 0
    for field, options in (each for entry in marking["fields"] for each in entry.items()):
        marks = options.get("highlight_query", common)
        if field == _CONTENT and typed and "highlight_query" not in options:
            # These are within the limit: `spelled` takes no more words than are allowed.
            marks = {"bool": {"should": typed}}
            found += looks(typed, field)
        elif marks is not None:
            found += _WRITTEN * looks(marks, field)
        if marks is None:
            continue
        options["highlight_query"] = bounded(marks, field, size)
        if named(marks) > MOST_NAMED:
            # Set for each field, as that takes precedence over an option for all fields. Without it, Elasticsearch does
            # not keep to the limit.
            options["require_field_match"] = True
    return found


def _hits(where: Where, made: Dsl) -> int:
    """How many hits the answer to a body may have: those of its page, of each group and of all buckets. Raises
    SearchRefused if they are too many."""
    size = made.get("size", 10)
    groups = made.get("collapse", {}).get("inner_hits", ())
    passages = [each["inner_hits"] for each in made.get("knn", ()) if "inner_hits" in each]
    inside = sum(each.get("size", 3) for each in (*groups, *passages))
    if where.budget.expansions * (1 + size * len(groups)) > limits.MAX_GROUPED_EXPANSIONS and groups:
        where.inside("collapse").refuse(
            "with [inner_hits] looks for words in every group: take fewer groups, or fewer beginnings and patterns"
        )
    hits: int = size * (1 + inside) + where.budget.hits
    if hits > limits.MAX_HITS:
        where.inside("size").refuse(
            f"and those of [top_hits] and [inner_hits] make {hits} hits, for each group and bucket that there may be (of a "
            f"histogram {limits.MAX_BUCKETS}), of which {limits.MAX_HITS} are allowed"
        )
    return hits


def _check_window(where: Where, made: Dsl, point: Point | None) -> None:
    reach = made.get("from", 0) + made.get("size", 10)
    if reach > MAX_WINDOW:
        where.inside("from").refuse(
            f"plus [size] must be at most {MAX_WINDOW} but was {reach}: for more, take [search_after] with the [sort] "
            "of the last hit, and a point in time (POST /coco_attachment/_pit) so that nothing moves meanwhile"
        )
    if "search_after" in made and made.get("from", 0) > 0:
        where.inside("from").refuse("must be 0 or missing with [search_after]", "action_request_validation_exception")
    if "collapse" in made and "search_after" in made and len(made.get("sort", ())) != 1:
        where.inside("collapse").refuse("with [search_after] needs a [sort] by its own field alone")
    inner = made.get("collapse", {}).get("inner_hits")
    if inner and made.get("size", 10) > limits.MAX_GROUPS_WITH_HITS:
        where.inside("collapse").refuse(f"with [inner_hits] is for a [size] of at most {limits.MAX_GROUPS_WITH_HITS}")
    if point is None and where.budget.shard_order:
        where.inside("sort").refuse("by [_shard_doc] needs a point in time")


def count(content: Mapping[str, Any], tenant: str) -> Dsl:
    """The body of a count, checked and built anew. Raises SearchRefused."""
    where = Where("count", tenant=tenant)
    made = record({"query": query})(where, content)
    weights.share(where.budget)
    return {"query": filtered(made.get("query"), tenant)}


_FORGIVEN = (
    *("preference", "request_cache", "search_type", "ccs_minimize_roundtrips", "allow_partial_search_results"),
    "ignore_throttled",
)


def searches(
    lines: bytes,
    tenant: str,
    max_page_size: int,
    *,
    names: Sequence[str] = (),
    options: targets.Options = targets.USUAL,
    vectors: Callable[[], Vectors] = nearest.without,
) -> list[Search]:
    """The searches of an msearch, whose `lines` are pairs: a header and a body. `names` (of indices) and `options`:
    what the URL says, for headers that do not say it themselves. `vectors`: as in `search`.

    Raises SearchRefused, which names the number of the search, and what `vectors` raises.
    """
    if lines and not lines.endswith(b"\n"):
        raise SearchRefused("illegal_argument_exception", "The msearch request must be terminated by a newline [\\n]")
    split = lines.split(b"\n")[:-1]
    if not split:
        raise SearchRefused("action_request_validation_exception", "Validation Failed: 1: no requests added;")
    if len(split) % 2:
        raise SearchRefused("illegal_argument_exception", "the msearch request has a header line without a body line")
    if len(split) // 2 > limits.MAX_SEARCHES:
        raise SearchRefused(
            "illegal_argument_exception", f"the msearch request has more than {limits.MAX_SEARCHES} searches"
        )
    # Cached, so that a list of names in the URL, which holds for all searches, is checked once.
    is_named = functools.cache(targets.named)
    found = []
    for at in range(0, len(split), 2):
        try:
            made, asked = _header(split[at], names, options)
            one = search(_object(split[at + 1]), tenant, max_page_size, vectors=vectors)
            check_target(made, one)
            found.append(_placed(one, made, asked, is_named))
        except SearchRefused as error:
            raise SearchRefused(error.kind, f"search {at // 2 + 1}: {error}") from None
    for what, told, most in (
        ("hits", sum(each.hits for each in found), limits.MAX_HITS),
        ("marked characters", sum(each.marked for each in found), limits.MAX_MARKED),
        ("expanded words", sum(each.expansions for each in found), limits.MAX_EXPANSIONS),
        ("looks through texts for marks", sum(each.looks for each in found), 2 * MOST_LOOKS),
        ("passages that are looked at", sum(each.candidates for each in found), limits.MAX_CANDIDATES),
    ):
        if told > most:
            raise SearchRefused(
                "illegal_argument_exception",
                f"the msearch request may be told {told} {what} in all, of which {most} are allowed: send fewer searches",
            )
    return found


def _header(line: bytes, names: Sequence[str], options: targets.Options) -> tuple[Sequence[str], targets.Options]:
    """The indices that the header of a search names, and the options for these names. Those of the URL are taken if the
    header has none."""
    where = Where("msearch")
    table: dict[str, Check] = {
        "index": _names,
        "indices": _names,
        "ignore_unavailable": boolean,
        "allow_no_indices": boolean,
        "expand_wildcards": targets.wildcards,
        **dict.fromkeys(_FORGIVEN, _anything),
    }
    made = record(table)(where, _object(line) if line.strip() else {})
    said = {
        "ignore_unavailable": "ignore_unavailable",
        "allow_no_indices": "allow_no_indices",
        "expand_wildcards": "expand",
    }
    given = {field: made[name] for name, field in said.items() if name in made}
    return made.get("index") or made.get("indices") or names, replace(options, **given)


def _placed(found: Search, names: Sequence[str], options: targets.Options, is_named: Callable[..., bool]) -> Search:
    """`found`, with a note if its names match no index (`is_named` tells whether they do), or if the index that it
    names is missing."""
    try:
        there = found.point is not None or is_named(tuple(names), options)
        return found if there else replace(found, nowhere=True)
    except NoSuchIndex as error:
        return replace(found, missing=error)


def check_target(names: Sequence[str], found: Search) -> None:
    """Refuse a search that names both an index and a point in time."""
    if names and found.point is not None:
        raise SearchRefused(
            "action_request_validation_exception",
            "Validation Failed: 1: [indices] cannot be used with point in time: name no index with it;",
        )


def _object(line: bytes) -> Mapping[str, Any]:
    return mapping(Where("msearch"), decoded(line))


def decoded(content: bytes) -> Any:
    """The JSON in `content`. Raises SearchRefused if it is not JSON, has a key twice in one object, or is nested too
    deeply."""
    try:
        found = json.loads(content, object_pairs_hook=_once_each)
    except RecursionError:
        raise SearchRefused("illegal_argument_exception", "the JSON body is nested too deeply") from None
    except ValueError:
        raise SearchRefused("parsing_exception", "the body is not valid JSON") from None
    if is_deeper(found, limits.MAX_DEPTH):
        raise SearchRefused("illegal_argument_exception", "the JSON body is nested too deeply")
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> Dsl:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise SearchRefused("parsing_exception", "the body has a key twice")
    return found


def _names(where: Where, value: Any) -> list[str]:
    """Names of indices, in any of the forms in which a header may have them."""
    found = several(text(limits.MAX_TARGET), limits.MAX_INDICES)(where, value)
    return [name for each in found for name in targets.split(each)]


def _anything(where: Where, value: Any) -> Any:
    return [
        text(limits.MAX_NAME)(where, each) if isinstance(each, str) else boolean(where, each) for each in _listed(value)
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def closing(content: Mapping[str, Any]) -> str:
    """The id of the point in time to close."""
    return str(record({"id": text()}, "id")(Where("close_point_in_time"), content)["id"])
