"""The order of hits: what a body may sort by, how a search goes on after a hit, and which sort values are told. Pure.

Elasticsearch has two orders of its own, `_doc` and `_shard_doc`: the position of a document in the index. The
difference of two such positions tells how many documents of all tenants are between them. So a position is never sent
or told: here, both names mean the order of `id`, which every document has and no two documents share.

In a point in time, Elasticsearch adds `_shard_doc` to the end of every order that lacks it, unless `search_after` has
as many values as the order. So the order that is sent ends with `id` there, and the `sort` of each hit is cut to as
many values as that order has (`without_positions`).

Rejected: making positions anew for each answer (`search_after` could not go on after one); sealing them (they would
still be compared, and a client that reads a number would not get one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import SearchRefused
from app.model.schema import UNIQUE
from app.search.language import limits
from app.search.language.fields import EXACT, FIELDS, field_of
from app.search.language.reading import Check, Dsl, Where, choice, known, mapping, record, scalar, several, text

_ORDER: dict[str, Check] = {
    "order": choice("asc", "desc"),
    "missing": scalar,
    "mode": choice("min", "max"),
    "format": text(limits.MAX_NAME),
    "numeric_type": choice("long", "double", "date"),
    # With it, a field that the index has no value of yet is no error. All fields are known here.
    "unmapped_type": choice("keyword", "long", "date", "boolean"),
}
_POSITIONS = ("_doc", "_shard_doc")
_OWN = ("_score", *_POSITIONS)


def sort(where: Where, value: Any) -> list[Any]:
    """The order: fields that can be sorted by, `_score`, and `_doc` or `_shard_doc`, both of which are replaced by
    `id`. Raises SearchRefused."""
    listed = several(lambda inner, item: item, limits.MAX_SORTS)(where, value)
    # An object with several fields counts as so many entries.
    entries = [
        entry
        for each in listed
        for entry in ([{name: said} for name, said in each.items()] if isinstance(each, dict) and each else [each])
    ]
    if len(entries) > limits.MAX_SORTS:
        where.refuse(f"has more than {limits.MAX_SORTS} entries")
    return [_sort(where, each) for each in entries]


def _sort(where: Where, value: Any) -> Any:
    if isinstance(value, str):
        value = {value: {}}
    found = mapping(where, value)
    if len(found) != 1:
        where.refuse("requires one field in each entry", "parsing_exception")
    ((name, options),) = found.items()
    if isinstance(options, str):
        options = {"order": options}
    if name in _OWN:
        made = record({"order": _ORDER["order"]})(where.inside(f"sort.{name}"), options)
        if name in _POSITIONS:
            where.budget.shard_order |= name == "_shard_doc"
            return {UNIQUE: made}
        return {name: made} if made else name
    if name.startswith("_"):
        known(where, name, _OWN, "can't sort by")
    field = field_of(*EXACT)(where, name)
    made = record(_ORDER)(where.inside(f"sort.{field}"), options)
    made.setdefault("unmapped_type", FIELDS[field])
    return {field: made}


def search_after(where: Where, value: Any) -> list[Any]:
    if not isinstance(value, list) or not 0 < len(value) <= limits.MAX_SORTS + 1:
        where.refuse(f"must be a list of 1 to {limits.MAX_SORTS + 1} values, those of the last hit's [sort]")
    return [None if each is None else scalar(where, each) for each in value]


def settle(where: Where, made: Dsl, in_point: bool) -> None:
    """Let the order of a body end with `id` if a page of a point in time may go on after its last hit, and check
    `search_after` against the order. Raises SearchRefused."""
    order, after = made.get("sort", []), made.get("search_after")
    if after is not None and not order:
        where.inside("search_after").refuse("needs a [sort]")
    if after is not None and "rescore" in made:
        where.inside("search_after").refuse("can't go on in the order of a [rescore]")
    # A search with `collapse` goes on by the value of its field alone, and `rescore` allows no order but its own.
    ends = not order or any(map(_is_unique, order)) or not {"collapse", "rescore"}.isdisjoint(made)
    # As Elasticsearch does with `_shard_doc`: it is not added if `search_after` has as many values as the order.
    if in_point and not ends and (after is None or len(after) != len(order)):
        order = made["sort"] = [*order, {UNIQUE: {"order": "asc"}}]
    if after is None:
        return
    if len(after) != len(order):
        raise SearchRefused(
            "illegal_argument_exception", f"search_after has {len(after)} value(s) but sort has {len(order)}."
        )
    for value, entry in zip(after, order, strict=True):
        if _is_unique(entry) and not isinstance(value, str):
            where.inside("search_after").refuse(
                f"has a value for [{UNIQUE}] that is not a string. [_doc] and [_shard_doc], also those that a point in time "
                f"adds, are the order of [{UNIQUE}] here: begin the walk anew, and go on with the [sort] of its hits"
            )


def _is_unique(entry: Any) -> bool:
    return isinstance(entry, dict) and UNIQUE in entry


def without_positions(answer: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """Remove from the answer to a body the values that Elasticsearch added to the `sort` of its hits, and of the hits
    in its groups. Changes the answer in place."""
    inner = {each.get("name"): each for each in body.get("collapse", {}).get("inner_hits", ())}
    for hit in _cut(answer, body.get("sort", ())):
        for name, group in hit.get("inner_hits", {}).items():
            _cut(group, inner.get(name, {}).get("sort", ()))


def _cut(answer: Mapping[str, Any], order: Sequence[Any]) -> list[Dsl]:
    """The hits of an answer, after the `sort` of each was cut to as many values as `order` has."""
    hits: list[Dsl] = answer.get("hits", {}).get("hits", [])
    for hit in hits:
        if "sort" in hit:
            hit["sort"] = hit["sort"][: len(order)]
    return hits
