"""Texts of office files in WordprocessingML and DrawingML: paragraphs, cells, boxes, notes, comments, charts, formulas.

The tables below list the elements that are text and those that separate it, by ECMA-376 (parts 1 and 4) and, for later
additions, [MS-DOCX], [MS-PPTX], [MS-XLSX] and [MS-ODRAWXML]. A text that is anchored in a paragraph and read apart from
it (a box, the description of a picture, the reading of a character, a linked address) follows the paragraph, so that it
never divides a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.extraction.readers.lines import Flow
from app.extraction.readers.markup import Names
from app.extraction.readers.reader import Piece

_ECMA, _STRICT = "http://schemas.openxmlformats.org", "http://purl.oclc.org/ooxml"
_MICROSOFT = "http://schemas.microsoft.com/office"
_BOTH = {
    "w": "wordprocessingml/2006/main", "x": "spreadsheetml/2006/main", "p": "presentationml/2006/main",
    "a": "drawingml/2006/main", "c": "drawingml/2006/chart",
    "wp": "drawingml/2006/wordprocessingDrawing", "xdr": "drawingml/2006/spreadsheetDrawing",
    "m": "officeDocument/2006/math", "r": "officeDocument/2006/relationships",
    "ep": "officeDocument/2006/extended-properties",
    "vt": "officeDocument/2006/docPropsVTypes", "cp": "package/2006/metadata/core-properties",
    "rel": "package/2006/relationships",
}  # fmt: skip
#: Prefixes by namespace: those of ECMA-376, and the strict ones of ISO/IEC 29500, which have no year.
NAMES = Names(
    {f"{_ECMA}/{path}": prefix for prefix, path in _BOTH.items()}
    | {f"{_STRICT}/{path.replace('2006/', '')}": prefix for prefix, path in _BOTH.items()}
    | {
        f"{_STRICT}/officeDocument/extendedProperties": "ep",
        "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
        "http://purl.org/dc/elements/1.1/": "dc",
        "urn:schemas-microsoft-com:vml": "v",
        f"{_MICROSOFT}/drawing/2014/chartex": "cx",
        f"{_MICROSOFT}/powerpoint/2018/8/main": "p188",
        f"{_MICROSOFT}/spreadsheetml/2018/threadedcomments": "xtc",
    }
)  # fmt: skip

# `font`: the text of a control on a sheet, as HTML within VML.
_TEXT = {"w:t", "m:t", "a:t", "x:t", "p:text", "c:v", "cx:pt", "cx:v", "xtc:text", "font"}
_BREAKS = {"w:tab": "\t", "w:ptab": "\t", "w:br": "\n", "w:cr": "\n", "a:br": "\n"}
_BREAKS |= dict.fromkeys(("m:oMath", "m:num", "m:den", "m:lim", "m:deg", "m:mr"), " ")
_ENDS = dict.fromkeys(("c:v", "cx:pt", "cx:v", "p:text", "xtc:text", "x:comment", "div"), "\n")
_ENDS |= dict.fromkeys(("m:oMath", "m:num", "m:den", "m:lim", "m:deg"), " ")
_CLOSES = {"w:tc": "\t", "w:tr": "\n", "a:tc": "\t", "a:tr": "\n"}
#: Where boxes and the like are put that were met before.
_PARAGRAPHS = {"w:p", "a:p"}
# Deleted and moved text, how characters are read in a
# spreadsheet (shown by nobody), the values of a chart.
_LEFT_OUT = {"w:del", "w:moveFrom", "x:rPh", "c:numCache", "c:numLit", "cx:numDim"}
_ASIDE = {"w:txbxContent", "w:rt", "p:sp"}
# Descriptions of pictures, and text that is drawn.
_ATTRIBUTES: dict[str, tuple[str, ...]]
_ATTRIBUTES = {"wp:docPr": ("title", "descr"), "p:cNvPr": ("title", "descr"), "xdr:cNvPr": ("title", "descr")}
_ATTRIBUTES |= {"v:shape": ("alt",), "v:textpath": ("string",)}
_LINKS = {"w:hyperlink", "a:hlinkClick", "a:hlinkHover"}
_AUTHORED = {"w:comment": "w:author", "p:cm": "authorId", "p188:cm": "authorId", "p188:reply": "authorId"}
_AUTHORED |= {"x:comment": "authorId", "xtc:threadedComment": "personId"}
#: Marks a comment of a spreadsheet that repeats a threaded one for older programs.
_COPY = "tc="
#: The most characters of a name, and of the code of a field.
_LONGEST = 10_000

_ADDRESS = re.compile(r'\bHYPERLINK\s+"([^"]+)"')
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def unescaped(text: str) -> str:
    """Text of a spreadsheet with escapes such as `_x000D_`, for characters that XML does not allow, replaced."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


