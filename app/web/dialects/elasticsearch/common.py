"""What the routes of this dialect share: which paths are theirs, what a request says, and how an answer is sent."""

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
#: Folders of other dialects in which no index is looked for.
_OTHERS = "attachment|chat"


class _Index(BaseConverter):
    """Names of indices before what is asked of them."""

    regex = rf"(?!(?:{_OTHERS})(?:/|$))[^/]+"


class _Alone(BaseConverter):
    """Names of indices with nothing behind them: the name of the one, or what no other path looks like."""

    regex = rf"{INDEX}|{targets.ALL}|[^/]*[*,][^/]*"


@blueprint.record_once
def _converters(state: BlueprintSetupState) -> None:
    # Before the routes, which are added after this.
    state.app.url_map.converters |= {"index": _Index, "alone": _Alone}


_ALONE = re.compile(rf"/(?:{_Alone.regex})(?:/.*)?", re.DOTALL)
_ASKED = re.compile(
    rf"/(?!(?:{_OTHERS})/)[^/]+/_(?:search|count|msearch|pit|mapping|field_caps|(?:doc|source)/.*)", re.DOTALL
)


def owns(path: str) -> bool:
    """The root, everything that begins with an underscore as Elasticsearch's own paths do, and the index by any name;
    what is asked of other indices too, so that clients get the answer that Elasticsearch would give."""
    return (
        path == "/" or path.startswith("/_") or _ALONE.fullmatch(path) is not None or _ASKED.fullmatch(path) is not None
    )


# Descriptions

ANY: Schema = {"type": "object"}
INTEGER: Schema = {"type": "integer"}
ANSWER = {200: ResponseSpec("What Elasticsearch answers", {JSON: ANY})}
#: Of a request that has a body or not, and names an index.
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
    """The query string of a request of this kind, and a look at what it accepts. Raises SearchRefused, MediaTypeRefused."""
    elastic.answered_type(request)
    return parameters.parse(kind, dict(request.args.lists()), request.path)


def is_named(target: str | None, url: parameters.Url) -> bool:
    """Whether the path names the index; one without names means all. Raises NoSuchIndex, SearchRefused."""
    return targets.named(targets.split(target or ""), url.indices)


def read(*forms: str) -> bytes:
    elastic.check_content_type(request, *forms)
    return read_body(request, services().settings.max_json_size)


def read_object() -> dict[str, Any]:
    """The JSON object in the body; empty without a body."""
    content = read("json")
    found = body.decoded(content) if content.strip() else {}
    if not isinstance(found, dict):
        raise SearchRefused("parsing_exception", "the body is not a JSON object")
    return found


def vectors() -> Vectors:
    """The vectors that there are. Raises SearchRefused where there are none, EmbeddingsUnavailable while nobody knows which
    model makes them, and what preparing the index raises."""
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
