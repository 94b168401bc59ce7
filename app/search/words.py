"""Turns text into searchable words. The index (`app.search.analysis`) and the queries use the same functions.

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
- German umlauts written out;
- an emoji, which is no part of a run and so does not stand between the words of a phrase.

A word that nobody can ask for stands between two windows, so no phrase reaches from one window into the next.
docs/adr/0025-words.md lists the designs that were rejected.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise

from app.search import scripts
from app.search.stems import languages_of, stem, stems

# A run with no border in it. Most runs are of this kind.
_PLAIN = re.compile(r"[A-Z]?[a-z]*|[A-Z]+|[0-9]+")
# A run with its marks, in any script; and for texts of the Basic Multilingual Plane.
RUN, _BASIC_RUN = (re.compile(rf"(?:[^\W_][{marks}]*)+") for marks in (scripts.MARKS, scripts.BASIC_MARKS))

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
    return _folded(_bounded(text))


def _bounded(text: str) -> str:
    """`text`, of which each letter keeps its first `MOST_MARKS` marks."""
    return _MARKS_OR_OTHERS.sub(_thinned, text)


def _folded(bounded: str) -> str:
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", bounded).casefold())
    return scripts.recomposed(unicodedata.normalize("NFC", scripts.without_differences(decomposed)))


def folded_each(words: Sequence[str]) -> list[str]:
    """Each of `words`, which have no line breaks, folded: quicker at once than one by one."""
    return fold("\n".join(words)).split("\n") if words else []


# A character without which a run has no hump and no digit.
_MAY_HAVE_PARTS = re.compile(r"[A-Z\d]")
# A run of a text, folded or not. In scripts without blanks between words, each character with its marks is a run, and a
# query for several characters asks for them in their order.
_ANY_RUN, _BASIC_ANY_RUN = (
    re.compile(rf"[{scripts.UNSPACED}][{marks}]*|(?:[^\W_{scripts.UNSPACED}][{marks}]*)+")
    for marks in (scripts.MARKS, scripts.BASIC_MARKS)
)
# The same for a text without marks and without such scripts.
SPACED_RUN = re.compile(r"[^\W_]+")
PIECE = re.compile(r".{1,16384}(?:\s|\Z)|.{1,16384}", re.DOTALL)


#: A text of n characters becomes at most `max(LEAST_WORDS, MOST_GROWTH * n)` characters of words. Chinese and Japanese
#: need two for each character: itself and a blank. A text of nothing but U+FDFA would need eighteen, and so would cost
#: the time and space of a text eighteen times as long as MAX_INDEXED_TEXT allows.
MOST_GROWTH = 4
LEAST_WORDS = 65_536


def words_in(folded: str) -> list[str]:
    """The runs of a folded text. In scripts without blanks, each character is one."""
    if scripts.is_plain(folded):
        return SPACED_RUN.findall(folded)
    return (_BASIC_ANY_RUN if scripts.is_basic(folded) else _ANY_RUN).findall(folded)


class Joined:
    """Words joined by blanks, within the bound of `MOST_GROWTH` for a text of `characters`."""

    def __init__(self, characters: int) -> None:
        self._left = max(LEAST_WORDS, MOST_GROWTH * characters)
        self._parts: list[str] = []
        self.full = False

    def add(self, words: str) -> None:
        """Add `words`, joined by blanks, as far as there is room; no word is cut in two."""
        if len(words) > self._left:
            words = words[: self._left + 1].rpartition(" ")[0]
            self.full = True
        self._parts.append(words)
        self._left -= len(words) + 1

    def __str__(self) -> str:
        return " ".join(filter(None, self._parts))


def content_words(text: str) -> str:
    """The runs of `text`, folded, in their order and as often as they occur, separated by single blanks.

    This is for queries. What the index holds of a text (`app.search.analysis`) begins with the same. Phrases need every
    word in its place, so no parts of words are added and no repetitions dropped. A text is handled in pieces, because
    no other thread runs within one step. Words beyond the bound of `MOST_GROWTH` are left out; none is cut in two.
    """
    found = Joined(len(text))
    for piece in PIECE.findall(text):
        found.add(" ".join(words_in(fold(piece))))
        if found.full:
            break
    return str(found)


def runs_of(text: str) -> list[str]:
    """The runs of a text that is not folded. A run of a script without blanks is not divided into characters."""
    if scripts.is_plain(text):
        return SPACED_RUN.findall(text)
    return (_BASIC_RUN if scripts.is_basic(text) else RUN).findall(text)


def in_nfc(text: str) -> str:
    """`text` in NFC, without the marks beyond `MOST_MARKS`, as these would take an unbounded time."""
    return text if text.isascii() else _in_nfc(text, _bounded(text))


def _in_nfc(text: str, bounded: str) -> str:
    return text if unicodedata.is_normalized("NFC", bounded) else unicodedata.normalize("NFC", bounded)


def in_nfc_and_folded(text: str) -> tuple[str, str]:
    """`text`, which is not of ASCII alone, in NFC and folded: quicker than one after the other."""
    bounded = _bounded(text)
    return _in_nfc(text, bounded), _folded(bounded)


def is_whole(run: str) -> bool:
    """Whether a run has no parts. The methods of `str` answer for most runs; the regular expression is slower."""
    if run.isalpha() and (run.islower() or run.istitle() or run.isupper()):
        return True
    return _MAY_HAVE_PARTS.search(run) is None or run.isdigit() or scripts.HUMP.search(run) is None


def _spans(border: re.Pattern[str], run: str) -> Iterator[tuple[int, int]]:
    """Where each part of `run` begins and ends, divided at `border`."""
    return pairwise([0, *(match.start() for match in border.finditer(run)), len(run)])


def split_at(border: re.Pattern[str], run: str) -> list[str]:
    """The words of a run that is divided at `border`, folded, in their order."""
    if run.isascii():
        folded = run.lower()
        return [folded[start:end] for start, end in _spans(border, run)]
    return [folded for start, end in _spans(border, run) for folded in words_in(fold(run[start:end]))]


def parts(run: str) -> list[str]:
    """The smallest words of a run, folded, in their order."""
    return words_in(fold(run)) if is_whole(run) else split_at(scripts.HUMP, run)


#: The most characters of a run that may be tied to others, and the most runs of a chain: in a longer one, only pairs of
#: neighbours are joined.
_LONGEST_TIED, _MOST_TIED = 24, 4
#: A tie: a character between two runs that other people write without it.
_TIE = "[-_'\u2010\u2011\u2019]"
_TIED_RUN = rf"[^\W_]{{1,{_LONGEST_TIED}}}"
_TIED = re.compile(rf"(?<![^\W_]){_TIED_RUN}(?:{_TIE}{_TIED_RUN})+(?![^\W_])")
# The expressions below begin with the class of their first character: so the places are found quickly where they may
# match.
_TIE_BETWEEN = re.compile(rf"{_TIE}(?<=[^\W_].)(?=[^\W_])")
# A number with separated thousands, with or without decimals.
_SEPARATED_NUMBER = re.compile(
    r"\d(?<![\w.,]\d)\d{0,2}(?:([,.'\u2019\u00a0\u202f ])\d{3})(?:\1\d{3}){0,5}(?:[.,]\d{1,4})?(?![\w]|[.,]\d)"
)
# A telephone number in groups of digits.
_DIALLED = re.compile(r"[+0](?<![\w+][+0])(?:(?<=\+)[1-9]|(?<=0))\d{1,5}(?:[ ()/.-]{1,3}\d{1,8}){1,5}(?!\w)")


def _chains(text: str) -> Iterator[str]:
    """The chains of tied runs in `text`."""
    end = 0
    for tie in _TIE_BETWEEN.finditer(text):
        start = at = tie.start()
        while start > end and at - start <= _LONGEST_TIED and text[start - 1].isalnum():
            start -= 1
        if start < at and (match := _TIED.match(text, start)):
            end = match.end()
            yield match[0]


def written_as_one(text: str) -> Iterator[str]:
    """Runs of `text` with a hyphen, a low line or an apostrophe between them, joined into one word, folded."""
    for chain in _chains(text):
        several = [fold(each) for each in re.split(_TIE, chain)]
        most = len(several) if len(several) <= _MOST_TIED else 2
        for count in range(most, 1, -1):
            for at in range(len(several) - count + 1):
                joined = "".join(several[at : at + count])
                if joined.isalnum() and not joined.isdigit():
                    yield joined


def numbers(text: str) -> Iterator[list[str]]:
    """The numbers of `text` without their separators: of one with thousands the whole part and the decimals, if it has
    any; of one to dial all digits."""
    for match in _SEPARATED_NUMBER.finditer(text):
        yield _number(match[0])
    for match in _DIALLED.finditer(text):
        yield ["".join(filter(str.isdigit, match[0]))]


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
    composed = in_nfc(text)
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
    return " ".join(dict.fromkeys(folded for folded, _, _ in parts_of(in_nfc(text)) if folded))


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


def emoji_places_of(text: str) -> Iterator[tuple[str, int, int]]:
    """The emoji in `text`, each with its start and end."""
    return ((each, start, start + 1) for each, start in scripts.emoji(text))


def stems_of(words: Iterable[str], language: str) -> list[str]:
    """The stems of `words` (in lower case) as the index holds them: of each word as it is written, and without
    accents."""
    several = list(dict.fromkeys(words))
    bare = [
        folded
        for word, folded in zip(several, folded_each(several), strict=True)
        if folded != word and not word.isascii()
    ]
    return [f"{language}:{each}" for each in folded_each([*stems(several, language), *stems(bare, language)])]


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
    (word, *others) = RUN.findall(in_nfc(text).lower()) or [""]
    return [] if others else list(stems_in_every_language(word))


@lru_cache(maxsize=1024)
def stems_in_every_language(word: str) -> tuple[str, ...]:
    spellings = dict.fromkeys((word, fold(word)))
    found = dict.fromkeys(
        f"{language}:{fold(stem(spelling, language))}" for language in languages_of(word) for spelling in spellings
    )
    return tuple(found)


def lowered_parts(run: str) -> list[str]:
    """The smallest parts of a run, in lower case; none of a run without parts."""
    if is_whole(run):
        return []
    return [run[start:end].lower() for start, end in _spans(scripts.HUMP, run)]
