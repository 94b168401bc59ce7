"""Turns the tree of a query into Elasticsearch's query language, and ranks what it finds. Pure.

A query finds an attachment by words in its name and in its text; it makes no difference which word is where. A strict
query needs every word, a loose one any word but stop words. The hits come in tiers:

1. the name is exactly the query, with or without its extension;
2. all words are in the name;
3. all words are there as they were typed;
4. all words are there in some form (with another ending, or as pairs of neighbouring characters);
5. the rest.

Within a tier the order is Elasticsearch's relevance (BM25): a word in the name counts more than one in the text, a rare
word more than a common one, and the word as it was typed more than another form of it. Of hits that are nearly equal,
the newer comes first.

A beginning, or a word that may be misspelled, stands for all words of the index that match, never for the first few.
The first few would be chosen among all tenants' words: anyone who filled these places with words of their own would see
in their own hits whether another tenant has such a word. For the same reason, the last word of a phrase that is still
being typed may begin any word of the same field: `match_phrase_prefix` takes only the first few words, and a span over
all of them fails when there are many.

Rejected: boosts alone. BM25 has no upper bound that holds for all words, so a rare word in a text would now and then
beat a common one in a name.
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
#: The score of each of the first two tiers. BM25 gives a word hardly more than 30, and usually less than 10.
TIER = 1000.0
#: The score of the third and of the fourth tier; both together are less than one of the first two.
ALL_WORDS = 400.0
#: A query of more words has no third and fourth tier: a text has so many of them only by accident, and each tier
#: repeats their clauses.
MOST_IN_TIERS = 10
#: Compared with the words as they were typed: what another reading counts, and another form of a word.
ALSO_BOOST = 0.8
STEM_BOOST = 0.5
#: A loose word of more than `ALL_GRAMS` pairs of characters needs so many percent of them; and what each counts.
ALL_GRAMS, MOST_GRAMS_PERCENT, GRAM_BOOST = 2, 12, 0.6
#: What a word in the name counts, compared with one in the text.
NAME_BOOST = 3.0
#: What the newest attachment scores more than a very old one, and the age at which half of this is left.
NEWER_BOOST = 0.3
NEWER_PIVOT = "30d"


def ranked(text: str, node: Node | None, today: str = "now/d", *, beside: bool = False) -> Dsl:
    """The clause that finds and ranks the attachments for `text`, whose tree is `node`. `today`: the date, in
    Elasticsearch's date math, from which ages are counted. `beside`: whether hits by meaning stand beside these, below all
    that have the words as they are written."""
    exact = _tier(_exact(text), TIER)
    if node is None:
        # There is no word in it, but a file may have exactly this name.
        return exact
    # The exact name is also found if its characters read as operators.
    found = [_clause(node), exact, *_tiers(node, beside)]
    if not any_item(node):
        return {"bool": {"should": found}}
    # The day and not the moment, so that scores are the same on the next page.
    newer = {"field": _CREATED, "origin": today, "pivot": NEWER_PIVOT, "boost": NEWER_BOOST}
    return {"bool": {"must": [{"bool": {"should": found}}], "should": [{"distance_feature": newer}]}}


def _tier(clause: Dsl, score: float) -> Dsl:
    return {"constant_score": {"filter": clause, "boost": score}}


def _tiers(node: Node, beside: bool) -> list[Dsl]:
    """The clauses of the second to the fourth tier. They find nothing that is not found without them."""
    found = [_tier(_clause(node, _IN_NAME), TIER)] if any_item(node) else []
    items = list(positive(node))
    if len(items) > MOST_IN_TIERS:
        return found
    if isinstance(node, Group) and node.loose and len(node.deciding) > 1:
        found.append(_tier(_clause(replace(node, loose=False), _ANY_FORM), ALL_WORDS))
    if beside or any(item.stems or item.grams or item.typing for item in items):
        found.append(_tier(_clause(node, _AS_WRITTEN), ALL_WORDS))
    return found


def any_item(node: Node) -> bool:
    """Whether `node` looks for any word, and does not only exclude words."""
    return isinstance(node, Item | Pattern) or (isinstance(node, Group) and any(map(any_item, node.members)))


def _exact(text: str) -> Dsl:
    return {"term": {_NAME_EXACT: fold(text.strip().strip('"'))}}


@dataclass(frozen=True)
class _Where:
    """Where words are looked for, and in which forms."""

    name_only: bool = False
    #: Also with other endings, and as pairs of neighbouring characters.
    forms: bool = True
    #: The word that is being typed also as the beginning of one.
    begun: bool = True
    #: Every word of a loose group has to be there.
    every: bool = False
    #: What is found gets a score for it.
    scored: bool = False


_FOUND, _IN_NAME = _Where(scored=True), _Where(name_only=True, forms=False, every=True)
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
    # An excluded word excludes wherever it stands.
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
        should += _forms(item, loose, where.scored)
    return should[0] if len(should) == 1 else {"dis_max": {"queries": should, "tie_breaker": 0.3}}


def _in_field(single: str, ordered: str, item: Item, words: Words, boost: float, begun: bool) -> list[Dsl]:
    """The clauses for one reading of an item. `single`: the field that single words are looked for in. `ordered`: the
    field that has words in their order; it alone has the characters of scripts without blanks."""
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
            # A whole word of a name counts more than a part of one.
            found.append({"term": {_NAME_TEXT: {"value": word, "boost": boost}}})
    return found


def _forms(item: Item, loose: bool, scored: bool) -> list[Dsl]:
    """The clauses for a bare word with other endings, or by its pairs of neighbouring characters. `scored`: whether these
    give a score."""
    found: list[Dsl] = []
    if item.stems:
        together = " ".join(item.stems)
        # Of a name there are the stems in all languages, most of them equal. So how many are found, and how rare each is,
        # says nothing; and to score each costs as much as the rest of the query.
        found.append({"terms": {_NAME_STEMS: together.split(), "boost": NAME_BOOST}})
        if scored:
            found.append({"match": {_CONTENT_STEMS: {"query": together, "boost": STEM_BOOST}}})
        else:
            found.append({"terms": {_CONTENT_STEMS: together.split()}})
    # A strict word of a script without blanks is looked for by its characters in their order alone. Pairs are for loose
    # words, and for Korean, whose words end in particles.
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
