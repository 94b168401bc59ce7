"""Kore.ai attachments: `x-api-key`, `/api/v2/apps/<AppID>/environments/<EnvName>/attachments/...`.

Source: Kore.ai's documentation, page "Managing Uploads". What that page leaves open is decided so:

* The page prints the paths with `/api/v2` and without; both are served.
* The file comes in the field `file` or `File`, exactly once; a second file, or one in another field, is 400.
* `userReference` is the attachment's session. Quotes that a client sends are part of it. At most 512 characters, as every
  session; `AppID` and `EnvName` at most 256. `uploadType` is exactly `runtime`.
* The required fields are checked in the page's order. An empty field counts as missing, a repeated one is 400, an
  unknown one is ignored.
* `filePath` has no dot when the name has no extension.
* A delete finds a file only under the app and environment it was uploaded to. `sessionId` and `sessionReference` narrow
  it to a session, both where both are given; they come in a multipart, urlencoded or JSON body. Nothing that narrows a
  delete may be overlooked, so any other field, a query string, a value that is not a string and a body of another type
  are 400. An empty value matches no session; JSON `null` means that the field is left out.
* Errors are `{"errors":[{"msg","code"}]}` with one element; `code` is the HTTP status.
"""

from __future__ import annotations

from datetime import UTC

from flask import Blueprint, Request, Response, jsonify, request

from app.errors import (
    IndexRejected,
    IndexUnavailable,
    InvalidParameter,
    InvalidRequest,
    NoFiles,
    NotFound,
    RequestTooLarge,
    StorageFailed,
    StorageFull,
    StoreError,
)
from app.ids import new_uuid
from app.model.attachment import MAX_SESSION, Attachment, extension
from app.web.access import caller, requires
from app.web.describe import BINARY, FORM, JSON, TEXT, ResponseSpec, Schema, array, describes, obj
from app.web.dialects.dialect import Dialect, under
from app.web.parameters import body_fields, query_parameters
from app.web.services import services
from app.web.uploads import FORM_ERRORS, Form, keep, received_form

blueprint = Blueprint("kore", __name__)

_PREFIXES = ("/api/v2/apps", "/apps")
_ATTACHMENTS = "<app_id>/environments/<environment>/attachments"

#: The longest AppID and EnvName, in characters; they are keywords in the index.
MAX_SEGMENT = 256
_SESSION_FIELDS = {"sessionId", "sessionReference"}

_TEXTS = ("fileId", "fileName", "filePath", "mimeType", "extension", "uploadedAt")
_UPLOADED = {
    200: ResponseSpec(
        "Durable, and found by the next search",
        {JSON: obj(fileSize={"type": "integer"}, **dict.fromkeys(_TEXTS, TEXT))},
    )
}
_UPLOAD: Schema = {
    "type": "object",
    "properties": {"file": BINARY, "userReference": TEXT, "uploadType": {"const": "runtime"}},
    "required": ["file", "userReference", "uploadType"],
}
_DELETED = {200: ResponseSpec("Gone: no search finds it", {JSON: obj(fileId=TEXT, deleted={"const": True})})}
_SESSION: Schema = {
    "type": "object",
    "properties": dict.fromkeys(sorted(_SESSION_FIELDS), TEXT),
    "additionalProperties": False,
}
_DELETE_ERRORS = (
    NotFound,
    InvalidParameter,
    RequestTooLarge,
    IndexUnavailable,
    IndexRejected,
    StorageFailed,
    StorageFull,
)


@blueprint.post(f"{_PREFIXES[0]}/{_ATTACHMENTS}/upload")
@blueprint.post(f"{_PREFIXES[1]}/{_ATTACHMENTS}/upload")
@requires("write")
@describes("Upload one file into a session", _UPLOADED, errors=(*FORM_ERRORS, NoFiles), body={FORM: _UPLOAD})
def upload(app_id: str, environment: str) -> Response:
    """Store one file under an app, an environment and a session; 200 with the documented seven fields."""
    _check_length("AppID", app_id, MAX_SEGMENT)
    _check_length("EnvName", environment, MAX_SEGMENT)
    with received_form(request, single_file={"file", "File"}) as form:
        if not form.files:
            raise NoFiles("[file] is required")
        session = _required(form, "userReference")
        _check_length("userReference", session, MAX_SESSION)
        if _required(form, "uploadType") != "runtime":
            raise InvalidRequest("[uploadType] must be [runtime]")
        fields = {"app": app_id, "environment": environment}
        (attachment,) = keep(form.files, [f"f-{new_uuid()}"], session=session, fields=fields)
    return jsonify(_described(attachment))


def _required(form: Form, name: str) -> str:
    value = form.value(name)
    if not value:
        raise InvalidRequest(f"[{name}] is required")
    return value


def _check_length(name: str, value: str, limit: int) -> None:
    if len(value) > limit:
        raise InvalidParameter(name, f"is longer than {limit} characters")


def _described(attachment: Attachment) -> dict[str, str | int]:
    suffix = extension(attachment.name)
    uploaded = attachment.created.astimezone(UTC).replace(tzinfo=None)
    return {
        "fileId": attachment.id,
        "fileName": attachment.name,
        "filePath": f"AppFileSystem/{attachment.id}" + (f".{suffix}" if suffix else ""),
        "fileSize": attachment.size,
        "mimeType": attachment.media_type,
        "extension": suffix,
        "uploadedAt": uploaded.isoformat(timespec="milliseconds") + "Z",
    }


@blueprint.delete(f"{_PREFIXES[0]}/{_ATTACHMENTS}/<file_id>")
@blueprint.delete(f"{_PREFIXES[1]}/{_ATTACHMENTS}/<file_id>")
@requires("delete")
@describes(
    "Delete a file",
    _DELETED,
    errors=_DELETE_ERRORS,
    body=dict.fromkeys((FORM, "application/x-www-form-urlencoded", JSON), _SESSION),
    body_required=False,
)
def delete(app_id: str, environment: str, file_id: str) -> Response:
    """Delete a file of this app, environment and, if given, session; 404 when there is none, and nothing changes."""
    tenant = caller().tenant
    query_parameters(request, set())
    sessions = body_fields(request, services().settings, _SESSION_FIELDS)
    attachment = services().records.find(file_id, tenant)
    place = (attachment.fields.get("app"), attachment.fields.get("environment"))
    if place != (app_id, environment) or any(each != attachment.session for each in sessions.values()):
        raise NotFound()
    services().deletion.delete(file_id, tenant)
    return jsonify(fileId=file_id, deleted=True)


def _credentials(incoming: Request) -> str | None:
    return incoming.headers.get("x-api-key")


def _render(error: StoreError) -> Response:
    return jsonify(errors=[{"msg": str(error), "code": error.status}])


dialect = Dialect(
    name="kore",
    blueprint=blueprint,
    owns=under(*_PREFIXES),
    credentials=_credentials,
    render=_render,
    error_schema=obj(errors=array(obj(msg=TEXT, code={"type": "integer"}))),
    security={"type": "apiKey", "in": "header", "name": "x-api-key"},
)
