"""Regular expressions, in Lucene's syntax, for the spellings of folded words. Pure.

Such an expression matches the words of Elasticsearch's `standard` analyser, in lower case, that contain a folded word in
any spelling which folds to it: for each letter the class of the letters that become it, then any combining marks. `standard`
leaves some words together that this application divides, so there may be something beside a word.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from app.search.scripts import MAY_BE_UMLAUT
from app.search.stops import SEAM
from app.search.words import fold

#: The most characters of a regular expression; Elasticsearch takes 1,000 (`index.regex_max_length`).
LONGEST_EXPRESSION = 900

Token = tuple[str, ...]

#: Characters that `standard` leaves within a word between letters or digits, and that divide words in this application;
#: and the seam (`app.search.stops`).
_JOINTS = f"[_.:,;'\u2019\u00b7\u2027{SEAM}]"
_MARKS = "[\u0300-\u036f]*"
#: Beside a word of letters, within a word of `standard`.
_JOINTS_OR_DIGITS = f"[0-9{_JOINTS[1:]}"
#: Between the letters of Arabic and of the scripts of India there may be joiners; between digits, separators.
_BETWEEN_JOINED, _BETWEEN_DIGITS = f"[{SEAM}\u200c\u200d]*", f"[.,'\u2019{SEAM}]?"
#: A word that has one letter more often is not looked for with seams in it.
_MOST_REPEATS = 4
_JOINED, _POINTED = re.compile("[\u0600-\u07ff\u0900-\u0dff]"), re.compile("[\u0590-\u06ff]")
#: The vowel marks of Hebrew and Arabic, hamzas and the tatweel, which fills a line.
_POINTS = "[\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u200c\u200d]*"
KATAKANA = re.compile(r"[\u30a0-\u30ff]+\Z")


def spellings_of(words: Token, open_ended: bool) -> str:
    """The expression for a token, and for the same with umlauts where the query may have written them out."""
    made, bare = token(words, open_ended), tuple(MAY_BE_UMLAUT.sub(r"\1", word) for word in words)
    also = token(bare, open_ended) if bare != words else ""
    return f"{made}|{also}" if also and len(made) + len(also) < LONGEST_EXPRESSION else made


def expression(word: str, open_ended: bool = False) -> str:
    """The regular expression, in Lucene's syntax, for the words of `standard` that contain the folded `word` in any
    spelling. `open_ended`: they may go on behind it."""
    return token((word,), open_ended)


def token(words: Token, open_ended: bool = False) -> str:
    """The same for several folded words that stand in one word of `standard`."""
    inside = len(words) == 1 and KATAKANA.match(words[0]) is not None
    found = ""
    for number, word in enumerate(words):
        joint = f"{_JOINTS}?" if number else ""
        made, cut = _letters(word, LONGEST_EXPRESSION - len(found) - len(joint))
        found += joint + made
        if cut:
            open_ended = True
            break
    head, tail = _beside(words[0][:1], words[-1][-1:])
    head = ".*" if inside else head
    tail = ".*" if open_ended or inside else tail
    return head + found + tail


#: What matches an ending.
_ENDING = "[^_.:,;'\u2019]{0,4}"


def with_endings(stem: str) -> str:
    """The expression for the words of `standard` that contain the folded `stem` with any ending."""
    return f"{_beside(stem[:1], '')[0]}{_letters(stem)[0]}{_ENDING}{_beside('', 'x')[1]}"


#: The content of a character class: everything that folds to a digit.
_DIGITS = "0-9\u00b2\u00b3\u00b9\u0660-\u0669\u06f0-\u06f9\u2070-\u2079\u2080-\u2089\uff10-\uff19"


def _beside(first: str, last: str) -> tuple[str, str]:
    """The expressions for what may stand before and behind a word within a word of `standard`, by the first and the
    last character of the word. Words are also divided between letters and digits, so a digit may stand beside a
    letter."""
    # Before a digit there is no digit of any script, and no mark that may follow one. Otherwise the expression could
    # begin anew within the number, in too many ways.
    head = f"(.*[^{_DIGITS}\u0300-\u036f])?" if first.isdigit() else f"(.*{_JOINTS_OR_DIGITS})?"
    tail = "([^0-9].*)?" if last.isdigit() else f"({_JOINTS_OR_DIGITS}.*)?"
    return head, tail


def _between(word: str) -> str:
    """The expression for what may stand between two letters of `word`.

    A seam may also end the word before, so an automaton has to remember for each letter at which places of the word it
    may be. A word that repeats one letter often has too many such places: it goes without seams.
    """
    repeats = max(Counter(word).values(), default=0) > _MOST_REPEATS
    if word.isdigit():
        return "" if repeats else _BETWEEN_DIGITS
    if _JOINED.match(word):
        return "[\u200c\u200d]*" if repeats else _BETWEEN_JOINED
    return "" if repeats else f"{SEAM}?"


def _letters(word: str, most: int = LONGEST_EXPRESSION) -> tuple[str, bool]:
    """The expression for a word alone, of at most `most` characters, and whether it had to be cut."""
    classes, several = _spellings()
    between = _between(word)
    found, position = "", 0
    while position < len(word):
        letter = word[position]
        marks = _POINTS if _POINTED.match(letter) else _MARKS
        piece = f"[{classes[letter]}]{marks}" if letter in classes else letter
        if letter not in classes and marks == _POINTS:
            piece += marks
        for length in (3, 2):
            group = word[position : position + length]
            if len(group) == length and group in several:
                plain = "".join(f"[{classes[e]}]{_MARKS}" if e in classes else e for e in group)
                piece = f"({plain}|[{several[group]}])"
                position += length - 1
                break
        position += 1
        piece = (between if found else "") + piece
        if len(found) + len(piece) > most:
            return found, True
        found += piece
    return found, False


@cache
def _spellings() -> tuple[dict[str, str], dict[str, str]]:
    """For each letter, the content of the class of characters that fold to it; for each group of letters, that of the
    characters that fold to the group (`ß` for `ss`)."""
    classes: dict[str, set[str]] = {}
    several: dict[str, set[str]] = {}
    for code in (*range(0x61, 0x2000), *range(0x3041, 0x3100), *range(0xFB00, 0xFB07), *range(0xFF10, 0xFFA0)):
        letter = chr(code)
        # `standard` has put all words into lower case.
        if not letter.isalnum() or letter.lower() != letter:
            continue
        folded = fold(letter)
        if len(folded) == 1 and folded != letter:
            classes.setdefault(folded, {folded}).add(letter)
        elif 1 < len(folded) <= 3 and folded.isalnum():
            several.setdefault(folded, set()).add(letter)
    # A class of its own for each letter from a to z: any of them may have combining marks behind it.
    for code in range(0x61, 0x7B):
        classes.setdefault(chr(code), {chr(code)})
    return {key: _ranges(each) for key, each in classes.items()}, {key: _ranges(each) for key, each in several.items()}


def _ranges(letters: set[str]) -> str:
    """The content of a character class of `letters`. A range may include characters that never occur in lower-case
    words."""
    ordered = sorted(letters)
    found = ""
    first = last = ordered[0]
    for letter in [*ordered[1:], ""]:
        between = range(ord(last) + 1, ord(letter)) if letter else range(0)
        if letter and len(between) < 4 and all(chr(code).lower() != chr(code) for code in between):
            last = letter
            continue
        found += first if first == last else f"{first}-{last}"
        first = last = letter
    return found
