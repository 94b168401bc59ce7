"""XML of any vocabulary: the text of elements, and the values of attributes that a person would see.

Expat reads it, and the HTML reader reads on from where it is not well formed. Elements are separated, except those known to
be part of a line. Their names (`a`, `b`, `code`) may mean something else in an unknown vocabulary, where all elements are
separated. Attributes are text, because anyone who opens a file of an unknown vocabulary sees them, except in vocabularies of
documents, which are shown without them. Text that is HTML (feeds, patents, reports) is read as HTML.
"""

from __future__ import annotations

import html.entities
import re
from collections.abc import Iterator
from typing import Any

from app.extraction.readers import encoding, inlined
from app.extraction.readers import html as page
from app.extraction.readers.reader import Options, Piece

_WORD = "http://schemas.microsoft.com/office/word/2003/wordml"
_HINTS = "http://schemas.microsoft.com/office/word/2003/auxHint"
_ANNOTATION = "http://schemas.microsoft.com/aml/2001/core"
_EXCEL = "urn:schemas-microsoft-com:office:spreadsheet"
_SVG = "http://www.w3.org/2000/svg"
_FICTION = "http://www.gribuser.ru/xml/fictionbook/2.0"
_XHTML = "http://www.w3.org/1999/xhtml"

#: Elements whose text is not shown.
_UNSEEN = {f"{_SVG} script", f"{_SVG} style", f"{_XHTML} script", f"{_XHTML} style"}
_UNSEEN |= {f"{_WORD} binData", f"{_WORD} instrText", f"{_WORD} docOleData", f"{_FICTION} stylesheet"}
#: The attributes that are shown, by namespace, where not all are; and in all of Microsoft's: text along a path in pictures.
_SEEN: dict[str, frozenset[str]] = {
    _EXCEL: frozenset((f"{_EXCEL} Name",)),
    _SVG: frozenset(("aria-label",)),
    _XHTML: frozenset(("alt", "title", "placeholder", "label", "value", "content")),
    _FICTION: frozenset(("name", "number", "value", "alt", "title")),
}
#: Namespaces whose attributes are not shown: XML itself, schemas.
_TECHNICAL = ("http://www.w3.org/XML/1998/namespace ", "http://www.w3.org/2001/XMLSchema-instance ")
_OFFICE = ("urn:schemas-microsoft-com:", "http://schemas.microsoft.com/")
_SEEN_OF_OFFICE = frozenset(("string", "alt", "title"))
#: Elements within a line: those of HTML, DocBook, JATS, FictionBook, SVG.
_PARTS = frozenset((
    "a", "abbr", "acronym", "b", "big", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "q", "s",
    "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "emphasis", "literal", "subscript",
    "superscript", "foreignphrase", "wordasword", "phrase", "quote", "link", "ulink", "bold", "italic", "underline",
    "monospace", "sc", "roman", "sans-serif", "overline", "styled-content", "named-content", "ext-link", "tspan",
    "strikethrough", "style", "hi",
))  # fmt: skip
#: Root elements of documents that have such elements, beside those whose namespace tells: of HTML, DocBook, JATS, TEI, DITA,
#: NITF, patents.
_DOCUMENTS = frozenset((
    "html", "article", "book", "chapter", "section", "refentry", "FictionBook", "svg", "TEI", "TEI.2", "topic", "concept",
    "task", "reference", "nitf", "us-patent-grant", "us-patent-application", "patent-document", "ep-patent-document",
))  # fmt: skip
_OF_DOCUMENTS = ("http://docbook.org/", "http://www.tei-c.org/", _WORD, _XHTML, _SVG, _FICTION)
_CELLS = frozenset(("td", "th", "entry", "Cell", "tc"))
#: Elements of Word that separate.
_WORD_LINES = frozenset(("p", "br", "tr", "sect", "body", "hdr", "ftr", "footnote", "endnote"))

_MARKUP = re.compile(r"</[a-zA-Z][\w:-]*\s*>|<(?:br|hr|p|img)\b[^<>]*>", re.IGNORECASE)
_DECLARATION = re.compile(r"\A\s*<\?xml\b[^>]*\?>")
_BEGUN = re.compile(rb"(?:</|&)[^<>&;\s]*\Z")
_MOST_NAME = 100
_TAG = re.compile(r"<(?=[/a-zA-Z])")
#: How many times its size a document may become by entities.
_GROWTH, _ROOM = 10, 64 * 1024


