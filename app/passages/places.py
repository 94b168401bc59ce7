"""Tells the page, and the file inside a document, to which a place of its text belongs.

The parts of a text say where pages and files begin. A part without a file is a page of the file before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.extraction.parts import Part


class Place(NamedTuple):
    """Where a place of a text is. `page`: from 1; None if there are no pages. `title`: that of the page, or ''. `file`:
    the names that lead to the file inside; empty for the document itself."""

    page: int | None
    title: str
    file: tuple[str, ...]


#: What is before the first part.
DOCUMENT = Place(None, "", ())


def beginnings(parts: Sequence[Part]) -> Iterator[tuple[int, Place]]:
    """For each part, in its order, the byte of the text at which it begins, and where its text is."""
    file: tuple[str, ...] = ()
    for part in parts:
        file = part.file or file
        yield part.at, Place(part.page, part.title, file)


class Places:
    """The places of a text with these parts, which are in the order of the text."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._beginnings = list(beginnings(parts))

    def at(self, byte: int) -> Place:
        """Where a byte of the text is."""
        number = bisect_right(self._beginnings, byte, key=lambda each: each[0]) - 1
        return DOCUMENT if number < 0 else self._beginnings[number][1]
