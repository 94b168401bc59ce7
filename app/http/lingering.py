"""Answers that come before the body was read, in a way that ordinary clients can read them.

A client that is still sending when the server closes gets a reset, which throws the answer away. So the rest of the body
is read and dropped after the answer is sent, within bounds; then the connection can even be used again.
Source: RFC 9112, 9.6.
"""

from __future__ import annotations

import contextlib
import time

from flask import Request, Response

#: Seconds that dropping a body may take in all, and that the client may pause.
MAX_SECONDS = 30.0
MAX_PAUSE = 5.0
#: Bytes that are dropped at most; a client that announces more is cut off.
MAX_BYTES = 2 * 1024**3
_PIECE = 64 * 1024


def linger(request: Request, response: Response) -> Response:
    """Make `response` drop what is left of the body of a refused `request` once it is sent."""
    if response.status_code < 400:
        return response
    if request.content_length or "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        environ = request.environ
        response.call_on_close(lambda: _drop(environ["wsgi.input"], environ.get("gunicorn.socket")))
    return response


def _drop(body: object, socket: object) -> None:
    end = time.monotonic() + MAX_SECONDS
    dropped = 0
    # Each server has classes of its own for a body that is none; the answer is out, so none of them matters.
    with contextlib.suppress(Exception):
        if socket is not None:
            socket.settimeout(MAX_PAUSE)  # type: ignore[attr-defined]
        while dropped < MAX_BYTES and time.monotonic() < end:
            piece = body.read(_PIECE)  # type: ignore[attr-defined]
            if not piece:
                break
            dropped += len(piece)
        if socket is not None:
            socket.settimeout(None)  # type: ignore[attr-defined]