def load(options: Options) -> None:
    import xml.parsers.expat  # noqa: F401

    page.load(options)


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    from xml.parsers import expat

    markup = encoding.decoded(content).lstrip("\ufeff")
    # Its declaration names the encoding before decoding.
    document = _DECLARATION.sub("", markup, count=1).lstrip().encode(errors="replace")
    parser = expat.ParserCreate("utf-8", " ")
    lines = _Lines(_GROWTH * len(document) + _ROOM)
    lines.listen(parser)
    rest = ""
    try:
        parser.Parse(document, True)
    except expat.ExpatError:
        place = max(0, parser.ErrorByteIndex)
        # The error's position is within a tag or an entity that was not handled yet.
        if begun := _BEGUN.search(document[max(0, place - _MOST_NAME) : place]):
            place -= len(begun[0])
        rest = document[place:].decode(errors="replace")
    except _Enough:
        pass
    lines.end()
    # As XHTML, because of CDATA sections. Which elements are within a line is unknown.
    if rest and (more := page.text_of("<?xml?>" + _TAG.sub("\n<", rest))):
        lines.found.append(more)
    yield inlined.without_data("\n".join(lines.found))


class _Enough(Exception):
    """There is more text than a document of this size can have."""


class _Lines:
    """The text, line by line, as the parser reports the document. `most`: the most characters of all."""

    def __init__(self, most: int) -> None:
        self.found: list[str] = []
        self._line: list[str] = []
        #: Attributes of elements in the line; put in place they would separate its words.
        self._below: list[str] = []
        self._left = most
        #: The depth within an element that is not shown; 0 outside.
        self._unseen = 0
        #: Whether it is a document with elements within lines; None before its first element.
        self._known: bool | None = None
        #: Whether an element within a line has just ended.
        self._after_part = False

    def listen(self, parser: Any) -> None:
        # An undefined entity is skipped when its definition may be elsewhere, and is an error otherwise.
        parser.UseForeignDTD(True)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.SkippedEntityHandler = self._entity

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._unseen or name in _UNSEEN:
            self._unseen += 1
            return
        namespace, _, local = name.rpartition(" ")
        if self._known is None:
            self._known = local in _DOCUMENTS
        self._border(namespace, local, attributes)
        if self._after_part and local in _PARTS and not (self._known or namespace.startswith(_OF_DOCUMENTS)):
            self._line.append(" ")
        self._after_part = False
        if attributes:
            of_a_part = bool(self._line)
            seen = _SEEN.get(namespace, _SEEN_OF_OFFICE if namespace.startswith(_OFFICE) else None)
            for key, value in attributes.items():
                if (seen is None or key in seen) and value.strip() and not key.startswith(_TECHNICAL):
                    self._count(value)
                    if of_a_part:
                        self._below.append(value)
                    else:
                        self.found.append(page.tidy(value))

    def _end(self, name: str) -> None:
        if self._unseen:
            self._unseen -= 1
            return
        namespace, _, local = name.rpartition(" ")
        if local not in _CELLS and local != "tab":
            self._border(namespace, local, {})
        self._after_part = local in _PARTS and namespace != _WORD

    def _border(self, namespace: str, local: str, attributes: dict[str, str]) -> None:
        if local in _CELLS or (namespace == _WORD and local == "tab"):
            self._line.append("\t")
        elif namespace == _EXCEL:
            if local != "Data":
                self.end()
        elif namespace in (_WORD, _HINTS, _ANNOTATION):
            if local in _WORD_LINES:
                self.end()
        elif local not in _PARTS or (namespace == _SVG and not attributes.keys().isdisjoint(("x", "y", "dy"))):
            self.end()

    def _characters(self, text: str) -> None:
        if not self._unseen:
            self._count(text)
            self._line.append(text)
            self._after_part = False

    def _count(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise _Enough

    def _entity(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._characters(html.entities.html5.get(f"{name};", " "))

    def end(self) -> None:
        """End the line."""
        line = "".join(self._line)
        self._line.clear()
        if "<" in line and _MARKUP.search(line):
            line = page.text_of(line)
        if line := page.tidy(line):
            self.found.append(line)
        if self._below:
            self.found.extend(map(page.tidy, self._below))
            self._below.clear()
