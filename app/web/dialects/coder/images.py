"""The four image types that a chat accepts, and how they are told by their content.

Rejected: libmagic, which the other dialects use. It reads further into a file than its signature, so it refuses a
truncated image that Coder accepts, and may detect the other type of a polyglot. Source: the signature table of the
commit that Coder's page names (the WHATWG's MIME sniffing, section 6.1).
"""

from __future__ import annotations

import re

#: Bytes that `detect` needs to see.
SIGNATURE_SIZE = 12

#: Allowed types, in the order in which errors name them, each with its signature and the extension of a default name.
_TYPES: tuple[tuple[str, re.Pattern[bytes], str], ...] = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff"), "jpg"),
    ("image/gif", re.compile(rb"GIF8[79]a"), "gif"),
    ("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "webp"),
)

ALLOWED = tuple(media_type for media_type, _, _ in _TYPES)
_EXTENSIONS = {media_type: extension for media_type, _, extension in _TYPES}


def detect(head: bytes) -> str | None:
    """The media type that the first `SIGNATURE_SIZE` bytes show; None when it is not one of the four."""
    return next((media_type for media_type, signature, _ in _TYPES if signature.match(head)), None)


def default_name(media_type: str) -> str:
    """The name of an image that came without one."""
    return f"image.{_EXTENSIONS[media_type]}"
