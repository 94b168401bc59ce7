"""`function_score`: scores that are computed for each document.

If a function has no value for a document that Elasticsearch looks at (the logarithm of a number below zero, a division
by 0, a missing field), the whole search fails. Which documents it looks at depends on how other tenants' documents are
spread over the index, so a failure would tell about them. Two measures prevent that, and each is enough alone: the
tenant's filter is inside the clause, and a function is applied only to documents that it has a value for. It does
nothing to other documents, as if they did not match its `filter`.

Rejected: refusing the modifiers that can fail (clients that have no such documents use them today); relying on the
order in which Elasticsearch evaluates clauses, which depends on its cost estimates and its version.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from app.model.schema import FIELDS, UNIQUE
from app.search.language import limits
from app.search.language.fields import NUMERIC, field_of
from app.search.language.fulltext import NAMED
from app.search.language.reading import Check, Dsl, Where, choice, mapping, number, record, scalar, several, whole
from app.search.language.tenant import filtered, term

_DECAY: dict[str, Check] = {
    "origin": scalar,
    "scale": scalar,
    "offset": scalar,
    "decay": number(0, 1),
}
_MODIFIERS = ("none", "log", "log1p", "log2p", "ln", "ln1p", "ln2p", "square", "sqrt", "reciprocal")
#: The least product of value and factor that a modifier can take. Other modifiers can take every size of a file.
_LEAST = {"log": 1.0, "ln": 1.0, "reciprocal": 1e-30}
#: The fields that every document has.
_ALWAYS = frozenset(each.name for each in FIELDS if each.always)


def _decay(where: Where, value: Any) -> Dsl:
    found = dict(mapping(where, value))
    mode = {
        key: choice("min", "max", "avg", "sum")(where, found.pop(key)) for key in ("multi_value_mode",) if key in found
    }
    if len(found) != 1:
        where.refuse("requires one field", "parsing_exception")
    ((field, options),) = found.items()
    return {field_of(*NUMERIC)(where, field): record(_DECAY, "scale")(where, options), **mode}


def _random(where: Where, value: Any) -> Dsl:
    """A random number that depends on a field of the document. Without a field it would depend on the document's
    position in the index, and a client could try all positions until the numbers agree."""
    check = record({"seed": whole(-(2**31), 2**31 - 1), "field": field_of("keyword")})
    return {"field": UNIQUE, **check(where, value)}


_FUNCTIONS: dict[str, Check] = {
    "weight": number(0, 1e6),
    "field_value_factor": record(
        {
            "field": field_of("long"),
            "factor": number(0, 1e6),
            "missing": number(0, 1e18),
            "modifier": choice(*_MODIFIERS),
        },
        "field",
    ),
    "random_score": _random,
    "gauss": _decay,
    "exp": _decay,
    "linear": _decay,
}


def has_value(factor: Dsl) -> Dsl | None:
    """The query for the documents that a `field_value_factor` has a value for; None if it has one for all of them."""
    field, missing = factor["field"], factor.get("missing")
    # Elasticsearch keeps the factor as a float.
    (times,) = struct.unpack("f", struct.pack("f", factor.get("factor", 1)))
    least = _LEAST.get(factor.get("modifier", "none"), 0.0)
    if least > 0 and times <= 0:
        return {"match_none": {}}
    low = 0
    if least > 0:
        low = math.ceil(least / times)
        # The quotient is rounded: the product decides.
        low += low * times < least
    if low >= 2**63:
        return {"match_none": {}}
    there = {"range": {field: {"gte": low}}}
    if field in _ALWAYS:
        return there if low else None
    if missing is None or missing * times < least:
        return there
    return {"bool": {"should": [there, {"bool": {"must_not": [{"exists": {"field": field}}]}}]}} if low else None


def _careful(where: Where, function: Dsl) -> Dsl:
    """A function with a filter that leaves out the documents it has no value for, and those of other tenants."""
    asked = [function["filter"]] if "filter" in function else []
    if "field_value_factor" in function and (valued := has_value(function["field_value_factor"])) is not None:
        asked.append(valued)
    if not asked:
        return function
    return {**function, "filter": {"bool": {"filter": [*asked, term(where.tenant)]}}}


def function_score(query: Check) -> Check:
    """The check of a `function_score`. `query`: the check of the queries in it."""
    several_functions = several(record({"filter": query, **_FUNCTIONS}), limits.MAX_FIELDS)
    check = record(
        {
            "query": query,
            "functions": several_functions,
            "score_mode": choice("multiply", "sum", "avg", "first", "max", "min"),
            "boost_mode": choice("multiply", "replace", "sum", "avg", "max", "min"),
            "max_boost": number(0, 1e6),
            "min_score": number(0, 1e6),
            **_FUNCTIONS,
            **NAMED,
        }
    )

    def build(where: Where, value: Any) -> Dsl:
        made: Dsl = check(where, value)
        if where.marking:
            # No score marks a word.
            return dict(made.get("query", {"match_all": {}}))
        made["query"] = filtered(made.get("query"), where.tenant)
        if "functions" in made:
            made["functions"] = [_careful(where, each) for each in made["functions"]]
        alone = {name: made[name] for name in _FUNCTIONS if name in made}
        careful = _careful(where, alone)
        # The form with a single function has no filter. Two of them are for Elasticsearch to refuse, as it does.
        if "filter" in careful and "functions" not in made and set(alone) <= {"field_value_factor", "weight"}:
            made = {name: item for name, item in made.items() if name not in alone} | {"functions": [careful]}
        return {"function_score": made}

    return build
