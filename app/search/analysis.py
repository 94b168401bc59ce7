"""What the index holds of a text and of a name, beside the text itself. Pure.

A text is read once, piece by piece, as no other thread runs within one step. Each piece is composed (NFC) and divided
into runs once, and its words, windows and stems are made from these runs. A run that was met before costs no more than
a look-up. For this, a piece is folded by its runs and not as a whole, if its characters allow that (`_is_simple`): then
the same runs are those of the text and, folded, those of its words. Other pieces (Chinese, Thai, Hindi, texts with
separate accents) are folded as a whole, once.

`app.search.words` says what runs and windows are.

Rejected: a pass for each field, as it was before (each piece was composed and divided three times and folded up to four
times, which took more than twice as long).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from app.model.schema import existing
from app.search import scripts
from app.search.collation import order_key
from app.search.stems import LANGUAGES, languages_of
from app.search.stops import marked_text
from app.search.words import (
    PIECE,
    RUN,
    SPACED_RUN,
    Joined,
    fold,
    folded_each,
    in_nfc,
    in_nfc_and_folded,
    is_whole,
    lowered_parts,
    numbers,
    parts,
    runs_of,
    split_at,
    stems_in_every_language,
    stems_of,
    words,
    words_in,
    written_as_one,
)

_EXTENSION, _NAME_WORDS, _NAME_TEXT, _NAME_EXACT = existing("extension", "name_words", "name_text", "name_exact")
_NAME_ORDER, _NAME_STEMS, _CONTENT_STEMS = existing("name_order", "name_stems", "content_stems")
_CONTENT, _CONTENT_WORDS = existing("content", "content_words")

#: The neighbours on each side that a window has beside a run with parts. A phrase that contains a part of the run may
#: have as many more words on each side.
NEIGHBOURS = 2
#: The word between two windows, before the first window and behind the last.
BORDER = "/"
#: A text of n characters has at most `max(LEAST_WINDOWS, WINDOW_GROWTH * n)` characters of windows. Source code has
#: most.
WINDOW_GROWTH = 1
LEAST_WINDOWS = 4096
#: The most runs of one window, its neighbours aside.
_LONGEST_WINDOW = 64
#: So many runs of a text are known at most, for its memory; then it begins anew.
_MOST_KNOWN = 50_000

_UMLAUT = re.compile(f"[{''.join(map(chr, scripts.WRITTEN_OUT))}]")
# What is not folded by itself, or not found by itself: marks, scripts without blanks, Korean and its letters.
_NOT_SIMPLE = re.compile(rf"[{scripts.MARKS}{scripts.UNSPACED}{scripts.HANGUL}\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")


@lru_cache(maxsize=4096)
def _is_simple(character: str) -> bool:
    """Whether folding takes `character` by itself, whatever stands beside it, and makes no word of what belongs to
    none."""
    folded = fold(character)
    both = character + folded
    if _NOT_SIMPLE.search(both) or any(unicodedata.category(each)[0] == "M" for each in both):
        return False
    return character.isalnum() or not any(map(str.isalnum, folded))


class _Runs:
    """What is known of the runs of one text."""

    def __init__(self) -> None:
        #: Of a run with parts: these, folded, with blanks between.
        self._parts: dict[str, str] = {}
        #: Of any run: its words, with blanks between.
        self._folded: dict[str, str] = {}
        self._known: set[str] = set()

    def new(self, runs: Sequence[str]) -> list[str]:
        """Those of `runs` that were not met before, each once."""
        if len(self._known) > _MOST_KNOWN:
            for each in (self._known, self._parts, self._folded):
                each.clear()
        found = [run for run in dict.fromkeys(runs) if run not in self._known]
        self._known.update(found)
        self._parts |= {run: " ".join(parts(run)) for run in found if not is_whole(run)}
        return found

    def with_parts(self, runs: Sequence[str]) -> list[str]:
        """Those of `runs` that have parts."""
        return [run for run in runs if run in self._parts]

    def folded(self, runs: Sequence[str]) -> str:
        """The words of `runs`, which are simple, with blanks between."""
        new = [run for run in dict.fromkeys(runs) if run not in self._folded]
        self._folded |= {run: run.lower() for run in new if run.isascii()}
        others = [run for run in new if not run.isascii()]
        for run, folded in zip(others, folded_each(others), strict=True):
            self._folded[run] = folded if folded.isalnum() else " ".join(words_in(folded))
        return " ".join(filter(None, map(self._folded.__getitem__, runs)))

    def windows(self, text: str, runs: Sequence[str], new: Sequence[str]) -> Iterator[str]:
        """The windows of a piece of text, in NFC, which has these runs. Those of single runs come for the `new`
        ones."""
        yield from self._around_parts(runs)
        for run in self.with_parts(new):
            several = " ".join(split_at(scripts.DIGITS, run))
            if " " in several and several != self._parts[run]:
                yield several
        yield from written_as_one(text)
        yield from map(" ".join, numbers(text))
        if not text.isascii() and _UMLAUT.search(text):
            for run in new:
                if _UMLAUT.search(run):
                    yield " ".join(words_in(fold(run.translate(scripts.WRITTEN_OUT))))
        yield from dict.fromkeys(each for each, _ in scripts.emoji(text))

    def _around_parts(self, runs: Sequence[str]) -> Iterator[str]:
        """Runs with parts as these, each with its neighbours."""
        split = [number for number, run in enumerate(runs) if run in self._parts] if self._parts else []
        covered = 0
        for place, number in enumerate(split):
            if number < covered:
                continue
            begin, end = max(0, number - NEIGHBOURS), number + NEIGHBOURS + 1
            for following in split[place + 1 :]:
                # Two windows that would touch are one.
                if following > end or following - begin > _LONGEST_WINDOW:
                    break
                end = following + NEIGHBOURS + 1
            covered = end
            yield " ".join(filter(None, map(self._as_parts, runs[begin:end])))

    def _as_parts(self, run: str) -> str:
        if (found := self._parts.get(run)) is not None:
            return found
        if run.isascii():
            return run.lower()
        if run not in self._folded:
            self._folded[run] = " ".join(words_in(fold(run)))
        return self._folded[run]


class _Windows:
    """The windows of a text of so many characters, each once, within their bound."""

    def __init__(self, characters: int) -> None:
        self._left = max(LEAST_WINDOWS, WINDOW_GROWTH * characters)
        self._found: dict[str, None] = {}

    @property
    def full(self) -> bool:
        return self._left < 0

    def add(self, windows: Iterator[str]) -> None:
        for window in windows:
            if window not in self._found:
                self._left -= len(window) + len(BORDER) + 2
                if self.full:
                    break
                self._found[window] = None

    def behind(self, words: str) -> str:
        """What the index holds: the words of the text, and the windows behind them."""
        return f" {BORDER} ".join([words, *self._found]) + f" {BORDER}" if self._found else words


class _Stems:
    """The stems of a text in its language (None: not known), and its grams; each once."""

    def __init__(self, language: str | None) -> None:
        self._language = language
        self._met: set[str] = set()
        self._found: dict[str, None] = {}

    def add(self, runs: Sequence[str], grams: Sequence[str]) -> None:
        """The stems of `runs`, and `grams`."""
        if self._language is not None:
            lowered = {run.lower() for run in runs}
            lowered.update(part for run in runs if not is_whole(run) for part in lowered_parts(run))
            new = [each for each in lowered - self._met if self._language in languages_of(each)]
            self._met |= lowered
            self._found |= dict.fromkeys(sorted(stems_of(new, self._language)))
        self._found |= dict.fromkeys(grams)

    def __str__(self) -> str:
        return " ".join(self._found)


def _divided(piece: str, known: _Runs) -> tuple[str, list[str], str, list[str]]:
    """A piece of text in NFC, its runs, its words, and its grams."""
    if piece.isascii():
        runs = SPACED_RUN.findall(piece)
        return piece, runs, " ".join(runs).lower(), []
    if _are_simple(piece):
        # There are no marks in it, which could take long.
        composed = unicodedata.normalize("NFC", piece)
        runs = SPACED_RUN.findall(composed)
        return composed, runs, known.folded(runs), []
    lines = piece.splitlines(keepends=True)
    if len(lines) > 1:
        # Most of these may be simple.
        several = [_divided(line, known) for line in lines]
        return (
            "".join(composed for composed, _, _, _ in several),
            [run for _, runs, _, _ in several for run in runs],
            " ".join(filter(None, (words for _, _, words, _ in several))),
            [gram for _, _, _, grams in several for gram in grams],
        )
    composed, folded = in_nfc_and_folded(piece)
    return composed, runs_of(composed), " ".join(words_in(folded)), scripts.grams(folded)


def _are_simple(text: str) -> bool:
    return all(map(_is_simple, set(text)))


def analysed(text: str, language: str | None = None) -> tuple[str, str]:
    """The words of `text` with its windows, and its stems in `language`, one of `LANGUAGES` (None: none)."""
    known, joined, windows, stems = _Runs(), Joined(len(text)), _Windows(len(text)), _Stems(language)
    for piece in PIECE.findall(text):
        composed, runs, made, grams = _divided(piece, known)
        if not joined.full:
            joined.add(made)
        new = known.new(runs)
        if not windows.full:
            windows.add(known.windows(composed, runs, new))
        stems.add(new, grams)
    return windows.behind(str(joined)), str(stems)


def _name_windows(name: str) -> list[str]:
    known, composed = _Runs(), in_nfc(name)
    runs = runs_of(composed)
    return list(known.windows(composed, runs, known.new(runs)))


def _name_words(name: str) -> str:
    """`words` of a name, and the single words of its windows: its other spellings."""
    return " ".join(dict.fromkeys([*words(name).split(), *(each for each in _name_windows(name) if " " not in each)]))


def _name_stems(name: str) -> str:
    """The stems of a name in every language, as nobody knows the language of a name; and its grams."""
    found: dict[str, None] = {}
    lowered = dict.fromkeys(word for run in RUN.findall(in_nfc(name)) for word in (run.lower(), *lowered_parts(run)))
    for word in lowered:
        found |= dict.fromkeys(stems_in_every_language(word))
    return " ".join([*found, *dict.fromkeys(scripts.grams(fold(name)))])


def name_fields(name: str) -> dict[str, Any]:
    """What the index holds of a name beside the name itself.

    `name_words`: its words and their parts. `name_text`: its words in their order, for phrases and for scripts without
    blanks. `name_exact`: the folded name with its extension and without. `name_order`: the key that names are sorted
    by. `name_stems`: its words without their endings.
    """
    before, dot, suffix = name.rpartition(".")
    exact = [fold(name)] if not (dot and before) else [fold(name), fold(before)]
    in_order, _ = analysed(name)
    return {
        _EXTENSION: suffix.lower() if dot and before else "",
        _NAME_WORDS: _name_words(name),
        _NAME_TEXT: in_order,
        _NAME_EXACT: exact,
        _NAME_ORDER: order_key(name),
        _NAME_STEMS: _name_stems(name),
    }


def content_fields(text: str, language: str | None = None) -> dict[str, Any]:
    """What the index holds of an attachment's text. `language`: the ISO 639-1 code of the text; None if it is not
    known.

    `content_words`: its words, for the search. `content_stems`: the same without their endings. `content`: the text in
    which found words are marked.
    """
    words_and_windows, stems = analysed(text, language if language in LANGUAGES else None)
    return {
        _CONTENT: marked_text(text),
        _CONTENT_WORDS: words_and_windows,
        _CONTENT_STEMS: stems,
    }
