"""Query strings and JSON bodies: turns text that anyone may have written into checked values."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from flask import Request

from app.errors import InvalidParameter, InvalidRequest
from app.search.nesting import is_deeper
from app.settings import Settings
from app.web.uploads import read_body, read_form, stage_nothing

#: The depth of JSON that is accepted, more than any request needs.
MAX_DEPTH = 32


def query_parameters(request: Request, known: set[str]) -> dict[str, str]:
    """The query string as a dict. Raises InvalidParameter for one that is not in `known` or is given twice."""
    found: dict[str, str] = {}
    for name, values in request.args.lists():
        if name not in known:
            raise InvalidParameter(name[:100], "is not known")
        if len(values) > 1:
            raise InvalidParameter(name, "is given more than once")
        found[name] = values[0]
    return found


def repeatable_parameters(request: Request) -> dict[str, list[str]]:
    """The query string with all values of each name, for callers that check the names themselves."""
    return dict(request.args.lists())


def json_object(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object in the body. Raises InvalidRequest for anything else, RequestTooLarge past `limit` bytes."""
    try:
        value = json.loads(read_body(request, limit), object_pairs_hook=_once_each)
    except RecursionError:
        raise InvalidRequest("the JSON body is nested too deeply") from None
    except ValueError:
        raise InvalidRequest("the request body is not valid JSON") from None
    if is_deeper(value, MAX_DEPTH):
        raise InvalidRequest("the JSON body is nested too deeply")
    if not isinstance(value, dict):
        raise InvalidRequest("the request body is not a JSON object")
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Programs differ in which of the two they use.
        raise InvalidRequest("the JSON body has a key twice")
    return found


def id_list(content: dict[str, Any], limit: int) -> list[str]:
    """The ids in `{"attachments": [...]}`. Raises InvalidParameter when they are not a list of at most `limit` strings,
    or when there is any other key."""
    for name in content:
        if name != "attachments":
            raise InvalidParameter(str(name)[:100], "is not known")
    ids = content.get("attachments")
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise InvalidParameter("attachments", "must be a list of ids")
    if len(ids) > limit:
        raise InvalidParameter("attachments", f"has more than {limit} ids")
    return ids


def body_fields(request: Request, settings: Settings, known: Collection[str]) -> dict[str, str]:
    """The fields of a small body, as text by name. It may be a multipart form, an urlencoded form or a JSON object;
    there are none without a body.

    A JSON null counts as a missing field. Raises InvalidParameter for a field that is not in `known`, is given twice or
    is not a string; InvalidRequest or MalformedForm for any other body; RequestTooLarge.
    """
    found: dict[str, str] = {}
    for name, value in _body_pairs(request, settings):
        if name not in known:
            raise InvalidParameter(name[:100], "is not known")
        if name in found:
            raise InvalidParameter(name, "is given more than once")
        if value is None:
            continue
        if not isinstance(value, str):
            raise InvalidParameter(name, "is not a string")
        found[name] = value
    return found


def _body_pairs(request: Request, settings: Settings) -> list[tuple[str, Any]]:
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return []
    match request.mimetype:
        case "multipart/form-data":
            with read_form(request, stage_nothing, settings, single_file=()) as form:
                return [(name, value) for name, values in form.fields.items() for value in values]
        case "application/x-www-form-urlencoded":
            return _urlencoded(read_body(request, settings.max_json_size), settings.max_form_fields)
        case "application/json":
            return list(json_object(request, settings.max_json_size).items())
    raise InvalidRequest("the request body is neither a form nor JSON")


def _urlencoded(body: bytes, limit: int) -> list[tuple[str, Any]]:
    try:
        text = body.decode("ascii")
        return list(
            parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=limit)
        )
    except ValueError:
        raise InvalidRequest("the request body is not a valid urlencoded form") from None
