"""Elasticsearch's own API, read-only: as much of it as its official clients, and tools that use them, need to search
the attachments of a tenant.

`searches` has the routes that search (`_search`, `_count`, `_msearch`, points in time). `documents` has those for one
attachment by its id. `about` has what clients ask before they search: which server this is, which index and which
fields there are, how many documents, and its health. `app.search.language` decides which clauses a body may have, and
which index a request names.

Source: the reference of Elasticsearch 8.19. The differences are in docs/search.md.
"""

from __future__ import annotations

import json

from flask import Request, Response, request

from app.errors import StoreError
from app.web import elastic
from app.web.describe import TEXT, Schema, array, obj
from app.web.dialects.dialect import Dialect
from app.web.dialects.elasticsearch import about, documents, searches
from app.web.dialects.elasticsearch.common import ANY, INTEGER, blueprint, owns

__all__ = ["about", "dialect", "documents", "searches"]


def _render(error: StoreError) -> Response:
    content = elastic.error_body(error, request.method, request.path)
    try:
        content_type = elastic.answered_type(request)
    except StoreError:
        content_type = elastic.JSON
    response = Response(json.dumps(content), content_type=content_type)
    if error.status == 401:
        for challenge in elastic.CHALLENGES:
            response.headers.add("WWW-Authenticate", challenge)
    return response


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
    owns=owns,
    headers=(elastic.PRODUCT,),
    credentials=_credentials,
    render=_render,
    error_schema={"anyOf": [obj(error=_CAUSE, status=INTEGER), obj(error=TEXT, status=INTEGER), ANY]},
    security={"type": "http", "scheme": "bearer"},
)
