"""Texts put together of words, the separators between them, and what belongs beside a paragraph."""

from __future__ import annotations

import urllib.parse

from app.extraction.readers.package import Broken

#: The most characters of a line before it is yielded unfinished.
MOST_LINE = 1024 * 1024
#: The deepest nesting of boxes: the text of each is copied once for each level.
MOST_APART = 100

_STRENGTH = {"": 0, " ": 1, "\t": 2, "\n": 3}


class Lines:
    """Text put together of words and separators; there is never more than one separator between two words."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._between = ""
        self._begun = False
        self._size = 0

    def add(self, text: str) -> None:
        """Add text. Soft hyphens are dropped, because they are not part of a word."""
        text = text.replace("\xad", "")
        if text:
            if self._begun and self._between:
                self._found.append(self._between)
            self._between = ""
            self._begun = True
            self._found.append(text)
            self._size += len(text)

    def apart(self, between: str) -> None:
        """Separate the next text from the last by this (a blank, a tab or a line end) or by a stronger separator."""
        if _STRENGTH[between] > _STRENGTH[self._between]:
            self._between = between

    def close(self, between: str) -> None:
        """Separate the next text by this and nothing else, as at the end of a cell or a row."""
        self._between = between

    def recent(self) -> str:
        """The last piece of text."""
        return "".join(self._found[-100:])

    def whole(self) -> str:
        """Everything that was added."""
        return "".join(self._found)

    def taken(self, *, last: bool) -> str:
        """Take the finished lines, without the last line end; or everything."""
        if not last and not self._size:
            return ""
        text, kept = self.whole(), ""
        if not last and self._between != "\n":
            border = text.rfind("\n")
            if border < 0 and self._size < MOST_LINE:
                return ""
            text, kept = (text[:border], text[border + 1 :]) if border >= 0 else (text, "")
        self._found = [kept] if kept else []
        self._size = len(kept)
        self._begun = bool(kept)
        return text


def _says(text: str, address: str) -> bool:
    """Whether the text contains the address, written as a program or as a person writes it."""
    plain = address.removeprefix("mailto:")
    return plain in text or urllib.parse.unquote(plain) in text


class Flow:
    """Lines with anchored texts that are read apart from them: a box, a note, the description of a picture, the reading of a
    character, an address. They follow the paragraph in which they are anchored, so that they never divide a word."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._beside: list[str] = []
        self._paragraphs = 0
        self._outer: list[tuple[Lines, list[str], int]] = []
        self._addresses: list[str] = []
        self._told: set[str] = set()

    @property
    def depth(self) -> int:
        """How many texts apart are open, one within another."""
        return len(self._outer)

    def add(self, text: str) -> None:
        self._lines.add(text)

    def apart(self, between: str) -> None:
        """As in `Lines`."""
        self._lines.apart(between)

    def close(self, between: str) -> None:
        """As in `Lines`."""
        self._lines.close(between)

    def begin(self) -> None:
        """A paragraph begins."""
        self._paragraphs += 1

    def end(self) -> None:
        """A paragraph ends."""
        self._paragraphs -= 1
        self._lines.apart("\n")
        self._put()

    def begin_apart(self) -> None:
        """The text until `end_apart` is not part of the paragraph. Raises Broken when that is nested too deeply."""
        if len(self._outer) >= MOST_APART:
            raise Broken(f"texts in more than {MOST_APART} texts")
        self._outer.append((self._lines, self._beside, self._paragraphs))
        self._lines, self._beside, self._paragraphs = Lines(), [], 0

    def end_apart(self) -> str:
        """The text since `begin_apart`; the caller decides whether it is used."""
        self._put()
        text = self._lines.whole()
        self._lines, self._beside, self._paragraphs = self._outer.pop()
        return text

    def beside(self, text: str) -> None:
        """Put a text after the paragraph, or here when there is none."""
        if text:
            self._beside.append(text)
            if not self._paragraphs:
                self._put()

    def once(self, text: str) -> None:
        """As `beside`, unless it was put there before."""
        if text not in self._told:
            self._told.add(text)
            self.beside(text)

    def link(self, address: str) -> None:
        """Put an address after the paragraph, once, unless the paragraph contains it."""
        if address and address not in self._told:
            self._told.add(address)
            self._addresses.append(address)

    def taken(self, *, last: bool) -> str:
        """Take the finished lines; or everything."""
        if last:
            while self._outer:
                self.beside(self.end_apart())
            self._put()
        return "" if self._outer else self._lines.taken(last=last)

    def _put(self) -> None:
        said = self._lines.recent() if self._addresses else ""
        for each in self._beside + [each for each in self._addresses if not _says(said, each)]:
            self._lines.apart("\n")
            self._lines.add(each)
            self._lines.apart("\n")
        self._beside.clear()
        self._addresses.clear()
