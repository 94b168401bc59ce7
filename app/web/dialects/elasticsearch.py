"""Elasticsearch's own API, read-only: what its official clients need to search the attachments of a tenant.

`POST|GET /coco_attachment/_search`, `/_count`, `/_msearch`; at the root `/_search` and `/_msearch`, which a point in time
needs, `POST /coco_attachment/_pit`, `DELETE /_pit`, and `GET /`. Which clauses may be asked is in `app.search.language`.

Source: the reference of Elasticsearch 8.19. What differs is in docs/search.md.
"""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Blueprint, Request, Response, request

from app.errors import (
    IndexUnavailable,
    MediaTypeRefused,
    NotFound,
    PointMissing,
    RequestTooLarge,
    SearchRefused,
    StoreError,
    TooManyPoints,
)
from app.search.language import body, limits, parameters
from app.search.language.order import without_positions
from app.search.stops import has_stops, take_stops
from app.web import elastic
from app.web.access import caller, requires
from app.web.client import connection
from app.web.describe import ANYTHING, JSON, TEXT, Parameter, ResponseSpec, Schema, array, describes, obj
from app.web.dialects.dialect import Dialect
from app.web.services import services
from app.web.uploads import read_body

blueprint = Blueprint("elasticsearch", __name__)

INDEX = body.PUBLIC_INDEX
#: The version whose query language this is, for clients that ask.
VERSION = "8.19.0"

_ANY: Schema = {"type": "object"}
_INTEGER: Schema = {"type": "integer"}
_ANSWER = {200: ResponseSpec("What Elasticsearch answers", {JSON: _ANY})}
_ERRORS = (IndexUnavailable, SearchRefused, RequestTooLarge, MediaTypeRefused)
_SEARCH = {JSON: _ANY}
_LINES = {ANYTHING: {"type": "string", "description": "Pairs of lines (NDJSON): a header, and a search."}}
_COMMON = (
    Parameter("filter_path", "query", "What of the answer to return: paths, by comma."),
    Parameter("pretty", "query", "Line breaks in the answer.", {"type": "boolean"}),
)


@blueprint.get("/")
@requires("search")
@describes("What this is, as the official clients ask", _ANSWER, errors=(SearchRefused, MediaTypeRefused, NotFound))
def banner() -> Response:
    url = _url("other")
    response = _answer(
        {
            "name": "attachment-store",
            "cluster_name": "attachment-store",
            "cluster_uuid": "attachment-store",
            "version": {
                "number": VERSION,
                "build_flavor": "default",
                "build_type": "docker",
                "build_hash": "0" * 40,
                "build_date": "2025-01-01T00:00:00.000000000Z",
                "build_snapshot": False,
                "lucene_version": "9.12.0",
                "minimum_wire_compatibility_version": "7.17.0",
                "minimum_index_compatibility_version": "7.0.0",
            },
            "tagline": "You Know, for Search",
        },
        url,
    )
    # Browsers are redirected to the page instead (app.web.app).
    response.headers["Vary"] = "Accept"
    return response


@blueprint.route(f"/{INDEX}/_search", methods=["GET", "POST"])
@requires("search")
@describes(
    "Search, in Elasticsearch's own language",
    _ANSWER,
    errors=_ERRORS,
    parameters=_COMMON,
    body=_SEARCH,
    body_required=False,
)
def search() -> Response:
    return _search(named=True)


@blueprint.route("/_search", methods=["GET", "POST"])
@requires("search")
@describes(
    "Search in a point in time",
    _ANSWER,
    errors=(*_ERRORS, PointMissing),
    parameters=_COMMON,
    body=_SEARCH,
    body_required=False,
)
def search_point() -> Response:
    return _search(named=False)


def _search(*, named: bool) -> Response:
    url, content = _url("search"), _object()
    found = body.search(content, caller().tenant, services().settings.max_page_size, url.body)
    body.check_target(named, found)
    plain = found.point is None and url == parameters.Url(body=url.body, typed_keys=url.typed_keys)

    def finish(answer: bytes) -> bytes:
        if plain and not has_stops(answer):
            # Nothing in it needs a change.
            return answer
        return parameters.rendered(_finished(json.loads(answer), found, url), url)

    answer = services().searching.ask(
        found, caller().tenant, typed_keys=url.typed_keys, client=connection(), finish=finish
    )
    return _send(answer)


def _finished(answer: dict[str, Any], found: body.Search, url: parameters.Url) -> dict[str, Any]:
    """An answer with the sealed id of its point in time, the total as it was requested, sort values without a position
    in the index, and fragments without stops."""
    take_stops(answer)
    if found.point is not None:
        without_positions(answer, found.body)
    if found.point is not None and "pit_id" in answer:
        if found.point.keep_alive is not None:
            services().searching.keep_point(caller().tenant, found.point.id, answer["pit_id"], found.point.keep_alive)
        answer["pit_id"] = found.point.id
    return parameters.total_as_int(answer) if url.total_as_int else answer


@blueprint.route(f"/{INDEX}/_count", methods=["GET", "POST"])
@requires("search")
@describes("Count", _ANSWER, errors=_ERRORS, parameters=_COMMON, body=_SEARCH, body_required=False)
def count() -> Response:
    url = _url("count")
    tenant = caller().tenant
    answer = services().searching.count(body.count(_object(), tenant), tenant, client=connection())
    return _answer(json.loads(answer), url) if url.pretty or url.filter_path else _send(answer)


