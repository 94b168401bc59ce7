"""Pages, Numbers and Keynote: until 2009 in XML, since 2013 in archives of a format of their own.

xberg reads nothing of the former, and mostly names of styles of the latter; numbers-parser and keynote-parser each read
one of the three. Apple documents neither format. All texts of the newer one are read, whatever they belong to:
paragraphs, boxes, headers, notes, comments, text in cells; numbers in cells are not.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator

from app.extraction.readers import apple_archive, markup, number_format, package
from app.extraction.readers.reader import Options, Page, Piece, Unreadable

_INDEXES = ("index.xml", "index.apxl")
_NAMES = markup.Names(
    {
        "http://developer.apple.com/namespaces/sf": "sf",
        "http://developer.apple.com/namespaces/sfa": "sfa",
        "http://developer.apple.com/namespaces/sl": "sl",
        "http://developer.apple.com/namespaces/ls": "ls",
        "http://developer.apple.com/namespaces/keynote2": "key",
    }
)
#: Elements without text of the document: placeholder texts, and styles.
_LEFT_OUT = {
    "key:theme-list",
    "sf:stylesheet",
    "sl:prototypes",
    "ls:prototypes",
    "sf:prototypes",
    "key:metadata",
    "sl:metadata",
}
#: Labels of the axes of a chart.
_LISTS = {"sf:chart-row_names", "sf:chart-column_names"}
_BREAKS = {"sf:br": "\n", "sf:lnbr": "\n", "sf:crbr": "\n", "sf:pgbr": "\n", "sf:intratopicbr": "\n", "sf:tab": "\t"}
#: Archives of placeholder texts and of styles.
_MASTERS = re.compile("stylesheet|masterslide|templateslide|calculationengine|viewstate")
_NUMBERS = re.compile(r"(\d+)")


def load(options: Options) -> None:
    from xml.parsers import expat  # noqa: F401

    package.load()
    codecs.lookup("utf-8")


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    document = package.Package(content)
    for index in _INDEXES:
        for name in (index, f"{index}.gz"):
            if name in document:
                pieces = document.pieces(name)
                try:
                    yield from markup.read(_unpacked(pieces) if name.endswith(".gz") else pieces, Xml(), _NAMES)
                except package.Broken as error:
                    raise Unreadable(str(error)) from None
                return
    yield from _archives(document)


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Raises Broken."""
    unpacker, whole = zlib.decompressobj(31), 0
    try:
        for piece in pieces:
            rest = piece
            while rest:
                found = unpacker.decompress(rest, package.PIECE)
                whole += len(found)
                if whole > package.MOST_BYTES:
                    raise package.Broken("unpacked it is too large")
                yield found
                rest = unpacker.unconsumed_tail
    except zlib.error as error:
        raise package.Broken(str(error)) from None


class Xml(markup.Nothing):
    """Paragraphs, cells, and names of sheets, tables and charts; a page for each slide and sheet."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._lines: list[str] = []
        self._paragraph: list[str] | None = None
        self._title: str | None = None
        self._listed = False

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name in _LEFT_OUT:
            return True
        if name in ("key:slide", "ls:workspace"):
            self._page(attributes.get("ls:workspace-name", ""))
        elif name == "sf:p":
            self._end_paragraph()
            self._paragraph = []
        elif name in _BREAKS:
            self.text(_BREAKS[name])
        elif name == "sf:ct":
            self._lines.append(attributes.get("sfa:s", ""))
        elif name in ("sf:n", "sf:rn"):
            self._lines.append(_number(attributes.get("sf:v", "")))
        elif name == "sf:tabular-model":
            self._lines.append(attributes.get("sf:name", ""))
        elif name in _LISTS:
            self._listed = True
        elif name == "sf:chart-name" or (self._listed and name == "sf:string"):
            self._lines.append(attributes.get("sfa:string", ""))
        return False

    def text(self, text: str) -> None:
        if self._paragraph is not None:
            self._paragraph.append(text)

    def end(self, name: str) -> None:
        if name == "sf:p":
            self._end_paragraph()
        elif name in ("key:slide", "ls:workspace"):
            self._page(None)
        elif name in _LISTS:
            self._listed = False

    def _end_paragraph(self) -> None:
        if self._paragraph is not None:
            self._lines.append("".join(self._paragraph).replace("\xad", "").strip())
        self._paragraph = None

    def _page(self, title: str | None) -> None:
        """End the page, if any; the text from here on is a page if it has a title."""
        text = "\n".join(filter(None, self._lines))
        if self._title is not None:
            self._pieces.append(Page(text, self._title))
        elif text:
            self._pieces.append(text)
        self._lines, self._title = [], title

    def taken(self, *, last: bool) -> list[Piece]:
        if last:
            self._page(None)
        taken, self._pieces = self._pieces, []
        return taken


def _number(text: str) -> str:
    """A number without the digits that binary rounding adds."""
    try:
        return number_format.plain(float(text))
    except ValueError:
        return text


def _archives(document: package.Package) -> Iterator[Piece]:
    names = sorted((each for each in document.names() if each.endswith(".iwa")), key=_order)
    if not names and "index.zip" in document:
        try:
            document = package.Package(b"".join(document.pieces("index.zip")))
        except package.Broken as error:
            raise Unreadable(str(error)) from None
        names = sorted((each for each in document.names() if each.endswith(".iwa")), key=_order)
    if not names:
        raise Unreadable("there is no document of a known version in it", "unsupported")
    for name in names:
        if _MASTERS.search(name):
            continue
        try:
            archive = apple_archive.uncompressed(b"".join(document.pieces(name, apple_archive.MOST)))
            texts = list(dict.fromkeys(apple_archive.texts(archive)))
        # The other archives may be undamaged.
        except (package.Broken, IndexError, ValueError):
            continue
        text = "\n".join(texts)
        if "/slide" in name or name.startswith("slide"):
            yield Page(text)
        elif text:
            yield text


def _order(name: str) -> list[tuple[int, str]]:
    return [(int(each), "") if each.isdecimal() else (-1, each) for each in _NUMBERS.split(name.removesuffix(".iwa"))]
