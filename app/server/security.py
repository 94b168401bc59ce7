"""The header fields that keep browsers from interpreting a response as something else; every response has them."""

from __future__ import annotations

#: The header fields of a response unless its route sets others.
FIELDS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
#: `Cache-Control` of an error, and of other responses: these belong to a caller, and caches must ask again each time.
REFUSED, KEPT = "no-store", "private, no-cache"


def refusal_response(status: bytes) -> bytes:
    """A complete response without a body, for input that is not a request and so reaches no route. `status`: its first
    line."""
    fields = (*FIELDS, ("Cache-Control", REFUSED), ("Connection", "close"), ("Content-Length", "0"))
    return b"".join([status, *(f"\r\n{name}: {value}".encode() for name, value in fields), b"\r\n\r\n"])
