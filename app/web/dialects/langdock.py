"""Langdock attachments: `Authorization: Bearer`, `POST /attachment/v1/upload`.

Source: Langdock's documentation, page "Upload Attachment API". What that page leaves open is decided so:

* `/api/public/attachment/v1/upload` is the same route; Langdock's dedicated deployments have it there.
* The form holds exactly one file, in the field `file`; no file, a second one, or one in another field are 400. Fields
  that are not files are ignored.
* Requests from a page in a browser are refused: one with an `Origin` header gets 403 before any other check, and no
  response has a CORS header, so a key that leaked into a page is of no use there.
* Errors are `{"error"}` below status 500 and `{"message"}` from 500 on, as the page shows for 400, 401 and 500.
* An attachment belongs to no session.
"""

from __future__ import annotations

from flask import Blueprint, Request, Response, jsonify, request

from app.errors import NoFiles, Refused, StoreError
from app.ids import new_uuid
from app.web.access import bearer, requires
from app.web.describe import BINARY, FORM, JSON, TEXT, ResponseSpec, Schema, describes, obj
from app.web.dialects.dialect import Dialect, under
from app.web.uploads import FORM_ERRORS, keep, received_form

blueprint = Blueprint("langdock", __name__)


_UPLOADED = {
    200: ResponseSpec(
        "Durable, and found by the next search",
        {JSON: obj(attachmentId=TEXT, file=obj(name=TEXT, mimeType=TEXT, sizeInBytes={"type": "integer"}))},
    )
}
_FILE: Schema = {"type": "object", "properties": {"file": BINARY}, "required": ["file"]}


@blueprint.post("/attachment/v1/upload")
@blueprint.post("/api/public/attachment/v1/upload")
@requires("write")
@describes("Upload one file", _UPLOADED, errors=(*FORM_ERRORS, NoFiles, Refused), body={FORM: _FILE})
def upload() -> Response:
    """Store one file; 200 with its id, name, media type and size in bytes."""
    with received_form(request, single_file={"file"}) as form:
        if not form.files:
            raise NoFiles("No file provided")
        (attachment,) = keep(form.files, [new_uuid()])
    return jsonify(
        attachmentId=attachment.id,
        file={"name": attachment.name, "mimeType": attachment.media_type, "sizeInBytes": attachment.size},
    )


def _refuse_browsers(incoming: Request) -> None:
    if "Origin" in incoming.headers:
        raise Refused("Requests from browsers are blocked: call this API from a server, where its key is safe")


def _render(error: StoreError) -> Response:
    response = jsonify({"message" if error.status >= 500 else "error": str(error)})
    if error.status == 401:
        # RFC 9110, 15.5.2: a 401 names the scheme.
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


dialect = Dialect(
    name="langdock",
    blueprint=blueprint,
    owns=under("/attachment/v1", "/api/public"),
    credentials=bearer,
    render=_render,
    refuse=_refuse_browsers,
    error_schema={"anyOf": [obj(error=TEXT), obj(message=TEXT)]},
    security={"type": "http", "scheme": "bearer"},
)
