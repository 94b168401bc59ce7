"""One function that turns text into searchable words, used for what is indexed and for what is asked alike.

The analysers of Elasticsearch's core keep `adaptive_searching_in.pdf` as one word and fold nothing, so the words are made
here and the index only splits them at blanks. It depends on Python's Unicode tables alone and behaves alike on every
cluster.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from app.model.schema import existing
from app.search.collation import order_key
from app.search.stops import stopped

_EXTENSION, _NAME_WORDS, _NAME_TEXT, _NAME_EXACT = existing("extension", "name_words", "name_text", "name_exact")
(_NAME_ORDER,) = existing("name_order")
_CONTENT, _CONTENT_WORDS = existing("content", "content_words")

# Within a run of letters and digits: camelCase humps and the border between letters and digits.
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")

# The border between letters and digits alone.
_DIGITS = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
# A run with no border in it, as most are.
_PLAIN = re.compile(r"[A-Z]*[a-z]*|[0-9]+")
# A run with the combining marks of its letters, where they are characters of their own.
_MARKED_RUN = re.compile(r"(?:[^\W_][\u0300-\u036f]*)+")

_DIACRITICS = dict.fromkeys(range(0x300, 0x370))


#: Marks that may follow one letter, far more than any writing has (the number of UAX #15's stream-safe text). Bringing
#: marks in order takes time by the square of how many there are, and nothing else runs meanwhile: without a bound a text of
#: nothing else stops a process for a minute.
MOST_MARKS = 30
# What may have too many: only in here are there characters that are marks, or become marks.
_MARKS_OR_OTHERS = re.compile(rf"[\W\uff9e\uff9f]{{{MOST_MARKS + 1},}}")


def _is_mark(character: str) -> bool:
    """Whether normalising may move it before the character that it follows."""
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) != 0


def _thinned(match: re.Match[str]) -> str:
    """The characters of `match` without those marks that follow `MOST_MARKS` others."""
    kept: list[str] = []
    marks = 0
    for character in match[0]:
        marks = marks + 1 if not character.isascii() and _is_mark(character) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def fold(text: str) -> str:
    """`text` in one comparable form: compatibility forms unified, case folded, accents removed, NFC.

    Only the general diacritics (U+0300 to U+036F) go: the marks of Japanese or Devanagari make other letters.
    """
    if text.isascii():
        return text.lower()
    bounded = _MARKS_OR_OTHERS.sub(_thinned, text)
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", bounded).casefold())
    return unicodedata.normalize("NFC", decomposed.translate(_DIACRITICS))


# Scripts written without blanks: each character is a word, and a query for several is a query for them in order.
_CONTENT_RUN = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
# The same where the marks of letters are characters of their own.
_MARKED_CONTENT_RUN = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff][\u0300-\u036f]*"
    r"|(?:[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff][\u0300-\u036f]*)+"
)
_PIECE = re.compile(r".{1,16384}(?:\s|\Z)|.{1,16384}", re.DOTALL)


#: Characters of words that are made of one character of a text at most, over all of it, and those that are made of any
#: text. Chinese and Japanese need two, a character and a blank; a text of nothing but U+FDFA would need eighteen, and with
#: them the time and the space of a text so many times as long as MAX_INDEXED_TEXT says.
MOST_GROWTH = 4
LEAST_WORDS = 65_536


def content_words(text: str) -> str:
    """The words of `text`, folded, in their order and as often as they occur, separated by single blanks.

    For texts and for queries on them: unlike `words` it keeps what makes a phrase, so it neither adds parts of words nor
    drops repetitions. Works piece by piece, as nothing else runs in this process within one step. What would grow beyond
    `MOST_GROWTH` is cut between words.
    """
    left = max(LEAST_WORDS, MOST_GROWTH * len(text))
    found: list[str] = []
    for piece in _PIECE.findall(text):
        part = " ".join(_CONTENT_RUN.findall(fold(piece)))
        if len(part) > left:
            found.append(part[: left + 1].rpartition(" ")[0])
            break
        found.append(part)
        left -= len(part) + 1
    return " ".join(filter(None, found))


def words(text: str) -> str:
    """The words of `text`, folded, separated by single blanks; each run also as a whole, so `iPhone15` finds itself.

    Of a run of humps and digits the words between digits are there as well: `iPhone15` is found by `iphone 15`.
    """
    return " ".join(dict.fromkeys(folded for folded, _, _ in parts_of(unicodedata.normalize("NFC", text)) if folded))


def parts_of(text: str) -> Iterator[tuple[str, int, int]]:
    """What `words` makes of `text`, with where it begins and ends in it; repetitions as well.

    `text` may be in any form of Unicode; a mark belongs to the letter before it.
    """
    for run in _MARKED_RUN.finditer(text):
        yield fold(run[0]), run.start(), run.end()
        if _PLAIN.fullmatch(run[0]):
            continue
        for border in (_HUMP, _DIGITS):
            edges = [0, *(match.start() for match in border.finditer(run[0])), len(run[0])]
            if len(edges) > 2:
                for start, end in pairwise(edges):
                    yield fold(run[0][start:end]), run.start() + start, run.start() + end


def places_of(text: str) -> Iterator[tuple[str, int, int]]:
    """What `content_words` makes of `text`, with where it begins and ends in it."""
    for run in _MARKED_CONTENT_RUN.finditer(text):
        for word in content_words(run[0]).split():
            yield word, run.start(), run.end()


def name_fields(name: str) -> dict[str, Any]:
    """What the index holds of a name beside the name itself.

    `name_words`: its words and their parts. `name_text`: its words in their order, for phrases and for scripts without
    blanks. `name_exact`: the name folded, with its extension and without. `name_order`: by which names are sorted.
    """
    stem, dot, suffix = name.rpartition(".")
    exact = [fold(name)] if not (dot and stem) else [fold(name), fold(stem)]
    return {
        _EXTENSION: suffix.lower() if dot and stem else "",
        _NAME_WORDS: words(name),
        _NAME_TEXT: content_words(name),
        _NAME_EXACT: exact,
        _NAME_ORDER: order_key(name),
    }


def content_fields(text: str) -> dict[str, Any]:
    """What the index holds of the text of a content.

    `content_words`: its words, which are searched. `content`: what marks are made in.
    """
    return {_CONTENT: stopped(text), _CONTENT_WORDS: content_words(text)}
