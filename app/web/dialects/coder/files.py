"""Chat files: images that are uploaded once, linked from chats, and cached by browsers for good.

Source: Coder's documentation, page "Chats", at the commit that added image attachments.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from flask import Response, jsonify, request

from app.errors import (
    FileTooLarge,
    IncompleteBody,
    IndexRejected,
    IndexUnavailable,
    NotFound,
    RequestTooLarge,
    StorageFailed,
    StorageFull,
)
from app.ids import new_uuid
from app.web import sending
from app.web.access import caller, requires
from app.web.describe import BINARY, JSON, TEXT, Parameter, ResponseSpec, Schema, describes, obj
from app.web.dialects.coder import images
from app.web.dialects.coder.common import PREFIX, BadRequest, CoderError, TooLarge, blueprint, parse_uuid
from app.web.dialects.coder.disposition import request_name
from app.web.services import services
from app.web.uploads import Upload, body_chunks, check_length, keep

UUID: Schema = {"type": "string", "format": "uuid"}

#: The bytes under an id never change, and only the token's tenant may see them.
_CACHE = "private, max-age=31536000, immutable"

_UPLOADED = {201: ResponseSpec("Durable, and found by the next search", {JSON: obj(id=UUID)})}
_ORGANIZATION = Parameter("organization", "query", "Organization ID: any uuid.", UUID, required=True)
_NAME = Parameter("Content-Disposition", "header", "May hold the file's name, as `filename` or `filename*`.")
_IMAGES = dict.fromkeys(images.ALLOWED, BINARY)
_CACHED: dict[str, Schema] = {"Cache-Control": TEXT, "Content-Disposition": TEXT, "ETag": TEXT}
_FOUND = {
    200: ResponseSpec("The image", _IMAGES, _CACHED),
    206: ResponseSpec("The range that was asked for", _IMAGES, {"Content-Range": TEXT, **_CACHED}),
    304: ResponseSpec("Unchanged: the `If-None-Match` of the request names these bytes"),
    416: ResponseSpec("The range begins after the end", headers={"Content-Range": TEXT}),
}


@blueprint.post(f"{PREFIX}/files")
@requires("write")
@describes(
    "Upload a chat file",
    _UPLOADED,
    errors=(BadRequest, TooLarge, IncompleteBody, StorageFull, StorageFailed, IndexUnavailable, IndexRejected),
    parameters=(_ORGANIZATION, _NAME),
    body=_IMAGES,
)
def upload_file() -> tuple[Response, int]:
    """Store the image in the body; 201 with its id. The checks and their order are docs/coder.md's."""
    uploads, organization = services().uploads, _organization()
    limit = services().settings.max_chat_file_size
    try:
        announced = check_length(request, limit)
        if request.mimetype not in images.ALLOWED:
            raise _unsupported()
        uploads.check_room(announced or 0)
        chunks = body_chunks(request, limit)
        head = _head(chunks)
        media_type = images.detect(head)
        if media_type is None:
            raise _unsupported()
        staged = uploads.stage(itertools.chain([head], chunks), limit)
    except (RequestTooLarge, FileTooLarge):
        raise CoderError(413, "File too large.", f"Maximum file size is {limit} bytes.") from None
    name = request_name(request.headers.get("Content-Disposition")) or images.default_name(media_type)
    file = Upload("", name, staged, media_type)
    try:
        (attachment,) = keep([file], [new_uuid()], fields={"organization": organization})
    finally:
        staged.discard()
    return jsonify(id=attachment.id), 201


def _organization() -> str:
    text = request.args.get("organization", "")
    if not text:
        raise CoderError(400, "Missing organization query parameter.")
    organization = parse_uuid(text)
    if organization is None:
        raise CoderError(400, "Invalid organization ID.")
    return organization


def _unsupported() -> CoderError:
    return CoderError(400, "Unsupported file type.", f"Allowed types: {', '.join(images.ALLOWED)}.")


def _head(chunks: Iterator[bytes]) -> bytes:
    """The beginning of the body, from which its type is told: at least that many bytes, unless the body is shorter."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= images.SIGNATURE_SIZE:
            break
    return head


@blueprint.get(f"{PREFIX}/files/<file>")
@requires("read")
@describes("Get a chat file", _FOUND, errors=(BadRequest, NotFound, StorageFailed))
def get_file(file: str) -> Response:
    """The image, which the client may cache: 200, 206, 304 or 416."""
    file_id = parse_uuid(file)
    if file_id is None:
        raise CoderError(400, "Invalid file ID.")
    opened = services().downloads.open(file_id, caller().tenant, read=request.method != "HEAD")
    if opened.attachment.dialect != blueprint.name:
        # Another dialect's file may be of any type, and browsers show inline what is sent from here.
        opened.close()
        raise NotFound()
    response = sending.send(request, opened, disposition="inline")
    if response.status_code < 400:
        response.headers["Cache-Control"] = _CACHE
    return response
