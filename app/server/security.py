"""The header fields that keep browsers from making more of an answer than it is; every answer has them."""

from __future__ import annotations

#: What an answer carries unless its route says something else.
FIELDS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
#: `Cache-Control` of a refusal, and of what is no refusal: it is somebody's, and asked for again each time.
REFUSED, KEPT = "no-store", "private, no-cache"


def refusal_response(status: bytes) -> bytes:
    """A whole answer without a body to what is no request, and so reaches no route. `status`: its first line."""
    fields = (*FIELDS, ("Cache-Control", REFUSED), ("Connection", "close"), ("Content-Length", "0"))
    return b"".join([status, *(f"\r\n{name}: {value}".encode() for name, value in fields), b"\r\n\r\n"])
