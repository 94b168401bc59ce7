"""Cuts a text into passages. A passage is a few whole sentences of one page, and has a text for the model.

A text is read in windows of bounded size. Each window is divided into units: sentences of running text, rows of tables,
or lines of anything else (code, logs). Units of one page are put together until a passage is full. If the last sentence
of a passage is short, the next passage begins with it as well, because it may be needed to understand what follows.

ICU finds the ends of sentences in every script, and the places where a text without sentences may be cut (also between
words of Thai, which has no blanks). By its rules a sentence ends at the end of a line, so wrapped lines are passed to
it with blanks instead of their line breaks. An end that it finds behind an initial or a title (`Dr.`) is ignored.

The time is proportional to the length of the text, whatever the text contains (docs/adr/0027-passages.md names
libraries of which this is not true), and a single step handles at most one window. `passages` is a generator, so a
caller can pause or stop after each passage. With one `CUTTER`, the same text and parts always give the same passages.

Rejected: cutting in the readers, which know the structure of a document (every reader would have to do it, kept texts
would have to be extracted again, and what is kept is plain text); cutting after a fixed number of characters (neither
half of a sentence is found); passages across a page break (they would have no page).
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
from app.passages.places import DOCUMENT, beginnings

#: The version of these rules: it changes whenever the same text would be cut differently.
CUTTER = 1

#: The most words of a passage. A last sentence of at most `MOST_REPEATED` words is repeated in the next passage.
MOST_WORDS = 80
MOST_REPEATED = 25
#: A passage of at least so many words ends at the end of a paragraph; one of at least `LEAST_WORDS` before a heading.
ENOUGH_WORDS = 50
LEAST_WORDS = 25
#: So many characters count as a word in a text without blanks.
WORD = 8
#: The most characters of a passage, and of its context (title, heading, head of a table).
MOST_CHARACTERS = MOST_WORDS * WORD
MOST_CONTEXT = 120
#: The most characters of a passage's text for the model, in the form NFKC, which can turn one character into eighteen.
MOST_TOLD = 2000

#: The most passages of one text, and the most bytes of it that are looked at: four times what is kept of a file.
MOST_PASSAGES = 2000
MOST_BYTES = 4 * 1024 * 1024
#: The bytes of a window: one takes some milliseconds.
WINDOW = 16 * 1024

# The language only chooses ICU's list of abbreviations. English shares many of them with German and other languages.
_LOCALE = "en@ss=standard"
_WORD = re.compile(r"[^\W_]")
# Characters of scripts without blanks. Two of them count as a word.
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Control characters and marks of direction, which no model knows. Joiners stay: Persian and Hindi need them.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+"
)
# A short word with a full stop, at the end of a sentence that ICU has found.
_SHORT = re.compile(r"(?<![^\W\d_])([^\W\d_]{1,3})\.\s*\Z")
_CLOSED = re.compile(r"[.!?…。！？｡؟۔।॥,;:，；：、]\Z")
_DELIMITERS = ("\t", "|", ";", ",")
#: The least rows of a table, if its delimiter also occurs in running text; and the most characters of a cell on
#: average.
_LEAST_ROWS = 3
_MOST_CELL = 60
#: A line with at least so many bytes may be continued by the next one.
_WRAPPED = 40
_MOST_HEADING = 80


class Passage(NamedTuple):
    """`start`, `end`: where the passage begins and ends, in bytes of the text. `page`, `title`, `file`: as in the
    `Part` that it is in. `text`: the text for the model: the context (title, heading, head of a table) and the passage,
    without control characters and repeated blanks."""

    start: int
    end: int
    page: int | None
    title: str
    file: tuple[str, ...]
    text: str


class Cut(NamedTuple):
    """The passages of a text. `more`: there is text behind the last one."""

    passages: tuple[Passage, ...]
    more: bool


class _Kind(Enum):
    SENTENCE = 1
    LINE = 2
    ROW = 3
    HEADING = 4


class _Unit(NamedTuple):
    """A piece of text that is never divided. `start`, `end`: in characters of the window at first, later in bytes of
    the text. `fresh`: it begins a paragraph. `head`: the first row of the table that it belongs to."""

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
    """The passages of `text` (UTF-8), whose `parts` say where its pages and files begin: at most `MOST_PASSAGES`, of
    its first `MOST_BYTES`.

    Raises ValueError if the text is not UTF-8, or the parts are not in order or not those of this text.
    """
    found: list[Passage] = []
    for each in passages(text, parts):
        if len(found) == MOST_PASSAGES:
            return Cut(tuple(found), True)
        found.append(each)
    return Cut(tuple(found), len(text) > MOST_BYTES)


def passages(text: bytes, parts: Sequence[Part]) -> Iterator[Passage]:
    """The same one by one, without a limit of their number."""
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
    """The last place between `start` and `at` that is not within a character. Raises ValueError if there is none."""
    for place in range(at, max(start, at - 4), -1):
        if place == len(text) or text[place] & 0xC0 != 0x80:
            return place
    if at == start:
        return at
    raise ValueError("a text that is not UTF-8")


def _sections(parts: Sequence[Part], end: int) -> Iterator[_Section]:
    """The sections of a text up to `end`: each lies between the beginnings of two parts, and has the page and the file of
    the first."""
    begun, place = 0, DOCUMENT
    behind = max(end, parts[-1].at if parts else 0)
    for at, following in chain(beginnings(parts), [(behind, DOCUMENT)]):
        if at < begun:
            raise ValueError("the parts of a text are not in order")
        if begun < min(at, end):
            yield _Section(begun, min(at, end), *place)
        begun, place = at, following


def _units(text: bytes, section: _Section) -> Iterator[_Unit]:
    """The units of a section, with places in bytes of the text. The last unit of a window may go on behind it, so the
    next window begins with it."""
    at, fresh, head = section.start, True, ""
    while at < section.end:
        stop = section.end
        if stop - at > WINDOW:
            # At the end of a line, if possible: half a row of a table can't be recognised.
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
    """Whether `blanks` contains an empty line."""
    return len(blanks.splitlines()) > 1 or blanks.endswith(("\n\n", "\n\r\n"))


class _Line(NamedTuple):
    start: int
    text: str


def _of_window(window: str, fresh: bool, head: str) -> Iterator[_Unit]:
    """The units of a window, with places in characters of it. `fresh`, `head`: those of its first unit."""
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
    """Whether `block` is a heading: one short line that is no sentence, before a longer line."""
    text = block[0].text.strip()
    if len(block) > 1 or len(text) > _MOST_HEADING or following is None or not _WORD.search(text):
        return False
    return text.startswith("#") or (_CLOSED.search(text) is None and len(following[0].text) >= 2 * len(text))


def _trimmed(text: str, start: int, kind: _Kind, fresh: bool, head: str = "") -> _Unit:
    begun = start + len(text) - len(text.lstrip())
    text = text.strip()
    return _Unit(begun, begun + len(text), kind, text, fresh, head)


def _shape(line: str) -> tuple[str, int]:
    """The delimiter of the cells of `line`, and how often it occurs; `("", 0)` for running text. A comma or semicolon
    with a blank behind it does not divide cells."""
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
    """The lines of `block` in runs, each with whether its lines are rows of a table. `head`: the first row of a table
    that may go on in this block."""
    shapes = [_shape(each.text) for each in block]
    begun = 0
    running: list[_Line] = []
    while begun < len(block):
        delimiter, count = shapes[begun]
        end = begun + 1
        # Rows with tabs may lack cells at their end.
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
    """The sentences of `lines`. A sentence also ends with a line that the next line does not continue."""
    shown = []
    for line, after in pairwise([*lines, _Line(0, "")]):
        body = line.text.rstrip()
        tail = line.text[len(body) :]
        wrapped = _bytes(body) >= _WRAPPED and (body[-1].isalpha() or body[-1] in ",-") and after.text[:1].isalpha()
        shown += [body, " " * len(tail) if wrapped else tail]
    # Imported here: it takes 7 MB, and most processes cut no text.
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
    """Whether `text` ends with the full stop of an initial or of a title (`Dr.`)."""
    # Only the end is searched: from the beginning, the same text would be searched again for each piece.
    found = _SHORT.search(text, max(0, len(text) - 12))
    return found is not None and (len(found[1]) == 1 or found[1][0].isupper())


def _told(text: str, start: int, fresh: bool) -> Iterator[_Unit]:
    for piece, begun in _bounded(text, start):
        yield _trimmed(piece, begun, _Kind.SENTENCE, fresh)
        fresh = False


def _bounded(text: str, start: int) -> Iterator[tuple[str, int]]:
    """`text` in pieces that fit into a passage, each with its start; one piece if all of it fits. Pieces of blanks are
    left out."""
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
    """`word` in pieces of at most `MOST_CHARACTERS`. A piece ends before a letter or digit, if there is one nearby, so
    that marks stay with their letter."""
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
    """How many words `text` counts as: by its blanks and its characters of scripts without blanks, or by its length if
    that gives more."""
    words = float(len(text.split()))
    if not text.isascii():
        words += len(_WIDE.findall(text)) / 2
    return max(words, len(text) / WORD)


def _packed(units: Iterable[_Unit], section: _Section) -> Iterator[Passage]:
    """The passages of the units of a section. Two of them may share a sentence, and never begin at the same place."""
    held: list[_Unit] = []
    weight = 0.0
    # The heading above the beginning of the passage, and the latest one.
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
    """Whether the passage of the units in `held`, of `weight` words, ends before `unit`, of `more` words."""
    if weight + more > MOST_WORDS:
        return True
    if unit.kind is _Kind.HEADING or (unit.kind is _Kind.ROW) != (held[-1].kind is _Kind.ROW):
        return weight >= LEAST_WORDS
    return unit.fresh and weight >= ENOUGH_WORDS


def _passage(held: list[_Unit], above: str, section: _Section) -> Passage | None:
    """The passage of the units in `held`; None if it has neither a letter nor a digit. `above`: the heading above
    it."""
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
    """`text`; if its form NFKC is longer than `MOST_TOLD`, the beginning of that form."""
    if text.isascii():
        return text
    unified = unicodedata.normalize("NFKC", text)
    return text if len(unified) <= MOST_TOLD else unified[:MOST_TOLD]


def _seen(text: str) -> str:
    return " ".join(_UNSEEN.sub(" ", text).split())
