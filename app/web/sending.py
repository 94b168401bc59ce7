"""Responses with files: conditional requests, ranges, safe types, and the server's own file wrapper (sendfile under
gunicorn).

Rejected: flask's `send_file` (looks the file up again, guesses a type from its name, and costs more than all the rest of
a small download), and werkzeug's range wrapper (reads through Python what the kernel can send).
Source: RFC 9110, sections 8.8, 13 and 14.
"""

from __future__ import annotations

import functools
from contextlib import closing
from datetime import UTC, datetime

from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.http import http_date, is_resource_modified, parse_range_header

from app.errors import BytesMissing
from app.model.attachment import Attachment, microseconds
from app.services.downloads import Opened
from app.web.describe import ANYTHING, TEXT, Parameter, ResponseSpec
from app.web.names import content_disposition
from app.web.services import services

CHUNK = 256 * 1024
#: Bytes up to which a file is read, so that it is sent together with the head; for more, sendfile is cheaper.
WHOLE = 128 * 1024

#: The answers of `send`, for the description of routes that use it.
ANSWERS = {
    200: ResponseSpec("The bytes", {ANYTHING: {}}, {"ETag": TEXT, "Content-Disposition": TEXT, "Last-Modified": TEXT}),
    206: ResponseSpec("The range that was asked for", {ANYTHING: {}}, {"Content-Range": TEXT}),
    304: ResponseSpec("The client has these bytes already"),
    416: ResponseSpec("No byte of the file is in the range", {}, {"Content-Range": TEXT}),
}
REQUEST_HEADERS = (
    Parameter("Range", "header", "One range of bytes; several are answered whole (RFC 9110, 14.2)."),
    Parameter("If-Range", "header", "An entity tag or a date; the range is ignored when it does not match."),
    Parameter("If-None-Match", "header", "Entity tags that the client has."),
    Parameter("If-Modified-Since", "header", "The date of what the client has."),
)
_CONDITIONS = frozenset(("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"))
SANDBOX = "sandbox; default-src 'none'"

# Types that a browser may show inline: none of these runs a script of the file. Everything else is saved.
INLINE_TYPES = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "image/bmp",
        "application/pdf",
        "text/plain",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "audio/x-wav",
        "audio/flac",
        "video/mp4",
        "video/webm",
        "video/ogg",
    }
)


def etag(attachment: Attachment) -> str:
    """The strong entity tag."""
    return f'"{_tag(attachment)}"'


def _tag(attachment: Attachment) -> str:
    """The digest of the bytes; and if the record was changed, when: the response has another type since, which a 304
    would not give to a cache (RFC 9110, 8.8.1)."""
    if attachment.updated == attachment.created:
        return attachment.sha256
    return f"{attachment.sha256}-{microseconds(attachment.updated):x}"


def _described(attachment: Attachment, disposition: str | None, status: int, *more: tuple[str, str]) -> Response:
    """A response about these bytes, with the headers that any such response has and no body yet; `disposition`
    overrides inline or attachment."""
    kind = disposition or ("inline" if attachment.media_type in INLINE_TYPES else "attachment")
    fields = _fields(kind, attachment.name, attachment.media_type, etag(attachment), attachment.updated)
    headers = Headers()
    for name, value in (*fields, *more):
        # One by one, because a list is looked at as if it might be any mapping.
        headers.add(name, value)
    response = Response(status=status, headers=headers)
    # The code that adds a body sets the length.
    response.automatically_set_content_length = False
    return response


# Its memory is bounded, because names have a kilobyte at most; few files are requested again and again.
@functools.lru_cache(maxsize=512)
def _fields(kind: str, name: str, media_type: str, tag: str, updated: datetime) -> tuple[tuple[str, str], ...]:
    return (
        ("Content-Type", _content_type(media_type)),
        ("Content-Disposition", content_disposition(kind, name)),
        ("Content-Security-Policy", SANDBOX),
        ("X-Content-Type-Options", "nosniff"),
        ("ETag", tag),
        ("Last-Modified", http_date(updated.astimezone(UTC))),
        ("Accept-Ranges", "bytes"),
    )


