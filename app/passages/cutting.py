"""Cut a text into passages: whole sentences of one page, a few of them together, each with what it is told to the model.

A text is read in windows of bounded size, each of which becomes units: sentences of running text, rows of tables, lines of
everything else (code, logs). Units of one page are then put together until a passage is full. A passage has the last
sentence of the one before it once more, when that is short: what it says may be needed to understand the next one.

ICU tells where sentences end, in every script, and where a text without sentences may be cut (between words of Thai, too,
which has no blanks). Its rules take a line's end for the end of a sentence, so the ends of wrapped lines are shown to it as
blanks. What it takes for an end after an initial or a title (`Dr.`) is none here.

All of it takes time by the length of the text, whatever is in it (docs/adr/0027-passages.md has the libraries that do not),
and what is done in one step is bounded by the window. `passages` is a generator: whoever runs it beside others can stop
after each one. It is the same for the same text and parts, as long as `CUTTER` is the same.

Rejected: cutting in the readers, as they know the document's structure (each would have to, texts that are kept would have
to be extracted again, and what is kept is a plain text); a number of characters, whatever stands there (a sentence that is
cut in two is found by neither half); a passage over the border of two pages (which of them would it be on).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import chain, pairwise
from typing import NamedTuple

from app.extraction import parts as parts_of_text
from app.extraction.parts import Part

#: The version of what is done here: with another one the same text has other passages.
CUTTER = 1

#: The most words of a passage, and those of its last sentence up to which that one is in the next passage as well.
MOST_WORDS = 80
MOST_REPEATED = 25
#: A passage with so many words ends where a paragraph ends, and one with so many where a heading follows.
ENOUGH_WORDS = 50
LEAST_WORDS = 25
#: Characters that count as a word where there are no blanks.
WORD = 8
#: The most characters of a passage, and of the title, heading and head of a table before it.
MOST_CHARACTERS = MOST_WORDS * WORD
MOST_CONTEXT = 120
#: The most characters that are told to a model, in the form NFKC: one character may be eighteen there.
MOST_TOLD = 2000

#: The most passages of one text, and the most bytes of it that are looked at: four times what is kept of a file.
MOST_PASSAGES = 2000
MOST_BYTES = 4 * 1024 * 1024
#: Bytes of a step: some milliseconds.
WINDOW = 16 * 1024

# The language decides which abbreviations ICU knows, and no rule else. English, as German and others share many.
_LOCALE = "en@ss=standard"
_WORD = re.compile(r"[^\W_]")
# Scripts without blanks, of which two characters count as a word.
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Controls and signs of direction, which no model knows. Joiners stay: Persian and Hindi are written with them.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+"
)
# A short word with a full stop, at the end of what ICU takes for a sentence.
_SHORT = re.compile(r"(?<![^\W\d_])([^\W\d_]{1,3})\.\s*\Z")
_CLOSED = re.compile(r"[.!?…。！？｡؟۔।॥,;:，；：、]\Z")
_DELIMITERS = ("\t", "|", ";", ",")
#: Rows that make a table, where the delimiter is none that stands in tables alone; and the longest cell, on average.
_LEAST_ROWS = 3
_MOST_CELL = 60
#: Bytes of a line from which on the next one may continue it.
_WRAPPED = 40
_MOST_HEADING = 80


class Passage(NamedTuple):
    """`start`, `end`: bytes of the text before and up to its end. `page`, `title`, `file`: where it is, as a `Part` tells.
    `text`: what the model is told, with what the passage is below before it, and without controls and repeated blanks."""

    start: int
    end: int
    page: int | None
    title: str
    file: tuple[str, ...]
    text: str


class Cut(NamedTuple):
    """`more`: there is text behind the last of the passages."""

    passages: tuple[Passage, ...]
    more: bool


class _Kind(Enum):
    SENTENCE = 1
    LINE = 2
    ROW = 3
    HEADING = 4


class _Unit(NamedTuple):
    """What is never divided. `start`, `end`: in characters of the window, and then in bytes of the text. `fresh`: a new
    paragraph. `head`: the first row of the table that it is in."""

    start: int
    end: int
    kind: _Kind
    text: str
    fresh: bool
    head: str = ""


class _Section(NamedTuple):
    start: int
    end: int
    page: int | None
    title: str
    file: tuple[str, ...]


def cut(text: bytes, parts: Sequence[Part]) -> Cut:
    """The passages of `text` (UTF-8), with where its `parts` begin; at most `MOST_PASSAGES` of its first `MOST_BYTES`.

    Raises ValueError when the text is not UTF-8, or the parts are not in order or not those of this text.
    """
    found: list[Passage] = []
    for each in passages(text, parts):
        if len(found) == MOST_PASSAGES:
            return Cut(tuple(found), True)
        found.append(each)
    return Cut(tuple(found), len(text) > MOST_BYTES)


def passages(text: bytes, parts: Sequence[Part]) -> Iterator[Passage]:
    """The same one by one, however many."""
    parts_of_text.check(parts, text)
    end = _border(text, 0, min(len(text), MOST_BYTES))
    for section in _sections(parts, end):
        yield from _packed(_units(text, section), section)


def within(text: bytes, parts: Sequence[Part], start: int, end: int) -> Iterator[Passage]:
    """The passages of a piece of `text`, from the byte `start` up to `end`, which divide no character: as if the text began
    and ended there, with the pages and files that it has. Errors as in `cut`."""
    parts_of_text.check(parts, text)
    for section in _sections(parts, end):
        if section.end > start:
            inside = section._replace(start=max(start, section.start))
            yield from _packed(_units(text, inside), inside)


def pieces(text: bytes, most: int) -> Iterator[tuple[int, int]]:
    """The beginnings and ends of pieces of `text`, of at most `most` bytes each, that end where a line ends, else at a
    blank, else between two characters. Raises ValueError when the text is not UTF-8."""
    at = 0
    while at < len(text):
        end = at + most
        if end >= len(text):
            end = len(text)
        else:
            least = at + most // 2
            end = text.rfind(b"\n", least, end) + 1 or text.rfind(b" ", least, end) + 1 or _border(text, at, end)
        yield at, end
        at = end


def _border(text: bytes, start: int, at: int) -> int:
    """The last place from `start` to `at` where no character is divided. Raises ValueError when there is none."""
    for place in range(at, max(start, at - 4), -1):
        if place == len(text) or text[place] & 0xC0 != 0x80:
            return place
    if at == start:
        return at
    raise ValueError("a text that is not UTF-8")


def _sections(parts: Iterable[Part], end: int) -> Iterator[_Section]:
    """What lies between two parts, with which page of which file it is."""
    page: int | None = None
    title = ""
    file: tuple[str, ...] = ()
    last = Part(0)
    for part in chain(parts, [Part(end)]):
        if part.at < last.at:
            raise ValueError("the parts of a text are not in order")
        if last.at < min(part.at, end):
            yield _Section(last.at, min(part.at, end), page, title, file)
        page, title = part.page, part.title
        file = part.file or file
        last = part


def _units(text: bytes, section: _Section) -> Iterator[_Unit]:
    """The units of a section, in bytes of the text. The last of a window is looked at again with what follows it."""
    at, fresh, head = section.start, True, ""
    while at < section.end:
        stop = section.end
        if stop - at > WINDOW:
            # Where a line ends, as of half a row nobody could say that it is one.
            stop = text.rfind(b"\n", at + WINDOW // 2, at + WINDOW) + 1 or _border(text, at, at + WINDOW)
        window = text[at:stop].decode()
        found = list(_of_window(window, fresh, head))
        left = found.pop() if stop < section.end and len(found) > 1 else None
        begun, size = 0, at
        for unit in found:
            start = size + _bytes(window[begun : unit.start])
            size = start + _bytes(window[unit.start : unit.end])
            begun = unit.end
            yield unit._replace(start=start, end=size)
        if left is not None:
            at, fresh, head = size + _bytes(window[begun : left.start]), left.fresh, left.head
        else:
            at, fresh = stop, fresh if not found and not _divides(window) else _divides(window[begun:])
            head = found[-1].head if found else head


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _divides(blanks: str) -> bool:
    """Whether there is an empty line."""
    return len(blanks.splitlines()) > 1 or blanks.endswith(("\n\n", "\n\r\n"))


class _Line(NamedTuple):
    start: int
    text: str


def _of_window(window: str, fresh: bool, head: str) -> Iterator[_Unit]:
    """The units of a window, in its characters. `fresh`, `head`: of its first one."""
    blocks: list[list[_Line]] = [[]]
    start = 0
    for line in window.splitlines(keepends=True):
        if line.isspace():
            blocks.append([])
        else:
            blocks[-1].append(_Line(start, line))
        start += len(line)
    blocks = [each for each in blocks if each]
    for number, block in enumerate(blocks):
        following = blocks[number + 1] if number + 1 < len(blocks) else None
        yield from _of_block(block, following, fresh or number > 0, head if number == 0 else "")


def _of_block(block: list[_Line], following: list[_Line] | None, fresh: bool, head: str) -> Iterator[_Unit]:
    if _is_heading(block, following):
        yield _trimmed(block[0].text, block[0].start, _Kind.HEADING, fresh)
        return
    for rows, lines in _runs(block, head):
        found = _rows(lines, fresh, head) if rows else _sentences(lines, fresh)
        for unit in found:
            yield unit
            fresh = False
        head = ""


def _is_heading(block: list[_Line], following: list[_Line] | None) -> bool:
    """One short line that is no sentence, before something longer."""
    text = block[0].text.strip()
    if len(block) > 1 or len(text) > _MOST_HEADING or following is None or not _WORD.search(text):
        return False
    return text.startswith("#") or (_CLOSED.search(text) is None and len(following[0].text) >= 2 * len(text))


def _trimmed(text: str, start: int, kind: _Kind, fresh: bool, head: str = "") -> _Unit:
    begun = start + len(text) - len(text.lstrip())
    text = text.strip()
    return _Unit(begun, begun + len(text), kind, text, fresh, head)


def _shape(line: str) -> tuple[str, int]:
    """The delimiter of its cells and how many there are; none for running text. A comma before a blank divides no cells."""
    line = line.strip("\r\n,;")
    if line.lstrip().startswith(("{", "[", "<")):
        return "", 0
    for delimiter in _DELIMITERS:
        count = line.count(delimiter)
        if delimiter == "\t":
            count -= len(line) - len(line.lstrip("\t"))
        if count and (delimiter in "\t|" or f"{delimiter} " not in line) and len(line) <= _MOST_CELL * (count + 1):
            return delimiter, count
    return "", 0


def _runs(block: list[_Line], head: str) -> Iterator[tuple[bool, list[_Line]]]:
    """Its lines in runs, each with whether they are rows of a table. `head`: the table goes on that began with this row."""
    shapes = [_shape(each.text) for each in block]
    begun = 0
    running: list[_Line] = []
    while begun < len(block):
        delimiter, count = shapes[begun]
        end = begun + 1
        # Cells at the end of a row may be missing where tabs divide them.
        while end < len(block) and shapes[end][0] == delimiter and (delimiter in "\t" or shapes[end][1] == count):
            end += 1
        least = 1 if head and begun == 0 else 2 if delimiter == "\t" else _LEAST_ROWS
        if not delimiter or end - begun < least:
            running += block[begun:end]
        else:
            if running:
                yield False, running
                running = []
            yield True, block[begun:end]
        begun = end
    if running:
        yield False, running


def _rows(lines: list[_Line], fresh: bool, head: str) -> Iterator[_Unit]:
    for line in lines:
        head = head or line.text.strip()[: MOST_CONTEXT * 4]
        for text, start in _bounded(line.text, line.start):
            yield _trimmed(text, start, _Kind.ROW, fresh, head)
            fresh = False


def _sentences(lines: list[_Line], fresh: bool) -> Iterator[_Unit]:
    """The sentences of lines; each line that the next one does not continue ends one."""
    shown = []
    for line, after in pairwise([*lines, _Line(0, "")]):
        body = line.text.rstrip()
        tail = line.text[len(body) :]
        wrapped = _bytes(body) >= _WRAPPED and (body[-1].isalpha() or body[-1] in ",-") and after.text[:1].isalpha()
        shown += [body, " " * len(tail) if wrapped else tail]
    # Here, as most processes cut nothing: it is 7 MB.
    from icu4py.breakers import SentenceBreaker

    start = lines[0].start
    pending = ""
    for sentence in SentenceBreaker("".join(shown), _LOCALE):
        pending += sentence
        if len(pending) < MOST_CHARACTERS and _abbreviates(pending):
            continue
        yield from _told(pending, start, fresh)
        fresh = fresh and not pending.strip()
        start += len(pending)
        pending = ""
    yield from _told(pending, start, fresh)


def _abbreviates(text: str) -> bool:
    """Whether the full stop at its end is that of an initial or of a title (`Dr.`)."""
    # Looked for in its end alone: a search from the beginning would be made for each piece again.
    found = _SHORT.search(text, max(0, len(text) - 12))
    return found is not None and (len(found[1]) == 1 or found[1][0].isupper())


def _told(text: str, start: int, fresh: bool) -> Iterator[_Unit]:
    for piece, begun in _bounded(text, start):
        yield _trimmed(piece, begun, _Kind.SENTENCE, fresh)
        fresh = False


def _bounded(text: str, start: int) -> Iterator[tuple[str, int]]:
    """`text` as it is, or in pieces of a passage each, with where they begin; nothing for blanks."""
    if len(text) <= MOST_CHARACTERS and _weight(text) <= MOST_WORDS:
        if text.strip():
            yield text, start
        return
    from icu4py.breakers import LineBreaker

    piece, weight = "", 0.0
    for word in chain.from_iterable(map(_divided, LineBreaker(text, _LOCALE))):
        more = _weight(word)
        if piece and (weight + more > MOST_WORDS or len(piece) + len(word) > MOST_CHARACTERS):
            if piece.strip():
                yield piece, start
            start += len(piece)
            piece, weight = "", 0.0
        piece += word
        weight += more
    if piece.strip():
        yield piece, start


def _divided(word: str) -> Iterator[str]:
    """A word that is longer than a passage in pieces, a few marks together with what they are on."""
    at = 0
    while len(word) - at > MOST_CHARACTERS:
        end = at + MOST_CHARACTERS
        for place in range(end, end - 8, -1):
            if word[place].isalnum():
                end = place
                break
        yield word[at:end]
        at = end
    yield word[at:]


def _weight(text: str) -> float:
    """How many words: by blanks, by characters of scripts without blanks, and by length where there is neither."""
    words = float(len(text.split()))
    if not text.isascii():
        words += len(_WIDE.findall(text)) / 2
    return max(words, len(text) / WORD)


def _packed(units: Iterable[_Unit], section: _Section) -> Iterator[Passage]:
    """Passages of the units of a section. Each but the first begins behind the beginning of the one before it."""
    held: list[_Unit] = []
    weight = 0.0
    # The heading that holds where the passage begins, and the one that holds behind it.
    above = heading = ""
    for unit in units:
        more = _weight(unit.text)
        if held and _ends(held, weight, unit, more):
            passage = _passage(held, above, section)
            if passage is not None:
                yield passage
            last = held[-1]
            repeated = (
                not unit.fresh
                and len(held) > 1
                and last.kind is unit.kind is _Kind.SENTENCE
                and _weight(last.text) <= min(MOST_REPEATED, MOST_WORDS - more)
            )
            held, weight = ([last], _weight(last.text)) if repeated else ([], 0.0)
            above = "" if unit.kind is _Kind.HEADING else heading
        if unit.kind is _Kind.HEADING:
            heading = unit.text
        held.append(unit)
        weight += more
    passage = _passage(held, above, section) if held else None
    if passage is not None:
        yield passage


def _ends(held: list[_Unit], weight: float, unit: _Unit, more: float) -> bool:
    """Whether a passage ends before `unit`."""
    if weight + more > MOST_WORDS:
        return True
    if unit.kind is _Kind.HEADING or (unit.kind is _Kind.ROW) != (held[-1].kind is _Kind.ROW):
        return weight >= LEAST_WORDS
    return unit.fresh and weight >= ENOUGH_WORDS


def _passage(held: list[_Unit], above: str, section: _Section) -> Passage | None:
    """None where there is no letter and no digit."""
    body = _seen(" ".join(each.text for each in held))
    if not _WORD.search(body):
        return None
    context = [section.title, above]
    if held[0].kind is _Kind.ROW and not held[0].head.startswith(held[0].text):
        context.append(held[0].head)
    before = " ".join(dict.fromkeys(_seen(each) for each in context if each))[: 2 * MOST_CONTEXT]
    shortened = (
        before if len(before) <= MOST_CONTEXT else before[:MOST_CONTEXT].rpartition(" ")[0] or before[:MOST_CONTEXT]
    )
    told = _told_at_most(f"{shortened} {body}".strip())
    return Passage(held[0].start, held[-1].end, section.page, section.title, section.file, told)


def _told_at_most(text: str) -> str:
    """`text`, or the beginning of its form NFKC where that is too long."""
    if text.isascii():
        return text
    unified = unicodedata.normalize("NFKC", text)
    return text if len(unified) <= MOST_TOLD else unified[:MOST_TOLD]


def _seen(text: str) -> str:
    return " ".join(_UNSEEN.sub(" ", text).split())
