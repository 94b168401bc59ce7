"""The `highlight` of a search: what Elasticsearch is asked, to mark the words of a query in fragments of a text. Pure.

The index holds the words of a text folded, and also the text as it is, divided by the `standard` analyser, with the
places of its words. To be marked in the latter, a folded word becomes a regular expression that matches every spelling
which folds to it: for each letter, the class of letters that become it, then any combining marks. Elasticsearch matches
the expression against the words of one document at a time (a term vector lists them, the postings have their offsets).
So no text is analysed again, and no more of it is looked at than `budget` allows.

Names are marked by this application (`app.search.names`): they are short, and `standard` takes `Adaptive_searching.pdf`
for a single word.

Rejected: highlighting the folded words (nobody wants to read them); an analyser that folds (not in Elasticsearch's
core); marking here, from the files (a third of a second for each text of a megabyte).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from app.model.schema import existing
from app.search.expansions import MOST_LOOKS, bounded, looks
from app.search.scripts import HANGUL_SYLLABLE, MAY_BE_UMLAUT, characters, has_grams
from app.search.stops import LONGEST, SEAM
from app.search.syntax import Item, Node, marked
from app.search.words import fold

Dsl = dict[str, Any]

MARK = ("<mark>", "</mark>")
FRAGMENTS = 3
#: About how many characters a fragment has.
FRAGMENT_SIZE = 150
#: The most characters in which words are marked, in all texts of a page together.
BUDGET = 5_000_000
#: The most characters of a regular expression; Elasticsearch takes 1,000 (`index.regex_max_length`).
LONGEST_EXPRESSION = 900
#: The first so many words and phrases of a query are marked, with so many words in all. On large pages they are fewer,
#: as each means a look through each text.
MOST_MARKED = 32
MOST_MARKED_WORDS = 64

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
(_FIELD,) = existing("content")


def budget(size: int) -> int:
    """How many characters of each text are looked at on a page of `size` hits."""
    return min(LONGEST, BUDGET // max(size, 1))


def highlight(node: Node | None, size: int) -> Dsl | None:
    """The `highlight` of a search body for a page of `size` hits; None if there is nothing to mark."""
    made = spelled([node], size)
    if not made:
        return None
    return {
        "type": "unified",
        "encoder": "html",
        "pre_tags": [MARK[0]],
        "post_tags": [MARK[1]],
        "max_analyzed_offset": budget(size),
        "fields": {
            _FIELD: {
                "number_of_fragments": FRAGMENTS,
                "fragment_size": FRAGMENT_SIZE,
                "highlight_query": {"bool": {"should": made}},
            }
        },
    }


def spelled(nodes: Iterable[Node | None], size: int) -> list[Dsl]:
    """Queries on `content` that match the words and phrases of `nodes` in every spelling, for a page of `size` hits:
    the first of them, as many as may be marked on one page."""
    found: list[Dsl] = []
    left = min(MOST_MARKED_WORDS, MOST_LOOKS // max(size, 1))
    for item in islice((item for node in nodes for item in marked(node)), MOST_MARKED):
        made = _spelled(item, left)
        left -= looks(made, _FIELD)
        if left < 0:
            break
        found.append(made)
        if not left:
            break
    return bounded(found, _FIELD, size)


def _spelled(item: Item, most: int) -> Dsl:
    """The query that marks `item`. Of a phrase of more than `most` words it marks the first ones."""
    if item.edits:
        value = {"value": item.words[0], "fuzziness": item.edits, "prefix_length": 1}
        return {"fuzzy": {_FIELD: value}}
    open_ended = item.prefix or item.typed_on
    found: list[Dsl] = []
    for number, tokens in enumerate(_divisions(item)):
        last = len(tokens) - 1
        forms = [
            _forms(item, open_ended)
            if len(item.words) == 1 and not number
            else _spellings_of(each, open_ended and at == last)
            for at, each in enumerate(tokens[:most])
        ]
        made = _side_by_side(forms, item.slop)
        # Another division is only marked while there is room for it.
        if made not in found and (not found or looks(found, _FIELD) + len(forms) <= most):
            found.append(made)
    return found[0] if len(found) == 1 else {"bool": {"should": found}}


def _spellings_of(words: Token, open_ended: bool) -> str:
    """The expression for a token, and for the same with umlauts where the query may have written them out."""
    made, bare = token(words, open_ended), tuple(MAY_BE_UMLAUT.sub(r"\1", word) for word in words)
    also = token(bare, open_ended) if bare != words else ""
    return f"{made}|{also}" if also and len(made) + len(also) < LONGEST_EXPRESSION else made


def _side_by_side(expressions: list[str], slop: int = 0) -> Dsl:
    clauses = [{"regexp": {_FIELD: {"value": each, "flags": "NONE"}}} for each in expressions]
    if len(clauses) == 1:
        return clauses[0]
    spans = [{"span_multi": {"match": each}} for each in clauses]
    return {"span_near": {"clauses": spans, "slop": slop, "in_order": True}}


#: A phrase of at most so many words is also looked for as one word of `standard`, however it was typed.
_MOST_TOGETHER = 4

Token = tuple[str, ...]


def _divisions(item: Item) -> Iterator[Sequence[Token]]:
    """The ways in which the words of `item` may be words (tokens) of `standard`, which leaves some of them together.

    As they were typed; each by itself; a few of them all in one token; the same for its other readings; and pairs of
    neighbouring characters, if the item is looked for by these.
    """
    words = item.words
    if len(item.joints) == len(words) - 1 and any(item.joints):
        tokens: list[Token] = [words[:1]]
        for joined, word in zip(item.joints, words[1:], strict=True):
            tokens[-1:] = [(*tokens[-1], word)] if joined else [tokens[-1], (word,)]
        yield tokens
    yield [(unit,) for unit in _units(words)]
    if len(words) == 1 and _DIALLED.fullmatch(words[0]) and not item.prefix:
        # It is found where it is written in groups.
        yield from ([(words[0][:digits],), (words[0][digits:],)] for digits in _AREA_CODE)
    if item.slop or item.prefix or has_grams("".join(words)):
        if len(item.grams) > 1 and len(words) > 1:
            yield from ([(unit,) for unit in _units(characters(gram))] for gram in item.grams)
        return
    if 1 < len(words) <= _MOST_TOGETHER:
        yield [words]
    for each in item.also:
        # Readings that only write out umlauts are in each expression already.
        if 1 < len(each) <= _MOST_TOGETHER and len(each) != len(words) and not (len(words) == 1 and _has_digits(each)):
            yield [(word,) for word in each]
            yield [each]


#: A telephone number without blanks, and how many of its digits the area code may have.
_DIALLED = re.compile(r"0\d{7,14}")
_AREA_CODE = range(3, 7)


def _has_digits(words: Token) -> bool:
    return any(map(str.isdigit, words))


_KATAKANA = re.compile(r"[\u30a0-\u30ff]+\Z")


def _units(words: Iterable[str]) -> Iterator[str]:
    """`words` with each run of katakana as one: it is one word for `standard`, and here each of its characters is
    one."""
    run = ""
    for word in words:
        if _KATAKANA.match(word):
            run += word
            continue
        if run:
            yield run
            run = ""
        yield word
    if run:
        yield run


#: What matches an ending, and the least letters of a stem.
_ENDING, _SHORTEST_STEM = "[^_.:,;'\u2019]{0,4}", 3


def _forms(item: Item, open_ended: bool) -> str:
    """The expression for an item of one word, in every form by which it may have been found."""
    (word,) = item.words
    found = [expression(word, open_ended)]
    others = [each[0] for each in item.also if len(each) == 1]
    if not item.quoted:
        others += [MAY_BE_UMLAUT.sub(r"\1", word)] if MAY_BE_UMLAUT.search(word) else []
        stems = {each.partition(":")[2] for each in item.stems}
        # A stem that ends in `i` may come from a word that ends in `y`.
        stems = {stem[:-1] if stem.endswith("i") and len(stem) > _SHORTEST_STEM else stem for stem in stems}
        stems = {stem for stem in stems if len(stem) >= _SHORTEST_STEM and " " not in stem}
        if any(HANGUL_SYLLABLE.match(each) for each in word[-1:]):
            stems |= {word, word[:-1]} if len(word) > 2 else {word}
        shortest = [stem for stem in sorted(stems) if not any(stem != each and stem.startswith(each) for each in stems)]
        found += [f"{_beside(stem[:1], '')[0]}{_letters(stem)[0]}{_ENDING}{_beside('', 'x')[1]}" for stem in shortest]
    found[1:1] = [expression(each, open_ended) for each in others if each != word]
    made = found[0]
    for each in dict.fromkeys(found[1:]):
        if each != found[0] and len(made) + len(each) + 1 <= LONGEST_EXPRESSION:
            made = f"{made}|{each}"
    return made


def expression(word: str, open_ended: bool = False) -> str:
    """The regular expression, in Lucene's syntax, for the words of `standard` that contain the folded `word` in any
    spelling. `open_ended`: they may go on behind it."""
    return token((word,), open_ended)


def token(words: Token, open_ended: bool = False) -> str:
    """The same for several folded words that stand in one word of `standard`."""
    inside = len(words) == 1 and _KATAKANA.match(words[0]) is not None
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
