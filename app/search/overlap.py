"""Measures how much of a query is in a short text: in a passage, or in a name. Pure.

Elasticsearch finds attachments by their words and does not say where these are. The passages that have them are found
here, in two steps. The first step goes through all of a text and only asks whether the letters of a word are there,
with everything between letters left out. A piece that it passes over has none of the words; in a piece that it finds,
the letters may be part of other words. The second step takes a short text, makes the words that the index would hold of
it (`app.search.analysis`), and looks for the words of the query among these, in all of their readings and forms. So a
passage has a word exactly where the index finds it.

A word counts more the rarer it is in the texts that were looked through, and most if none of them has it. So a passage
that shares only a small word with a question has little of the question.

Rejected: Elasticsearch's marks (they have no offsets, and end after 250,000 characters); its statistics (it does not
return them, and they are those of all tenants).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import islice

from rapidfuzz.distance import OSA

from app import processing
from app.model.schema import existing
from app.search.analysis import content_fields
from app.search.matching import ALSO_BOOST, GRAM_BOOST, STEM_BOOST
from app.search.syntax import Item, Node, Words, marked
from app.search.words import fold

#: The most items of a query that are looked for. If there are more, only the first ones are.
MOST_ITEMS = 16
#: How many characters of a text count as one passage, when it is counted how rare a word is.
_CHARACTERS_A_PASSAGE = 500
#: The shortest stem whose letters are looked for.
_SHORTEST_STEM = 3
#: The cost of a short text and of looking through a piece, in steps of `app.processing`; and how many characters of a
#: piece take one step more.
_STEPS_A_TEXT, _STEPS_A_LOOK, _CHARACTERS_A_STEP = 400, 10, 8
_BETWEEN = re.compile(r"[\W_]+")
_CONTENT_WORDS, _CONTENT_STEMS = existing("content_words", "content_stems")


class Overlap:
    """Compares one query with any number of texts. `items`: what is looked for, without stop words."""

    def __init__(self, node: Node | None) -> None:
        self.items: Sequence[Item] = tuple(islice(dict.fromkeys(marked(node)), MOST_ITEMS))
        self._needles = [_needles(item) for item in self.items]
        self._counts = [0] * len(self.items)
        self._characters = 0

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.items)

    def look(self, text: str, *, counted: bool = True) -> list[int]:
        """The numbers of the items that may be in a piece of text. `counted`: whether the piece counts when it is
        determined how rare a word is. Raises what `processing.spend` raises."""
        processing.spend(len(text) // _CHARACTERS_A_STEP + _STEPS_A_LOOK)
        letters = _BETWEEN.sub("", fold(text))
        # Of a word that may be misspelled, no letters are certain: it may be in any text.
        counts = [max((letters.count(each) for each in needles), default=1) for needles in self._needles]
        if counted:
            self._characters += len(text)
            self._counts = [one + other for one, other in zip(self._counts, counts, strict=True)]
        return [number for number, count in enumerate(counts) if count]

    def weights(self) -> list[float]:
        """How much each item counts, by how rare it is in the texts that were looked through. The sum is 1."""
        passages = self._characters / _CHARACTERS_A_PASSAGE + 1
        found = [math.log(1 + passages / (min(each, passages) + 0.5)) for each in self._counts]
        total = math.fsum(found)
        return [each / total for each in found]

    def of(self, text: str, language: str | None) -> list[float]:
        """How well each item is found in a short text: 1 if it is there as it is written, less in another reading or
        form, 0 if it is not there. `language`: the ISO 639-1 code of the text's language. Raises what
        `processing.spend` raises."""
        processing.spend(_STEPS_A_TEXT)
        fields = content_fields(text, language)
        words = f" {fields[_CONTENT_WORDS]} "
        stems = frozenset(fields[_CONTENT_STEMS].split())
        return [_found(item, words, stems) for item in self.items]


def _needles(item: Item) -> tuple[str, ...]:
    """Strings of letters of which at least one is in every text that has `item`; none if there are no such strings."""
    if item.edits:
        return ()
    stems = (each.partition(":")[2] for each in item.stems)
    # An `i` at the end of a stem may stand for a `y`.
    short = (each[:-1] if each.endswith("i") else each for each in stems)
    found = {"".join(each) for each in item.readings}
    found |= {each for each in short if len(each) >= _SHORTEST_STEM} | set(item.grams)
    if item.slop:
        found |= set(item.words)
    return tuple(_BETWEEN.sub("", each) for each in sorted(found))


def _found(item: Item, words: str, stems: frozenset[str]) -> float:
    if item.edits:
        return float(any(_nearly(each, item) for each in words.split()))
    best = 0.0
    for number, each in enumerate(item.readings):
        value = ALSO_BOOST if number else 1.0
        if value > best and _in_order(each, words, item.slop, begun=item.prefix):
            best = value
    if best < ALSO_BOOST and item.typed_on and _in_order(item.words, words, item.slop, begun=True):
        best = ALSO_BOOST
    if best < STEM_BOOST and not stems.isdisjoint(item.stems):
        best = STEM_BOOST
    if item.grams:
        best = max(best, GRAM_BOOST * len(stems.intersection(item.grams)) / len(item.grams))
    return best


def _in_order(wanted: Words, words: str, slop: int, *, begun: bool) -> bool:
    if slop:
        return all(f" {each} " in words for each in wanted)
    return f" {' '.join(wanted)}{'' if begun else ' '}" in words


def _nearly(word: str, item: Item) -> bool:
    (wanted,) = item.words
    return word[:1] == wanted[:1] and OSA.distance(word, wanted, score_cutoff=item.edits) <= item.edits


def share(found: Iterable[float], weights: Iterable[float]) -> float:
    """How much of a query was found, from 0 to 1. `found`: as `Overlap.of` returns it. `weights`: as `Overlap.weights`
    returns them."""
    return math.fsum(value * weight for value, weight in zip(found, weights, strict=True))
