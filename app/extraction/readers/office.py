"""Office Open XML: documents, workbooks and presentations, also with macros, as templates, and in the strict form.

The relationships between parts, beginning with the package's own, say which parts belong to it and in which order they
are read: the properties that a person sees in the file's dialogue, then the document, then related parts (headers,
notes, comments, charts, diagrams), part by part. The first element of the main part says what it is, not its name.
"""

from __future__ import annotations

import posixpath
import re
import urllib.parse
from collections.abc import Iterator
from typing import NamedTuple

from app.extraction import inner
from app.extraction.readers import binary_sheet, embedded, markup, package, shown
from app.extraction.readers.lines import Lines
from app.extraction.readers.markup import Handler, Nothing
from app.extraction.readers.package import Broken, Package
from app.extraction.readers.reader import Inner, Options, Page, Piece, Unreadable
from app.extraction.readers.sheet import Book, Sheet, Workbook, merged
from app.extraction.readers.story import NAMES, Story

#: The usual names of the main part, for packages that do not say it.
_MAIN = ("word/document.xml", "xl/workbook.xml", "xl/workbook.bin", "ppt/presentation.xml")
#: The related parts that are read, in this order, by the last word of the relationship's type.
_FOLLOWED = (
    "header", "footer", "footnotes", "endnotes", "drawing", "chart", "chartEx", "chartUserShapes", "diagramData",
    "vmlDrawing", "notesSlide", "comments", "threadedComment",
)  # fmt: skip
_EMBEDDED = ("package", "oleObject", "aFChunk")
# Authors of comments: element, the attribute with the id, the attribute with the name.
_AUTHORS = {
    "p:cmAuthor": ("id", "name"), "p188:author": ("id", "name"), "xtc:person": ("id", "displayName"),
}  # fmt: skip
_PROPERTIES = {
    "core-properties": {"dc:title", "dc:subject", "dc:creator", "cp:keywords", "dc:description", "cp:category"},
    "extended-properties": {"ep:Company", "ep:Manager"},
    "custom-properties": {"vt:lpwstr", "vt:lpstr", "vt:bstr"},
}
_NUMBER = re.compile(r"\d+")

# Whether the pictures that are shown are passed on.
_pictures = False


class Relation(NamedTuple):
    """`kind`: the last word of its type. `target`: the name of a part, or an address when it is `external`."""

    id: str
    kind: str
    target: str
    external: bool


def load(options: Options) -> None:
    import xml.parsers.expat  # noqa: F401

    global _pictures
    _pictures = options.pictures
    package.load()
    embedded.load()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    """A part is read up to where it is broken. Raises Unreadable when there is no text at all then."""
    yield from Office(Package(content)).pieces()


def _binary(part: str) -> bool:
    return part.lower().endswith(".bin")


