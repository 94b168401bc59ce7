"""The text of a page of a PDF, as the library returns it, with its errors corrected.

The library leaves out lines whose letters together have no width or no height (the letters of a vertical line have the same
place), and reverses a line that is written from right to left letter by letter, even where one glyph stands for several.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter, defaultdict
from typing import Any

from app.extraction.readers.hyphens import with_joined

#: Scripts whose lines may be vertical, and scripts that are written from right to left.
_EAST_ASIAN = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]{2,}")
# The library's mark for a hyphen at the end of a line whose word goes on in the next (U+0002 in earlier versions).
_LINE_END = re.compile("[\ufffe\x02](?=\\w)")
#: The most objects of a page that are checked.
MOST_OBJECTS = 20_000
# A rotation so small (in radians) that nothing else changes.
_TURN = 0.001


def of(raw: Any, page: Any) -> str:
    """The text of a page, of pypdfium2. Raises PdfiumError."""
    textpage = page.get_textpage()
    try:
        found = str(textpage.get_text_range(errors="replace"))
        if (not found or _has(_EAST_ASIAN, found)) and _widened(raw, page):
            textpage.close()
            textpage = page.get_textpage()
            found = str(textpage.get_text_range(errors="replace"))
        if _has(_RIGHT_TO_LEFT, found) and _counted_alike(found):
            found = _in_order(raw, textpage, found)
        found = _once(raw, textpage, found)
    finally:
        textpage.close()
    # The library ends lines as Windows does.
    found = _LINE_END.sub("-\n", found.replace("\r\n", "\n"))
    return with_joined(found.replace("\ufffe", "-").replace("\x02", "-"))


def says(text: str, words: str) -> bool:
    """Whether `words` occur in `text`; in both, blanks and line ends separate words."""
    flat = " ".join(words.split())
    return flat in text and re.search(rf"(?<!\w){re.escape(flat)}(?!\w)", text) is not None


def _has(letters: re.Pattern[str], text: str) -> bool:
    return not text.isascii() and letters.search(text) is not None


def _counted_alike(text: str) -> bool:
    """Whether the library, which counts UTF-16 units, numbers each character as Python does."""
    return text.isascii() or max(text) <= "\uffff"


def _widened(raw: Any, page: Any) -> bool:
    """Give each line of letters without a width a small one; returns whether there was such a line."""
    matrix, found = raw.FS_MATRIX(1, _TURN, -_TURN, 1, 0, 0), False
    bounds = [ctypes.c_float() for _ in range(4)]
    for index in range(min(raw.FPDFPage_CountObjects(page), MOST_OBJECTS)):
        item = raw.FPDFPage_GetObject(page, index)
        if raw.FPDFPageObj_GetType(item) != raw.FPDF_PAGEOBJ_TEXT or not raw.FPDFPageObj_GetBounds(item, *bounds):
            continue
        left, bottom, right, top = (each.value for each in bounds)
        if (right - left < 0.01) != (top - bottom < 0.01):
            found = bool(raw.FPDFPageObj_TransformF(item, matrix)) or found
    return found


def _in_order(raw: Any, textpage: Any, text: str) -> str:
    """`text`, with the letters of each glyph in their order."""
    letters = list(text)
    for run in _RIGHT_TO_LEFT.finditer(text):
        first, before = run.start(), _place(raw, textpage, run.start())
        for index in range(run.start() + 1, run.end() + 1):
            here = _place(raw, textpage, index) if index < run.end() else None
            if here is None or here != before:
                letters[first:index] = reversed(letters[first:index])
                first = index
            before = here
    return "".join(letters)


def _once(raw: Any, textpage: Any, text: str) -> str:
    """`text` without lines that are drawn twice in the same place: shadows, and letters made bold that way."""
    lines = text.split("\r\n")
    if len(set(lines)) == len(lines) or not _counted_alike(text):
        return text
    found, index = [], 0
    count, places = Counter(lines), defaultdict[str, list[tuple[float, ...]]](list)
    for line in lines:
        here = _place(raw, textpage, index) if line and count[line] > 1 else None
        if here is None or not any(_near(here, each) for each in places[line]):
            found.append(line)
        if here is not None:
            places[line].append(here)
        index += len(line) + 2
    return "\r\n".join(found)


def _near(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether a letter has nearly the same place as another."""
    much = (one[3] - one[2]) / 4
    return abs(one[0] - other[0]) <= much and abs(one[2] - other[2]) <= much


def _place(raw: Any, textpage: Any, index: int) -> tuple[float, ...] | None:
    """Left, right, bottom and top of a letter, by its place in the text."""
    box = [ctypes.c_double() for _ in range(4)]
    character = raw.FPDFText_GetCharIndexFromTextIndex(textpage, index)
    if character < 0 or not raw.FPDFText_GetCharBox(textpage, character, *box):
        return None
    return tuple(each.value for each in box)


def covered(raw: Any, page: Any) -> float:
    """The share of the page that its largest picture covers."""
    width, height = page.get_size()
    bounds, most = [ctypes.c_float() for _ in range(4)], 0.0
    for index in range(min(raw.FPDFPage_CountObjects(page), MOST_OBJECTS)):
        item = raw.FPDFPage_GetObject(page, index)
        pictures = (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM)
        if raw.FPDFPageObj_GetType(item) in pictures and raw.FPDFPageObj_GetBounds(item, *bounds):
            left, bottom, right, top = (each.value for each in bounds)
            most = max(most, (right - left) * (top - bottom) / max(1.0, width * height))
    return most
