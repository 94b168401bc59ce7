"""The tree of a query to Elasticsearch's query language, and the ranking. Pure.

An attachment is found when every word is in its name or in its content, no matter which. The order has tiers: the exact
name (with its extension or without), then all words in the name, then the rest; within a tier Elasticsearch's own
relevance (BM25), where a word in the name counts more than one in the content; and of what is nearly equal, the newer.

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
from typing import Any

from app.model.schema import existing
from app.search.syntax import Everything, Group, Item, Node, Pattern
from app.search.words import fold

Dsl = dict[str, Any]

_NAME_EXACT, _NAME_WORDS, _NAME_TEXT = existing("name_exact", "name_words", "name_text")
_CONTENT_WORDS, _CREATED = existing("content_words", "created")
#: The distance between two tiers; BM25 gives a word hardly more than 30, and usually less than 10.
TIER = 1000.0
#: How much a word in the name counts beside one in the content.
NAME_BOOST = 3.0
#: What the newest attachment gets more than a very old one, and the age at which half of it is left.
NEWER_BOOST = 0.3
NEWER_PIVOT = "30d"


def ranked(text: str, node: Node | None, today: str = "now/d") -> Dsl:
    """The clause for `text`, whose tree is `node`: it finds and it ranks. `today`: from when on ages count."""
    exact = {"constant_score": {"filter": _exact(text), "boost": TIER}}
    if node is None:
        # No words in it; a file may have just that name.
        return exact
    should = [exact]
    if any_item(node):
        should.append({"constant_score": {"filter": _clause(node, name_only=True), "boost": TIER}})
        # The day, not the moment: so scores stay the same from page to page.
        newer = {"field": _CREATED, "origin": today, "pivot": NEWER_PIVOT, "boost": NEWER_BOOST}
        should.append({"distance_feature": newer})
    # The exact name is found also where its words read as operators.
    found = {"bool": {"should": [_clause(node), {"constant_score": {"filter": _exact(text), "boost": 0}}]}}
    return {"bool": {"must": [found], "should": should}}


def any_item(node: Node) -> bool:
    """Whether anything is looked for, and not only excluded."""
    return isinstance(node, Item | Pattern) or (isinstance(node, Group) and any(map(any_item, node.members)))


def _exact(text: str) -> Dsl:
    return {"term": {_NAME_EXACT: fold(text.strip().strip('"'))}}


def _clause(node: Node, *, name_only: bool = False) -> Dsl:
    if isinstance(node, Item):
        return _item(node, name_only)
    if isinstance(node, Everything):
        return {"match_all": {"boost": 0}}
    if isinstance(node, Pattern):
        value = {"value": re.sub(r"([?\\])", r"\\\1", node.text), "boost": NAME_BOOST}
        return {"dis_max": {"queries": [{"wildcard": {field: value}} for field in (_NAME_EXACT, _NAME_WORDS)]}}
    members = [_clause(each, name_only=name_only) for each in node.members]
    if not node.every:
        return {"bool": {"should": members, "minimum_should_match": 1}}
    # What is excluded is excluded wherever it stands.
    return {"bool": {"must": members or [{"match_all": {"boost": 0}}], "must_not": list(map(_clause, node.excluded))}}


def _item(item: Item, name_only: bool) -> Dsl:
    should = list(_in_name(item))
    if not name_only:
        should += _in_content(item)
    return should[0] if len(should) == 1 else {"dis_max": {"queries": should, "tie_breaker": 0.3}}


def _in_name(item: Item) -> list[Dsl]:
    if len(item.words) > 1:
        return _phrase(_NAME_TEXT, item, NAME_BOOST)
    (word,) = item.words
    found: list[Dsl] = []
    if item.prefix or item.typing:
        found.append({"prefix": {_NAME_WORDS: {"value": word, "boost": NAME_BOOST}}})
    if item.edits:
        found.append(_fuzzy(_NAME_WORDS, item, NAME_BOOST))
    elif not item.prefix:
        found.append({"term": {_NAME_WORDS: {"value": word, "boost": NAME_BOOST}}})
        # A part of a name that is written without blanks.
        found.append({"term": {_NAME_TEXT: {"value": word, "boost": NAME_BOOST}}})
    return found


def _in_content(item: Item) -> list[Dsl]:
    if len(item.words) > 1:
        return _phrase(_CONTENT_WORDS, item, 1.0)
    (word,) = item.words
    found: list[Dsl] = []
    if item.prefix or item.typed_on:
        found.append({"prefix": {_CONTENT_WORDS: {"value": word}}})
    if item.edits:
        found.append(_fuzzy(_CONTENT_WORDS, item, 1.0))
    elif not item.prefix:
        found.append({"term": {_CONTENT_WORDS: {"value": word}}})
    return found


def _phrase(field: str, item: Item, boost: float) -> list[Dsl]:
    if not (item.prefix or item.typing):
        return [_in_order(field, item.words, item.slop, boost)]
    *complete, begun = item.words
    beginning = {"prefix": {field: {"value": begun, "boost": boost}}}
    return [{"bool": {"must": [_in_order(field, complete, item.slop, boost), beginning]}}]


def _in_order(field: str, words: Sequence[str], slop: int, boost: float) -> Dsl:
    # One blank between the words, as the analyser of these fields splits at blanks alone.
    return {"match_phrase": {field: {"query": " ".join(words), "boost": boost, "slop": slop}}}


def _fuzzy(field: str, item: Item, boost: float) -> Dsl:
    value = {"value": item.words[0], "fuzziness": item.edits, "prefix_length": 1, "rewrite": "constant_score"}
    return {"fuzzy": {field: {**value, "boost": boost}}}
