"""Turns text into searchable words. The index and the queries use the same functions.

The analysers in Elasticsearch's core keep `adaptive_searching_in.pdf` as one word and fold nothing. So the words are
made here, and the index only splits them at blanks. They depend on Python's Unicode tables alone and are the same on
every cluster.

A *run* is what people take for a word: letters and digits, with their marks, between other characters. The runs of a
text in their order are indexed first and asked for first. So a text is always found by the words as they are written in
it.

People may ask for a run in other ways too. These stand behind the whole text, in the same field, in *windows*:

- a run with parts (divided at humps, and between letters and digits), as its parts, with its neighbours: so
  `"project plan v2"` is a phrase over `ProjectPlan_v2.pdf`;
- several runs written as one word (`wi-fi` as `wifi`);
- numbers without their separators;
- German umlauts written out.

A word that nobody can ask for stands between two windows, so no phrase reaches from one window into the next.
docs/adr/0025-words.md lists the designs that were rejected.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any

from app.model.schema import existing
from app.search import scripts
from app.search.collation import order_key
from app.search.stems import LANGUAGES, languages_of, stem, stems
from app.search.stops import marked_text

_EXTENSION, _NAME_WORDS, _NAME_TEXT, _NAME_EXACT = existing("extension", "name_words", "name_text", "name_exact")
_NAME_ORDER, _NAME_STEMS, _CONTENT_STEMS = existing("name_order", "name_stems", "content_stems")
_CONTENT, _CONTENT_WORDS = existing("content", "content_words")

# A run with no border in it. Most runs are of this kind.
_PLAIN = re.compile(r"[A-Z]?[a-z]*|[A-Z]+|[0-9]+")
# A run with its marks, in any script.
RUN = re.compile(rf"(?:[^\W_][{scripts.MARKS}]*)+")

#: The most marks that are kept behind one letter: the number in UAX #15's stream-safe text, and far more than any
#: script needs. Normalising puts marks in order, which takes time by the square of their number and can't be
#: interrupted: without a bound, a text of nothing but marks stops a process for a minute.
MOST_MARKS = 30
# A stretch that may have too many marks. Every mark, and every character that becomes one, is of this class.
_MARKS_OR_OTHERS = re.compile(rf"[\W\uff9e\uff9f]{{{MOST_MARKS + 1},}}")


def _is_mark(character: str) -> bool:
    """Whether normalising may move `character` before the one that it follows."""
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) != 0


def _thinned(match: re.Match[str]) -> str:
    """The characters of `match`, of which each letter keeps its first `MOST_MARKS` marks."""
    kept: list[str] = []
    marks = 0
    for character in match[0]:
        marks = marks + 1 if not character.isascii() and _is_mark(character) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def fold(text: str) -> str:
    """`text` in the form in which words are compared, in NFC.

    Compatibility forms are unified and case is folded. Accents, the vowel marks of Arabic and Hebrew, and invisible
    characters are removed. A letter that Unicode does not decompose (`ł`) becomes what people type instead of it
    (`scripts.FOLDED`). Marks that make another letter (the vowel signs of Devanagari, the voiced sounds of Japanese)
    stay.
    """
    if text.isascii():
        return text.lower()
    bounded = _MARKS_OR_OTHERS.sub(_thinned, text)
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", bounded).casefold())
    return scripts.recomposed(unicodedata.normalize("NFC", decomposed.translate(scripts.FOLDED)))


# A run of a text, folded or not. In scripts without blanks between words, each character with its marks is a run, and a
# query for several characters asks for them in their order.
_ANY_RUN = re.compile(rf"[{scripts.UNSPACED}][{scripts.MARKS}]*|(?:[^\W_{scripts.UNSPACED}][{scripts.MARKS}]*)+")
# The same for a text without marks and without such scripts.
_SPACED_RUN = re.compile(r"[^\W_]+")
_PIECE = re.compile(r".{1,16384}(?:\s|\Z)|.{1,16384}", re.DOTALL)


#: A text of n characters becomes at most `max(LEAST_WORDS, MOST_GROWTH * n)` characters of words. Chinese and Japanese
#: need two for each character: itself and a blank. A text of nothing but U+FDFA would need eighteen, and so would cost
#: the time and space of a text eighteen times as long as MAX_INDEXED_TEXT allows.
MOST_GROWTH = 4
LEAST_WORDS = 65_536
#: The neighbours on each side that a window has beside a run with parts. A phrase that contains a part of the run may
#: have as many more words on each side.
NEIGHBOURS = 2
#: The word between two windows, before the first window and behind the last.
BORDER = "/"
#: A text of n characters has at most `max(LEAST_WINDOWS, WINDOW_GROWTH * n)` characters of windows. Source code has
#: most.
WINDOW_GROWTH = 1
LEAST_WINDOWS = 4096


def _runs(folded: str) -> list[str]:
    return (_SPACED_RUN if scripts.is_plain(folded) else _ANY_RUN).findall(folded)


def content_words(text: str) -> str:
    """The runs of `text`, folded, in their order and as often as they occur, separated by single blanks.

    This is for queries; `indexed_words` of a text begin with the same. Phrases need every word in its place, so no
    parts of words are added and no repetitions dropped. A text is handled in pieces, because no other thread runs
    within one step. Words beyond the bound of `MOST_GROWTH` are left out; none is cut in two.
    """
    left = max(LEAST_WORDS, MOST_GROWTH * len(text))
    found: list[str] = []
    for piece in _PIECE.findall(text):
        part = " ".join(_runs(fold(piece)))
        if len(part) > left:
            found.append(part[: left + 1].rpartition(" ")[0])
            break
        found.append(part)
        left -= len(part) + 1
    return " ".join(filter(None, found))


def indexed_words(text: str) -> str:
    """What the index holds of a text: `content_words`, and behind them the windows."""
    # A set in order: each window once.
    windows: dict[str, None] = {}
    left = max(LEAST_WINDOWS, WINDOW_GROWTH * len(text))
    for piece in _PIECE.findall(text):
        for window in _windows(piece):
            if window not in windows:
                left -= len(window) + 3
                if left < 0:
                    break
                windows[window] = None
    words = content_words(text)
    return f" {BORDER} ".join([words, *windows]) + f" {BORDER}" if windows else words


def runs_of(text: str) -> list[str]:
    """The runs of a text that is not folded. A run of a script without blanks is not divided into characters."""
    found: list[str] = (_SPACED_RUN if scripts.is_plain(text) else RUN).findall(text)
    return found


def _windows(text: str) -> Iterator[str]:
    """The windows of a piece of text: the other ways to ask for its runs."""
    text = _composed(text)
    runs = runs_of(text)
    split = [number for number, run in enumerate(runs) if not _is_whole(run)]
    while_within = 0
    for place, number in enumerate(split):
        if number < while_within:
            continue
        begin, end = max(0, number - NEIGHBOURS), number + NEIGHBOURS + 1
        for following in split[place + 1 :]:
            # Two windows that would touch are one.
            if following > end or following - begin > _LONGEST_WINDOW:
                break
            end = following + NEIGHBOURS + 1
        while_within = end
        yield " ".join(part for run in runs[begin:end] for part in parts(run))
    for number in split:
        if len(several := _split_at(scripts.DIGITS, runs[number])) > 1 and several != parts(runs[number]):
            yield " ".join(several)
    yield from written_as_one(text)
    for match in _SEPARATED_NUMBER.finditer(text):
        yield " ".join(_number(match[0]))
    for match in _DIALLED.finditer(text):
        yield "".join(filter(str.isdigit, match[0]))
    if not text.isascii():
        for run in dict.fromkeys(runs):
            if not run.isascii() and (written := run.translate(scripts.WRITTEN_OUT)) != run:
                yield " ".join(_runs(fold(written)))


#: The most runs of one window, its neighbours aside.
_LONGEST_WINDOW = 64


def _composed(text: str) -> str:
    """`text` in NFC, without the marks beyond `MOST_MARKS`, as these would take an unbounded time."""
    if text.isascii() or unicodedata.is_normalized("NFC", bounded := _MARKS_OR_OTHERS.sub(_thinned, text)):
        return text
    return unicodedata.normalize("NFC", bounded)


def _is_whole(run: str) -> bool:
    """Whether a run has no parts. The methods of `str` answer for most runs; the regular expression is slower."""
    if run.isalpha() and (run.islower() or run.istitle() or run.isupper()):
        return True
    return run.isdigit() or not scripts.HUMP.search(run)


def _spans(border: re.Pattern[str], run: str) -> Iterator[tuple[int, int]]:
    """Where each part of `run` begins and ends, divided at `border`."""
    return pairwise([0, *(match.start() for match in border.finditer(run)), len(run)])


def _split_at(border: re.Pattern[str], run: str) -> list[str]:
    return [folded for start, end in _spans(border, run) for folded in _runs(fold(run[start:end]))]


def parts(run: str) -> list[str]:
    """The smallest words of a run, folded, in their order."""
    return _runs(fold(run)) if _is_whole(run) else _split_at(scripts.HUMP, run)


#: A character within a word that other people write without it.
_TIE = "[-_'\u2010\u2011\u2019]"
_TIED = re.compile(rf"(?<![^\W_])[^\W_]{{1,24}}(?:{_TIE}[^\W_]{{1,24}})+(?![^\W_])")
#: In a chain of more runs than this, only pairs of neighbours are joined.
_MOST_TIED = 4
# A number with separated thousands, with or without decimals.
_SEPARATED_NUMBER = re.compile(
    r"(?<![\w.,])\d{1,3}(?:([,.'\u2019\u00a0\u202f ])\d{3})(?:\1\d{3}){0,5}(?:[.,]\d{1,4})?(?![\w]|[.,]\d)"
)
# A telephone number in groups of digits.
_DIALLED = re.compile(r"(?<![\w+])(?:\+[1-9]|0)\d{1,5}(?:[ ()/.-]{1,3}\d{1,8}){1,5}(?!\w)")


def written_as_one(text: str) -> Iterator[str]:
    """Runs of `text` with a hyphen, a low line or an apostrophe between them, joined into one word, folded."""
    for match in _TIED.finditer(text):
        several = [fold(each) for each in re.split(_TIE, match[0])]
        most = len(several) if len(several) <= _MOST_TIED else 2
        for count in range(most, 1, -1):
            for at in range(len(several) - count + 1):
                joined = "".join(several[at : at + count])
                if joined.isalnum() and not joined.isdigit():
                    yield joined


def _number(text: str) -> list[str]:
    """The whole part of a number, without separators, and its decimals, if it has any."""
    separator = next(each for each in text if not each.isdigit())
    whole = text.replace(separator, "")
    return re.split("[.,]", whole)


def readings(text: str) -> tuple[tuple[str, ...], ...]:
    """The ways in which `text`, a word or a phrase as it was typed, is looked for: each is a sequence of folded words.

    The first is its runs. The others, each once: its smallest parts; a number without separators; umlauts written out
    (`Müller` as `mueller`); in a phrase also the reverse (`mueller` as `muller`); a tied word as one (`wi-fi` as
    `wifi`).
    """
    composed = _composed(text)
    runs = tuple(content_words(text).split())
    found = [runs, tuple(part for run in RUN.findall(composed) for part in parts(run))]
    typed = composed.strip()
    if match := _SEPARATED_NUMBER.fullmatch(typed):
        found.append(tuple(_number(match[0])))
    if composed.translate(scripts.WRITTEN_OUT) != composed:
        found.append(tuple(content_words(composed.translate(scripts.WRITTEN_OUT)).split()))
    if len(runs) > 1:
        # For a single word, the index itself has both spellings.
        found.append(tuple(scripts.MAY_BE_UMLAUT.sub(r"\1", run) for run in runs))
        if len(runs) <= _MOST_TIED and _TIED.fullmatch(typed):
            found += [(joined,) for joined in islice(written_as_one(typed), 1)]
    return tuple(dict.fromkeys(filter(None, found)))


def words(text: str) -> str:
    """The words of `text`, folded, once each, separated by single blanks.

    A run is there as a whole, so that `iPhone15` finds itself, and as its parts. It is divided once at all its borders
    (`i`, `phone`, `15`) and once between letters and digits alone, so that `iphone 15` finds it too.
    """
    return " ".join(dict.fromkeys(folded for folded, _, _ in parts_of(_composed(text)) if folded))


def parts_of(text: str) -> Iterator[tuple[str, int, int]]:
    """The runs of `text` and their parts, folded, each with its start and end in `text`, repetitions included.

    `text` may be in any of Unicode's normal forms; a mark belongs to the letter before it.
    """
    for run in RUN.finditer(text):
        for folded in fold(run[0]).split():
            yield folded, run.start(), run.end()
        if _PLAIN.fullmatch(run[0]):
            continue
        for border in (scripts.HUMP, scripts.DIGITS):
            if len(places := list(_spans(border, run[0]))) > 1:
                for start, end in places:
                    yield fold(run[0][start:end]), run.start() + start, run.start() + end


def places_of(text: str) -> Iterator[tuple[str, int, int]]:
    """The words that `content_words` makes of `text`, each with the start and the end of its run in `text`."""
    for run in _ANY_RUN.finditer(text):
        for word in content_words(run[0]).split():
            yield word, run.start(), run.end()


def smallest_places_of(text: str) -> Iterator[tuple[str, int, int]]:
    """The smallest parts of the runs of `text`, folded, in their order, each with its start and end in `text`."""
    for run in _ANY_RUN.finditer(text):
        for start, end in _spans(scripts.HUMP, run[0]):
            for word in content_words(run[0][start:end]).split():
                yield word, run.start() + start, run.start() + end


def stems_of(words: Iterable[str], language: str) -> list[str]:
    """The stems of `words` (in lower case) as the index holds them: of each word as it is written, and without
    accents."""
    several = list(dict.fromkeys(words))
    written = stems(several, language)
    found = [f"{language}:{fold(each)}" for each in written]
    bare = [folded for word in several if not word.isascii() and (folded := fold(word)) != word]
    return [*found, *(f"{language}:{fold(each)}" for each in stems(bare, language))]


#: Characters at which Elasticsearch's `standard` analyser does not divide: anywhere, between letters, between digits.
_JOINTS, _OF_LETTERS, _OF_DIGITS = "_", ".:'\u2019\u00b7\u2027", ".,;'\u2019"


def joints_of(text: str) -> tuple[bool, ...]:
    """For each two neighbouring runs of `text`, whether Elasticsearch's `standard` analyser takes them for one word."""
    runs = list(RUN.finditer(text))
    found = []
    for before, behind in pairwise(runs):
        gap, one, other = text[before.end() : behind.start()], before[0][-1:], behind[0][:1]
        joined = len(gap) == 1 and (
            gap in _JOINTS
            or (gap in _OF_LETTERS and one.isalpha() and other.isalpha())
            or (gap in _OF_DIGITS and one.isdigit() and other.isdigit())
        )
        found.append(joined)
    return tuple(found)