@blueprint.route(f"/{INDEX}/_msearch", methods=["GET", "POST"])
@requires("search")
@describes("Several searches", _ANSWER, errors=_ERRORS, parameters=_COMMON, body=_LINES)
def searches() -> Response:
    return _searches(named=True)


@blueprint.route("/_msearch", methods=["GET", "POST"])
@requires("search")
@describes(
    "Several searches, each in the index or in a point in time",
    _ANSWER,
    errors=(*_ERRORS, PointMissing),
    parameters=_COMMON,
    body=_LINES,
)
def searches_anywhere() -> Response:
    return _searches(named=False)


def _searches(*, named: bool) -> Response:
    url, tenant, settings = _url("msearch"), caller().tenant, services().settings
    lines = _read("json", "x-ndjson")
    wanted = body.searches(lines, tenant, settings.max_page_size, named=named)
    if url.total_as_int:
        for each in wanted:
            each.body.setdefault("track_total_hits", True)

    def finish(answers: dict[str, Any]) -> bytes:
        found = zip(answers["responses"], wanted, strict=True)
        answers["responses"] = [_item(answer, each, url) for answer, each in found]
        return parameters.rendered(answers, url)

    answer = services().searching.ask_several(
        wanted, tenant, typed_keys=url.typed_keys, client=connection(), finish=finish
    )
    return _send(answer)


def _item(answer: dict[str, Any], found: body.Search, url: parameters.Url) -> dict[str, Any]:
    error = answer.get("error")
    if isinstance(error, StoreError):
        return elastic.described(elastic.kind_of(error), str(error), error.status)
    return _finished(answer, found, url)


@blueprint.post(f"/{INDEX}/_pit")
@requires("search")
@describes(
    "Open a point in time: a view of the index that stays as it is",
    {200: ResponseSpec("Its id", {JSON: obj(id=TEXT, _shards=_ANY)})},
    errors=(*_ERRORS, TooManyPoints),
    parameters=(
        Parameter("keep_alive", "query", f"How long it lives: `1m`; at most {limits.MAX_KEEP_ALIVE} s.", required=True),
        *_COMMON,
    ),
)
def open_point() -> Response:
    url, tenant = _url("open"), caller().tenant
    _read("json")
    if url.keep_alive is None:
        raise SearchRefused(
            "action_request_validation_exception", "Validation Failed: 1: [keep_alive] is not specified;"
        )
    point = services().searching.open_point(tenant, url.keep_alive)
    return _answer({"id": point, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0}}, url)


@blueprint.delete("/_pit")
@requires("search")
@describes(
    "Close a point in time",
    {200: ResponseSpec("Closed", {JSON: obj(succeeded={"const": True}, num_freed=_INTEGER)})},
    errors=(*_ERRORS, PointMissing),
    parameters=_COMMON,
    body={JSON: obj(id=TEXT)},
)
def close_point() -> Response:
    url, point = _url("other"), body.closing(_object())
    try:
        services().searching.close_point(caller().tenant, point)
    except PointMissing:
        response = _answer({"succeeded": True, "num_freed": 0}, url)
        response.status_code = 404
        return response
    return _answer({"succeeded": True, "num_freed": 1}, url)


def _url(kind: str) -> parameters.Url:
    elastic.answered_type(request)
    return parameters.parse(kind, dict(request.args.lists()), request.path)


def _read(*forms: str) -> bytes:
    elastic.check_content_type(request, *forms)
    return read_body(request, services().settings.max_json_size)


def _object() -> dict[str, Any]:
    """The JSON object in the body; empty without a body."""
    content = _read("json")
    found = body.decoded(content) if content.strip() else {}
    if not isinstance(found, dict):
        raise SearchRefused("parsing_exception", "the body is not a JSON object")
    return found


def _answer(content: Any, url: parameters.Url) -> Response:
    return _send(parameters.rendered(content, url))


def _send(content: bytes) -> Response:
    return Response(content, content_type=elastic.answered_type(request))


def _render(error: StoreError) -> Response:
    content = elastic.error_body(error, request.method, request.path, INDEX)
    # The status of the one error that has another status here.
    error.status = content["status"]
    try:
        content_type = elastic.answered_type(request)
    except StoreError:
        content_type = elastic.JSON
    response = Response(json.dumps(content), content_type=content_type)
    if error.status == 401:
        for challenge in elastic.CHALLENGES:
            response.headers.add("WWW-Authenticate", challenge)
    return response


_ELSEWHERE = re.compile(r"/(?!attachment/|chat/)[^/]+/_(?:search|count|msearch|pit)")


def _owns(path: str) -> bool:
    """The root, everything that begins with an underscore as Elasticsearch's own paths do, and the index; searches of
    other indices too, so that clients get the answer that Elasticsearch would give."""
    if path == "/" or path.startswith(("/_", f"/{INDEX}/")) or path == f"/{INDEX}":
        return True
    return _ELSEWHERE.fullmatch(path) is not None


def _credentials(incoming: Request) -> str | None:
    return elastic.credentials(incoming)


_CAUSE: Schema = {
    "type": "object",
    "properties": {"type": TEXT, "reason": TEXT, "root_cause": array({"type": "object"})},
    "required": ["type", "reason"],
}

dialect = Dialect(
    name="elasticsearch",
    blueprint=blueprint,
    owns=_owns,
    headers=(elastic.PRODUCT,),
    credentials=_credentials,
    render=_render,
    error_schema={"anyOf": [obj(error=_CAUSE, status=_INTEGER), obj(error=TEXT, status=_INTEGER), _ANY]},
    security={"type": "http", "scheme": "bearer"},
)
