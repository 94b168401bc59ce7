"""Clauses that stand for every word that fits them: which they are, and how many words they may mark. Pure.

A beginning, a pattern, a regular expression or a word that may be misspelled is looked for in the dictionary of the whole
index when it finds documents. That takes time, which is bounded by how many of them a body may have and by a deadline, and
hardly any memory. When it marks words, Elasticsearch holds the places of every word of the document that fits, some
kilobytes each: texts of many different words, all of which fit, end a node with 512 MiB of heap in one search of two
kilobytes. So where clauses only mark, each stands for the first few of the words of that document (`top_terms_boost_N`,
which is applied to the document's own words then). All of a query together stand for `MOST_WORDS`: few enough for the
number of clauses that the smallest cluster takes (1,024).

Elasticsearch applies that to the words of the document in the field that is marked alone. In any other field it looks
through the dictionary of the whole index, once for each hit: there such a clause marks nothing, and is left out. And it
applies it only where a query marks the fields that it asks (`require_field_match`, its default); otherwise it collects the
places of all that fits in the text, whatever is asked and of whichever field. So only a query that names all the words which
it marks may be without it: it is said here of which clauses that is true (`named`), and of no other.

What marks takes its time for each text of a page: each clause looks through the different words of a text (3 to 4 ms for a
megabyte of nothing but different words; a word that may be misspelled half a millisecond more for each of its letters, as
its automaton is made anew), and each word that is marked is looked up (0.35 ms). So a page has so many looks
(`MOST_LOOKS`) and so many words (`WORDS_OF_A_PAGE`): of what people type the first words are marked that fit, and what is
written for Elasticsearch is refused beyond that.

Rejected: to count what fits before (a search for each, of the words of all tenants, and its limit would tell of them), and
fewer words of a text in the index (words would not be found).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from app.model.schema import existing

Dsl = dict[str, Any]
Marks = TypeVar("Marks", Dsl, list[Dsl])

(_CONTENT,) = existing("content")
#: Words of one document that all expansions of a query mark together, and those of all documents of a page.
MOST_WORDS = 600
WORDS_OF_A_PAGE = 8_000
#: Looks through the words of a text that a page may take: of its query for each of its hits.
MOST_LOOKS = 1_200
#: Words that a query may name which marks them in other fields than those that it asks; each is looked for in each text.
MOST_NAMED = 4096
#: Clauses of which every word that they mark is named, by the key of their text; those that mark none; and those that hold
#: other clauses.
_NAMING = {"match": "query", "match_phrase": "query", "term": "value"}
_MARKING_NOTHING = frozenset(("match_all", "match_none", "ids", "exists", "distance_feature"))
_HOLDING = frozenset(("bool", "boosting", "constant_score", "dis_max"))
#: Options with which a clause stands for words that it does not name.
_OPENING = frozenset(("fuzziness", "case_insensitive"))
#: The clauses that expand, and the key of what they look for.
_EXPANDING = {"prefix": "value", "wildcard": "value", "regexp": "value", "fuzzy": "value"}


def bounded(query: Marks, field: str, size: int) -> Marks:
    """A query that marks words in `field` on a page of `size`, or several that do together, each of its expansions bounded.
    Those of other fields, which mark nothing there, look for nothing."""
    count = sum(asked == field for _, asked, _ in expanding(query))
    most = min(MOST_WORDS, WORDS_OF_A_PAGE // max(size, 1))
    made: Marks = _bounded(query, field, f"top_terms_boost_{max(1, most // max(count, 1))}")
    return made


def looks(query: Any, field: str) -> int:
    """How often a query looks through the words of a text to mark them in `field`."""
    # What else than the contents is marked is short: there only what a long word's automaton takes counts.
    content = field == _CONTENT
    return sum(
        (1 + _letters(name, value) // 8 if content else _letters(name, value) // 64)
        for name, asked, value in expanding(query)
        if asked == field
    )


def _letters(name: str, value: str) -> int:
    """Bytes of a word that may be misspelled."""
    return len(value.encode("utf-8", "surrogatepass")) if name == "fuzzy" else 0


def expanding(query: Any) -> Iterator[tuple[str, str, str]]:
    """The clauses of a query that stand for several words: the name, the field, and what they look for."""
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
            # A hit has what has to be there, and not what may not: otherwise nothing of it would be marked.
            made |= {"match_none": {}} if negated else {"match_all": {}}
            continue
        options = dict(options) if isinstance(options, dict) else {_EXPANDING[name]: options}
        made[name] = {field: {**options, "rewrite": rewrite}}
    return made


def named(query: Any) -> float:
    """How many words a query names which it may mark; infinite where it may mark others too."""
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