def query_stems(text: str) -> list[str]:
    """The stems of a typed word in every language that it may be of.

    Empty for a text of several runs, and for one that has grams (a script without blanks, or Korean).
    """
    folded = fold(text)
    if scripts.grams(folded):
        return []
    (word, *others) = RUN.findall(_composed(text).lower()) or [""]
    return [] if others else list(_stems_in_every_language(word))


@lru_cache(maxsize=1024)
def _stems_in_every_language(word: str) -> tuple[str, ...]:
    spellings = dict.fromkeys((word, fold(word)))
    found = dict.fromkeys(
        f"{language}:{fold(stem(spelling, language))}" for language in languages_of(word) for spelling in spellings
    )
    return tuple(found)


def _name_words(name: str) -> str:
    """`words` of a name, and the single words of its windows: its other spellings."""
    return " ".join(dict.fromkeys([*words(name).split(), *(each for each in _windows(name) if " " not in each)]))


def _name_stems(name: str) -> str:
    """The stems of a name in every language, as nobody knows the language of a name."""
    found: dict[str, None] = {}
    lowered = dict.fromkeys(
        word for run in RUN.findall(_composed(name)) for word in (run.lower(), *_lowered_parts(run))
    )
    for word in lowered:
        found |= dict.fromkeys(_stems_in_every_language(word))
    return " ".join([*found, *dict.fromkeys(scripts.grams(fold(name)))])


