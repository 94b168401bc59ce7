"""Bounds for expanding clauses, which stand for every word that matches them: how many words they may mark. Pure.

The expanding clauses are beginnings, patterns, regular expressions and words that may be misspelled.

**To find documents**, Elasticsearch looks for such a clause in the dictionary of the whole index. This takes hardly any
memory; its time is bounded by the number of such clauses in a body and by a deadline.

**To mark words**, Elasticsearch holds the places of every matching word of a document, some kilobytes each. A search of
two kilobytes over texts of many different words, all of which match, ends a node with 512 MiB of heap. So a clause that
only marks stands for the first few matching words of the document (`top_terms_boost_N`, which Elasticsearch then
applies to the document's own words). All clauses of a query together stand for `MOST_WORDS`, few enough for the number
of clauses that the smallest cluster takes (1,024).

Elasticsearch applies this rewrite to the document's words only in the field that is marked. In any other field it would
look through the dictionary of the whole index, once for each hit. Such a clause marks nothing there, so it is left out.

It also applies it only if a query marks no other fields than it asks (`require_field_match`, which is true by default).
Otherwise it collects the places of everything in the text that matches any clause on any field. So
`require_field_match` may be false only in a query that names every word which it marks. `named` knows the clauses of
which that is true.

**Time to mark**: each clause looks through the different words of each text of a page (3 to 4 ms for a megabyte of
different words; for a word that may be misspelled half a millisecond more for each letter, as its automaton is built
each time), and each marked word is looked up (0.35 ms). So a page has at most `MOST_LOOKS` looks and `WORDS_OF_A_PAGE`
words. Of a query that a person typed, the first matching words are marked; a body in Elasticsearch's language is
refused if it needs more.

Rejected: counting the matching words first (a search for each clause, over the words of all tenants, whose limit would
tell about them); fewer words of a text in the index (the others would not be found).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from app.model.schema import existing

Dsl = dict[str, Any]
Marks = TypeVar("Marks", Dsl, list[Dsl])

(_CONTENT,) = existing("content")
#: The most words that all expanding clauses of a query mark together, in one document and in all documents of a page.
MOST_WORDS = 600
WORDS_OF_A_PAGE = 8_000
#: The most looks through the words of a text for one page: the looks of its query, times its hits.
MOST_LOOKS = 1_200
#: The most words that a query without `require_field_match` may name; each is looked for in each text.
MOST_NAMED = 4096
#: Clauses that name every word which they mark, each with the key of its text; clauses that mark nothing; and clauses
#: that contain others.
_NAMING = {"match": "query", "match_phrase": "query", "term": "value"}
_MARKING_NOTHING = frozenset(("match_all", "match_none", "ids", "exists", "distance_feature"))
_HOLDING = frozenset(("bool", "boosting", "constant_score", "dis_max"))
#: With these options a clause also stands for words that it does not name.
_OPENING = frozenset(("fuzziness", "case_insensitive"))
#: The expanding clauses, each with the key of what it looks for.
_EXPANDING = {"prefix": "value", "wildcard": "value", "regexp": "value", "fuzzy": "value"}


def bounded(query: Marks, field: str, size: int) -> Marks:
    """`query`, one clause or several, which marks words in `field` on a page of `size` hits, with its expanding clauses
    bounded. Those on other fields mark nothing, and are replaced by clauses that look for nothing."""
    count = sum(asked == field for _, asked, _ in expanding(query))
    most = min(MOST_WORDS, WORDS_OF_A_PAGE // max(size, 1))
    made: Marks = _bounded(query, field, f"top_terms_boost_{max(1, most // max(count, 1))}")
    return made


def looks(query: Any, field: str) -> int:
    """How many looks through the words of a text `query` takes to mark words in `field`."""
    # Fields other than the text are short: there only the automaton of a long misspelled word counts.
    content = field == _CONTENT
    return sum(
        (1 + _letters(name, value) // 8 if content else _letters(name, value) // 64)
        for name, asked, value in expanding(query)
        if asked == field
    )


def _letters(name: str, value: str) -> int:
    """The bytes of a word that may be misspelled; 0 for other clauses."""
    return len(value.encode("utf-8", "surrogatepass")) if name == "fuzzy" else 0


def expanding(query: Any) -> Iterator[tuple[str, str, str]]:
    """The expanding clauses of a query: the name of each, its field, and what it looks for."""
    if isinstance(query, list):
        for each in query:
            yield from expanding(each)
    elif isinstance(query, dict):
        for name, content in query.items():
            if _is_clause(name, content):
                ((field, options),) = content.items()
                yield name, field, str(options[_EXPANDING[name]] if isinstance(options, dict) else options)
            else:
                yield from expanding(content)


def _is_clause(name: str, content: Any) -> bool:
    return name in _EXPANDING and isinstance(content, dict)


def _bounded(query: Any, field: str, rewrite: str, negated: bool = False) -> Any:
    if isinstance(query, list):
        return [_bounded(each, field, rewrite, negated) for each in query]
    if not isinstance(query, dict):
        return query
    made: Dsl = {}
    for name, content in query.items():
        if not _is_clause(name, content):
            made[name] = _bounded(content, field, rewrite, negated != (name == "must_not"))
            continue
        ((asked, options),) = content.items()
        if asked != field:
            # The document is a hit, so it matches what it has to and does not match what it may not.
            made |= {"match_none": {}} if negated else {"match_all": {}}
            continue
        options = dict(options) if isinstance(options, dict) else {_EXPANDING[name]: options}
        made[name] = {field: {**options, "rewrite": rewrite}}
    return made


def named(query: Any) -> float:
    """How many words `query` names that it may mark; infinite if it may also mark words that it does not name."""
    if isinstance(query, list):
        return sum(map(named, query))
    ((name, content),) = query.items()
    if name in _MARKING_NOTHING:
        return 0
    if name in _HOLDING:
        return sum(named(each) for each in content.values() if isinstance(each, dict | list))
    if name in ("combined_fields", "simple_query_string"):
        return math.inf if name == "simple_query_string" and "*" in content["query"] else len(content["query"].split())
    if name == "terms":
        return sum(len(each) for each in content.values() if isinstance(each, list))
    if name not in _NAMING:
        return math.inf
    (options,) = content.values()
    return math.inf if _OPENING & options.keys() else len(str(options[_NAMING[name]]).split())
