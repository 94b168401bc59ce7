"""The routes that search: `_search`, `_count`, `_msearch`, and points in time. A path without names of indices means
all indices, of which there is one. If the names match no index, nothing is found and Elasticsearch is not asked."""

from __future__ import annotations

import json
from typing import Any

from flask import Response

from app.errors import EmbeddingsUnavailable, PointMissing, SearchRefused, StoreError, TooManyPoints
from app.search.language import body, limits, parameters, targets
from app.search.language.order import without_positions
from app.search.stops import has_stops, take_stops
from app.web import elastic
from app.web.access import requires
from app.web.client import connection
from app.web.describe import JSON, TEXT, Parameter, ResponseSpec, describes, obj
from app.web.dialects.elasticsearch.common import (
    ANSWER,
    ANY,
    BODY,
    COMMON,
    ERRORS,
    FORMS,
    INTEGER,
    LINES,
    answer,
    blueprint,
    is_named,
    read,
    read_object,
    send,
    tenant,
    url_of,
    vectors,
)
from app.web.services import services

_SEARCHED = (*ERRORS, PointMissing, EmbeddingsUnavailable)
#: The `_shards` of an answer about no index.
_NO_SHARDS = {"total": 0, "successful": 0, "skipped": 0, "failed": 0}


@blueprint.route("/<index:target>/_search", methods=["GET", "POST"])
@requires("search")
@describes(
    "Search, in Elasticsearch's own language",
    ANSWER,
    errors=_SEARCHED,
    parameters=COMMON,
    body=BODY,
    body_required=False,
)
def search(target: str) -> Response:
    return _search(target)


@blueprint.route("/_search", methods=["GET", "POST"])
@requires("search")
@describes(
    "Search in all indices, or in a point in time",
    ANSWER,
    errors=_SEARCHED,
    parameters=COMMON[1:],
    body=BODY,
    body_required=False,
)
def search_anywhere() -> Response:
    return _search("")


def _search(target: str) -> Response:
    url, content = url_of("search"), read_object()
    found = body.search(content, tenant(), services().settings.max_page_size, url.body, vectors)
    body.check_target(targets.split(target), found)
    if found.point is None and not is_named(target, url):
        return answer(_finished(_nothing(found), found, url), url)
    plain = found.point is None and not (url.total_as_int or url.pretty or url.filter_path)

    def finish(told: bytes) -> bytes:
        if plain and not has_stops(told):
            # Nothing in the answer needs a change.
            return told
        return parameters.rendered(_finished(json.loads(told), found, url), url)

    told = services().searching.ask(found, tenant(), typed_keys=url.typed_keys, client=connection(), finish=finish)
    return send(told)


def _nothing(found: body.Search) -> dict[str, Any]:
    """The answer to a search in no index."""
    counted = {} if found.body.get("track_total_hits") is False else {"total": {"value": 0, "relation": "eq"}}
    hits = {**counted, "max_score": 0.0, "hits": []}
    return {"took": 0, "timed_out": False, "_shards": _NO_SHARDS, "hits": hits}


def _finished(told: dict[str, Any], found: body.Search, url: parameters.Url) -> dict[str, Any]:
    """An answer with the sealed id of its point in time, the total as it was requested, sort values without a position
    in the index, and fragments without stops."""
    take_stops(told)
    if found.point is not None:
        without_positions(told, found.body)
    if found.point is not None and "pit_id" in told:
        if found.point.keep_alive is not None:
            services().searching.keep_point(tenant(), found.point.id, told["pit_id"], found.point.keep_alive)
        told["pit_id"] = found.point.id
    return parameters.total_as_int(told) if url.total_as_int else told


@blueprint.route("/<index:target>/_count", methods=["GET", "POST"])
@requires("search")
@describes("Count", ANSWER, errors=ERRORS, parameters=COMMON, body=BODY, body_required=False)
def count(target: str) -> Response:
    return _count(target)


@blueprint.route("/_count", methods=["GET", "POST"])
@requires("search")
@describes("Count in all indices", ANSWER, errors=ERRORS, parameters=COMMON[1:], body=BODY, body_required=False)
def count_anywhere() -> Response:
    return _count("")