def _content_type(media_type: str) -> str:
    # Without a charset a browser guesses one; UTF-8 is right for nearly all text and harmless for the rest.
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def send(request: Request, opened: Opened, *, disposition: str | None = None) -> Response:
    """The response to a GET or HEAD of an attachment: 200, 206, 304 or 416. It closes `opened`; only for a HEAD may
    that have no content."""
    attachment, content = opened.attachment, opened.content
    describe = functools.partial(_described, attachment, disposition)
    status = None if _CONDITIONS.isdisjoint(request.environ) else _conditional_status(request, attachment)
    if status is not None:
        opened.close()
        return describe(status, ("Content-Length", "0")) if status == 412 else describe(status)
    head = request.method == "HEAD"
    if content is not None and content.location and attachment.size and not head:
        prefix = services().settings.accel_redirect
        if prefix is not None:
            opened.close()
            return _handed_over(describe(200), prefix + content.location)
    start, stop = 0, attachment.size
    wanted = None if head else _range(request, attachment)
    if wanted == "unsatisfiable":
        opened.close()
        return describe(416, ("Content-Range", f"bytes */{attachment.size}"), ("Content-Length", "0"))
    if isinstance(wanted, tuple):
        start, stop = wanted
        part = ("Content-Range", f"bytes {start}-{stop - 1}/{attachment.size}")
        response = describe(206, part, ("Content-Length", str(stop - start)))
    else:
        response = describe(200, ("Content-Length", str(stop)))
    if head or start == stop or content is None:
        opened.close()
        return response
    if stop - start <= WHOLE:
        with closing(content):
            whole = content.read(start, stop)
        if len(whole) < stop - start:
            raise BytesMissing()
        response.response = [whole]
        # It goes to the server as it is: werkzeug would wrap it to encode text and to close it.
        response.direct_passthrough = True
        return response
    wrapper = request.environ.get("wsgi.file_wrapper")
    if wrapper is not None and content.file is not None:
        # The wrapper sends as many bytes as Content-Length says, from the file's position.
        content.file.seek(start)
        response.response = wrapper(content.file, CHUNK)
    else:
        response.response = content.chunks(start, stop)
    response.direct_passthrough = True
    response.call_on_close(content.close)
    return response


def _handed_over(response: Response, path: str) -> Response:
    """Leave the bytes to nginx, which looks at Range and If-Range by the ETag and Last-Modified that it is given."""
    response.headers["X-Accel-Redirect"] = path
    response.headers["Content-Length"] = "0"
    # nginx sends that header itself; otherwise there would be two.
    del response.headers["Accept-Ranges"]
    return response


def _conditional_status(request: Request, attachment: Attachment) -> int | None:
    """412 or 304 if the caller's conditions result in one of them, otherwise None."""
    if _precondition_fails(request, attachment):
        return 412
    # Without If-Match, which was evaluated before: werkzeug would take the `*` in it for an entity tag.
    environ = {name: value for name, value in request.environ.items() if name != "HTTP_IF_MATCH"}
    modified = is_resource_modified(
        environ, etag=_tag(attachment), last_modified=attachment.updated, ignore_if_range=True
    )
    return None if modified else 304


def _precondition_fails(request: Request, attachment: Attachment) -> bool:
    """Whether the caller requires another version than this one (RFC 9110, 13.2.2, steps 1 and 2)."""
    if "If-Match" in request.headers:
        wanted = request.if_match
        return not (wanted.star_tag or wanted.is_strong(_tag(attachment)))
    since = request.if_unmodified_since
    return since is not None and attachment.updated.replace(microsecond=0) > since


def _range(request: Request, attachment: Attachment) -> tuple[int, int] | str | None:
    """The range of a GET to send as (start, stop), `unsatisfiable`, or None for everything.

    A request for several ranges gets everything (RFC 9110, 14.2 allows it): with their framing, sendfile could not be
    used.
    """
    header = request.environ.get("HTTP_RANGE")
    if header is None or not _if_range_holds(request, attachment):
        return None
    parsed = parse_range_header(header)
    if parsed is None or parsed.units != "bytes" or len(parsed.ranges) != 1:
        return None
    ((first, last),) = parsed.ranges
    size = attachment.size
    if first is None:
        return None
    if first < 0:
        return (max(size + first, 0), size) if size else "unsatisfiable"
    if first >= size:
        return "unsatisfiable"
    return first, size if last is None else min(last, size)


def _if_range_holds(request: Request, attachment: Attachment) -> bool:
    if "If-Range" not in request.headers:
        return True
    condition = request.if_range
    if condition.etag is not None:
        # Strong comparison: werkzeug drops the `W/` of a weak tag, so look at the header itself.
        return request.headers["If-Range"].strip() == etag(attachment)
    return condition.date is not None and condition.date == attachment.updated.replace(microsecond=0)
