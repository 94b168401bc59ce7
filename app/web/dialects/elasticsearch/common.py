"""What the routes of this dialect share: which paths belong to it, what a request says, and how an answer is sent."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from app.errors import IndexUnavailable, MediaTypeRefused, NoSuchIndex, RequestTooLarge, SearchRefused
from app.search.language import body, nearest, parameters, targets
from app.search.language.nearest import Vectors
from app.web import elastic
from app.web.access import caller
from app.web.describe import ANYTHING, JSON, Parameter, ResponseSpec, Schema
from app.web.services import services
from app.web.uploads import read_body

blueprint = Blueprint("elasticsearch", __name__)

INDEX = targets.PUBLIC_INDEX
#: The first parts of other dialects' paths. They are not taken for names of indices.
_OTHERS = "attachment|chat"


class _Index(BaseConverter):
    """Names of indices in a path that goes on after them."""

    regex = rf"(?!(?:{_OTHERS})(?:/|$))[^/]+"


class _Alone(BaseConverter):
    """Names of indices at the end of a path: the name of the index, or what no path of another dialect looks like."""

    regex = rf"{INDEX}|{targets.ALL}|[^/]*[*,][^/]*"


@blueprint.record_once
def _converters(state: BlueprintSetupState) -> None:
    # This is registered before the routes, which need the converters.
    state.app.url_map.converters |= {"index": _Index, "alone": _Alone}


_ALONE = re.compile(rf"/(?:{_Alone.regex})(?:/.*)?", re.DOTALL)
_ASKED = re.compile(
    rf"/(?!(?:{_OTHERS})/)[^/]+/_(?:search|count|msearch|pit|mapping|field_caps|(?:doc|source)/.*)", re.DOTALL
)


def owns(path: str) -> bool:
    """Whether a path belongs to this dialect: the root, every path that begins with an underscore, as Elasticsearch's
    own paths do, and the index by any of its names. Requests about other indices belong to it too, so that clients get
    the answer that Elasticsearch would give."""
    return (
        path == "/" or path.startswith("/_") or _ALONE.fullmatch(path) is not None or _ASKED.fullmatch(path) is not None
    )


# Descriptions

ANY: Schema = {"type": "object"}
INTEGER: Schema = {"type": "integer"}
ANSWER = {200: ResponseSpec("What Elasticsearch answers", {JSON: ANY})}
#: The errors of a request that names an index, with or without a body.
ERRORS = (IndexUnavailable, SearchRefused, NoSuchIndex, RequestTooLarge, MediaTypeRefused)
BODY = {JSON: ANY}
LINES = {ANYTHING: {"type": "string", "description": "Pairs of lines (NDJSON): a header, and a search."}}
FORMS = (
    Parameter("filter_path", "query", "What of the answer to return: paths, by comma."),
    Parameter("pretty", "query", "Line breaks in the answer.", {"type": "boolean"}),
)
COMMON = (
    Parameter("target", "path", "Names of indices, by comma, with `*`; `_all`.", required=True),
    Parameter("ignore_unavailable", "query", "Whether a name that is missing is no error.", {"type": "boolean"}),
    Parameter("allow_no_indices", "query", "Whether it is no error to name none.", {"type": "boolean"}),
    *FORMS,
)


# Requests


def url_of(kind: str) -> parameters.Url:
    """The parsed query string of a request of this kind. Also checks which content types the request accepts. Raises
    SearchRefused, MediaTypeRefused."""
    elastic.answered_type(request)
    return parameters.parse(kind, dict(request.args.lists()), request.path)


def is_named(target: str | None, url: parameters.Url) -> bool:
    """Whether the path names the index; a path without names means all indices. Raises NoSuchIndex, SearchRefused."""
    return targets.named(targets.split(target or ""), url.indices)


def read(*forms: str) -> bytes:
    elastic.check_content_type(request, *forms)
    return read_body(request, services().settings.max_json_size)


def read_object() -> dict[str, Any]:
    """The JSON object in the body; an empty object if there is no body."""
    content = read("json")
    found = body.decoded(content) if content.strip() else {}
    if not isinstance(found, dict):
        raise SearchRefused("parsing_exception", "the body is not a JSON object")
    return found


def vectors() -> Vectors:
    """What is known about the vectors of the index. Raises SearchRefused if there are none, EmbeddingsUnavailable while
    it is not known which model makes them, and what preparing the index raises."""
    return services().searching.vectors() or nearest.without()


def tenant() -> str:
    return caller().tenant


# Answers


def answer(content: Any, url: parameters.Url, status: int = 200) -> Response:
    response = send(parameters.rendered(content, url))
    response.status_code = status
    return response


def send(content: bytes) -> Response:
    return Response(content, content_type=elastic.answered_type(request))
