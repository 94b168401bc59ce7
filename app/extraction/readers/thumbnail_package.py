"""Thumbnails of the preview in a package: that of an office file, or the cover of a book, as its program wrote it. It is an
ordinary picture, and may be missing or broken."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterator

from app.extraction.kinds import PREVIEWS
from app.extraction.readers import drawing, epub, package
from app.extraction.readers.reader import Options, Piece, Unreadable

#: The most bytes of a preview.
MOST_PREVIEW = 64 * 1024 * 1024


def load(options: Options) -> None:
    from xml.parsers import expat  # noqa: F401

    package.load()
    drawing.load()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    found = package.Package(content)
    first: Unreadable | None = None
    for name in dict.fromkeys((*_covers(found), *PREVIEWS)):
        if name not in found:
            continue
        try:
            yield from drawing.of_picture(b"".join(found.pieces(name, MOST_PREVIEW)))
        except package.Broken as error:
            first = first or Unreadable(str(error))
        except Unreadable as error:
            first = first or error
        else:
            return
    raise first or Unreadable("there is no preview in it", "unsupported")


def _covers(found: package.Package) -> Iterator[str]:
    """The possible paths of a book's cover."""
    if epub.CONTAINER not in found:
        return
    with contextlib.suppress(package.Broken, Unreadable):
        if (cover := epub.cover(found)) is not None:
            yield cover
    for name in found.names():
        stem, _, extension = posixpath.basename(name).partition(".")
        if stem == "cover" and extension in ("jpg", "jpeg", "png", "gif", "webp"):
            yield name
