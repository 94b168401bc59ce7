"""The page's own files, from the package: read once, each under the name that the page asks for and no other."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

# By extension: the Content-Type of a file. Nothing else in the folder is served.
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "bcmap": "application/octet-stream",
    "txt": "text/plain; charset=utf-8",
}
_WORD = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class File:
    """One file: its bytes, Content-Type and entity tag (RFC 9110, 8.8.3), without quotes."""

    content: bytes
    content_type: str
    tag: str


@cache
def _names() -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}

    def look(folder: Traversable, prefix: str) -> None:
        for each in folder.iterdir():
            if each.is_dir():
                look(each, f"{prefix}{each.name}/")
            elif _WORD.fullmatch(each.name) and each.name.rpartition(".")[2] in _TYPES:
                found[prefix + each.name] = each

    look(files("app.web.page").joinpath("static"), "")
    return found


@cache
def read(name: str) -> File | None:
    """The file `name`, such as `js/main.js`; None when the page has none of that name."""
    if name not in _names():
        return None
    content = _names()[name].read_bytes()
    return File(content, _TYPES[name.rpartition(".")[2]], hashlib.sha256(content).hexdigest()[:32])
