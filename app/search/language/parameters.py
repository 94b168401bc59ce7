"""The query string of a URL: what may stand there, checked; some of it means nothing here and is taken all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import SearchRefused
from app.search.language import limits
from app.search.language.filtering import filtered
from app.search.language.reading import Check, Dsl, Where, boolean, choice, seconds, text, whole
from app.search.language.refused import reason

#: About nodes, shards and several indices: of which there is nothing to choose here.
FORGIVEN = (
    *("allow_no_indices", "allow_partial_search_results", "batched_reduce_size", "ccs_minimize_roundtrips"),
    *("expand_wildcards", "ignore_throttled", "ignore_unavailable", "max_concurrent_searches"),
    *("max_concurrent_shard_requests", "pre_filter_shard_size", "preference", "request_cache", "human"),
    *("include_named_queries_score", "timeout"),
)
_WHY = {
    "q": "puts a query with field names into the URL: send a body with [simple_query_string]",
    "scroll": "keeps a search open on the server: take a point in time (POST /coco_attachment/_pit) and [search_after]",
    "source": "is not taken from the URL: send it as the body",
}


@dataclass(frozen=True)
class Url:
    """What a query string says. `body`: what belongs into the search body, in the form that a body has."""

    body: Dsl = field(default_factory=dict)
    typed_keys: bool = False
    total_as_int: bool = False
    pretty: bool = False
    filter_path: tuple[str, ...] = ()
    keep_alive: float | None = None


def _sort_text(where: Where, value: Any) -> list[Any]:
    found: list[Any] = []
    for each in text()(where, value).split(","):
        name, colon, order = each.rpartition(":")
        found.append({name: {"order": order}} if colon else each)
    return found


def _names(where: Where, value: Any) -> list[str]:
    return [each for each in text()(where, value).split(",") if each]


def _paths(where: Where, value: Any) -> tuple[str, ...]:
    found = tuple(_names(where, value))
    if sum(each.count(".") + 1 for each in found) > limits.MAX_PATH_STEPS:
        where.refuse(f"has more than {limits.MAX_PATH_STEPS} steps")
    return found


def _source(where: Where, value: Any) -> Any:
    return value if value in ("true", "false") else _names(where, value)


def _flag(where: Where, value: Any) -> bool:
    return True if value == "" else bool(boolean(where, value))


_COMMON: dict[str, Check] = {
    "pretty": _flag,
    "filter_path": _paths,
    "error_trace": choice("false"),
    "format": choice("json"),
    **dict.fromkeys(FORGIVEN, text()),
}
_SEARCH: dict[str, Check] = {
    "size": whole(0, 2**31 - 1),
    "from": whole(0, 2**31 - 1),
    "sort": _sort_text,
    "_source": _source,
    "_source_includes": _names,
    "_source_excludes": _names,
    "track_total_hits": text(20),
    "track_scores": _flag,
    "version": _flag,
    "terminate_after": whole(0, 2**31 - 1),
    "typed_keys": _flag,
    "rest_total_hits_as_int": _flag,
    "search_type": choice("query_then_fetch"),
}
_FOR: dict[str, dict[str, Check]] = {
    "search": {**_COMMON, **_SEARCH},
    "msearch": {
        **_COMMON,
        **{name: _SEARCH[name] for name in ("typed_keys", "rest_total_hits_as_int", "search_type")},
    },
    "count": _COMMON,
    "open": {
        **_COMMON,
        "keep_alive": lambda where, value: seconds(where, value, limits.MAX_KEEP_ALIVE),
    },
    "other": _COMMON,
}
_IN_BODY = ("size", "from", "sort", "track_total_hits", "track_scores", "version", "terminate_after")

#: Names that may stand in the URL of each kind of request.
NAMES = {kind: tuple(table) for kind, table in _FOR.items()}


def parse(kind: str, values: Mapping[str, list[str]], path: str) -> Url:
    """The query string of a request of this kind (a key of NAMES). Raises SearchRefused, naming the parameter."""
    table = _FOR[kind]
    made: Dsl = {}
    for name, given in values.items():
        shown = name[: limits.MAX_NAME]
        if name not in table:
            why = _WHY.get(name) or reason(name)
            if why:
                raise SearchRefused("illegal_argument_exception", f"the parameter [{shown}] {why}")
            raise SearchRefused(
                "illegal_argument_exception", f"request [{path}] contains unrecognized parameter: [{shown}]"
            )
        if len(given) > 1:
            raise SearchRefused("illegal_argument_exception", f"the parameter [{shown}] is given more than once")
        made[name] = table[name](Where(name), given[0])
    body = {name: made[name] for name in _IN_BODY if name in made}
    if {"_source", "_source_includes", "_source_excludes"} & set(made):
        body["_source"] = _source_of(made)
    if made.get("rest_total_hits_as_int"):
        body.setdefault("track_total_hits", True)
    return Url(
        body=body,
        typed_keys=made.get("typed_keys", False),
        total_as_int=made.get("rest_total_hits_as_int", False),
        pretty=made.get("pretty", False),
        filter_path=made.get("filter_path", ()),
        keep_alive=made.get("keep_alive"),
    )


def _source_of(made: Dsl) -> Any:
    named = made.get("_source", [])
    if isinstance(named, str):
        if named == "false":
            return False
        named = []
    found: Dsl = {}
    if included := [*named, *made.get("_source_includes", [])]:
        found["includes"] = included
    if excluded := made.get("_source_excludes", []):
        found["excludes"] = excluded
    return found


#: Bytes of an answer up to which line breaks are put into it. They are for people; Python makes them ten times as slowly
#: as the rest.
MOST_PRETTY = 1_000_000


def rendered(answer: Any, url: Url) -> bytes:
    """`answer` as JSON, as much of it as the URL asks for, and with line breaks where it asks for them and is not long.

    Raises what `processing.spend` raises.
    """
    if url.filter_path:
        answer = filtered(answer, url.filter_path)
    made = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if url.pretty and len(made) <= MOST_PRETTY:
        return json.dumps(answer, ensure_ascii=False, indent=2).encode("utf-8", "surrogatepass") + b"\n"
    return made


def total_as_int(answer: Any) -> Any:
    """`hits.total` as a number, as it was before version 7; in an msearch's answers too."""
    for each in answer.get("responses", [answer]):
        total = each.get("hits", {}).get("total") if isinstance(each, dict) else None
        if isinstance(total, dict):
            each["hits"]["total"] = total["value"]
    return answer