class Office:
    """One document while it is read."""

    def __init__(self, parts: Package) -> None:
        self._parts = parts
        self._met: set[str] = set()
        self._told: set[str] = set()
        self._broken: list[str] = []
        self._authors: dict[str, str] = {}
        #: Pictures, each with the page that shows it; and the page that is being read.
        self._shown: list[tuple[str, int]] = []
        self._page = 0

    def pieces(self) -> Iterator[Piece]:
        """Raises Unreadable."""
        outer = self._relations("")
        main = next(
            (each.target for each in outer if each.kind == "officeDocument" and each.target in self._parts), None
        )
        main = main or next((each for each in _MAIN if each in self._parts), None)
        if main is None:
            raise Unreadable(self._broken[0] if self._broken else "it has no main part")
        first = First("x:workbook" if _binary(main) else "")
        list(self._read(main, first, most=1))
        form = {"w:document": self._word, "x:workbook": self._book, "p:presentation": self._slides}.get(first.name)
        if form is None:
            raise Unreadable(f"its main part begins with {first.name}", "unsupported" if first.name else "damaged")
        self._broken.clear()
        for relation in outer:
            if relation.kind in _PROPERTIES:
                yield from self._read(relation.target, Properties(_PROPERTIES[relation.kind]))
        found = False
        for piece in form(main):
            found = found or isinstance(piece, Inner) or bool(piece.text if isinstance(piece, Page) else piece)
            yield piece
        # After everything else, which has priority.
        for piece in shown.pictures(self._shown if _pictures else (), self._content, self._parts.__contains__):
            found = True
            yield piece
        if self._broken and not found:
            raise Unreadable(self._broken[0])

    def _word(self, main: str) -> Iterator[Piece]:
        yield from self._whole(main)

    def _slides(self, main: str) -> Iterator[Piece]:
        listed = Listed("p:sldId", ("r:id",))
        yield from self._read(main, listed)
        relations = {each.id: each for each in self._relations(main)}
        for kind in ("commentAuthors", "authors"):
            self._meet_authors(main, kind)
        slides = [relations[each].target for (each,) in listed.found if each in relations]
        if not slides:
            named = [each.target for each in relations.values() if each.kind == "slide"]
            slides = sorted(named, key=lambda name: [int(each) for each in _NUMBER.findall(name)[-1:]])
        # The texts that masters add to all slides are given once.
        layouts = self._referred(slides, "slideLayout")
        for each in [*self._referred(layouts, "slideMaster"), *layouts]:
            yield from self._once(list(self._read(each, Story(common=True))))
        for self._page, each in enumerate(slides, 1):
            pieces = list(self._whole(each))
            yield Page(merged(pieces))
            yield from (piece for piece in pieces if isinstance(piece, Inner))

    def _book(self, main: str) -> Iterator[Piece]:
        book = Book()
        relations = self._relations(main)
        self._meet_authors(main, "person")
        yield from self._read(main, Workbook(book))
        for kind in ("styles", "sharedStrings"):
            for each in relations:
                if each.kind == kind:
                    yield from self._read(each.target, Workbook(book))
        yield from book.names
        targets = {each.id: each.target for each in relations if not each.external}
        for name, identity in book.sheets:
            if identity in targets:
                target = targets[identity]
                self._page += 1
                yield from self._whole(target, Sheet(name, book, self._links(target)))

    def _whole(self, part: str, handler: Handler | None = None) -> Iterator[Piece]:
        """A part and its related parts, each part once."""
        waiting = [part]
        while waiting:
            part = waiting.pop()
            if part in self._met:
                continue
            self._met.add(part)
            relations = self._relations(part)
            kept = self._read(part, handler or Story(self._links(part), self._authors))
            yield from self._once(list(kept)) if "header" in part or "footer" in part else kept
            handler = None
            chart = "/charts/" in part
            for relation in relations:
                # The workbook of a chart has the text that the chart shows.
                if relation.kind in _EMBEDDED and not relation.external and not chart:
                    yield from self._embedded(relation.target)
            self._shown += (
                (each.target, self._page) for each in relations if each.kind == "image" and not each.external
            )
            followed = [each for each in relations if each.kind in _FOLLOWED and not each.external]
            followed.sort(key=lambda each: _FOLLOWED.index(each.kind))
            waiting.extend(each.target for each in reversed(followed))

    def _embedded(self, part: str) -> Iterator[Piece]:
        if part not in self._met and part in self._parts:
            self._met.add(part)
            try:
                yield from embedded.files(part, b"".join(self._content(part)))
            except Broken as error:
                self._broken.append(str(error))

    def _content(self, part: str) -> Iterator[bytes]:
        """The bytes of a part that is passed on. Raises Broken."""
        return self._parts.pieces(part, inner.MOST_BYTES)

    def _read(self, part: str, handler: Handler, most: int = package.MOST_BYTES) -> Iterator[Piece]:
        """The text of a part up to where it is broken; nothing when the part does not exist."""
        if part not in self._parts:
            return
        try:
            pieces = self._parts.pieces(part, most)
            yield from binary_sheet.read(pieces, handler) if _binary(part) else markup.read(pieces, handler, NAMES)
        except Broken as error:
            self._broken.append(str(error))

    def _once(self, pieces: list[Piece]) -> Iterator[Piece]:
        """Text that was not given before."""
        text = merged(pieces)
        if text and text not in self._told:
            self._told.add(text)
            yield text

    def _relations(self, part: str) -> list[Relation]:
        """The relationships of a part, or of the package when it is ''; none when there are none or they can't be read."""
        folder, _, name = part.rpartition("/")
        source = posixpath.join(folder, "_rels", f"{name}.rels")
        if source not in self._parts:
            return []
        listed = Listed("rel:Relationship", ("Id", "Type", "Target", "TargetMode"))
        list(self._read(source, listed))
        found = []
        for identity, kind, target, mode in listed.found:
            external = mode == "External"
            target = target if external else self._part(folder, target)
            found.append(Relation(identity, kind.rpartition("/")[2], target, external))
        return found

    def _part(self, folder: str, target: str) -> str:
        """The name of the part that a relationship refers to; it is percent-encoded there."""
        name = posixpath.normpath(posixpath.join("/", folder, target.replace("\\", "/"))).lstrip("/")
        return name if name in self._parts else urllib.parse.unquote(name)

    def _links(self, part: str) -> dict[str, str]:
        return {each.id: each.target for each in self._relations(part) if each.external and each.kind == "hyperlink"}

    def _referred(self, parts: list[str], kind: str) -> list[str]:
        """The targets of these relationships, each once, in order."""
        found = (each.target for part in parts for each in self._relations(part) if each.kind == kind)
        return list(dict.fromkeys(found))

    def _meet_authors(self, main: str, kind: str) -> None:
        for target in self._referred([main], kind):
            for element, names in _AUTHORS.items():
                listed = Listed(element, names)
                list(self._read(target, listed))
                self._authors.update(each for each in listed.found if len(each) == 2)


class First(Nothing):
    """Finds the name of the outermost element."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        self.name = self.name or name
        return True


class Listed(Nothing):
    """Collects attributes of all elements with a name, in order."""

    def __init__(self, element: str, attributes: tuple[str, ...]) -> None:
        self._element = element
        self._attributes = attributes
        self.found: list[tuple[str, ...]] = []

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name == self._element:
            self.found.append(tuple(attributes.get(each, "") for each in self._attributes))
        return False


class Properties(Nothing):
    """Collects the texts of these elements, a line for each."""

    def __init__(self, elements: set[str]) -> None:
        self._elements = elements
        self._lines = Lines()
        self._within = 0

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        self._within += name in self._elements
        return False

    def end(self, name: str) -> None:
        if name in self._elements:
            self._within -= 1
            self._lines.apart("\n")

    def text(self, text: str) -> None:
        if self._within:
            self._lines.add(text)

    def taken(self, *, last: bool) -> list[Piece]:
        text = self._lines.taken(last=last)
        return [text] if text else []
