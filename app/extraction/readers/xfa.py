"""XFA forms, which are XML within a PDF: their printed texts and what was filled in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from app.extraction.readers.reader import Unreadable

#: Elements of a template with text: captions, texts of the form, options, tips.
_PRINTED = {"text", "exData"}
#: The deepest nesting of elements.
MOST_DEPTH = 500


class _Texts:
    """The texts of one part. `named`: only elements with these names, with everything in them; empty: all elements."""

    def __init__(self, named: set[str]) -> None:
        self._named = named
        self._open: list[bool] = []
        self._current: list[str] = []
        self.found: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        within = bool(self._open and self._open[-1])
        begins = not self._named or name.rpartition(":")[2] in self._named
        if begins and not (within and self._named):
            self._end()
        self._open.append(begins or within)
        if len(self._open) > MOST_DEPTH:
            raise Unreadable("a form in XFA has elements too deep in each other")

    def end(self, name: str) -> None:
        within = self._open.pop()
        if not self._named or (within and not (self._open and self._open[-1])):
            self._end()
        elif within:
            self._current.append(" ")

    def data(self, text: str) -> None:
        if self._open and self._open[-1]:
            self._current.append(text)

    def _end(self) -> None:
        text = " ".join("".join(self._current).split())
        self._current = []
        if text:
            self.found.append(text)


def texts(packets: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """The visible texts of the parts (name and XML); of malformed XML, the text before the error."""
    import pyexpat

    for name, content in packets:
        if name not in ("template", "datasets"):
            continue
        reading = _Texts(_PRINTED if name == "template" else set())
        parser = pyexpat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = reading.start
        parser.EndElementHandler = reading.end
        parser.CharacterDataHandler = reading.data
        with contextlib.suppress(pyexpat.ExpatError, Unreadable):
            parser.Parse(content, True)
        yield from reading.found
