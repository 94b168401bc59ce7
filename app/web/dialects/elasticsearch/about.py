"""What clients ask before they search: which server this is, whether the index exists, its fields, how many documents
the tenant has in it, and its health.

Every number is the tenant's own, from a count. Sizes, shards, nodes and settings are about all tenants, and are left
out.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request

from app.errors import EmbeddingsUnavailable, MediaTypeRefused, NotFound, SearchRefused
from app.passages.keeping import quantized
from app.search.language import body, parameters, shape
from app.search.language.nearest import Vectors
from app.web.access import requires
from app.web.client import connection
from app.web.describe import JSON, TEXT, Parameter, ResponseSpec, array, describes
from app.web.dialects.elasticsearch.common import (
    ANSWER,
    ANY,
    BODY,
    COMMON,
    ERRORS,
    FORMS,
    INDEX,
    answer,
    blueprint,
    is_named,
    read_object,
    tenant,
    url_of,
)
from app.web.services import services

#: The version of Elasticsearch whose query language this is, for clients that ask.
VERSION = "8.19.0"
NAME = "attachment-store"


@blueprint.get("/")
@requires("search")
@describes("What this is, as the official clients ask", ANSWER, errors=(SearchRefused, MediaTypeRefused, NotFound))
def banner() -> Response:
    url = url_of("other")
    response = answer(
        {
            "name": NAME,
            "cluster_name": NAME,
            "cluster_uuid": NAME,
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


def _vectors() -> Vectors | None:
    """What is known about the vectors of the index, without the name of the model while that is unknown; None if there
    are none."""
    try:
        return services().searching.vectors()
    except EmbeddingsUnavailable:
        return Vectors("", 0, quantized)


@blueprint.get("/<alone:target>")
@requires("search")
@describes("Whether an index is there, and what it is", ANSWER, errors=ERRORS, parameters=COMMON)
def index(target: str) -> Response:
    url = url_of("index")
    if not is_named(target, url):
        return answer({}, url)
    told = {"aliases": {}, "mappings": shape.mapping(_vectors()), "settings": {"index": {"provided_name": INDEX}}}
    return answer({INDEX: told}, url)


@blueprint.get("/<index:target>/_mapping")
@requires("search")
@describes("The fields that may be named, and their types", ANSWER, errors=ERRORS, parameters=COMMON)
def mapping_of(target: str) -> Response:
    return _mapping(target)


@blueprint.get("/_mapping")
@requires("search")
@describes("The same of all indices", ANSWER, errors=ERRORS, parameters=COMMON[1:])
def mapping() -> Response:
    return _mapping(None)


def _mapping(target: str | None) -> Response:
    url = url_of("mapping")
    return answer({INDEX: {"mappings": shape.mapping(_vectors())}} if is_named(target, url) else {}, url)


_FIELDS = (Parameter("fields", "query", "Names of fields, by comma, with `*`."),)


@blueprint.route("/<index:target>/_field_caps", methods=["GET", "POST"])
@requires("search")
@describes("What fields can do", ANSWER, errors=ERRORS, parameters=(*COMMON, *_FIELDS), body=BODY, body_required=False)
def field_caps_of(target: str) -> Response:
    return _field_caps(target)


@blueprint.route("/_field_caps", methods=["GET", "POST"])
@requires("search")
@describes(
    "The same of all indices",
    ANSWER,
    errors=ERRORS,
    parameters=(*COMMON[1:], *_FIELDS),
    body=BODY,
    body_required=False,
)
def field_caps() -> Response:
    return _field_caps(None)


def _field_caps(target: str | None) -> Response:
    url = url_of("field_caps")
    asked = {**read_object(), **{name: item for name, item in url.own.items() if name != "format"}}
    indices = [INDEX] if is_named(target, url) else []
    return answer(shape.field_caps(asked, _vectors(), indices, tenant()), url)


# Health and counts

#: The columns of `_cat/indices`, each with its other names and a description.
COLUMNS = {
    "health": (("h",), "current health status"),
    "status": (("s",), "open/close status"),
    "index": (("i", "idx"), "index name"),
    "docs.count": (("dc", "docsCount"), "available docs"),
}
_CAT = {200: ResponseSpec("A line for the index", {"text/plain": TEXT, JSON: array(ANY)})}
_CAT_PARAMETERS = (
    Parameter("format", "query", "`json`, or `text`."),
    Parameter("h", "query", f"Which columns, by comma: {', '.join(COLUMNS)}."),
    Parameter("v", "query", "With a line of their names.", {"type": "boolean"}),
)


@blueprint.get("/_cat/indices/<index:target>")
@requires("search")
@describes("How many attachments there are", _CAT, errors=ERRORS, parameters=(*COMMON, *_CAT_PARAMETERS))
def cat_index(target: str) -> Response:
    return _cat_indices(target)


@blueprint.get("/_cat/indices")
@requires("search")
@describes("How many attachments there are", _CAT, errors=ERRORS, parameters=(*COMMON[1:], *_CAT_PARAMETERS))
def cat_indices() -> Response:
    return _cat_indices(None)


def _cat_indices(target: str | None) -> Response:
    url = url_of("cat")
    columns = _columns(url)
    if url.own.get("help"):
        lines = [f"{name:<10} | {','.join(short):<12} | {what}" for name, (short, what) in COLUMNS.items()]
        return _text(lines)
    rows = []
    if is_named(target, url):
        searching = services().searching
        health = searching.status()
        if url.own.get("health") in (None, health):
            count = json.loads(searching.count(body.count({}, tenant()), tenant(), client=connection()))["count"]
            row = {"health": health, "status": "open", "index": INDEX, "docs.count": str(count)}
            rows.append({shown: row[name] for shown, name in columns})
    if _as_json(url):
        return answer(rows, url)
    shown = [[name for name, _ in columns]] * bool(url.own.get("v")) + [list(each.values()) for each in rows]
    widths = [max(map(len, cells)) for cells in zip(*shown, strict=True)]
    right = [name == "docs.count" for _, name in columns]
    return _text(
        " ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        )
        for row in shown
    )


def _columns(url: parameters.Url) -> list[tuple[str, str]]:
    """The columns to show: for each, the name that the caller gives to it, and its own name. Raises SearchRefused."""
    by_any = {short: name for name, (shorter, _) in COLUMNS.items() for short in (name, *shorter)}
    found = [(each, by_any.get(each, "")) for each in url.own.get("h", COLUMNS)]
    for shown, name in found:
        if not name:
            raise SearchRefused(
                "illegal_argument_exception",
                f"the column [{shown[:100]}] is not offered here: sizes, shards and deleted documents are everybody's. "
                f"There are {', '.join(COLUMNS)}",
            )
    return list(dict(found).items())


def _as_json(url: parameters.Url) -> bool:
    if "format" in url.own:
        return bool(url.own["format"] == "json")
    accepted = request.headers.get("Accept", "")
    return "json" in accepted and "text/plain" not in accepted


def _text(lines: Any) -> Response:
    return Response("".join(f"{line}\n" for line in lines), content_type="text/plain; charset=UTF-8")


_HEALTH = {
    200: ResponseSpec("How it is", {JSON: ANY}),
    408: ResponseSpec("It is not as well as was asked for", {JSON: ANY}),
}


@blueprint.get("/_cluster/health/<index:target>")
@requires("search")
@describes("Whether the index is well", _HEALTH, errors=ERRORS, parameters=COMMON)
def health_of(target: str) -> Response:
    return _health(target)


@blueprint.get("/_cluster/health")
@requires("search")
@describes("Whether the index is well", _HEALTH, errors=ERRORS, parameters=FORMS)
def health() -> Response:
    return _health(None)


def _health(target: str | None) -> Response:
    url = url_of("health")
    named = is_named(target, url)
    status = services().searching.status() if named else "green"
    order = parameters.STATUSES.index
    # The answer does not wait for the health to improve.
    late = order(status) > order(url.own.get("wait_for_status", parameters.STATUSES[-1]))
    told: dict[str, Any] = {"cluster_name": NAME, "status": status, "timed_out": late}
    if url.own.get("level") == "indices":
        told["indices"] = {INDEX: {"status": status}} if named else {}
    return answer(told, url, 408 if late else 200)
