"""Where the words of a query are in a text: fragments of the content by Elasticsearch, the name by ourselves. Pure.

The index holds the words of a content folded, and the text as it is, split by the `standard` analyser with the places of
its words. A folded word becomes a regular expression that matches every spelling which folds to it: for each letter the
class of letters that become it, then any combining marks. Elasticsearch matches that against the words of the one
document (a term vector lists them, the postings have the offsets), so nothing is analysed again, and never more of a text
than `budget` says.

A name is short, and `standard` takes `Adaptive_searching.pdf` for a single word: so names are marked here, by the
functions that made their words.

Rejected: highlighting the folded words (nobody wants to read them); an analyser that folds (not in Elasticsearch's core);
all of it here, from the files (a third of a second for each text of a megabyte).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from app.search.stops import LONGEST, take_stops
from app.search.syntax import Item, Node, positive
from app.search.words import fold, parts_of, places_of

Dsl = dict[str, Any]

MARK = ("<mark>", "</mark>")
FRAGMENTS = 3
#: Characters of a fragment, about.
FRAGMENT_SIZE = 150
#: Characters of all texts of a page in which words are marked.
BUDGET = 5_000_000
#: Characters of a regular expression; Elasticsearch takes 1,000 (`index.regex_max_length`).
LONGEST_EXPRESSION = 900
#: Words and phrases that are marked; of a query of more, the first ones.
MOST_MARKED = 32

#: What `standard` leaves within a word, between letters or digits, and we split at.
_JOINTS = "[_.:,;'\u2019\u00b7\u2027]"
_MARKS = "[\u0300-\u036f]*"
_FIELD = "content"


def budget(size: int) -> int:
    """Characters of each text that are looked at on a page of `size` hits."""
    return min(LONGEST, BUDGET // max(size, 1))


def highlight(node: Node | None, size: int) -> Dsl | None:
    """The `highlight` of a search body; None when there is nothing to mark."""
    marked = spelled(node)
    if not marked:
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
                "highlight_query": {"bool": {"should": marked}},
            }
        },
    }


def spelled(node: Node | None) -> list[Dsl]:
    """Queries on `content` that find what is to be marked there, in every spelling."""
    return [_spelled(item) for item in list(positive(node))[:MOST_MARKED]]


def _spelled(item: Item) -> Dsl:
    if item.edits:
        value = {"value": item.words[0], "fuzziness": item.edits, "prefix_length": 1}
        return {"fuzzy": {_FIELD: value}}
    units = list(_units(item.words))
    last = len(units) - 1
    open_ended = item.prefix or item.typed_on
    found = [expression(unit, open_ended and position == last) for position, unit in enumerate(units)]
    clauses = [{"regexp": {_FIELD: {"value": each, "flags": "NONE"}}} for each in found]
    if len(clauses) == 1:
        return clauses[0]
    spans = [{"span_multi": {"match": each}} for each in clauses]
    return {"span_near": {"clauses": spans, "slop": item.slop, "in_order": True}}


_KATAKANA = re.compile(r"[\u30a0-\u30ff]+\Z")


def _units(words: Iterable[str]) -> Iterator[str]:
    """`words` as `standard` has them: a run of katakana is one word there, and single characters with us."""
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


def expression(word: str, open_ended: bool = False) -> str:
    """The regular expression, in Lucene's syntax, of all spellings of the folded `word` as `standard` has them."""
    classes, several = _spellings()
    found, position = "", 0
    inside = _KATAKANA.match(word) is not None
    while position < len(word):
        letter = word[position]
        piece = f"[{classes[letter]}]{_MARKS}" if letter in classes else letter
        for length in (3, 2):
            group = word[position : position + length]
            if len(group) == length and group in several:
                plain = "".join(f"[{classes[e]}]{_MARKS}" if e in classes else e for e in group)
                piece = f"({plain}|[{several[group]}])"
                position += length - 1
                break
        position += 1
        if len(found) + len(piece) > LONGEST_EXPRESSION:
            open_ended = True
            break
        found += piece
    head = ".*" if inside else f"(.*{_JOINTS})?"
    tail = ".*" if open_ended or inside else f"({_JOINTS}.*)?"
    return head + found + tail


