"""Text put together: words, what is between them, and what stands beside a paragraph."""

from __future__ import annotations

import urllib.parse

from app.extraction.readers.package import Broken

#: Characters that a line may get before it is given on without an end.
MOST_LINE = 1024 * 1024
#: Boxes in boxes: the text of each is copied once for each that it is in.
MOST_APART = 100

_STRENGTH = {"": 0, " ": 1, "\t": 2, "\n": 3}


class Lines:
    """Text that is put together of words and of what is between them, of which there is never more than one."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._between = ""
        self._begun = False
        self._size = 0

    def add(self, text: str) -> None:
        """A soft hyphen is no part of a word."""
        text = text.replace("\xad", "")
        if text:
            if self._begun and self._between:
                self._found.append(self._between)
            self._between = ""
            self._begun = True
            self._found.append(text)
            self._size += len(text)

    def apart(self, between: str) -> None:
        """What comes next is apart from what was: by this, a blank, a tab or the end of a line, or by more."""
        if _STRENGTH[between] > _STRENGTH[self._between]:
            self._between = between

    def close(self, between: str) -> None:
        """What comes next is apart by this, whatever was said before: the end of a cell, of a row."""
        self._between = between

    def recent(self) -> str:
        """The last of it."""
        return "".join(self._found[-100:])

    def whole(self) -> str:
        """All that was added."""
        return "".join(self._found)

    def taken(self, *, last: bool) -> str:
        """The lines that are finished, without the end of the last one; or all."""
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
    """Whether the address stands in the text, as a program writes it or as a person does."""
    plain = address.removeprefix("mailto:")
    return plain in text or urllib.parse.unquote(plain) in text


class Flow:
    """Lines in which some texts are anchored that are read apart from them: a box, a note, what a picture shows, how a
    character is read, an address. They come behind the paragraph that they are in, so that they never divide a word."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._beside: list[str] = []
        self._paragraphs = 0
        self._outer: list[tuple[Lines, list[str], int]] = []
        self._addresses: list[str] = []
        self._told: set[str] = set()

    @property
    def depth(self) -> int:
        """Texts within texts that have begun apart."""
        return len(self._outer)

    def add(self, text: str) -> None:
        self._lines.add(text)

    def apart(self, between: str) -> None:
        """As of `Lines`."""
        self._lines.apart(between)

    def close(self, between: str) -> None:
        """As of `Lines`."""
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
        """What comes until `end_apart` is no part of the paragraph. Raises Broken where that is within itself too often."""
        if len(self._outer) >= MOST_APART:
            raise Broken(f"texts in more than {MOST_APART} texts")
        self._outer.append((self._lines, self._beside, self._paragraphs))
        self._lines, self._beside, self._paragraphs = Lines(), [], 0

    def end_apart(self) -> str:
        """What came since `begin_apart`, which is not told unless somebody does it."""
        self._put()
        text = self._lines.whole()
        self._lines, self._beside, self._paragraphs = self._outer.pop()
        return text

    def beside(self, text: str) -> None:
        """Told behind the paragraph, or here where it is in none."""
        if text:
            self._beside.append(text)
            if not self._paragraphs:
                self._put()

    def once(self, text: str) -> None:
        """As `beside`, if it was not told in this way before."""
        if text not in self._told:
            self._told.add(text)
            self.beside(text)

    def link(self, address: str) -> None:
        """An address, told once behind the paragraph unless this says it itself."""
        if address and address not in self._told:
            self._told.add(address)
            self._addresses.append(address)

    def taken(self, *, last: bool) -> str:
        """The lines that are finished; or all."""
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
