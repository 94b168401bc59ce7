"""Query clauses: a table that maps the name of each clause that may be asked for to the function that checks it and
builds it anew.

A clause here can only narrow down what is found: `body` combines the whole query with the tenant's filter. For the
clauses that are left out, `refused` says what they would tell about others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.search.language import limits, weights
from app.search.language.fields import ANY, EXACT, FIELDS, field_of
from app.search.language.fulltext import NAMED, combined_fields, multi_match, simple_query_string, single
from app.search.language.functions import function_score
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
    pattern,
    record,
    scalar,
    several,
    text,
    whole,
)


def query(where: Where, value: Any) -> Dsl:
    """A query: an object with the name of one clause. Raises SearchRefused, which names the clause."""
    found = mapping(where, value)
    if len(found) != 1:
        where.refuse("malformed query, expected the name of one clause", "parsing_exception")
    ((name, content),) = found.items()
    if name not in QUERIES:
        known(where, name, QUERIES, "unknown query")
    where.budget.clauses += 1
    if where.budget.clauses > limits.MAX_CLAUSES:
        where.refuse(f"is one of more than {limits.MAX_CLAUSES} clauses", "too_many_clauses")
    if where.depth >= limits.MAX_QUERY_DEPTH:
        where.refuse(f"holds queries nested more than {limits.MAX_QUERY_DEPTH} deep")
    return dict(QUERIES[name](where.inside(name).deeper(), content))


def _wrapped(name: str, table: dict[str, Check], *required: str) -> Check:
    check = record({**table, **NAMED}, *required)
    return lambda where, value: {name: check(where, value)}


def _one_field(where: Where, value: Any) -> tuple[str, Any, Dsl]:
    """The only field of an object, what the object says of it, and those options that every query may have and that
    stand beside the field."""
    found = dict(mapping(where, value))
    beside = {key: NAMED[key](where, found.pop(key)) for key in NAMED if key in found}
    if len(found) != 1:
        where.refuse("requires one field", "parsing_exception")
    ((field, said),) = found.items()
    return field, said, beside


def _on_field(name: str, types: tuple[str, ...], short: str, table: dict[str, Check]) -> Check:
    """A check for `{field: value}` and for `{field: {short: value, ...}}`."""
    check = record({**table, **NAMED})

    def build(where: Where, value: Any) -> Dsl:
        # In the older form, the options that every query may have stand beside the field.
        field, options, outer = _one_field(where, value)
        if not isinstance(options, dict):
            options = {short: options}
        named = field_of(*types)(where, field)
        made = check(where, options)
        if short in table and short not in made:
            where.refuse(f"requires [{short}]", "parsing_exception")
        return {name: {named: {**made, **outer}}}

    return build


def _terms(where: Where, value: Any) -> Dsl:
    field, values, options = _one_field(where, value)
    named = field_of(*ANY)(where, field)
    if isinstance(values, dict):
        where.refuse("looks values up in another document, which is not offered here")
    if not isinstance(values, list):
        where.refuse("requires a list of values", "parsing_exception")
    where.spend_values(len(values))
    return {"terms": {named: [scalar(where, each) for each in values], **options}}


def _ids(where: Where, value: Any) -> Dsl:
    made = record({"values": several(text(), limits.MAX_VALUES), **NAMED}, "values")(where, value)
    where.spend_values(len(made["values"]))
    for each in made["values"]:
        # Elasticsearch refuses an id that is empty or has more than 512 bytes.
        if not 0 < len(each.encode()) <= 512:
            where.refuse("has an id that is empty or longer than 512 bytes")
    return {"ids": made}


def _expanding(check: Check, key: str, spend: Callable[[Where, Any], None]) -> Check:
    """A check for a clause on one field that stands for every word that matches. `spend` gets the option `key`, or all
    options if `key` is empty."""

    def build(where: Where, value: Any) -> Dsl:
        made: Dsl = check(where, value)
        for content in made.values():
            for options in content.values():
                spend(where, options[key] if key else options)
        return made

    return build


def _of_words(where: Where, value: Any) -> Dsl:
    made: Dsl = _on_field("range", EXACT, "", _RANGE)(where, value)
    if any(FIELDS[field] == "keyword" for field in made["range"]):
        weights.spend(where, weights.RANGE)
    return made


def _fuzzy(where: Where, value: Any) -> Dsl:
    table: dict[str, Check] = {
        "value": scalar,
        "fuzziness": fuzziness,
        "prefix_length": whole(0, limits.MAX_TEXT),
        "transpositions": boolean,
    }
    made: Dsl = _on_field("fuzzy", ("keyword", "text"), "value", table)(where, value)
    for options in made["fuzzy"].values():
        weights.fuzzy(where, str(options["value"]))
        # It finds all words that are near enough, and not only the nearest few among those of all tenants.
        options["rewrite"] = "constant_score"
    return made


def _range_text(where: Where, value: Any) -> Any:
    return None if value is None else scalar(where, value)


_RANGE: dict[str, Check] = {
    "gt": _range_text,
    "gte": _range_text,
    "lt": _range_text,
    "lte": _range_text,
    "format": text(limits.MAX_NAME),
    "time_zone": text(limits.MAX_NAME),
    "relation": choice("intersects", "contains", "within"),
}

_queries = several(query, limits.MAX_CLAUSES)


def _everything(where: Where, value: Any) -> Dsl:
    """`query_string`, which is accepted only if it asks for everything: Grafana sends that for every panel without a
    query."""
    check = record({"query": text(), "analyze_wildcard": boolean, **NAMED}, "query")
    made = check(where, value)
    if made["query"].strip() not in ("", "*", "*:*"):
        where.refuse("is offered for [*] alone: fields can be named inside its text. Use [simple_query_string]")
    return {"match_all": {key: made[key] for key in NAMED if key in made}}


def _distance(where: Where, value: Any) -> Dsl:
    table: dict[str, Check] = {"field": field_of("date"), "origin": scalar, "pivot": text(limits.MAX_NAME)}
    return {"distance_feature": record({**table, **NAMED}, *table)(where, value)}


_PATTERN: dict[str, Check] = {"value": pattern, "case_insensitive": boolean}
_PATTERNS = {
    "prefix": _on_field("prefix", ("keyword", "text"), "value", _PATTERN),
    "wildcard": _on_field("wildcard", ("keyword", "text"), "value", _PATTERN),
    "regexp": _on_field("regexp", ("keyword", "text"), "value", {**_PATTERN, "flags": text(100)}),
}

#: Every clause that may be asked for, with its check.
QUERIES: dict[str, Check] = {
    "match_all": _wrapped("match_all", {}),
    "match_none": _wrapped("match_none", {}),
    "bool": _wrapped(
        "bool",
        {
            **dict.fromkeys(("must", "should", "filter", "must_not"), _queries),
            "minimum_should_match": minimum_should_match,
        },
    ),
    "boosting": _wrapped(
        "boosting",
        {"positive": query, "negative": query, "negative_boost": number(0, 1)},
        *("positive", "negative", "negative_boost"),
    ),
    "constant_score": _wrapped("constant_score", {"filter": query}, "filter"),
    "dis_max": _wrapped("dis_max", {"queries": _queries, "tie_breaker": number(0, 1)}, "queries"),
    "function_score": function_score(query),
    "distance_feature": _distance,
    "match": single("match"),
    "match_phrase": single("match_phrase"),
    "match_bool_prefix": single("match_bool_prefix"),
    "multi_match": multi_match,
    "combined_fields": combined_fields,
    "simple_query_string": simple_query_string,
    "query_string": _everything,
    "term": _on_field("term", ANY, "value", {"value": scalar, "case_insensitive": boolean}),
    "terms": _terms,
    "range": _of_words,
    "exists": _wrapped("exists", {"field": field_of(*ANY)}, "field"),
    "prefix": _expanding(_PATTERNS["prefix"], "value", weights.prefix),
    "wildcard": _expanding(_PATTERNS["wildcard"], "value", weights.wildcard),
    "regexp": _expanding(_PATTERNS["regexp"], "", weights.regexp),
    "fuzzy": _fuzzy,
    "ids": _ids,
}
