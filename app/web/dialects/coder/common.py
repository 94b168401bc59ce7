"""What all routes of this dialect share: the blueprint, its errors and their shape, uuids as Coder reads them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from flask import Blueprint, Request, Response, jsonify

from app.errors import IndexUnavailable, MissingScope, NotFound, StoreError, Unauthenticated
from app.web.describe import TEXT, Schema, array, obj

blueprint = Blueprint("coder", __name__)

HEADER = "Coder-Session-Token"
PREFIX = "/api/v2/chats"

# The forms that Go's uuid.Parse accepts, with which Coder reads ids.
_HEX = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUID = re.compile(rf"(?:urn:uuid:)?{_HEX}|\{{{_HEX}\}}|[0-9a-f]{{32}}", re.IGNORECASE | re.ASCII)

Validation = tuple[str, str]

ERROR_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "message": TEXT,
        "detail": TEXT,
        "validations": array(obj(field=TEXT, detail=TEXT)),
    },
    "required": ["message"],
    "additionalProperties": False,
}


class CoderError(StoreError):
    """An error that Coder documents. `validations` are (field, detail) pairs."""

    code = "coder"

    def __init__(
        self, status: int, message: str, detail: str | None = None, validations: Sequence[Validation] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail
        self.validations = validations


class BadRequest(CoderError):
    """400, for the API's description; `CoderError` is what is raised."""

    status = 400


class TooLarge(CoderError):
    """413, for the API's description; `CoderError` is what is raised."""

    status = 413


# The store's errors for which Coder has words of its own. The most specific class comes first.
_MESSAGES: tuple[tuple[type[StoreError], str], ...] = (
    (NotFound, "Resource not found or you do not have access to this resource"),
    (
        Unauthenticated,
        "You are signed out or your session has expired. Please sign in again to continue.",
    ),
    (MissingScope, "Forbidden."),
    (IndexUnavailable, "The service is not available."),
)
_STATUS_MESSAGES = {404: "Route not found.", 405: "Method not allowed."}


def parse_uuid(text: str) -> str | None:
    """`text` as a canonical lower-case uuid; None when it is not a uuid."""
    return str(uuid.UUID(text)) if _UUID.fullmatch(text) else None


def render(error: StoreError) -> Response:
    """`{"message", "detail"?, "validations"?}`."""
    body: dict[str, object] = {}
    if isinstance(error, CoderError):
        body["message"] = str(error)
        if error.detail is not None:
            body["detail"] = error.detail
        if error.validations:
            body["validations"] = [{"field": field, "detail": detail} for field, detail in error.validations]
        return jsonify(body)
    message = next((text for kind, text in _MESSAGES if isinstance(error, kind)), None)
    if message is None and error.code == "http":
        message = _STATUS_MESSAGES.get(error.status)
    if message is None and error.status == 500:
        message = "An internal server error occurred."
    if message is None:
        return jsonify(message=str(error))
    body["message"] = message
    if isinstance(error, MissingScope) or error.status >= 500:
        body["detail"] = str(error)
    return jsonify(body)


def credentials(incoming: Request) -> str | None:
    """The token that a request carries."""
    return incoming.headers.get(HEADER)
