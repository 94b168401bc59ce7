"""The media type of a file: what its content says. The client's claim and the name only choose among equals."""

from __future__ import annotations

import mimetypes

# pylibmagic carries libmagic and its database for systems without one; it must come before `magic`.
import pylibmagic  # noqa: F401  isort: skip
import magic

#: How many of the first bytes are looked at.
HEAD_SIZE = 16 * 1024

UNKNOWN = "application/octet-stream"

# Where the content says no more than "some text" or "some archive", a more exact type is taken from the name's
# extension, but only one that means the same to a program that does not know it.
_REFINABLE = {
    "text/plain": {
        "text/csv",
        "text/tab-separated-values",
        "text/markdown",
        "text/calendar",
        "text/vcard",
        "text/x-python",
        "text/css",
        "application/json",
        "application/yaml",
        "application/toml",
        "application/x-ndjson",
    },
    "application/zip": {
        "application/epub+zip",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.presentation",
    },
}
_EXTENSIONS = {
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
}
# libmagic's own words for what HTTP has other names for.
_RENAMED = {
    "application/x-empty": UNKNOWN,
    "inode/x-empty": UNKNOWN,
    "application/x-ndjson": "application/x-ndjson",
    "text/x-script.python": "text/x-python",
}

_names = mimetypes.MimeTypes()


def detect(head: bytes, name: str) -> str:
    """The media type of a file that begins with `head` and is called `name`; `application/octet-stream` when nobody
    knows. Never raises."""
    if not head:
        return UNKNOWN
    try:
        found = magic.from_buffer(head, mime=True)
    except magic.MagicException:
        return UNKNOWN
    found = _RENAMED.get(found, found)
    if found in _REFINABLE:
        dot = name.rfind(".")
        suffix = name[dot:].lower() if dot > 0 else ""
        claimed = _EXTENSIONS.get(suffix) or _names.guess_type(f"x{suffix}", strict=False)[0]
        if claimed in _REFINABLE[found]:
            return claimed
    return found
