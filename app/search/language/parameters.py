"""The query string of a URL: which parameters may be there, and their checks. Some have no effect here and are accepted
all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import SearchRefused
from app.search.language import limits, targets
from app.search.language.filtering import filtered
from app.search.language.reading import Check, Dsl, Where, boolean, choice, seconds, text, whole
from app.search.language.refused import reason

#: Parameters about nodes and shards. They have no effect here, as there is nothing to choose.
FORGIVEN = (
    *("allow_partial_search_results", "batched_reduce_size", "ccs_minimize_roundtrips", "ignore_throttled"),
    *(
        "max_concurrent_searches",
        "max_concurrent_shard_requests",
        "pre_filter_shard_size",
        "preference",
        "request_cache",
    ),
    *("human", "include_named_queries_score", "timeout"),
)
#: Such parameters of requests that do not search. Answers are about the present state, and never wait for a node.
UNHEEDED = ("local", "master_timeout", "wait_for_nodes", "wait_for_events")
_WHY = {
    "q": "puts a query with field names into the URL: send a body with [simple_query_string]",
    "scroll": "keeps a search open on the server: take a point in time (POST /coco_attachment/_pit) and [search_after]",
    "source": "is not taken from the URL: send it as the body",
    "stored_fields": "is not offered here: use [_source]",
    "version": "is not compared here: versions are the store's own",
    "version_type": "is not compared here: versions are the store's own",
    "bytes": "is not offered here: sizes of the index are everybody's",
    "pri": "is not offered here: nothing is told of shards",
    "wait_for_active_shards": "is not offered here: nothing is told of shards",
    "wait_for_no_relocating_shards": "is not offered here: nothing is told of shards",
    "wait_for_no_initializing_shards": "is not offered here: nothing is told of shards",
}


@dataclass(frozen=True)
class Url:
    """What a query string says. `body`: the keys for the search body, in the form that they have there. `indices`: how
    names of indices are to be understood. `own`: the parameters that only requests of this kind have, by name."""

    body: Dsl = field(default_factory=dict)
    indices: targets.Options = targets.USUAL
    own: Dsl = field(default_factory=dict)
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


_FORMS: dict[str, Check] = {
    "pretty": _flag,
    "filter_path": _paths,
    "error_trace": choice("false"),
    "human": _flag,
}
_COMMON: dict[str, Check] = {
    **dict.fromkeys(FORGIVEN, text()),
    **_FORMS,
    "format": choice("json"),
}
_INDICES: dict[str, Check] = {
    "ignore_unavailable": _flag,
    "allow_no_indices": _flag,
    "expand_wildcards": targets.wildcards,
}
_TOLD: dict[str, Check] = {
    "_source": _source,
    "_source_includes": _names,
    "_source_excludes": _names,
}
_SEARCH: dict[str, Check] = {
    "size": whole(0, 2**31 - 1),
    "from": whole(0, 2**31 - 1),
    "sort": _sort_text,
    **_TOLD,
    "track_total_hits": text(20),
    "track_scores": _flag,
    "version": _flag,
    "terminate_after": whole(0, 2**31 - 1),
    "typed_keys": _flag,
    "rest_total_hits_as_int": _flag,
    "search_type": choice("query_then_fetch"),
}
_ABOUT: dict[str, Check] = {**_FORMS, "format": choice("json"), **_INDICES, **dict.fromkeys(UNHEEDED[:2], text())}
#: The states of health, from the best to the worst.
STATUSES = ("green", "yellow", "red")
_FOR: dict[str, dict[str, Check]] = {
    "search": {**_COMMON, **_INDICES, **_SEARCH},
    "msearch": {
        **_COMMON,
        **_INDICES,
        **{name: _SEARCH[name] for name in ("typed_keys", "rest_total_hits_as_int", "search_type")},
    },
    "count": {**_COMMON, **_INDICES},
    "open": {
        **_COMMON,
        **_INDICES,
        "keep_alive": lambda where, value: seconds(where, value, limits.MAX_KEEP_ALIVE),
    },
    # An upload is found and told as soon as it has been answered: there is nothing to refresh, and no older state.
    "document": {
        **_FORMS,
        "format": choice("json"),
        **_TOLD,
        **dict.fromkeys(("preference", "realtime", "refresh", "routing"), text()),
    },
    "index": {**_ABOUT, **dict.fromkeys(("flat_settings", "include_defaults"), _flag)},
    "mapping": _ABOUT,
    "field_caps": {
        **_ABOUT,
        **dict.fromkeys(("fields", "filters", "types"), _names),
        **dict.fromkeys(("include_unmapped", "include_empty_fields"), _flag),
    },
    "cat": {
        **_FORMS,
        **_INDICES,
        **dict.fromkeys(("v", "help", "include_unloaded_segments"), _flag),
        "h": _names,
        "s": text(),
        "format": choice("json", "text"),
        "health": choice(*STATUSES),
        "time": text(20),
        **dict.fromkeys(UNHEEDED[:2], text()),
    },
    "health": {
        **_FORMS,
        **_INDICES,
        "format": choice("json"),
        "level": choice("cluster", "indices"),
        "wait_for_status": choice(*STATUSES),
        **dict.fromkeys((*UNHEEDED, "timeout"), text()),
    },
    "other": _COMMON,
}
_SAID = {
    "ignore_unavailable": "ignore_unavailable",
    "allow_no_indices": "allow_no_indices",
    "expand_wildcards": "expand",
}
_IN_BODY = ("size", "from", "sort", "track_total_hits", "track_scores", "version", "terminate_after")

_GENERAL = {*_FORMS, *_INDICES, *_SEARCH, *FORGIVEN, *UNHEEDED, "keep_alive"}

#: The parameters that the URL of each kind of request may have.
NAMES = {kind: tuple(table) for kind, table in _FOR.items()}


def parse(kind: str, values: Mapping[str, list[str]], path: str) -> Url:
    """What the query string of a request of this kind (a key of NAMES) says. `path`: that of the request, for the
    error. Raises SearchRefused, which names the parameter."""
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
    if set(_TOLD) & set(made):
        body["_source"] = _source_of(made)
    if made.get("rest_total_hits_as_int"):
        body.setdefault("track_total_hits", True)
    return Url(
        body=body,
        indices=targets.Options(**{_SAID[name]: made[name] for name in _INDICES if name in made}),
        own={name: item for name, item in made.items() if name not in _GENERAL},
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


#: The most bytes of an answer with line breaks. They are for people, and Python takes ten times as long to write them.
MOST_PRETTY = 1_000_000


def rendered(answer: Any, url: Url) -> bytes:
    """`answer` as JSON in UTF-8: the parts of it that the URL asks for, with line breaks if the URL asks for these and
    the answer is not too long.

    Raises what `processing.spend` raises.
    """
    if url.filter_path:
        answer = filtered(answer, url.filter_path)
    made = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if url.pretty and len(made) <= MOST_PRETTY:
        return json.dumps(answer, ensure_ascii=False, indent=2).encode("utf-8", "surrogatepass") + b"\n"
    return made


def total_as_int(answer: Any) -> Any:
    """`answer` with each `hits.total` as a number, as it was before version 7; also in the answers of an msearch.
    Changes it in place."""
    for each in answer.get("responses", [answer]):
        total = each.get("hits", {}).get("total") if isinstance(each, dict) else None
        if isinstance(total, dict):
            each["hits"]["total"] = total["value"]
    return answer
