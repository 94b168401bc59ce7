"""Full-text clauses. The same functions make words of their text as make the words of the index.

Elasticsearch's core analysers keep `adaptive_searching_in.pdf` as one word and fold nothing. So the index has fields
with words that this application made (`name_words`, `name_text`, `content_words`). In a full-text clause, `name` and
`content` mean these fields, and the text of the clause is folded in the same way. So `match` on `name` finds what a
user of Elasticsearch expects of an analysed field. Clauses on exact values (`term`, `prefix`, ...) take `name` as it
is.

`multi_match` becomes a clause for each field, since each field folds the text in its own way: `best_fields` becomes a
`dis_max`, `most_fields` a `bool`. Clauses that expand to a limited number of words are refused, and fuzzy words all
score alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from app.model import schema
from app.model.schema import existing, listed
from app.search.language import limits, weights
from app.search.language.fields import ANY, EXACT, FIELDS, TEXT, field_of, matching
from app.search.language.reading import (
    Check,
    Dsl,
    Where,
    boolean,
    choice,
    fuzziness,
    known,
    mapping,
    minimum_should_match,
    number,
    record,
    scalar,
    several,
    text,
    whole,
)
from app.search.language.tenant import within
from app.search.words import content_words, words

_SEARCHED_BY_WORDS = listed(lambda each: each.full_text)
#: For each field of words, the function that makes them.
_MAKING = {
    each.name: {"parts": words, "running": content_words}[each.made_of] for each in schema.FIELDS if each.made_of
}
#: For each field that a clause may name, the field of words that is searched, and the function that makes them.
WORDS: dict[str, tuple[str, Callable[[str], str]]] = {
    each.name: (used.words, _MAKING[used.words]) for each, used in _SEARCHED_BY_WORDS
}
#: The same for phrases, which need the words in their order.
ORDERED = {each.name: (used.phrases, _MAKING[used.phrases]) for each, used in _SEARCHED_BY_WORDS}
#: The fields that are searched if a clause names none.
DEFAULT_FIELDS = tuple(each.name for each, used in _SEARCHED_BY_WORDS if used.default)
(_CONTENT_WORDS,) = existing("content_words")

NAMED: dict[str, Check] = {"boost": number(0, 1e6), "_name": text(limits.MAX_NAME)}
_FUZZY: dict[str, Check] = {
    "fuzziness": fuzziness,
    "prefix_length": whole(0, limits.MAX_TEXT),
    "fuzzy_transpositions": boolean,
}
_MATCH: dict[str, Check] = {
    "query": scalar,
    "operator": choice("and", "or"),
    "minimum_should_match": minimum_should_match,
    "zero_terms_query": choice("none", "all"),
    "lenient": boolean,
    **_FUZZY,
    **NAMED,
}
_PHRASE: dict[str, Check] = {
    "query": scalar,
    "slop": whole(0, 1000),
    "zero_terms_query": choice("none", "all"),
    **NAMED,
}
_BOOL_PREFIX: dict[str, Check] = {
    "query": scalar,
    "operator": choice("and", "or"),
    "minimum_should_match": minimum_should_match,
    **_FUZZY,
    **NAMED,
}
_OPTIONS = {"match": _MATCH, "match_phrase": _PHRASE, "match_bool_prefix": _BOOL_PREFIX}


def _wordy(where: Where, value: Any, make: Callable[[str], str]) -> str:
    """The words of a text. A text without words finds nothing, as in Elasticsearch."""
    shown = ("true" if value else "false") if isinstance(value, bool) else str(value)
    found = make(shown)
    if found.count(" ") >= limits.MAX_WORDS:
        where.refuse(f"has more than {limits.MAX_WORDS} words")
    return found


def _one(where: Where, clause: str, field: str, options: Dsl) -> Dsl:
    """The clause on one field. `options`: checked already."""
    made = dict(options)
    if "fuzziness" in made:
        # All words that are near enough count, not the first few, and their statistics do not count in the score.
        made["fuzzy_rewrite"] = "constant_score"
    if field not in WORDS:
        if clause == "match_bool_prefix":
            where.refuse(f"needs a field of words: {', '.join(WORDS)}")
        if "fuzziness" in made:
            weights.fuzzy(where, str(made["query"]))
        # An exact field has no phrases: Elasticsearch compares the whole text with its value.
        return {clause: {field: made}}
    target, make = (ORDERED if clause == "match_phrase" else WORDS)[field]
    query = made["query"]
    made["query"] = _wordy(where, query, make)
    if "fuzziness" in made:
        weights.fuzzy(where, made["query"])
    if clause == "match_bool_prefix":
        weights.spend(where, weights.BEGINNING)
    if clause == "match_phrase":
        weights.phrase(where, made["query"], made.get("slop", 0))
    if target == _CONTENT_WORDS:
        where.budget.marks.append(_marked(clause, made["query"], made.get("slop", 0)))
    built = {clause: {target: made}}
    # Looking whether words follow each other takes time for each document that has all of them (`tenant`). A clause
    # that is the whole query has the tenant's filter beside it anyway.
    return built if where.depth < 2 or clause != "match_phrase" or " " not in made["query"] else within(where, built)


def _marked(clause: str, found: str, slop: int) -> str:
    """What a clause marks, written as a person would type it: a phrase, a beginning, or alternative words."""
    if clause == "match_phrase":
        return f'"{found}"~{slop}' if slop else f'"{found}"'
    return " | ".join(found.split()) + ("*" if clause == "match_bool_prefix" and found else "")


def single(clause: str) -> Check:
    """The check of a clause in the form `{field: text}` or `{field: {"query": text, ...}}`."""

    def check(where: Where, value: Any) -> Dsl:
        found = mapping(where, value)
        if len(found) != 1:
            where.refuse("requires one field", "parsing_exception")
        ((field, options),) = found.items()
        named = field_of(*ANY)(where, field)
        if not isinstance(options, dict):
            options = {"query": options}
        return _one(where, clause, named, record(_OPTIONS[clause], "query")(where, options))

    return check


def _boosted(where: Where, value: Any, allowed: tuple[str, ...]) -> list[tuple[str, float | None]]:
    """The fields of a `fields` entry such as `name^3` or `na*`."""
    name, caret, boost = value.partition("^") if isinstance(value, str) else (value, "", "")
    factor = float(number(0, 1e6)(where, boost)) if caret else None
    # A pattern only matches fields of words. An exact field has to be named in full.
    meant = tuple(WORDS) if isinstance(name, str) and "*" in name else allowed
    return [(field, factor) for field in matching(where, name, meant)]


def _fields(where: Where, value: Any, allowed: tuple[str, ...]) -> list[tuple[str, float | None]]:
    entries = several(lambda inner, each: _boosted(inner, each, allowed), limits.MAX_FIELDS)(where, value)
    by_target: dict[str, tuple[str, float | None]] = {}
    for field, boost in (each for entry in entries for each in entry):
        # A pattern such as `name*` may match several names of one field of words.
        by_target.setdefault(WORDS[field][0] if field in WORDS else field, (field, boost))
    return list(by_target.values())


_SEARCHED = tuple(name for name, kind in FIELDS.items() if kind in TEXT or kind == "keyword")
#: For each type of a `multi_match`, the clause on each field.
_TYPES = {
    "best_fields": "match",
    "most_fields": "match",
    "phrase": "match_phrase",
    "bool_prefix": "match_bool_prefix",
}


def multi_match(where: Where, value: Any) -> Dsl:
    options = {
        "query": scalar,
        "type": choice(*_TYPES),
        "tie_breaker": number(0, 1),
        "fields": lambda inner, each: _fields(inner, each, _SEARCHED),
        **_MATCH,
        **_PHRASE,
    }
    found = mapping(where, value)
    if isinstance(found.get("type"), str):
        known(where, found["type"].lower(), _TYPES, "unknown type")
    made = record(options, "query")(where, found)
    kind = made.pop("type", "best_fields")
    named = made.pop("fields", [(field, None) for field in DEFAULT_FIELDS])
    tie = made.pop("tie_breaker", None)
    outer = {name: made.pop(name) for name in ("boost", "_name") if name in made}
    clause = _TYPES[kind]
    usable = {name: item for name, item in made.items() if name in _OPTIONS[clause]}
    if clause == "match_bool_prefix":
        named = [(field, boost) for field, boost in named if field in WORDS]
    if not named:
        return {"match_none": outer}
    each = []
    for field, boost in named:
        where.budget.clauses += 1
        each.append(_one(where.deeper(), clause, field, {**usable, **({} if boost is None else {"boost": boost})}))
    if kind in ("most_fields", "bool_prefix"):
        return {"bool": {"should": each, "minimum_should_match": 1, **outer}}
    return {"dis_max": {"queries": each, **({} if tie is None else {"tie_breaker": tie}), **outer}}


def combined_fields(where: Where, value: Any) -> Dsl:
    """The words of a text, each of which may be in any of several fields, scored as if these were one field."""
    made = record(
        {
            "query": scalar,
            "fields": lambda inner, each: _fields(inner, each, tuple(WORDS)),
            "operator": _MATCH["operator"],
            "minimum_should_match": minimum_should_match,
            "zero_terms_query": _MATCH["zero_terms_query"],
            **NAMED,
        },
        "query",
        "fields",
    )(where, value)
    named = made.pop("fields")
    if not named:
        return {"match_none": {}}
    # There is one text for all fields: its running words, which every field of words contains.
    made["query"] = _wordy(where, made["query"], content_words)
    targets = {WORDS[field][0]: boost for field, boost in named}
    where.budget.clauses += len(targets)
    if _CONTENT_WORDS in targets:
        where.budget.marks.append(_marked("match", made["query"], 0))
    written = [name if boost is None else f"{name}^{boost:g}" for name, boost in targets.items()]
    return {"combined_fields": {**made, "fields": written}}


# A token of `simple_query_string`: the characters between blanks, quotes and operators.
_TOKEN = re.compile(r'[^\s"()|+*~\\-][^\s"()|+*~\\]*')
#: The operators that are in force: all but that for fuzzy words, which would expand to a limited number of words.
_FLAGS = "AND|NOT|OR|PHRASE|PRECEDENCE|ESCAPE|WHITESPACE|PREFIX|SLOP"


def _phrases(asked: str) -> Iterator[tuple[str, int]]:
    """The phrases in a text for `simple_query_string`, each with its slop. If a quote may be escaped, all parts between
    quotes count as phrases."""
    parts = asked.split('"')
    for at, part in enumerate(parts):
        if at % 2 or "\\" in asked:
            apart = re.match(r"~(\d{1,9})", parts[at + 1]) if at + 1 < len(parts) else None
            yield part, int(apart[1]) if apart else 0


def _folded(typed: str) -> str:
    """A text for `simple_query_string` with its words as the index has them; quotes and operators stay."""
    parts = typed.split('"')
    if len(parts) % 2 == 0:
        # A quote that is not closed is ignored.
        parts[-2:] = [f"{parts[-2]} {parts[-1]}"]
    for at, part in enumerate(parts):
        parts[at] = content_words(part) if at % 2 else _TOKEN.sub(_token, part)
    return '"'.join(parts)


def _token(match: re.Match[str]) -> str:
    typed = match[0]
    begins = match.string[match.end() :].startswith("*")
    if begins:
        # Only the last word can be a beginning.
        *before, last = content_words(typed).split() or [""]
        return " ".join((*(f"+{each}" for each in before), f"+{last}" if before else last))
    found = content_words(typed)
    return f'"{found}"' if " " in found else found


def simple_query_string(where: Where, value: Any) -> Dsl:
    made = record(
        {
            "query": text(),
            "fields": lambda inner, each: _fields(inner, each, _SEARCHED),
            "default_operator": choice("and", "or"),
            "minimum_should_match": minimum_should_match,
            "lenient": boolean,
            "analyze_wildcard": boolean,
            **NAMED,
        },
        "query",
    )(where, value)
    named = made.pop("fields", [(field, None) for field in DEFAULT_FIELDS])
    made.pop("analyze_wildcard", None)
    typed = made["query"]
    _wordy(where, typed, content_words)
    if any(field in EXACT or FIELDS[field] in EXACT for field, _ in named if field not in WORDS):
        if any(field in WORDS for field, _ in named):
            where.refuse("takes either fields of words or exact ones, not both")
    else:
        made["query"] = _folded(typed)
    if not named:
        return {"match_none": {}}
    targets: dict[str, float | None] = {}
    for field, boost in named:
        # Single words are looked for among the parts of a name, phrases among its words in their order.
        for table in (WORDS, ORDERED):
            targets[table[field][0] if field in table else field] = boost
    weights.beginnings(where, made["query"], len(targets))
    for phrase, apart in _phrases(made["query"]):
        weights.phrase(where, phrase, apart, len(targets))
    if _CONTENT_WORDS in targets:
        where.budget.marks.append(typed)
    return {
        "simple_query_string": {
            **made,
            "fields": [name if boost is None else f"{name}^{boost:g}" for name, boost in targets.items()],
            "flags": _FLAGS,
        }
    }
