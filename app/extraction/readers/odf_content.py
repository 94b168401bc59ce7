"""Texts of OpenDocument: paragraphs, cells, boxes, notes, annotations, slides, formulas, and properties.

The tables below list the elements that are text and those that separate it, by OASIS OpenDocument 1.3 (part 3) and, for
OpenOffice 1, the OpenOffice.org XML File Format 1.0.
"""

from __future__ import annotations

import re

from app.extraction.readers.lines import Flow
from app.extraction.readers.markup import Names
from app.extraction.readers.reader import Page, Piece

_PREFIXES = {
    "office": "office", "meta": "meta", "text": "text", "table": "table", "drawing": "draw",
    "presentation": "presentation", "form": "form", "manifest": "manifest",
}  # fmt: skip
_NEW, _OLD = "urn:oasis:names:tc:opendocument:xmlns", "http://openoffice.org"
NAMES = Names(
    {f"{_NEW}:{path}:1.0": prefix for path, prefix in _PREFIXES.items()}
    | {f"{_OLD}/2000/{path}": prefix for path, prefix in _PREFIXES.items()}
    | {
        f"{_OLD}/2001/manifest": "manifest",
        f"{_NEW}:svg-compatible:1.0": "svg",
        "http://www.w3.org/2000/svg": "svg",
        "http://purl.org/dc/elements/1.1/": "dc",
        "http://www.w3.org/1999/xlink": "xlink",
        "http://www.w3.org/1998/Math/MathML": "math",
    }
)

_PARAGRAPHS = {"text:p", "text:h"}
# Author, first author, authors of annotations: each is given once.
_PEOPLE = {"dc:creator", "meta:initial-creator"}
# Elements whose characters are text.
_LINES = {"svg:title", "svg:desc", "dc:title", "dc:subject", "dc:description", "meta:keyword", "meta:user-defined"}
_LINES |= {"presentation:header-decl", "presentation:footer-decl"}
_SYMBOLS = {"math:mi", "math:mn", "math:mo", "math:mtext"}
_TEXT = _PARAGRAPHS | _PEOPLE | _LINES | _SYMBOLS | {"text:ruby-text"}
_FORMULAS = {"math:math", "math:mfrac", "math:mtd", "math:mroot", "math:munder", "math:mover", "math:munderover"}
_BREAKS = {"text:tab": "\t", "text:tab-stop": "\t", "text:line-break": "\n", "text:s": " "}
_BREAKS |= dict.fromkeys(_FORMULAS, " ")
_ENDS = dict.fromkeys(_LINES, "\n") | dict.fromkeys(_FORMULAS, " ")
_CELLS = {"table:table-cell", "table:covered-table-cell"}
# Deleted text, page numbers, data for programs, and pictures within the text.
_LEFT_OUT = {
    "text:tracked-changes",
    "text:page-number",
    "text:page-count",
    "office:binary-data",
    "office:scripts",
    "text:script",
}
_LEFT_OUT |= {"math:annotation", "math:annotation-xml"}
# Elements in a paragraph that are read apart from it.
_SHAPES = "frame text-box custom-shape rect ellipse circle caption connector line measure path polygon polyline"
_ASIDE = {f"draw:{each}" for each in [*_SHAPES.split(), "regular-polygon"]} | _PEOPLE
_ASIDE |= {"text:note", "text:footnote", "text:endnote", "text:ruby-text", "office:annotation"}
# Page layouts: headers and footers, and drawings on all slides, but not placeholders.
_MASTERS = "office:master-styles"
_PLACE = "presentation:class"
_VALUES = ("office:value", "office:date-value", "table:value", "table:date-value")
_CONTROLS = ("form:label", "form:current-value", "form:title")
_LINKS = {"text:a", "draw:a"}
_OBJECTS = {"draw:object", "draw:object-ole"}
_BLANKS = re.compile(r"[ \t\r\n]+")


