"""Coco attachments: `X-API-TOKEN`, `POST /chat/<session>/_upload`, `/attachment/...`.

Source: the Coco server's documentation, page "Attachment". What that page leaves open is in docs/dialects.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Request, Response, jsonify, request

from app import processing
from app.errors import (
    BytesMissing,
    IndexRejected,
    IndexUnavailable,
    InvalidParameter,
    InvalidRequest,
    NoFiles,
    NotFound,
    PointMissing,
    RequestTooLarge,
    StorageFailed,
    StoreError,
    TextDamaged,
    ThumbnailDamaged,
    TooManyPoints,
)
from app.extraction import thumbnail
from app.ids import is_id, new_xids
from app.model.attachment import MAX_SESSION, Attachment
from app.search import citing, params
from app.search.facets import FACETS
from app.services.citing import Citation
from app.services.searching import WALK_SECONDS
from app.web import sending
from app.web.access import caller, requires
from app.web.client import connection
from app.web.describe import BINARY, FORM, JSON, TEXT, Parameter, ResponseSpec, Schema, array, describes, obj
from app.web.dialects.dialect import Dialect
from app.web.names import header_value
from app.web.observed import current
from app.web.parameters import id_list, json_object, query_parameters, repeatable_parameters
from app.web.services import services
from app.web.uploads import FORM_ERRORS, keep, received_form

blueprint = Blueprint("coco", __name__)

#: The cost of looking at the files of an attachment, in steps of `app.processing`.
STEPS_A_STATUS = 40
#: And the cost of each position of a page that is returned for its text.
STEPS_A_PART = 5

_ACKNOWLEDGED = {
    200: ResponseSpec(
        "Durable, and found by the next search; the ids are in the order of the files",
        {JSON: obj(acknowledged={"const": True}, attachments=array(TEXT))},
    )
}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_MOMENT: Schema = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
_VALUE: Schema = {**TEXT, "maxLength": citing.MOST_VALUE}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _bounded(default: int, most: int, what: str) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default, "description": what}


_FILES: Schema = {"type": "object", "properties": {"files": array(BINARY)}, "required": ["files"]}
_FILES_AND_SESSION: Schema = {
    "type": "object",
    "properties": {"files": array(BINARY), "session": TEXT},
    "required": ["files"],
}
_IDS: Schema = {
    "type": "object",
    "properties": {"attachments": array(TEXT)},
    "required": ["attachments"],
    "additionalProperties": False,
}
_PASSAGES_BODY: Schema = {
    "type": "object",
    "properties": {
        "query": {**TEXT, "minLength": 1, "description": "As that of a search, with its operators."},
        "match": {"enum": list(params.MATCHES), "description": "By what passages are found, as in a search."},
        **{
            name: {
                "anyOf": [_VALUE, {**array(_VALUE), "minItems": 1, "maxItems": params.MAX_VALUES}],
                "description": f"{each.what}; several: any of them.",
            }
            for name, each in params.FILTERS.items()
        },
        **{
            name: {**(_MOMENT if each.type == "date" else _COUNT), "description": what}
            for each, used in params.RANGES
            for name, what in (used.low, used.high)
        },
        "size": _bounded(
            citing.DEFAULT_SIZE, citing.MOST_SIZE, "Passages, before those that follow each other are one."
        ),
        "per_attachment": _bounded(citing.DEFAULT_OF_ONE, citing.MOST_OF_ONE, "The same of one attachment."),
        "max_tokens": _bounded(
            citing.DEFAULT_TOKENS,
            citing.MOST_TOKENS,
            f"Tokens of all passages together, one for each {citing.BYTES_A_TOKEN} bytes.",
        ),
    },
    "required": ["query"],
    "additionalProperties": False,
}
_PASSAGE = obj(
    text=TEXT,
    attachment=TEXT,
    name=TEXT,
    session=_or_null(TEXT),
    page=_or_null(_COUNT),
    title=_or_null(TEXT),
    file=_or_null(TEXT),
    start=_COUNT,
    end=_COUNT,
    tokens=_COUNT,
    score={"type": "number"},
    parts=obj(words=_or_null({"type": "number"}), meaning=_or_null({"type": "number"})),
    link=TEXT,
)
_PASSAGES = {
    200: ResponseSpec(
        "The passages, the best first",
        {
            JSON: obj(
                took=_COUNT,
                match={"enum": list(params.MATCHES)},
                tokens=_COUNT,
                passages={**array(_PASSAGE), "maxItems": citing.MOST_SIZE},
            )
        },
    )
}
#: As Elasticsearch closes one.
_POINT: Schema = {
    "type": "object",
    "properties": {"id": TEXT},
    "required": ["id"],
    "additionalProperties": False,
}
_STATUS = obj(initial_parsing={"enum": ["pending", "completed", "failed"]})
#: As docs/format.md describes the outcome of an extraction.
_PART: Schema = {
    "type": "object",
    "properties": {"at": _COUNT, "page": _COUNT, "title": TEXT, "file": array(TEXT)},
    "required": ["at"],
    "additionalProperties": False,
}
_PARTS = obj(size=_COUNT, sha256=TEXT, cut={"type": "boolean"}, parts=_or_null(array(_PART)))
_SIZES = [str(each) for each in thumbnail.SIZES]
_DRAWN = {200: ResponseSpec("By id: pending, completed or none; empty for an unknown one", {JSON: {"type": "object"}})}
_STATUSES = {200: ResponseSpec("By id; empty for an unknown one", {JSON: {"type": "object"}})}
_ENVELOPE = {200: ResponseSpec("What Elasticsearch answered", {JSON: {"type": "object", "required": ["took", "hits"]}})}
_SEARCHED = {200: replace(_ENVELOPE[200], headers={"Search-Match": {"type": "string", "enum": list(params.MATCHES)}})}
_SEARCH_PARAMETERS = (
    Parameter(
        "query",
        "query",
        'Words of names and contents: what has all of them comes first. "a phrase", -without, one | other, '
        "begin*, nearly~, ( ): with any of these every word has to be there. The last word may be unfinished. "
        "No text is an error.",
    ),
    Parameter(
        "default_operator",
        "query",
        "Whether every word of a query without operators has to be there.",
        {"type": "string", "enum": ["and", "or"], "default": "or"},
    ),
    Parameter(
        "match",
        "query",
        "Whether a text is found by the words of `query`, by what it means, or by both; with EMBEDDINGS. By default both, "
        "for a query without operators that is no code, and a search by score without `facets`, `size=0` and "
        "`default_operator=and`; words otherwise. The header Search-Match says by what it was.",
        {"type": "string", "enum": list(params.MATCHES)},
    ),
    Parameter(
        "scores",
        "query",
        "Whether hits have `matched_queries`: what `words` and `meaning` give to the score; with `query`.",
        {"type": "boolean"},
    ),
    *(
        Parameter(name, "query", f"{each.what}; repeated: any of them.", {**array(TEXT), "maxItems": params.MAX_VALUES})
        for name, each in params.FILTERS.items()
    ),
    *(
        Parameter(name, "query", what, _MOMENT if each.type == "date" else _COUNT)
        for each, used in params.RANGES
        for name, what in (used.low, used.high)
    ),
    Parameter("from", "query", "Hits to pass over.", {**_COUNT, "maximum": params.MAX_WINDOW}),
    Parameter("size", "query", "Hits to return.", {**_COUNT, "maximum": 1000}),
    Parameter(
        "sort",
        "query",
        f"FIELD or FIELD:asc|desc, by comma; of {', '.join(sorted(params.SORT_FIELDS))}. Names are in the order that people "
        "expect: case and accents make no difference, numbers count by their value.",
    ),
    Parameter(
        "search_after", "query", "The `sort` of the hit after which to go on, a JSON array; with `sort` or `pit`."
    ),
    Parameter(
        "pit",
        "query",
        "`true` opens a point in time, a view of the index that stays as it is; the answer has its `pit_id`, which the next "
        f"request sends. It lives for {WALK_SECONDS:.0f} seconds after each use. 404: begin anew.",
    ),
    Parameter(
        "highlight",
        "query",
        "Whether hits have `highlight`: fragments of `content`, the `file` inside of which each is, and the `name`, as HTML "
        "with <mark>.",
        {"type": "boolean"},
    ),
    Parameter("facets", "query", f"Counts of values in `aggregations`, by comma; of {', '.join(FACETS)}."),
    Parameter(
        "_source",
        "query",
        f"Fields to return, by comma; of {', '.join((*params.SOURCE_FIELDS, *params.ADDED_FIELDS))}.",
    ),
)


@blueprint.post("/chat/<session>/_upload")
@requires("write")
@describes("Upload files into a session", _ACKNOWLEDGED, errors=(*FORM_ERRORS, NoFiles), body={FORM: _FILES})
def upload_to_session(session: str) -> Response:
    return _upload(session)


@blueprint.post("/attachment/_upload")
@requires("write")
@describes("Upload files", _ACKNOWLEDGED, errors=(*FORM_ERRORS, NoFiles), body={FORM: _FILES_AND_SESSION})
def upload() -> Response:
    return _upload(None)


def _upload(session: str | None) -> Response:
    with received_form(request) as form:
        unexpected = [each.field for each in form.files if each.field != "files"]
        if unexpected:
            raise InvalidRequest(f"unexpected file field [{unexpected[0]}]: files come in [files]")
        if not form.files:
            raise NoFiles()
        if session is None:
            session = form.value("session") or None
        if session is not None and len(session) > MAX_SESSION:
            raise InvalidParameter("session", f"is longer than {MAX_SESSION} characters")
        attachments = keep(form.files, new_xids(len(form.files)), session=session)
    return jsonify(acknowledged=True, attachments=[each.id for each in attachments])


@blueprint.get("/attachment/<attachment_id>")
@requires("read")
@describes(
    "Download an attachment",
    sending.ANSWERS,
    errors=(NotFound, BytesMissing, StorageFailed),
    parameters=sending.REQUEST_HEADERS,
)
def download(attachment_id: str) -> Response:
    incoming = current()
    head = incoming.method == "HEAD"
    opened = services().downloads.open(attachment_id, caller().tenant, read=not head)
    response = sending.send(incoming, opened)
    if head:
        add = response.headers.add
        add("Created", str(int(opened.attachment.created.timestamp())))
        add("Filename", header_value(opened.attachment.name))
        add("Vary", "Accept-Encoding")
    return response


@blueprint.delete("/attachment/<attachment_id>")
@requires("delete")
@describes(
    "Delete an attachment",
    {200: ResponseSpec("Gone from the disk and from every search", {JSON: obj(_id=TEXT, result={"const": "deleted"})})},
    errors=(NotFound, IndexUnavailable, StorageFailed),
)
def delete(attachment_id: str) -> Response:
    services().deletion.delete(attachment_id, caller().tenant)
    return jsonify(_id=attachment_id, result="deleted")


@blueprint.get("/attachment/_search")
@requires("search")
@describes(
    "Search attachments",
    _SEARCHED,
    errors=(IndexUnavailable, IndexRejected, PointMissing, TooManyPoints),
    parameters=_SEARCH_PARAMETERS,
)
def search() -> Response:
    settings = services().settings
    wanted = params.parse(
        repeatable_parameters(request),
        max_page_size=settings.max_page_size,
        max_query_length=settings.max_query_length,
    )
    return _search(wanted)


@blueprint.post("/attachment/_search")
@requires("search")
@describes(
    "Pick attachments by their ids",
    _ENVELOPE,
    errors=(IndexUnavailable, IndexRejected, RequestTooLarge),
    body={JSON: _IDS},
)
def search_by_ids() -> Response:
    query_parameters(request, set())
    settings = services().settings
    ids = id_list(json_object(request, settings.max_json_size), settings.max_ids)
    # A text that does not have the form of an id names no attachment, and Elasticsearch would refuse some such texts.
    wanted = tuple(each for each in ids if is_id(each))
    return _search(params.SearchParams(ids=wanted, size=len(wanted)))


@blueprint.post("/attachment/_passages")
@requires("search")
@describes(
    "Find the passages of texts that answer a query, to be read and cited",
    _PASSAGES,
    errors=(IndexUnavailable, IndexRejected, RequestTooLarge),
    body={JSON: _PASSAGES_BODY},
)
def passages() -> Response:
    query_parameters(request, set())
    settings = services().settings
    wanted = citing.parse(json_object(request, settings.max_json_size), max_query_length=settings.max_query_length)
    found = services().citing.passages(wanted, caller().tenant, client=connection())
    processing.spend(STEPS_A_PART * len(found.passages))
    told = [_passage(each) for each in found.passages]
    return jsonify(took=found.took, match=found.match, tokens=sum(each["tokens"] for each in told), passages=told)


def _passage(citation: Citation) -> dict[str, Any]:
    """A passage as it is answered."""
    attachment, passage = citation
    cited = passage.cited
    place = {"open": attachment.id, "page": cited.page, "start": cited.start, "end": cited.end}
    return {
        "text": cited.text,
        "attachment": attachment.id,
        "name": attachment.name,
        "session": attachment.session,
        "page": cited.page,
        "title": cited.title.encode(errors="replace").decode() or None,
        "file": cited.file or None,
        "start": cited.start,
        "end": cited.end,
        "tokens": passage.tokens,
        "score": round(passage.best, 4),
        "parts": {"words": _rounded(passage.words), "meaning": _rounded(passage.meaning)},
        "link": "/?" + urlencode({name: value for name, value in place.items() if value is not None}),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


@blueprint.delete("/attachment/_pit")
@requires("search")
@describes(
    "Close a point in time",
    {200: ResponseSpec("Closed", {JSON: obj(succeeded={"const": True}, num_freed={"const": 1})})},
    errors=(IndexUnavailable, PointMissing, RequestTooLarge),
    body={JSON: _POINT},
)
def close_point() -> Response:
    query_parameters(request, set())
    content = json_object(request, services().settings.max_json_size)
    if content.keys() != {"id"} or not isinstance(content["id"], str):
        raise InvalidRequest('the request body is not {"id": "..."}, with the id of a point in time')
    services().searching.close_point(caller().tenant, content["id"])
    return jsonify(succeeded=True, num_freed=1)


def _search(wanted: params.SearchParams) -> Response:
    found = services().searching.search(wanted, caller().tenant, client=connection())
    response = Response(found.answer, content_type="application/json")
    if found.match is not None:
        # The body is Elasticsearch's.
        response.headers["Search-Match"] = found.match
    return response


@blueprint.get("/attachment/<attachment_id>/status")
@requires("read")
@describes(
    "How far the text of an attachment is extracted",
    {200: ResponseSpec("The state", {JSON: _STATUS})},
    errors=(NotFound,),
)
def status(attachment_id: str) -> Response:
    state, known = services().steps.extraction_state(services().records.find(attachment_id, caller().tenant))
    response = jsonify(initial_parsing=state)
    # The body is Coco's; what Coco has no field for is in headers.
    if known is not None and known.reason is not None:
        response.headers["Extraction-Reason"] = known.reason
    if known is not None and known.cut:
        response.headers["Extraction-Cut"] = str(known.size)
    return response


@blueprint.get("/attachment/<attachment_id>/text")
@requires("read")
@describes(
    "The text that was taken out of an attachment: what is searched. 404 when there is none, or none yet",
    {**sending.ANSWERS, 200: ResponseSpec("The text in UTF-8", {"text/plain": TEXT}, sending.ANSWERS[200].headers)},
    errors=(NotFound, TextDamaged, StorageFailed),
    parameters=sending.REQUEST_HEADERS,
)
def text(attachment_id: str) -> Response:
    return sending.send(current(), services().downloads.open_text(attachment_id, caller().tenant))


@blueprint.get("/attachment/<attachment_id>/parts")
@requires("read")
@describes(
    "Where pages, and files inside of an attachment, begin in its text. 404 when there is no text, or none yet",
    {200: ResponseSpec("The places, in the order of the text", {JSON: _PARTS})},
    errors=(NotFound, StorageFailed),
)
def parts(attachment_id: str) -> Response:
    records = services().records
    known = records.kept(records.find(attachment_id, caller().tenant))
    found = known.parts
    processing.spend(STEPS_A_STATUS + STEPS_A_PART * len(found or ()))
    places = None if found is None else [each.to_record() for each in found]
    return jsonify(size=known.size, sha256=known.sha256, cut=known.cut, parts=places)


@blueprint.get("/attachment/<attachment_id>/thumbnail")
@requires("read")
@describes(
    "A picture of an attachment: of a picture, of the first page of a PDF, of the preview that an office file or a book "
    "carries. 404 when there is none, or none yet",
    {**sending.ANSWERS, 200: ResponseSpec("The picture", {thumbnail.MEDIA_TYPE: BINARY}, sending.ANSWERS[200].headers)},
    errors=(NotFound, ThumbnailDamaged, StorageFailed),
    parameters=(
        Parameter("size", "query", f"Pixels on its longest side; {_SIZES[0]} without it.", {"enum": _SIZES}),
        *sending.REQUEST_HEADERS,
    ),
)
def drawn(attachment_id: str) -> Response:
    size = query_parameters(request, {"size"}).get("size", _SIZES[0])
    if size not in _SIZES:
        raise InvalidParameter("size", f"is none of {', '.join(_SIZES)}")
    return sending.send(current(), services().downloads.open_thumbnail(attachment_id, caller().tenant, int(size)))


@blueprint.get("/attachment/_thumbnails")
@requires("read")
@describes(
    "Whether several attachments have thumbnails",
    _DRAWN,
    errors=(RequestTooLarge,),
    parameters=(Parameter("attachments", "query", "Ids, by comma; without it they are in the body."),),
)
def thumbnails() -> Response:
    return _of_each(_ids(), _thumbnails)


@blueprint.post("/attachment/_thumbnails")
@requires("read")
@describes("Whether several attachments have thumbnails", _DRAWN, errors=(RequestTooLarge,), body={JSON: _IDS})
def thumbnails_by_body() -> Response:
    return _of_each(_ids_of_body(), _thumbnails)


def _thumbnails(attachment: Attachment) -> dict[str, str]:
    return {"thumbnail": services().steps.thumbnail_state(attachment)}


@blueprint.get("/attachment/_status")
@requires("read")
@describes(
    "The same for several attachments",
    _STATUSES,
    errors=(RequestTooLarge,),
    parameters=(Parameter("attachments", "query", "Ids, by comma; without it they are in the body."),),
)
def statuses() -> Response:
    return _of_each(_ids(), _status)


@blueprint.post("/attachment/_status")
@requires("read")
@describes("The same for several attachments", _STATUSES, errors=(RequestTooLarge,), body={JSON: _IDS})
def statuses_by_body() -> Response:
    return _of_each(_ids_of_body(), _status)


def _status(attachment: Attachment) -> dict[str, str]:
    """How far the extraction of an attachment's text has come."""
    state, known = services().steps.extraction_state(attachment)
    processing.spend(STEPS_A_PART * len(known.parts or ()) if known is not None else 0)
    return {"initial_parsing": state}


