"""Coco attachments: `X-API-TOKEN`, `POST /chat/<session>/_upload`, `/attachment/...`.

Source: the Coco server's documentation, page "Attachment". What that page leaves open is in docs/dialects.md.
"""

from __future__ import annotations

from flask import Blueprint, Request, Response, jsonify, request

from app.dialects.base import Dialect
from app.errors import InvalidParameter, InvalidRequest, NoFiles, NotFound, StoreError
from app.http import sending
from app.http.access import caller, requires
from app.http.names import header_value
from app.http.parameters import id_list, json_object, query_parameters
from app.http.uploads import check_length, read_form
from app.ids import new_xid
from app.search import params, query
from app.services import services
from app.store import Draft

blueprint = Blueprint("coco", __name__)

#: Longest session; it is a keyword of the index.
MAX_SESSION = 512


@blueprint.post("/chat/<session>/_upload")
@requires("write")
def upload_to_session(session: str) -> Response:
    return _upload(session)


@blueprint.post("/attachment/_upload")
@requires("write")
def upload() -> Response:
    return _upload(None)


def _upload(session: str | None) -> Response:
    store, settings = services().store, services().settings
    store.check_room(check_length(request, settings.max_request_size) or 0)
    with read_form(request, store.stage, settings) as form:
        unexpected = [each.field for each in form.files if each.field != "files"]
        if unexpected:
            raise InvalidRequest(f"unexpected file field [{unexpected[0]}]: files come in [files]")
        if not form.files:
            raise NoFiles()
        if session is None:
            session = form.value("session") or None
        if session is not None and len(session) > MAX_SESSION:
            raise InvalidParameter("session", f"is longer than {MAX_SESSION} characters")
        token = caller()
        drafts = [
            Draft(new_xid(), each.name, each.staged, token.tenant, token.name, "coco", session) for each in form.files
        ]
        attachments = store.upload(drafts)
    return jsonify(acknowledged=True, attachments=[each.id for each in attachments])


@blueprint.get("/attachment/<attachment_id>")
@requires("read")
def download(attachment_id: str) -> Response:
    opened = services().store.open(attachment_id, caller().tenant)
    response = sending.send(request, opened)
    if request.method == "HEAD":
        response.headers["Created"] = str(int(opened.attachment.created.timestamp()))
        response.headers["Filename"] = header_value(opened.attachment.name)
        response.headers["Vary"] = "Accept-Encoding"
    return response


@blueprint.delete("/attachment/<attachment_id>")
@requires("delete")
def delete(attachment_id: str) -> Response:
    services().store.delete(attachment_id, caller().tenant)
    return jsonify(_id=attachment_id, result="deleted")


@blueprint.get("/attachment/_search")
@requires("search")
def search() -> Response:
    settings = services().settings
    wanted = params.parse(
        query_parameters(request, params.PARAMETERS),
        max_page_size=settings.max_page_size,
        max_query_length=settings.max_query_length,
    )
    return _search(wanted)


@blueprint.post("/attachment/_search")
@requires("search")
def search_by_ids() -> Response:
    query_parameters(request, set())
    settings = services().settings
    ids = id_list(json_object(request, settings.max_json_size), settings.max_ids)
    return _search(params.SearchParams(ids=tuple(ids), size=len(ids)))


def _search(wanted: params.SearchParams) -> Response:
    answer = services().store.index.search(query.build(wanted, caller().tenant))
    return Response(answer, content_type="application/json")


@blueprint.get("/attachment/<attachment_id>/status")
@requires("read")
def status(attachment_id: str) -> Response:
    found = _status(attachment_id)
    if not found:
        raise NotFound()
    return jsonify(found)


@blueprint.get("/attachment/_status")
@requires("read")
def statuses() -> Response:
    settings = services().settings
    values = query_parameters(request, {"attachments"})
    if "attachments" in values:
        content = {"attachments": [each for each in values["attachments"].split(",") if each]}
        return _statuses(id_list(dict(content), settings.max_ids))
    return _statuses(id_list(json_object(request, settings.max_json_size), settings.max_ids))


@blueprint.post("/attachment/_status")
@requires("read")
def statuses_by_body() -> Response:
    query_parameters(request, set())
    settings = services().settings
    return _statuses(id_list(json_object(request, settings.max_json_size), settings.max_ids))


def _statuses(ids: list[str]) -> Response:
    return jsonify({each: _status(each) for each in ids})


def _status(attachment_id: str) -> dict[str, str]:
    """How far the text of an attachment is extracted; empty for an unknown id."""
    try:
        services().store.find(attachment_id, caller().tenant)
    except NotFound:
        return {}
    # Without extraction there is nothing to wait for.
    return {"initial_parsing": "completed"}


def _credentials(incoming: Request) -> str | None:
    return incoming.headers.get("X-API-TOKEN")


def _render(error: StoreError) -> Response:
    attachment_id = (request.view_args or {}).get("attachment_id")
    if isinstance(error, NotFound) and attachment_id is not None:
        body: dict[str, object] = {"_id": attachment_id}
        body |= {"result": "not_found"} if request.method == "DELETE" else {"found": False}
        return jsonify(body)
    return jsonify(error={"reason": str(error)}, status=error.status)


# Coco is the store's mother tongue: whatever no other dialect owns gets its errors.
dialect = Dialect("coco", blueprint, lambda path: True, _credentials, _render)
