"""Marks the words of a query in the names of hits, as HTML. Pure.

The words of a name are made by the same functions as those of the index, and are joined into one string. Each word or
phrase of the query is then looked for in this string. So a name costs its length once, and each word of the query one
search in it: the dearest page and query take a tenth of a second.

Rejected: comparing each word of the query with each word of the name (64 by 1,000, for each of 100 hits).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

from rapidfuzz.distance import OSA

from app import processing
from app.model.schema import existing
from app.search.marking import MARK
from app.search.scripts import grams
from app.search.stops import take_stops
from app.search.syntax import Item, Node, positive
from app.search.words import emoji_places_of, fold, parts_of, places_of, query_stems, smallest_places_of

Dsl = dict[str, Any]

(_NAME,) = existing("name")
#: Steps (`app.processing`) for each letter of a name that is made into words, and for each word that is compared with
#: one that may be misspelled.
_STEPS_A_LETTER, _STEPS_A_WORD = 5, 10
#: Steps for the stems of a word in all languages.
_STEPS_A_STEM = 60
#: Stands between two words, and in none.
_BORDER = "\0"


class _Words:
    """The words of a name in their order, each with its start and end in the name."""

    def __init__(self, places: Iterable[tuple[str, int, int]]) -> None:
        self._places = list(places)
        self._text = _BORDER.join(["", *(word for word, _, _ in self._places), ""])
        self._marked: set[int] = set()

    def mark(self, item: Item) -> None:
        """Mark every place where `item` is."""
        if item.edits:
            (wanted,) = item.words
            near = self._by_beginning.get(wanted[:1], {})
            processing.spend(_STEPS_A_WORD * len(near))
            for word, places in near.items():
                if OSA.distance(word, wanted, score_cutoff=item.edits) <= item.edits:
                    self._marked.update(places)
            return
        for words in item.readings:
            self._mark(words, item.prefix or item.typing)

    def _mark(self, words: tuple[str, ...], begun: bool) -> None:
        count = len(words)
        needle = _BORDER.join(["", *words, *([] if begun else [""])])
        found, last = self._text.find(needle), 0
        while found >= 0:
            first = self._numbers[found]
            # Two places may overlap: the common part is not marked again.
            self._marked.update(range(max(first, last), first + count))
            last = first + count
            found = self._text.find(needle, found + 1)

    def spans(self) -> Iterator[tuple[int, int]]:
        """The start and the end of each marked word."""
        return (self._places[number][1:] for number in self._marked)

    @cached_property
    def _numbers(self) -> dict[int, int]:
        """The number of each word, by the place of the border before it."""
        found: dict[int, int] = {}
        position = 0
        for number, (word, _, _) in enumerate(self._places):
            found[position] = number
            position += len(word) + 1
        return found

    @cached_property
    def _by_beginning(self) -> dict[str, dict[str, list[int]]]:
        """For each first letter, the words that begin with it and their numbers. Edits never change the first
        letter."""
        found: dict[str, dict[str, list[int]]] = {}
        for number, (word, _, _) in enumerate(self._places):
            found.setdefault(word[:1], {}).setdefault(word, []).append(number)
        return found


def marked_name(name: str, node: Node | None) -> str | None:
    """`name` as HTML, in which the words that `node` finds are marked; None if there are none."""
    return _marked(name, list(dict.fromkeys(positive(node))))


def _marked(name: str, items: list[Item]) -> str | None:
    if not items:
        return None
    processing.spend(_STEPS_A_LETTER * len(name) + len(items))
    words, parts, smallest = _Words(places_of(name)), _Words(parts_of(name)), _Words(smallest_places_of(name))
    emoji = _Words(emoji_places_of(name))
    for item in items:
        words.mark(item)
        emoji.mark(item)
        if any(len(each) == 1 for each in item.readings):
            parts.mark(replace(item, also=tuple(each for each in item.also if len(each) == 1)))
        if any(len(each) > 1 for each in item.readings):
            smallest.mark(item)
    stems = {stem for item in items for stem in (*item.stems, *(item.grams if len(item.words) == 1 else ()))}
    pieces, position = [], 0
    for start, end in _merged(
        [*words.spans(), *parts.spans(), *smallest.spans(), *emoji.spans(), *_stemmed(name, stems)]
    ):
        pieces += [html.escape(name[position:start]), MARK[0], html.escape(name[start:end]), MARK[1]]
        position = end
    return "".join(pieces) + html.escape(name[position:]) if pieces else None


def _stemmed(name: str, stems: set[str]) -> Iterator[tuple[int, int]]:
    """The start and the end of each word that has one of `stems`, which are stems or pairs of characters."""
    if not stems:
        return
    for _, start, end in dict.fromkeys(parts_of(name)):
        processing.spend(_STEPS_A_STEM)
        if not stems.isdisjoint((*query_stems(name[start:end]), *grams(fold(name[start:end])))):
            yield start, end


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def mark_names(answer: Dsl, node: Node | None, source: tuple[str, ...]) -> None:
    """Mark the names of the hits in an answer of Elasticsearch, in place.

    Takes the name out of `_source` if `source` does not contain it, and takes the invisible characters of
    `app.search.stops` out of the fragments. Raises what `processing.spend` raises.
    """
    take_stops(answer)
    items = list(dict.fromkeys(positive(node)))
    for hit in answer["hits"]["hits"]:
        name = hit["_source"].get(_NAME, "")
        if _NAME not in source:
            hit["_source"].pop(_NAME, None)
        made = _marked(name, items)
        if made is not None:
            hit["highlight"] = {_NAME: [made], **hit.get("highlight", {})}
