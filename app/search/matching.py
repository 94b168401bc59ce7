"""The tree of a query to Elasticsearch's query language, and the ranking. Pure.

An attachment is found when its words are in its name or in its content, no matter which: every one, or any that decides
where the query is loose. The order has tiers: the exact name (with its extension or without), then all words in the name,
then all words as they are written, then all words in any form (with another ending, as one of neighbouring characters),
then the rest; within a tier Elasticsearch's own relevance (BM25), where a word in the name counts more than one in the
content, a rare word more than a common one and one as it is written more than another form of it; and of what is nearly
equal, the newer.

A beginning, and a word that may be misspelled, stand for all words of the index that fit, never for the first few: those
would be chosen from everybody's words, and whoever fills the places with words of their own would see in their own hits
whether somebody else has such a word. So the end of a phrase that is still being typed is a beginning anywhere in the
same field: `match_phrase_prefix` takes only the first few words, and a span of all of them fails when they are many.

Rejected: boosts alone. BM25 has no upper bound that does not depend on the words, so a rare word in a content would beat a
common one in a name every now and then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.model.schema import existing
from app.search.scripts import has_grams
from app.search.syntax import Everything, Group, Item, Node, Pattern, Words, positive
from app.search.words import fold

Dsl = dict[str, Any]

_NAME_EXACT, _NAME_WORDS, _NAME_TEXT = existing("name_exact", "name_words", "name_text")
_CONTENT_WORDS, _CREATED = existing("content_words", "created")
_NAME_STEMS, _CONTENT_STEMS = existing("name_stems", "content_stems")
#: The distance between two tiers; BM25 gives a word hardly more than 30, and usually less than 10.
TIER = 1000.0
#: The same between the tiers below those of the name: both together are less than one of these.
ALL_WORDS = 400.0
#: Words from which on no tier is for all of them: no text has so many but by accident, and each costs its clauses again.
MOST_IN_TIERS = 10
#: How much another reading counts beside the words as they were typed, and another form of a word.
ALSO_BOOST = 0.8
STEM_BOOST = 0.5
#: Of neighbouring characters: how many have to be there of more than `ALL_GRAMS`, in percent, and how much each counts.
ALL_GRAMS, MOST_GRAMS_PERCENT, GRAM_BOOST = 2, 12, 0.6
#: How much a word in the name counts beside one in the content.
NAME_BOOST = 3.0
#: What the newest attachment gets more than a very old one, and the age at which half of it is left.
NEWER_BOOST = 0.3
NEWER_PIVOT = "30d"


def ranked(text: str, node: Node | None, today: str = "now/d", *, beside: bool = False) -> Dsl:
    """The clause for `text`, whose tree is `node`: it finds and it ranks. `today`: from when on ages count. `beside`:
    whether others are found beside these by what they mean, below all that have the words as they are written."""
    exact = {"constant_score": {"filter": _exact(text), "boost": TIER}}
    if node is None:
        # No words in it; a file may have just that name.
        return exact
    should = [exact]
    if any_item(node):
        should.append({"constant_score": {"filter": _clause(node, _IN_NAME), "boost": TIER}})
        # The day, not the moment: so scores stay the same from page to page.
        newer = {"field": _CREATED, "origin": today, "pivot": NEWER_PIVOT, "boost": NEWER_BOOST}
        should.append({"distance_feature": newer})
    # The exact name is found also where its words read as operators.
    found: list[Dsl] = [_clause(node), {"constant_score": {"filter": _exact(text), "boost": 0}}]
    return {"bool": {"must": [{"bool": {"should": [*found, *_tiers(node, beside)]}}], "should": should}}


def _tiers(node: Node, beside: bool) -> list[Dsl]:
    """What lifts those that have all words above the rest, and those that have them as they are written above these. They
    find nothing that is not found without them."""
    items = list(positive(node))
    if len(items) > MOST_IN_TIERS:
        return []
    found = []
    if isinstance(node, Group) and node.loose and len(node.deciding) > 1:
        found.append({"constant_score": {"filter": _clause(replace(node, loose=False), _ANY_FORM), "boost": ALL_WORDS}})
    if beside or any(item.stems or item.grams or item.typing for item in items):
        found.append({"constant_score": {"filter": _clause(node, _AS_WRITTEN), "boost": ALL_WORDS}})
    return found


def any_item(node: Node) -> bool:
    """Whether anything is looked for, and not only excluded."""
    return isinstance(node, Item | Pattern) or (isinstance(node, Group) and any(map(any_item, node.members)))


def _exact(text: str) -> Dsl:
    return {"term": {_NAME_EXACT: fold(text.strip().strip('"'))}}


@dataclass(frozen=True)
class _Where:
    """Where and in which forms words are looked for."""

    name_only: bool = False
    #: With other endings, and as neighbouring characters.
    forms: bool = True
    #: What is being typed also as a beginning.
    begun: bool = True
    #: All words of a loose group.
    every: bool = False


_FOUND, _IN_NAME = _Where(), _Where(name_only=True, forms=False, every=True)
_ANY_FORM, _AS_WRITTEN = _Where(every=True), _Where(forms=False, begun=False, every=True)
_EXCLUDED = _Where(forms=False, every=True)


def _clause(node: Node, where: _Where = _FOUND) -> Dsl:
    if isinstance(node, Item):
        return _item(node, where)
    if isinstance(node, Everything):
        return {"match_all": {"boost": 0}}
    if isinstance(node, Pattern):
        value = {"value": re.sub(r"([?\\])", r"\\\1", node.text), "boost": NAME_BOOST}
        return {"dis_max": {"queries": [{"wildcard": {field: value}} for field in (_NAME_EXACT, _NAME_WORDS)]}}
    loose = node.loose and not where.every
    if loose and len(node.members) == 1 and isinstance(node.members[0], Item):
        return _item(node.members[0], where, loose=True)
    members = [
        _item(each, where, loose=loose) if isinstance(each, Item) else _clause(each, where) for each in node.deciding
    ]
    if loose or not node.every:
        return {"bool": {"should": members, "minimum_should_match": 1}}
    # What is excluded is excluded wherever it stands.
    excluded = [_clause(each, _EXCLUDED) for each in node.excluded]
    return {"bool": {"must": members or [{"match_all": {"boost": 0}}], "must_not": excluded}}


def _item(item: Item, where: _Where, *, loose: bool = False) -> Dsl:
    should = []
    for number, words in enumerate(item.readings):
        boost = ALSO_BOOST if number else 1.0
        begun = where.begun and item.typing and (not number or len(words) == 1 or not item.also)
        should += _in_field(_NAME_WORDS, _NAME_TEXT, item, words, boost * NAME_BOOST, begun)
        if not where.name_only:
            should += _in_field(_CONTENT_WORDS, _CONTENT_WORDS, item, words, boost, begun and item.typed_on)
    if where.forms and not where.name_only:
        should += _forms(item, loose)
    return should[0] if len(should) == 1 else {"dis_max": {"queries": should, "tie_breaker": 0.3}}


def _in_field(single: str, ordered: str, item: Item, words: Words, boost: float, begun: bool) -> list[Dsl]:
    """One reading of an item. `single`: the field of single words; `ordered`: that of words in their order, which alone has
    the characters of writings without blanks."""
    if len(words) > 1:
        return [_phrase(ordered, words, item.slop, boost, item.prefix or begun)]
    (word,) = words
    field = ordered if has_grams(word) else single
    if item.edits:
        return [_fuzzy(field, item, boost)]
    found: list[Dsl] = []
    if item.prefix or begun:
        found.append({"prefix": {field: {"value": word, "boost": boost}}})
    if not item.prefix:
        found.append({"term": {field: {"value": word, "boost": boost}}})
        if field == _NAME_WORDS:
            # What stands in a name by itself counts more than a part of a word.
            found.append({"term": {_NAME_TEXT: {"value": word, "boost": boost}}})
    return found


def _forms(item: Item, loose: bool) -> list[Dsl]:
    """A bare word with other endings, or by its neighbouring characters."""
    found: list[Dsl] = []
    for field, boost in ((_NAME_STEMS, STEM_BOOST * NAME_BOOST), (_CONTENT_STEMS, STEM_BOOST)):
        if item.stems:
            found.append({"match": {field: {"query": " ".join(item.stems), "boost": boost}}})
    # Of a writing without blanks the characters in their order are all that there is, unless any will do. Korean has
    # particles at the end of a word.
    if item.grams and (loose or len(item.words) == 1):
        count = len(item.grams)
        every = not loose or count <= ALL_GRAMS
        least = count if every else max(2, -(-count * MOST_GRAMS_PERCENT // 100))
        for field, boost in ((_NAME_STEMS, NAME_BOOST), (_CONTENT_STEMS, 1.0)):
            options = {"query": " ".join(item.grams), "minimum_should_match": least, "boost": GRAM_BOOST * boost}
            found.append({"match": {field: options}})
    return found


def _phrase(field: str, words: Words, slop: int, boost: float, begun: bool) -> Dsl:
    if not begun:
        return _in_order(field, words, slop, boost)
    *complete, last = words
    beginning = {"prefix": {field: {"value": last, "boost": boost}}}
    return {"bool": {"must": [_in_order(field, complete, slop, boost), beginning]}}


def _in_order(field: str, words: Sequence[str], slop: int, boost: float) -> Dsl:
    # One blank between the words, as the analyser of these fields splits at blanks alone.
    return {"match_phrase": {field: {"query": " ".join(words), "boost": boost, "slop": slop}}}


def _fuzzy(field: str, item: Item, boost: float) -> Dsl:
    value = {"value": item.words[0], "fuzziness": item.edits, "prefix_length": 1, "rewrite": "constant_score"}
    return {"fuzzy": {field: {**value, "boost": boost}}}