def _lowered_parts(run: str) -> list[str]:
    if _is_whole(run):
        return []
    return [run[start:end].lower() for start, end in _spans(scripts.HUMP, run)]


def content_stems(text: str, language: str | None) -> str:
    """The stems of a text in `language`, one of `LANGUAGES` (None: no stems), and its grams; each once."""
    found: dict[str, None] = {}
    met: set[str] = set()
    for piece in _PIECE.findall(text):
        if language is not None:
            composed = _composed(piece)
            runs = set(runs_of(composed))
            split = [part for run in runs if not _is_whole(run) for part in _lowered_parts(run)]
            lowered = {each.lower() for each in runs} | set(split)
            new = [each for each in lowered - met if language in languages_of(each)]
            met |= lowered
            found |= dict.fromkeys(sorted(stems_of(new, language)))
        if not piece.isascii():
            found |= dict.fromkeys(scripts.grams(fold(piece)))
    return " ".join(found)


def name_fields(name: str) -> dict[str, Any]:
    """What the index holds of a name beside the name itself.

    `name_words`: its words and their parts. `name_text`: its words in their order, for phrases and for scripts without
    blanks. `name_exact`: the folded name with its extension and without. `name_order`: the key that names are sorted
    by. `name_stems`: its words without their endings.
    """
    before, dot, suffix = name.rpartition(".")
    exact = [fold(name)] if not (dot and before) else [fold(name), fold(before)]
    return {
        _EXTENSION: suffix.lower() if dot and before else "",
        _NAME_WORDS: _name_words(name),
        _NAME_TEXT: indexed_words(name),
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
    known = language if language in LANGUAGES else None
    return {
        _CONTENT: marked_text(text),
        _CONTENT_WORDS: indexed_words(text),
        _CONTENT_STEMS: content_stems(text, known),
    }
