"""Git watch: everything is decided before the upgrade; then the process's watchers take over the socket."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from flask import Response, request
from websockets.datastructures import Headers
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol

from app.errors import (
    IndexRejected,
    IndexUnavailable,
    NotFound,
    Refused,
    StorageFailed,
    StoreError,
    TooManyWebSockets,
    WebSocketsFull,
)
from app.git_watch import workspaces
from app.git_watch.handover import take_over
from app.web.access import caller, requires
from app.web.describe import ResponseSpec, describes
from app.web.dialects.coder.chats import find_chat
from app.web.dialects.coder.common import PREFIX, BadRequest, CoderError, blueprint, credentials
from app.web.services import services


class UpgradeRequired(CoderError):
    """426, for the API's description; `CoderError` is what is raised."""

    code = "upgrade_required"
    status = 426


_WATCHING = {101: ResponseSpec("A WebSocket: JSON in text frames, as docs/coder.md describes them")}
_ERRORS = (BadRequest, UpgradeRequired, Refused, NotFound, IndexUnavailable, IndexRejected, StorageFailed)
_FULL = (TooManyWebSockets, WebSocketsFull)


# A request with the handshake's headers matches the second rule only, one without them the first.
@blueprint.get(f"{PREFIX}/<chat>/git/watch")
@blueprint.get(f"{PREFIX}/<chat>/git/watch", websocket=True)
@requires("read")
@describes("Watch git changes for a chat", _WATCHING, errors=(*_ERRORS, *_FULL))
def watch_git(chat: str) -> Response:
    """101 and a WebSocket, or the error that any other route would give."""
    found, held, token = find_chat(chat), services(), caller()
    root, tenant, name = held.settings.workspace_root, token.tenant, found.workspace
    shown = credentials(request)

    def locate() -> Path | None:
        try:
            return workspaces.resolve(root, tenant, name or "")
        except workspaces.NoWorkspace:
            return None

    def allowed() -> bool:
        try:
            now = held.tokens.authenticate(shown)
        except StoreError:
            return False
        return now.tenant == tenant and "read" in now.scopes

    folder = locate()
    if folder is None:
        raise CoderError(400, "Chat has no workspace to watch.")
    response = _handshake()
    connection = request.environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        raise CoderError(500, "An internal server error occurred.", "This server can't take over the connection.")
    # Last, so that no refused request has taken it.
    place = held.watchers.places.take(tenant)
    response.call_on_close(lambda: held.watchers.add(take_over(connection), place, folder, locate, allowed))
    return response


def _handshake() -> Response:
    """The 101 response. Raises CoderError for a request that is not a WebSocket handshake, or that another origin's
    script made."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        raise CoderError(403, "Forbidden.", "The request comes from a page of another origin.")
    headers = Headers()
    for header, value in request.headers.items():
        headers[header] = value
    protocol = str(request.environ.get("SERVER_PROTOCOL", ""))
    answer = ServerProtocol().accept(Handshake("/", headers, protocol=protocol, method=request.method))
    if answer.status_code != 101:
        status = 400 if answer.status_code in (405, 505) else answer.status_code
        raise CoderError(status, "A WebSocket handshake is needed.", (answer.body or b"").decode().partition("\n")[0])
    response = Response(status=101)
    del response.headers["Content-Type"]
    for name in ("Upgrade", "Connection", "Sec-WebSocket-Accept"):
        response.headers[name] = answer.headers[name]
    return response
