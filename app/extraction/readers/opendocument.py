"""OpenDocument: texts, sheets, presentations, drawings, their templates, the flat form, and the form of OpenOffice 1.

Order: the properties of the file, headers and footers, the document, then the objects in it (charts, formulas, other
documents), which are packages within the package, and finally the pictures, so that text in them is recognized.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from app.extraction import inner
from app.extraction.readers import embedded, markup, package, shown
from app.extraction.readers.markup import Nothing
from app.extraction.readers.odf_content import NAMES, Content
from app.extraction.readers.package import Broken, Package
from app.extraction.readers.reader import Options, Page, Piece, Unreadable

#: Drawings of what an object shows; the text of the object itself is read.
_DRAWN = "ObjectReplacements/"
# Whether the pictures that are shown are passed on.
_pictures = False


def load(options: Options) -> None:
    import xml.parsers.expat  # noqa: F401

    global _pictures
    _pictures = options.pictures
    package.load()
    embedded.load()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    """A part is read up to where it is broken. Raises Unreadable when that part is the document and it has no text by
    then."""
    if not content.startswith((b"PK", package.OLE)):
        yield from _checked(markup.read([content], Content(), NAMES))
        return
    parts = Package(content)
    _check_encryption(parts)
    yield from _of_folder(parts, "", set())


def _checked(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """These pieces. Raises Unreadable when the document is broken before there is any text."""
    found = False
    try:
        for piece in pieces:
            found = found or bool(piece.text if isinstance(piece, Page) else piece)
            yield piece
    except Broken as error:
        if not found:
            raise Unreadable(str(error)) from None


def _of_folder(parts: Package, folder: str, met: set[str]) -> Iterator[Piece]:
    """The document in a folder of the package, and the objects in it, each once."""
    waiting = [folder]
    pictures: list[tuple[str, int]] = []
    while waiting:
        folder = waiting.pop(0)
        if folder in met:
            continue
        met.add(folder)
        content = Content()
        if not folder:
            for name in ("meta.xml", "styles.xml"):
                yield from _left_out(markup.read(parts.pieces(name), Content(), NAMES))
            yield from _checked(markup.read(parts.pieces("content.xml"), content, NAMES))
        elif f"{folder}/content.xml" in parts:
            # A sheet within a text document is not a page of it.
            for piece in _left_out(markup.read(parts.pieces(f"{folder}/content.xml"), content, NAMES)):
                yield "\n".join(filter(None, (piece.title, piece.text))) if isinstance(piece, Page) else piece
        elif folder in parts:
            yield from _left_out(_embedded(parts, folder))
        for address, page in content.shown:
            if _DRAWN not in address:
                # The pages of an object are not pages of the document.
                pictures.append((posixpath.normpath(posixpath.join(folder, address)), 0 if folder else page))
        waiting.extend(posixpath.normpath(posixpath.join(folder, each)) for each in content.objects)
    if _pictures:
        yield from shown.pictures(pictures, lambda name: parts.pieces(name, inner.MOST_BYTES), parts.__contains__)


def _left_out(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """These pieces, as far as they exist: not every document has all parts."""
    try:
        yield from pieces
    except Broken:
        return


def _embedded(parts: Package, name: str) -> Iterator[Piece]:
    """An object of another program."""
    yield from embedded.files(name, b"".join(parts.pieces(name, inner.MOST_BYTES)))


def _check_encryption(parts: Package) -> None:
    """Raises Unreadable when the manifest says that a part with text is encrypted."""
    manifest = Manifest()
    list(_left_out(markup.read(parts.pieces("META-INF/manifest.xml"), manifest, NAMES)))
    if not manifest.encrypted.isdisjoint(("content.xml", "encrypted-package")):
        raise Unreadable("it is encrypted", "encrypted")


class Manifest(Nothing):
    """Which parts are encrypted."""

    def __init__(self) -> None:
        self.encrypted: set[str] = set()
        self._part = ""

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name == "manifest:file-entry":
            self._part = attributes.get("manifest:full-path", "")
        elif name == "manifest:encryption-data":
            self.encrypted.add(self._part)
        return False
