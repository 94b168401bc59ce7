"""Parts of workbooks in SpreadsheetML (ECMA-376 part 1, 18): cells as they are shown, with headers and the like."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.extraction.readers import number_format
from app.extraction.readers.lines import Lines
from app.extraction.readers.reader import Page, Piece
from app.extraction.readers.story import unescaped

_HEADINGS = {
    f"x:{which}{what}" for which in ("odd", "even", "first") for what in ("Header", "Footer")
}  # fmt: skip
# Codes in headers: left, centre and right sections; fonts, sizes, colours, page numbers and the like.
_THIRD = re.compile("&[LCR]")
_CODE = re.compile(r'&(?:"[^"]*"|K[0-9A-Fa-f]{6}|K\d\d[+-]\d{3}|\d+|[A-Za-z])')
_AMPERSAND = "\0"
_TRUTH = {"0": "FALSE", "1": "TRUE"}


@dataclass
class Book:
    """The properties of a workbook that all of its sheets use."""

    strings: list[str] = field(default_factory=list)
    #: Format codes by the number by which cells refer to them.
    formats: list[str] = field(default_factory=list)
    since_1904: bool = False
    #: The name and the relationship id of each sheet, in order.
    sheets: list[tuple[str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def number(self, text: str, style: int) -> str:
        """A number as it is shown, followed by the number itself, or by its date in ISO 8601, when these differ."""
        try:
            value = float(text)
        except ValueError:
            return text
        code = self.formats[style] if 0 <= style < len(self.formats) else ""
        if code in ("", "General") or value != value or value in (float("inf"), float("-inf")):
            return number_format.plain(value)
        shown = number_format.shown(value, code, since_1904=self.since_1904).strip()
        as_it_is = number_format.plain(value)
        if number_format.is_time(code):
            with contextlib.suppress(ValueError, OverflowError):
                as_it_is = number_format.iso(value, since_1904=self.since_1904)
        return shown if shown == as_it_is else f"{shown} {as_it_is}".lstrip()


class Workbook:
    """A `markup.Handler` for its main part, its styles and its strings; it yields no text."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._codes = dict(number_format.BUILT_IN)
        self._within = ""
        self._name = ""
        self._text: list[str] = []
        self._reading = False

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name in ("x:numFmts", "x:cellXfs"):
            self._within = name
        elif name == "x:numFmt" and self._within == "x:numFmts":
            self._codes[_number(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
        elif name == "x:xf" and self._within == "x:cellXfs":
            self._book.formats.append(self._codes.get(_number(attributes.get("numFmtId")), ""))
        elif name == "x:sheet":
            self._book.sheets.append((attributes.get("name", ""), attributes.get("r:id", "")))
        elif name == "x:workbookPr":
            self._book.since_1904 = attributes.get("date1904") in ("1", "true")
        elif name == "x:definedName":
            said = attributes.get("name", "")
            # Names that programs make themselves: print areas, filters.
            if not said.startswith("_xlnm.") and not attributes.get("hidden"):
                self._book.names.append(said)
        elif name == "x:t":
            self._reading = True
        return name == "x:rPh"

    def end(self, name: str) -> None:
        if name in ("x:numFmts", "x:cellXfs"):
            self._within = ""
        elif name == "x:t":
            self._reading = False
        elif name == "x:si":
            self._book.strings.append(unescaped("".join(self._text)))
            self._text.clear()

    def text(self, text: str) -> None:
        if self._reading:
            self._text.append(text)

    def taken(self, *, last: bool) -> list[Piece]:
        return []


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else -1


class Sheet:
    """Makes lines of one sheet (`markup.Handler`), one for each row; the first is the sheet's name."""

    def __init__(self, name: str, book: Book, links: Mapping[str, str]) -> None:
        self._book = book
        self._links = links
        self._lines = Lines()
        self._before: list[Piece] = [Page("", name)]
        self._type = ""
        self._style = -1
        self._reading = False
        self._text: list[str] = []
        #: Texts that must not be repeated: addresses that are in a cell, headers of pages.
        self._told: set[str] = set()

    def start(self, name: str, attributes: dict[str, str]) -> bool:
        if name == "x:c":
            self._type = attributes.get("t", "n")
            self._style = _number(attributes.get("s", "0"))
            self._text.clear()
        elif name in ("x:v", "x:t") or name in _HEADINGS:
            self._reading = True
        elif name == "x:hyperlink":
            self._line(
                self._links.get(attributes.get("r:id", ""), "").removeprefix("mailto:"), attributes.get("tooltip")
            )
        elif name == "x:dataValidation":
            self._line(*(attributes.get(each) for each in ("promptTitle", "prompt")))
        return name in ("x:f", "x:rPh", "x:extLst")

    def end(self, name: str) -> None:
        if name in ("x:v", "x:t"):
            self._reading = False
        elif name == "x:c":
            self._cell("".join(self._text))
        elif name == "x:row":
            self._lines.close("\n")
        elif name in _HEADINGS:
            self._reading = False
            said = "".join(self._text).replace("&&", _AMPERSAND)
            self._line(*(_CODE.sub("", each).replace(_AMPERSAND, "&").strip() for each in _THIRD.split(said)))
            self._text.clear()

    def text(self, text: str) -> None:
        if self._reading:
            self._text.append(text)

    def taken(self, *, last: bool) -> list[Piece]:
        text = self._lines.taken(last=last)
        found, self._before = [*self._before, *([text] if text else [])], []
        return found

    def _cell(self, text: str) -> None:
        if self._type == "s":
            place = _number(text)
            text = self._book.strings[place] if 0 <= place < len(self._book.strings) else ""
        elif self._type == "b":
            text = _TRUTH.get(text, text)
        elif self._type == "n" and text:
            text = self._book.number(text, self._style)
        elif self._type in ("inlineStr", "str"):
            text = unescaped(text)
        if "://" in text or "@" in text:
            self._told.add(text.strip())
        self._lines.add(text)
        self._lines.close("\t")
        self._text.clear()

    def _line(self, *texts: str | None) -> None:
        """A line for each text that was not given before."""
        self._lines.apart("\n")
        for each in texts:
            if each and each not in self._told:
                self._told.add(each)
                self._lines.add(each)
                self._lines.close("\n")


def merged(texts: Sequence[Piece]) -> str:
    """The text of these pieces, joined."""
    return "\n".join(each for each in texts if isinstance(each, str))