def _ids() -> list[str]:
    """The ids that are requested, in the URL or in the body."""
    settings = services().settings
    values = query_parameters(request, {"attachments"})
    if "attachments" in values:
        content = {"attachments": [each for each in values["attachments"].split(",") if each]}
        return id_list(dict(content), settings.max_ids)
    return id_list(json_object(request, settings.max_json_size), settings.max_ids)


def _ids_of_body() -> list[str]:
    query_parameters(request, set())
    settings = services().settings
    return id_list(json_object(request, settings.max_json_size), settings.max_ids)


def _of_each(ids: list[str], tell: Callable[[Attachment], dict[str, str]]) -> Response:
    """What `tell` returns for each of the attachments, by its id; unknown ones are left out."""
    found: dict[str, dict[str, str]] = {}
    for each in dict.fromkeys(ids):
        processing.spend(STEPS_A_STATUS)
        try:
            found[each] = tell(services().records.find(each, caller().tenant))
        except NotFound:
            found[each] = {}
    return jsonify(found)


def _credentials(incoming: Request) -> str | None:
    return incoming.headers.get("X-API-TOKEN")


def _render(error: StoreError) -> Response:
    attachment_id = (request.view_args or {}).get("attachment_id")
    if isinstance(error, NotFound) and attachment_id is not None:
        body: dict[str, object] = {"_id": attachment_id}
        body |= {"result": "not_found"} if request.method == "DELETE" else {"found": False}
        return jsonify(body)
    return jsonify(error={"reason": str(error)}, status=error.status)


_ERROR: Schema = {
    "anyOf": [
        obj(error=obj(reason=TEXT), status={"type": "integer"}),
        obj(_id=TEXT, found={"const": False}),
        obj(_id=TEXT, result={"const": "not_found"}),
    ]
}

# Coco is the default: a path that no other dialect owns gets its errors.
dialect = Dialect(
    name="coco",
    blueprint=blueprint,
    owns=lambda path: True,
    credentials=_credentials,
    cookie=True,
    render=_render,
    error_schema=_ERROR,
    security={"type": "apiKey", "in": "header", "name": "X-API-TOKEN"},
)
