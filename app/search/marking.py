"""Where the words of a query are in a content: what Elasticsearch is asked, to mark them in fragments of it. Pure.

The index holds the words of a content folded, and the text as it is, split by the `standard` analyser with the places of
its words. A folded word becomes a regular expression that matches every spelling which folds to it: for each letter the
class of letters that become it, then any combining marks. Elasticsearch matches that against the words of the one
document (a term vector lists them, the postings have the offsets), so nothing is analysed again, and never more of a text
than `budget` says.

A name is short, and `standard` takes `Adaptive_searching.pdf` for a single word: so names are marked by ourselves
(`app.search.names`).

Rejected: highlighting the folded words (nobody wants to read them); an analyser that folds (not in Elasticsearch's core);
marking here, from the files (a third of a second for each text of a megabyte).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any

from app.model.schema import existing
from app.search.expansions import MOST_LOOKS, bounded, looks
from app.search.stops import LONGEST
from app.search.syntax import Item, Node, positive
from app.search.words import fold

Dsl = dict[str, Any]

MARK = ("<mark>", "</mark>")
FRAGMENTS = 3
#: Characters of a fragment, about.
FRAGMENT_SIZE = 150
#: Characters of all texts of a page in which words are marked.
BUDGET = 5_000_000
#: Characters of a regular expression; Elasticsearch takes 1,000 (`index.regex_max_length`).
LONGEST_EXPRESSION = 900
#: Words and phrases that are marked, and the words in these; of a query of more, the first ones. On large pages they are
#: fewer, as each is a look through each text.
MOST_MARKED = 32
MOST_MARKED_WORDS = 64

#: What `standard` leaves within a word, between letters or digits, and we split at.
_JOINTS = "[_.:,;'\u2019\u00b7\u2027]"
_MARKS = "[\u0300-\u036f]*"
(_FIELD,) = existing("content")


def budget(size: int) -> int:
    """Characters of each text that are looked at on a page of `size` hits."""
    return min(LONGEST, BUDGET // max(size, 1))


def highlight(node: Node | None, size: int) -> Dsl | None:
    """The `highlight` of a search body; None when there is nothing to mark."""
    marked = spelled([node], size)
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


def spelled(nodes: Iterable[Node | None], size: int) -> list[Dsl]:
    """Queries on `content` that find what is to be marked there on a page of `size`, in every spelling: the first that may
    be marked together."""
    found: list[Dsl] = []
    left = min(MOST_MARKED_WORDS, MOST_LOOKS // max(size, 1))
    for item in islice((item for node in nodes for item in positive(node)), MOST_MARKED):
        made = _spelled(item, left)
        left -= looks(made, _FIELD)
        if left < 0:
            break
        found.append(made)
        if not left:
            break
    return bounded(found, _FIELD, size)


def _spelled(item: Item, most: int) -> Dsl:
    """The query for an item; of a phrase of more than `most` words, for the first ones."""
    if item.edits:
        value = {"value": item.words[0], "fuzziness": item.edits, "prefix_length": 1}
        return {"fuzzy": {_FIELD: value}}
    units = list(_units(item.words))
    last = len(units) - 1
    open_ended = item.prefix or item.typed_on
    found = [expression(unit, open_ended and position == last) for position, unit in enumerate(units[:most])]
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