@cache
def _spellings() -> tuple[dict[str, str], dict[str, str]]:
    """The content of a character class for each letter, and for each group of letters that may be written as one."""
    classes: dict[str, set[str]] = {}
    several: dict[str, set[str]] = {}
    for code in (*range(0x61, 0x2000), *range(0x3041, 0x3100), *range(0xFB00, 0xFB07), *range(0xFF10, 0xFFA0)):
        letter = chr(code)
        # `standard` has made them lower-case.
        if not letter.isalnum() or letter.lower() != letter:
            continue
        folded = fold(letter)
        if len(folded) == 1 and folded != letter:
            classes.setdefault(folded, {folded}).add(letter)
        elif 1 < len(folded) <= 3 and folded.isalnum():
            several.setdefault(folded, set()).add(letter)
    # Letters with marks that stand alone still take marks behind them.
    for code in range(0x61, 0x7B):
        classes.setdefault(chr(code), {chr(code)})
    return {key: _ranges(each) for key, each in classes.items()}, {key: _ranges(each) for key, each in several.items()}


def _ranges(letters: set[str]) -> str:
    """`letters` as ranges; they may span what is never in a lower-case word."""
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


# Names


def marked_name(name: str, node: Node | None) -> str | None:
    """`name` as HTML with what `node` finds in it marked; None when that is nothing."""
    spans: list[tuple[int, int]] = []
    tokens = list(places_of(name))
    for item in positive(node):
        spans += _found(item, tokens)
        if len(item.words) == 1:
            spans += [(start, end) for word, start, end in parts_of(name) if _matches(item, word)]
    if not spans:
        return None
    pieces, position = [], 0
    for start, end in _merged(spans):
        pieces += [html.escape(name[position:start]), MARK[0], html.escape(name[start:end]), MARK[1]]
        position = end
    return "".join(pieces) + html.escape(name[position:])


def _found(item: Item, tokens: list[tuple[str, int, int]]) -> Iterator[tuple[int, int]]:
    count = len(item.words)
    for first in range(len(tokens) - count + 1):
        window = tokens[first : first + count]
        same = all(word == token[0] for word, token in zip(item.words[:-1], window[:-1], strict=True))
        if same and _matches(item, window[-1][0]):
            yield from ((start, end) for _, start, end in window)


def _matches(item: Item, word: str) -> bool:
    wanted = item.words[-1]
    if item.edits:
        return word[:1] == wanted[:1] and _within(word, wanted, item.edits)
    return word.startswith(wanted) if item.prefix or item.typing else word == wanted


def _within(one: str, other: str, edits: int) -> bool:
    """Whether so many insertions, deletions, replacements and swaps of neighbours make one of the other."""
    if abs(len(one) - len(other)) > edits:
        return False
    before, row = list(range(len(other) + 1)), list(range(len(other) + 1))
    for i, mine in enumerate(one, 1):
        older, before, row = before, row, [i, *[0] * len(other)]
        for j, theirs in enumerate(other, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (mine != theirs))
            if i > 1 and j > 1 and mine == other[j - 2] and one[i - 2] == theirs:
                row[j] = min(row[j], older[j - 2] + 1)
    return row[-1] <= edits


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def mark_names(answer: Dsl, node: Node | None, source: tuple[str, ...]) -> None:
    """Mark the names of the hits of an answer of Elasticsearch; take the name away where `source` has it not, and the
    stops of its fragments."""
    take_stops(answer)
    for hit in answer["hits"]["hits"]:
        name = hit["_source"].get("name", "")
        if "name" not in source:
            hit["_source"].pop("name", None)
        marked = marked_name(name, node)
        if marked is not None:
            hit["highlight"] = {"name": [marked], **hit.get("highlight", {})}