class Story:
    """Makes lines of one part (`markup.Handler`).

    `links`: addresses by the id of their relationship. `authors`: names by their ids, when another part has them.
    `common`: whether the part is shared by many slides, so that texts which each slide replaces are left out.
    """

    def __init__(
        self, links: Mapping[str, str] | None = None, authors: Mapping[str, str] | None = None, *, common: bool = False
    ) -> None:
        self._links = links or {}
        self._authors = dict(authors or {})
        self._common = common
        self._flow = Flow()
        #: For each open shape, whether it is a placeholder.
        self._places: list[bool] = []
        #: For each open set of alternative forms, whether one was read.
        self._chosen: list[bool] = []
        self._reading: list[str] = []
        self._code = ""
        #: Authors that the part itself lists, and the one that is being read.
        self._listed = 0
        self._author = ""

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name in _LEFT_OUT or self._is_another_form(name):
            return True
        if name in _TEXT or name in ("w:instrText", "x:author"):
            self._reading.append(name)
        elif name in _BREAKS:
            self._flow.apart(_BREAKS[name])
        elif name in _ASIDE:
            self._flow.begin_apart()
            self._places.append(False)
        elif name in _PARAGRAPHS:
            self._flow.begin()
        elif name in _AUTHORED:
            return self._comment(name, attributes)
        elif name == "w:noBreakHyphen":
            self._flow.add("-")
        elif name == "w:sym":
            self._symbol(attributes.get("w:char", ""))
        elif name == "p:ph" and self._places:
            self._places[-1] = self._common or attributes.get("type") == "sldNum"
        elif name in _LINKS:
            self._flow.link(self._links.get(attributes.get("r:id", ""), ""))
        elif name == "w:fldSimple":
            self._field(attributes.get("w:instr", ""))
        elif name == "w:fldChar":
            self._field(self._code)
            self._code = ""
        for each in _ATTRIBUTES.get(name, ()):
            self._flow.beside(attributes.get(each, ""))
        return False

    def end(self, name: str) -> None:
        if self._reading and name == self._reading[-1]:
            self._reading.pop()
            if name == "x:author":
                self._authors[str(self._listed)] = self._author
                self._listed += 1
                self._author = ""
        if name in _ENDS:
            self._flow.apart(_ENDS[name])
        elif name in _CLOSES:
            self._flow.close(_CLOSES[name])
        elif name in _ASIDE:
            self._end_apart()
        elif name in _PARAGRAPHS:
            self._flow.end()
        elif name == "mc:AlternateContent" and self._chosen:
            self._chosen.pop()

    def text(self, text: str) -> None:
        if not self._reading:
            return
        if self._reading[-1] == "w:instrText":
            self._code = (self._code + text)[:_LONGEST]
        elif self._reading[-1] == "x:author":
            self._author = (self._author + text)[:_LONGEST]
        else:
            self._flow.add(unescaped(text) if self._reading[-1] == "x:t" else text)

    def taken(self, *, last: bool) -> list[Piece]:
        text = self._flow.taken(last=last)
        return [text] if text else []

    def _end_apart(self) -> None:
        text = self._flow.end_apart()
        if not self._places.pop():
            self._flow.beside(text)

    def _is_another_form(self, name: str) -> bool:
        """Whether it is another form, for other programs, of something that was read already."""
        if name == "mc:AlternateContent":
            self._chosen.append(False)
        elif name in ("mc:Choice", "mc:Fallback") and self._chosen:
            if self._chosen[-1]:
                return True
            self._chosen[-1] = True
        return False

    def _comment(self, name: str, attributes: dict[str, str]) -> bool:
        said = attributes.get(_AUTHORED[name], "")
        author = said if name == "w:comment" else self._authors.get(said, "")
        if name == "x:comment" and author.startswith(_COPY):
            return True
        self._flow.once(author)
        return False

    def _symbol(self, code: str) -> None:
        """Add a character of a symbol font as it is; only the font says what it shows."""
        try:
            character = chr(int(code, 16))
        except (ValueError, OverflowError):
            return
        if "\ue000" <= character <= "\uf8ff" or not character.isprintable():
            self._flow.apart(" ")
        else:
            self._flow.add(character)

    def _field(self, code: str) -> None:
        if found := _ADDRESS.search(code):
            self._flow.link(found[1])
