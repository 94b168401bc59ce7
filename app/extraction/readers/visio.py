"""Drawings of Visio 2013 and later: the text of each page.

No maintained Python library reads the older format (libvisio is in C++, without a wheel).
"""

from __future__ import annotations

import codecs
import contextlib
import posixpath
from collections.abc import Iterator

from app.extraction.readers import markup, package
from app.extraction.readers.reader import Options, Page, Piece, Unreadable

_FOLDER = "visio/pages"
_NAMES = markup.Names(
    {
        "http://schemas.microsoft.com/office/visio/2012/main": "v",
        "http://schemas.openxmlformats.org/package/2006/relationships": "r",
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships": "o",
    }
)


def load(options: Options) -> None:
    from xml.parsers import expat  # noqa: F401

    package.load()
    codecs.lookup("utf-8")


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    if content.startswith(package.OLE):
        raise Unreadable("no reader knows drawings of Visio before 2013", "unsupported")
    drawing = package.Package(content)
    listed, links = List(), Links()
    try:
        _told(drawing, f"{_FOLDER}/pages.xml", listed)
        _told(drawing, f"{_FOLDER}/_rels/pages.xml.rels", links)
    except package.Broken as error:
        raise Unreadable(str(error)) from None
    for title, identifier in listed.found:
        path = posixpath.normpath(posixpath.join(_FOLDER, links.found.get(identifier, "")))
        text = Text()
        # Up to where it is damaged.
        with contextlib.suppress(package.Broken):
            _told(drawing, path, text)
        yield Page("\n".join(text.found), title)


def _told(drawing: package.Package, path: str, handler: markup.Handler) -> None:
    for _ in markup.read(drawing.pieces(path), handler, _NAMES):
        pass


class List(markup.Nothing):
    """The pages in order: the title and the relationship id of each."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self._title = ""

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name == "v:Page":
            self._title = attributes.get("Name", "")
        elif name == "v:Rel":
            self.found.append((self._title, attributes.get("o:id", "")))
        return False


class Links(markup.Nothing):
    """The targets of relationships."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name == "r:Relationship":
            self.found[attributes.get("Id", "")] = attributes.get("Target", "")
        return False


class Text(markup.Collecting):
    """The text of the shapes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name == "v:Text":
            self.collect()
        return False

    def end(self, name: str) -> None:
        if name == "v:Text" and (said := (self.collected() or "").replace("\u2028", "\n").replace("\xad", "").strip()):
            self.found.append(said)