def _count(target: str) -> Response:
    url = url_of("count")
    content = body.count(read_object(), tenant())
    if not is_named(target, url):
        return answer({"count": 0, "_shards": _NO_SHARDS}, url)
    told = services().searching.count(content, tenant(), client=connection())
    return answer(json.loads(told), url) if url.pretty or url.filter_path else send(told)


@blueprint.route("/<index:target>/_msearch", methods=["GET", "POST"])
@requires("search")
@describes("Several searches", ANSWER, errors=_SEARCHED, parameters=COMMON, body=LINES)
def searches(target: str) -> Response:
    return _searches(target)


@blueprint.route("/_msearch", methods=["GET", "POST"])
@requires("search")
@describes(
    "Several searches, each in indices or in a point in time",
    ANSWER,
    errors=_SEARCHED,
    parameters=COMMON[1:],
    body=LINES,
)
def searches_anywhere() -> Response:
    return _searches("")


def _searches(target: str) -> Response:
    url, settings = url_of("msearch"), services().settings
    lines = read("json", "x-ndjson")
    wanted = body.searches(
        lines,
        tenant(),
        settings.max_page_size,
        names=targets.split(target),
        options=url.indices,
        vectors=vectors,
    )
    if url.total_as_int:
        for each in wanted:
            each.body.setdefault("track_total_hits", True)
    sent = [each for each in wanted if each.missing is None and not each.nowhere]

    def finish(answers: dict[str, Any]) -> bytes:
        came = iter(answers["responses"])
        answers["responses"] = [_item(_told(each) or next(came), each, url) for each in wanted]
        return parameters.rendered(answers, url)

    told = services().searching.ask_several(
        sent, tenant(), typed_keys=url.typed_keys, client=connection(), finish=finish
    )
    return send(told)


def _told(found: body.Search) -> dict[str, Any] | None:
    """The answer to a search for which Elasticsearch is not asked; None for other searches."""
    if found.missing is not None:
        return {"error": found.missing}
    return {**_nothing(found), "status": 200} if found.nowhere else None


def _item(told: dict[str, Any], found: body.Search, url: parameters.Url) -> dict[str, Any]:
    error = told.get("error")
    if isinstance(error, StoreError):
        return elastic.described(elastic.kind_of(error), str(error), error.status, **elastic.more_of(error))
    return _finished(told, found, url)


@blueprint.post("/<index:target>/_pit")
@requires("search")
@describes(
    "Open a point in time: a view of the index that stays as it is",
    {200: ResponseSpec("Its id", {JSON: obj(id=TEXT, _shards=ANY)})},
    errors=(*ERRORS, TooManyPoints),
    parameters=(
        Parameter("keep_alive", "query", f"How long it lives: `1m`; at most {limits.MAX_KEEP_ALIVE} s.", required=True),
        *COMMON,
    ),
)
def open_point(target: str) -> Response:
    url = url_of("open")
    read("json")
    if url.keep_alive is None:
        raise SearchRefused(
            "action_request_validation_exception", "Validation Failed: 1: [keep_alive] is not specified;"
        )
    if not is_named(target, url):
        raise SearchRefused(
            "illegal_argument_exception", f"no index fits [{target[:100]}]: there is nothing to be seen"
        )
    point = services().searching.open_point(tenant(), url.keep_alive)
    return answer({"id": point, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0}}, url)


@blueprint.delete("/_pit")
@requires("search")
@describes(
    "Close a point in time",
    {200: ResponseSpec("Closed", {JSON: obj(succeeded={"const": True}, num_freed=INTEGER)})},
    errors=(*ERRORS, PointMissing),
    parameters=FORMS,
    body={JSON: obj(id=TEXT)},
)
def close_point() -> Response:
    url, point = url_of("other"), body.closing(read_object())
    try:
        services().searching.close_point(tenant(), point)
    except PointMissing:
        return answer({"succeeded": True, "num_freed": 0}, url, 404)
    return answer({"succeeded": True, "num_freed": 1}, url)