class Content:
    """Makes lines of any part, or of a flat document (`markup.Handler`). `objects`: the addresses of objects in it; `shown`:
    those of its pictures, each with the number of the page that shows it, 0 before the first."""

    def __init__(self) -> None:
        self.objects: list[str] = []
        self.shown: list[tuple[str, int]] = []
        self._pages = 0
        self._flow = Flow()
        self._pieces: list[Piece] = []
        #: Whether the next lines are the first ones of a page.
        self._page = False
        self._title = ""
        #: For each open element, whether its characters are text.
        self._reading = [False]
        #: The values of open cells, the outermost first; '' when unknown.
        self._values: list[str] = []
        self._masters = self._sheets = False
        self._tables = 0

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name in _LEFT_OUT or (self._masters and (_PLACE in attributes or name == "presentation:notes")):
            return True
        if name in _PARAGRAPHS:
            self._flow.begin()
        elif name in _BREAKS:
            self._flow.apart(_BREAKS[name])
        elif name in _ASIDE:
            self._flow.begin_apart()
        elif name in _CELLS:
            self._values.append(next((attributes[each] for each in _VALUES if attributes.get(each)), ""))
            if self._values[-1]:
                self._flow.begin_apart()
        elif name in ("draw:page", "table:table"):
            self._outline(name, attributes)
        elif name == "office:spreadsheet" or attributes.get("office:class") == "spreadsheet":
            self._sheets = True
        elif name in _OBJECTS:
            self.objects.append(attributes.get("xlink:href", "").removeprefix("#"))
        elif name == "draw:image":
            self.shown.append((attributes.get("xlink:href", ""), self._pages))
        elif name in _LINKS and ":" in attributes.get("xlink:href", ""):
            self._flow.link(attributes["xlink:href"])
        self._masters = self._masters or name == _MASTERS
        for each in _CONTROLS:
            self._flow.beside(attributes.get(each, ""))
        self._reading.append(name in _TEXT or (self._reading[-1] and name not in _ASIDE))
        return False

    def end(self, name: str) -> None:
        self._reading.pop()
        if name in _PARAGRAPHS:
            self._flow.end()
        elif name in _ASIDE:
            text = self._flow.end_apart()
            (self._flow.once if name in _PEOPLE else self._flow.beside)(text)
        elif name in _CELLS:
            self._end_cell()
            self._flow.close("\t")
        elif name == "table:table-row":
            self._flow.close("\n")
        elif name in _ENDS:
            self._flow.apart(_ENDS[name])
        elif name == "table:table":
            self._tables -= 1
        elif name == _MASTERS:
            self._masters = False

    def text(self, text: str) -> None:
        """Add text, in which each run of blanks is one blank."""
        if self._reading[-1]:
            text = _BLANKS.sub(" ", text)
            if text.startswith(" "):
                self._flow.apart(" ")
            self._flow.add(text.strip(" "))
            if text.endswith(" "):
                self._flow.apart(" ")

    def taken(self, *, last: bool) -> list[Piece]:
        self._finish(last=last)
        found, self._pieces = self._pieces, []
        return found

    def _outline(self, name: str, attributes: dict[str, str]) -> None:
        """A slide or a sheet begins a page; a table within one does not, and neither does anything in an object."""
        self._tables += name == "table:table"
        sheet = self._sheets and self._tables == 1
        if not self._flow.depth and (name == "draw:page" or sheet):
            self._finish(last=True)
            self._page = True
            self._pages += 1
            self._title = attributes.get("table:name", "") if sheet else ""

    def _finish(self, *, last: bool) -> None:
        text = self._flow.taken(last=last)
        if self._page and (text or last):
            self._pieces.append(Page(text, self._title))
            self._page = False
        elif text:
            self._pieces.append(text)

    def _end_cell(self) -> None:
        """End a cell: its text, followed by its value when that is written differently."""
        value = self._values.pop() if self._values else ""
        if value:
            text = self._flow.end_apart()
            self._flow.add(text if text == value else f"{text} {value}".lstrip())
