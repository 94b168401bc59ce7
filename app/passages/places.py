"""Finds the page, and the file inside a document, to which a place of its text belongs. `cutting` has the same rule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from app.extraction.parts import Part


class Place(NamedTuple):
    """Where a place of a text is. `page`: from 1; None if there are no pages. `title`: that of the page, or ''. `file`:
    the names that lead to the file inside; empty for the document itself."""

    page: int | None
    title: str
    file: tuple[str, ...]


def place_of(parts: Sequence[Part], at: int) -> Place:
    """Where the byte `at` of a text is. `parts`: the parts of the text, in their order."""
    number = bisect_right(parts, at, key=lambda part: part.at) - 1
    if number < 0:
        return Place(None, "", ())
    last = parts[number]
    while number >= 0 and not parts[number].file:
        number -= 1
    return Place(last.page, last.title, parts[number].file if number >= 0 else ())
