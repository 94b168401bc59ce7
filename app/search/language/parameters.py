"""The query string of a URL: what may stand there, checked; some of it means nothing here and is taken all the same."""

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

#: About nodes and shards: of which there is nothing to choose here.
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
#: The same of what is not searched: answers are of what is there now, and nobody waits for a node.
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
    """What a query string says. `body`: what belongs into the search body, in the form that a body has. `indices`: how
    names of indices are meant. `own`: what requests of one kind alone have, by name."""

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
#: Health is worse, the later it stands here.
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
    # What was uploaded is found, and told, from its answer on: there is nothing to be refreshed, and nothing older.
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
