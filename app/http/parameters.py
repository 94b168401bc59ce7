"""Query strings and JSON bodies: from text that anybody may have written to checked values."""

from __future__ import annotations

import json
from typing import Any

from flask import Request

from app.errors import InvalidParameter, InvalidRequest
from app.http.uploads import read_body

#: Deeper JSON than any request here needs; json.loads itself would run into the recursion limit.
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


def json_object(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object in the body. Raises InvalidRequest for anything else, RequestTooLarge past `limit` bytes."""
    body = read_body(request, limit)
    try:
        if _depth(body) > MAX_DEPTH:
            raise InvalidRequest("the JSON body is nested too deeply")
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRequest("the request body is not valid JSON") from None
    if not isinstance(value, dict):
        raise InvalidRequest("the request body is not a JSON object")
    return value


def _depth(body: bytes) -> int:
    """An upper bound of the nesting: brackets within strings count too, which only refuses what nobody sends."""
    depth = deepest = 0
    for byte in body:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


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
