"""One attachment by its id: `_doc` and `_source`, with what a search for this id would tell.

`_seq_no` and `_primary_term` are left out, as they count the changes of all tenants' documents. An id that no
attachment of the tenant has is answered with "not found", whatever its form.
"""

from __future__ import annotations

from typing import Any

from flask import Response

from app.errors import IndexUnavailable, MediaTypeRefused, NoSuchIndex, SearchRefused
from app.search.language import parameters, targets
from app.search.language.hits import source
from app.search.language.reading import Where
from app.web import elastic
from app.web.access import requires
from app.web.client import connection
from app.web.describe import JSON, Parameter, ResponseSpec, describes
from app.web.dialects.elasticsearch.common import ANY, FORMS, INDEX, answer, blueprint, tenant, url_of
from app.web.services import services

_ERRORS = (IndexUnavailable, SearchRefused, NoSuchIndex, MediaTypeRefused)
_PARAMETERS = (
    Parameter("target", "path", "The name of the index.", required=True),
    Parameter("document", "path", "The id of an attachment.", required=True),
    Parameter("_source", "query", "Which fields to tell, by comma, or `false`."),
    *FORMS,
)


@blueprint.get("/<index:target>/_doc/<path:document>")
@requires("search")
@describes(
    "An attachment by its id, as a search tells it",
    {200: ResponseSpec("It", {JSON: ANY}), 404: ResponseSpec("There is none: `found` is false", {JSON: ANY})},
    errors=_ERRORS,
    parameters=_PARAMETERS,
)
def document(target: str, document: str) -> Response:
    url = url_of("document")
    hit = _found(target, document, url)
    told: dict[str, Any] = {"_index": INDEX, "_id": document}
    if hit is None:
        return answer({**told, "found": False}, url, 404)
    kept = {name: hit[name] for name in ("_version", "_source") if name in hit}
    return answer({**told, "_version": kept.pop("_version"), "found": True, **kept}, url)


@blueprint.get("/<index:target>/_source/<path:document>")
@requires("search")
@describes(
    "The fields of an attachment alone",
    {200: ResponseSpec("They", {JSON: ANY})},
    errors=_ERRORS,
    parameters=_PARAMETERS,
)
def document_source(target: str, document: str) -> Response:
    url = url_of("document")
    if url.body.get("_source") is False:
        raise SearchRefused(
            "action_request_validation_exception", "Validation Failed: 1: fetching source can not be disabled;"
        )
    hit = _found(target, document, url)
    if hit is None:
        why = f"Document not found [{INDEX}]/[{document[:200]}]"
        return answer(elastic.described("resource_not_found_exception", why, 404), url, 404)
    return answer(hit.get("_source", {}), url)


def _found(target: str, document: str, url: parameters.Url) -> dict[str, Any] | None:
    targets.only(target)
    wanted = source(Where("_source"), url.body.get("_source"))
    return services().searching.document(document, wanted, tenant(), client=connection())
