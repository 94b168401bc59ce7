"""Elasticsearch's HTTP conventions: media types, the token in `Authorization`, the shape of errors.

Source: the answers of Elasticsearch 8.19 and 9.5, and
https://www.elastic.co/docs/reference/elasticsearch/rest-apis/compatibility (media types with `compatible-with`).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from flask import Request

from app.errors import (
    IndexUnavailable,
    MediaTypeRefused,
    MissingScope,
    NoIndexName,
    NoSuchIndex,
    NotFound,
    PointMissing,
    RequestTooLarge,
    SearchRefused,
    StoreError,
    TooManyPoints,
    Unauthenticated,
)
from app.web.access import bearer

JSON = "application/json"
#: Sent with every response: the official clients check it.
PRODUCT = ("X-Elastic-Product", "Elasticsearch")
#: How a caller may send a token, as a 401 says it.
CHALLENGES = ('Bearer realm="security"', "ApiKey")

_COMPATIBLE = ("8", "9")
_VENDOR = re.compile(r"application/vnd\.elasticsearch\+(json|x-ndjson|yaml|cbor|smile)\s*;\s*compatible-with=(\d+)")
_NO_MATTER = re.compile(r"charset=\"?utf-8\"?|q=[\d.]+")
_PLAIN = re.compile(r"application/(json|x-ndjson|yaml|cbor|smile)")


def _form(media_type: str) -> tuple[str, str | None] | None:
    """Form and version of a media type; None for one that Elasticsearch does not know."""
    text = media_type.strip().lower()
    # By hand: a regular expression for blanks before a semicolon takes quadratic time on a long run of blanks.
    before, semicolon, last = text.rpartition(";")
    if semicolon and _NO_MATTER.fullmatch(last.strip()):
        text = before.rstrip()
    if match := _VENDOR.fullmatch(text):
        return match[1], match[2]
    if match := _PLAIN.fullmatch(text):
        return match[1], None
    return None


def check_content_type(request: Request, *forms: str) -> None:
    """Raises MediaTypeRefused for a body that is not in one of `forms`, SearchRefused for one of another version."""
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return
    given = request.headers.get("Content-Type", "")
    found = _form(given)
    if found is None or found[0] not in forms:
        raise MediaTypeRefused(f"Content-Type header [{given[:100]}] is not supported")
    _check_version(found[1], "Content-Type")


def answered_type(request: Request) -> str:
    """The media type of the answer. Raises MediaTypeRefused for a form that is not supported, SearchRefused for another
    version; a request that names none of Elasticsearch's types gets JSON."""
    accepted = request.headers.get("Accept", "")
    # None of the supported types has a comma in quotes.
    found = [form for form in map(_form, accepted.split(",")) if form is not None]
    if not found or any(form == ("json", None) for form in found):
        return JSON
    form, version = next((each for each in found if each[0] == "json"), found[0])
    if form != "json":
        raise MediaTypeRefused(f"Accept header [{accepted[:100]}] is not supported: answers are JSON")
    _check_version(version, "Accept")
    return f"application/vnd.elasticsearch+json;compatible-with={version}" if version else JSON


def _check_version(version: str | None, header: str) -> None:
    if version is not None and version not in _COMPATIBLE:
        raise SearchRefused(
            "media_type_header_exception",
            f"Invalid media-type value on header [{header}]: the version must be {' or '.join(_COMPATIBLE)}",
        )


def credentials(request: Request) -> str | None:
    """The token of `Authorization: Bearer <token>` or `ApiKey <token>`.

    Clients that are given an id and a key send `ApiKey` with both in base64, `id:key`: then the key is the token, and
    the id is ignored. A value that does not decode to this form is the token itself.
    """
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "apikey":
        return bearer(request)
    shown = shown.strip()
    try:
        _, colon, key = base64.b64decode(shown, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = key = ""
    return (key if colon else shown) or None


#: Elasticsearch's error type for each of the store's errors; for others it follows from the status.
_KINDS: tuple[tuple[type[StoreError], str], ...] = (
    (PointMissing, "search_context_missing_exception"),
    (Unauthenticated, "security_exception"),
    (MissingScope, "security_exception"),
    (IndexUnavailable, "no_shard_available_action_exception"),
    (RequestTooLarge, "content_too_long_exception"),
    (TooManyPoints, "es_rejected_execution_exception"),
    (MediaTypeRefused, "media_type_header_exception"),
)


def kind_of(error: StoreError) -> str:
    """Elasticsearch's error type for an error."""
    if isinstance(error, SearchRefused):
        return error.kind
    known = next((kind for each, kind in _KINDS if isinstance(error, each)), None)
    return known or ("illegal_argument_exception" if error.status < 500 else "exception")


def more_of(error: StoreError) -> dict[str, Any]:
    """What Elasticsearch says of an error beside its type and its reason."""
    if isinstance(error, NoSuchIndex) and error.together:
        return {"resource.type": "index_expression", "resource.id": list(error.together)}
    if isinstance(error, NoSuchIndex | NoIndexName):
        kind = {"resource.type": "index_or_alias", "resource.id": error.name} if error.status == 404 else {}
        return {**kind, "index_uuid": "_na_", "index": error.name}
    return {"header": {"WWW-Authenticate": list(CHALLENGES)}} if error.status == 401 else {}


def error_body(error: StoreError, method: str, path: str) -> dict[str, Any]:
    """An error in Elasticsearch's shape."""
    if type(error) is NotFound or (error.status == 404 and error.code == "http"):
        return {"error": f"no handler found for uri [{path[:200]}] and method [{method}]", "status": error.status}
    if error.status == 405:
        return {"error": f"Incorrect HTTP method for uri [{path[:200]}] and method [{method}]", "status": 405}
    why = str(error)
    if isinstance(error, Unauthenticated):
        why = f"missing or invalid authentication credentials for REST request: {why}"
    return described(kind_of(error), why, error.status, **more_of(error))


def described(kind: str, why: str, status: int, **more: Any) -> dict[str, Any]:
    """The body of an error: its type, its reason, and both again as the root cause, where clients look for them."""
    cause = {"type": kind, "reason": why, **more}
    return {"error": {"root_cause": [cause], **cause}, "status": status}
