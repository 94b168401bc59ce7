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
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from app.model.schema import existing
from app.search.expansions import MOST_LOOKS, bounded, looks
from app.search.expressions import KATAKANA, LONGEST_EXPRESSION, Token, expression, spellings_of, with_endings
from app.search.scripts import HANGUL_SYLLABLE, MAY_BE_UMLAUT, characters, has_grams
from app.search.stops import LONGEST
from app.search.syntax import Item, Node, marked

Dsl = dict[str, Any]

MARK = ("<mark>", "</mark>")
FRAGMENTS = 3
#: About how many characters a fragment has.
FRAGMENT_SIZE = 150
#: The most characters in which words are marked, in all texts of a page together.
BUDGET = 5_000_000
#: The first so many words and phrases of a query are marked, with so many words in all. On large pages they are fewer,
#: as each means a look through each text.
MOST_MARKED = 32
MOST_MARKED_WORDS = 64

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
            else spellings_of(each, open_ended and at == last)
            for at, each in enumerate(tokens[:most])
        ]
        made = _side_by_side(forms, item.slop)
        # Another division is only marked while there is room for it.
        if made not in found and (not found or looks(found, _FIELD) + len(forms) <= most):
            found.append(made)
    return found[0] if len(found) == 1 else {"bool": {"should": found}}


def _side_by_side(expressions: list[str], slop: int = 0) -> Dsl:
    clauses = [{"regexp": {_FIELD: {"value": each, "flags": "NONE"}}} for each in expressions]
    if len(clauses) == 1:
        return clauses[0]
    spans = [{"span_multi": {"match": each}} for each in clauses]
    return {"span_near": {"clauses": spans, "slop": slop, "in_order": True}}


#: A phrase of at most so many words is also looked for as one word of `standard`, however it was typed.
_MOST_TOGETHER = 4


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


def _units(words: Iterable[str]) -> Iterator[str]:
    """`words` with each run of katakana as one: it is one word for `standard`, and here each of its characters is
    one."""
    run = ""
    for word in words:
        if KATAKANA.match(word):
            run += word
            continue
        if run:
            yield run
            run = ""
        yield word
    if run:
        yield run


#: The least letters of a stem.
_SHORTEST_STEM = 3


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
        found += [with_endings(stem) for stem in shortest]
    found[1:1] = [expression(each, open_ended) for each in others if each != word]
    made = found[0]
    for each in dict.fromkeys(found[1:]):
        if each != found[0] and len(made) + len(each) + 1 <= LONGEST_EXPRESSION:
            made = f"{made}|{each}"
    return made
