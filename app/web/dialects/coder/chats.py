"""Chats, as far as files, archive and git watch need them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import urlencode

from flask import Response, current_app, jsonify, request

from app import processing
from app.errors import IndexRejected, IndexUnavailable, InvalidRequest, NotFound, RequestTooLarge, StorageFailed
from app.git_watch import workspaces
from app.ids import new_uuid
from app.model.attachment import now
from app.model.chat import Chat
from app.services.chats import AlreadySo
from app.web.access import caller, requires
from app.web.describe import JSON, TEXT, Parameter, ResponseSpec, Schema, array, describes, obj
from app.web.dialects.coder.common import PREFIX, BadRequest, CoderError, TooLarge, Validation, blueprint, parse_uuid
from app.web.dialects.coder.files import UUID
from app.web.parameters import json_object
from app.web.services import services

MAX_PARTS = 100
#: The cost of checking whether a file is there, in steps of `app.processing`.
STEPS_A_FILE = 40
MAX_TITLE = 100

_TIME: Schema = {"type": "string", "format": "date-time"}
_FILE = obj(id=UUID, organization_id=UUID, name=TEXT, mime_type=TEXT, size={"type": "integer"}, created_at=_TIME)
_PART: Schema = {
    "type": "object",
    "properties": {"type": {"enum": ["text", "file"]}, "text": TEXT, "file_id": UUID},
    "required": ["type"],
}
_CHAT = obj(
    id=UUID,
    organization_id={"type": ["string", "null"], "format": "uuid"},
    owner=TEXT,
    title=TEXT,
    content=array(_PART),
    workspace={"type": ["string", "null"]},
    archived={"type": "boolean"},
    created_at=_TIME,
    updated_at=_TIME,
    files=array(_FILE),
)
_NEW_CHAT: Schema = {
    "type": "object",
    "properties": {
        "organization_id": UUID,
        "content": array(_PART),
        "workspace": {"type": "string", "description": "A folder below the tenant's, as a relative path."},
    },
}
_ASKING = (BadRequest, IndexUnavailable, IndexRejected, StorageFailed)
_QUERY = (
    Parameter("q", "query", "`archived:true` or `archived:false`, which is the default."),
    Parameter("limit", "query", "Chats at most, from 1.", {"type": "integer", "minimum": 1}),
    Parameter("offset", "query", "Chats to pass over.", {"type": "integer", "minimum": 0}),
)
_LISTED = {
    200: ResponseSpec(
        "The newest first; fewer than were asked for when they are large, with `Link` to the next page then",
        {JSON: array(_CHAT)},
        {"Link": TEXT},
    )
}
_ARCHIVED = re.compile(r"archived:(true|false)")


def find_chat(chat: str) -> Chat:
    """The chat that a path names. Raises CoderError for a text that is not a uuid, NotFound, and what `Chats.get`
    raises."""
    return services().chats.get(_chat_id(chat), caller().tenant)


def _chat_id(text: str) -> str:
    chat_id = parse_uuid(text)
    if chat_id is None:
        raise CoderError(400, 'Invalid UUID "chat".')
    return chat_id


@blueprint.post(PREFIX)
@requires("write")
@describes(
    "Create a chat",
    {201: ResponseSpec("Kept, and listed", {JSON: _CHAT})},
    errors=(*_ASKING, TooLarge),
    body={JSON: _NEW_CHAT},
)
def create_chat() -> tuple[Response, int]:
    """Create a chat that links uploaded files; 201 with its description."""
    settings, token = services().settings, caller()
    try:
        body = json_object(request, settings.max_json_size)
    except RequestTooLarge as error:
        raise CoderError(413, "Request body is too large.", f"Maximum size is {error.limit} bytes.") from None
    except InvalidRequest as error:
        raise CoderError(400, "Request body must be valid JSON.", str(error)) from None
    organization = body.get("organization_id")
    if organization is not None:
        organization = parse_uuid(organization) if isinstance(organization, str) else None
        if organization is None:
            _invalid(("organization_id", "Must be a uuid."))
    content = _content(body.get("content"))
    files = tuple(dict.fromkeys(part["file_id"] for part in content if part["type"] == "file"))
    _check_files(files, token.tenant)
    moment = now()
    chat = Chat(
        id=new_uuid(),
        tenant=token.tenant,
        owner=token.name,
        organization=organization,
        created=moment,
        updated=moment,
        archived=False,
        title=_title(content),
        workspace=_workspace(body.get("workspace"), token.tenant),
        content=content,
        files=files,
    )
    services().chats.create(chat)
    return jsonify(_described(chat)), 201


def _invalid(*validations: Validation) -> NoReturn:
    raise CoderError(400, "Validation failed.", validations=validations)


def _content(parts: Any) -> tuple[Mapping[str, str], ...]:
    if parts is None:
        return ()
    if not isinstance(parts, list) or len(parts) > MAX_PARTS:
        _invalid(("content", f"Must be a list of at most {MAX_PARTS} parts."))
    return tuple(_part(part, f"content[{number}]") for number, part in enumerate(parts))


def _part(part: Any, where: str) -> Mapping[str, str]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        if not isinstance(part.get("text"), str):
            _invalid((f"{where}.text", "Must be a text."))
        _encodable(part["text"], f"{where}.text")
        return {"type": "text", "text": part["text"]}
    if kind == "file":
        file_id = parse_uuid(part["file_id"]) if isinstance(part.get("file_id"), str) else None
        if file_id is None:
            _invalid((f"{where}.file_id", "Must be a uuid."))
        return {"type": "file", "file_id": file_id}
    _invalid((f"{where}.type", "Must be one of: text, file."))


def _encodable(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        _invalid((where, "Must be valid Unicode."))


def _check_files(files: tuple[str, ...], tenant: str) -> None:
    for file_id in files:
        try:
            attachment = services().records.find(file_id, tenant)
        except NotFound:
            attachment = None
        if attachment is None or attachment.dialect != blueprint.name:
            raise CoderError(400, "Invalid file ID.", f"There is no chat file {file_id}.")


def _workspace(workspace: Any, tenant: str) -> str | None:
    if workspace is None:
        return None
    if not isinstance(workspace, str):
        _invalid(("workspace", "Must be a text."))
    _encodable(workspace, "workspace")
    try:
        workspaces.resolve(services().settings.workspace_root, tenant, workspace)
    except workspaces.NoWorkspace as error:
        raise CoderError(400, "Invalid workspace.", str(error)) from None
    return workspace


def _title(content: tuple[Mapping[str, str], ...]) -> str:
    text = " ".join(" ".join(part["text"] for part in content if part["type"] == "text").split())
    return text[:MAX_TITLE] or "New Chat"


@blueprint.get(f"{PREFIX}/<chat>")
@requires("read")
@describes("Get a chat", {200: ResponseSpec("The chat with its files", {JSON: _CHAT})}, errors=(*_ASKING, NotFound))
def get_chat(chat: str) -> Response:
    """The chat with those of its files that are still there."""
    return jsonify(_described(find_chat(chat)))


@blueprint.get(PREFIX)
@requires("search")
@describes("List chats", _LISTED, errors=_ASKING, parameters=_QUERY)
def list_chats() -> Response:
    """Chats that are not archived, or those that are: as many of them as fit into a page, and then where to go on."""
    settings = services().settings
    archived = _ARCHIVED.fullmatch(request.args.get("q", "archived:false").strip() or "archived:false")
    if archived is None:
        raise CoderError(
            400, "Invalid chat search query.", validations=[("q", "Must be archived:true or archived:false.")]
        )
    size = _number("limit", settings.max_page_size, 1, settings.max_page_size)
    start = _number("offset", 0, 0, 10_000 - size)
    page = services().chats.page(caller().tenant, _written, archived=archived[1] == "true", size=size, start=start)
    # As jsonify writes them.
    response = Response(b"[%b]\n" % b",".join(page.chats), content_type=JSON)
    if not page.whole:
        start += len(page.chats)
        following = urlencode({"q": archived[0], "limit": min(size, 10_000 - start), "offset": start})
        response.headers["Link"] = f'<{PREFIX}?{following}>; rel="next"'
    return response


def _written(chat: Chat) -> bytes:
    return current_app.json.dumps(_described(chat)).encode()


def _number(name: str, default: int, least: int, most: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise CoderError(
            400, "Query parameters have invalid values.", validations=[(name, f"Must be between {least} and {most}.")]
        )
    return int(text)


@blueprint.post(f"{PREFIX}/<chat>/archive")
@requires("write")
@describes("Archive a chat", {204: ResponseSpec("Archived")}, errors=(*_ASKING, NotFound))
def archive_chat(chat: str) -> tuple[str, int]:
    """Archive a chat; 204, or 400 when it is archived already."""
    return _set_archived(chat, True, "Chat is already archived.")


@blueprint.post(f"{PREFIX}/<chat>/unarchive")
@requires("write")
@describes("Unarchive a chat", {204: ResponseSpec("Not archived any more")}, errors=(*_ASKING, NotFound))
def unarchive_chat(chat: str) -> tuple[str, int]:
    """Unarchive a chat; 204, or 400 when it is not archived."""
    return _set_archived(chat, False, "Chat is not archived.")


def _set_archived(chat: str, archived: bool, already: str) -> tuple[str, int]:
    try:
        services().chats.set_archived(_chat_id(chat), caller().tenant, archived)
    except AlreadySo:
        raise CoderError(400, already) from None
    return "", 204


def _described(chat: Chat) -> dict[str, Any]:
    files = []
    for file_id in chat.files:
        processing.spend(STEPS_A_FILE)
        try:
            attachment = services().records.find(file_id, chat.tenant)
        except NotFound:
            # It was deleted since, through another dialect.
            continue
        files.append(
            {
                "id": attachment.id,
                "organization_id": attachment.fields.get("organization"),
                "name": attachment.name,
                "mime_type": attachment.media_type,
                "size": attachment.size,
                "created_at": rfc3339(attachment.created),
            }
        )
    return {
        "id": chat.id,
        "organization_id": chat.organization,
        "owner": chat.owner,
        "title": chat.title,
        "content": [dict(part) for part in chat.content],
        "workspace": chat.workspace,
        "archived": chat.archived,
        "created_at": rfc3339(chat.created),
        "updated_at": rfc3339(chat.updated),
        "files": files,
    }


def rfc3339(moment: datetime) -> str:
    """A time as Coder writes it: UTC, with `Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
