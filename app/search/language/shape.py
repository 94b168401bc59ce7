"""The index as clients ask about it: its mapping, and what its fields can do. Both are made from the table of fields
(`app.model.schema`), and have only the fields that may be named. The index has more fields, which are no client's
business.

Source: https://www.elastic.co/docs/api/doc/elasticsearch/v8/operation/operation-field-caps, and the answers of 8.19.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.model import schema
from app.model.schema import Field
from app.search.language import limits
from app.search.language.nearest import VECTOR, Vectors
from app.search.language.queries import query
from app.search.language.reading import Check, Dsl, Where, boolean, choice, fits, record, several, text

#: What the mapping says of a field beside its type: only what a client has to know. Analysers are left out: they are
#: the store's own, and get words that were prepared before.
_TOLD = ("index", "doc_values", "element_type", "similarity")
_PATHS = frozenset({"object", "nested"})


def _listed(vectors: Vectors | None) -> list[Field]:
    """The fields that may be named, and the objects that contain them."""
    named = [each for each in schema.FIELDS if each.nameable and (vectors is not None or each.name != VECTOR)]
    around = {each.name.rpartition(".")[0] for each in named} - {""}
    return [each for each in schema.FIELDS if each in named or each.name in around]


def mapping(vectors: Vectors | None) -> Dsl:
    """The mapping. `vectors`: what is known about the vectors of the index; None if there are none."""
    properties: Dsl = {}
    for each in _listed(vectors):
        inside = properties
        *objects, name = each.name.split(".")
        for path in objects:
            inside = inside[path].setdefault("properties", {})
        inside[name] = {} if each.type == "object" else {"type": each.type}
        inside[name] |= {key: each.options[key] for key in _TOLD if key in each.options}
        if each.name == VECTOR and vectors is not None and vectors.model:
            inside[name] |= {"dims": vectors.dimensions, "meta": {"model": vectors.model}}
    return {"dynamic": "strict", "properties": properties}


_patterns = several(text(limits.MAX_PATTERN), limits.MAX_FIELDS)
_FILTERS = ("metadata", "parent", "nested", "multifield")


def _filter(where: Where, value: Any) -> str:
    return str(choice(*(f"{sign}{each}" for sign in "+-" for each in _FILTERS))(where, value))


#: The keys that a body may have. The URL may have the same ones, except the query.
_CAPS: dict[str, Check] = {
    "fields": _patterns,
    "filters": several(_filter, 2 * len(_FILTERS)),
    "types": several(text(limits.MAX_NAME), limits.MAX_FIELDS),
    "include_unmapped": boolean,
    "include_empty_fields": boolean,
    # In Elasticsearch, it leaves out indices in which no document can match. Here it is checked, and has no effect.
    "index_filter": query,
}


def field_caps(asked: Dsl, vectors: Vectors | None, index: Sequence[str], tenant: str = "") -> Dsl:
    """What the fields that `asked` names can do. `index`: the names of the indices that have them. Raises
    SearchRefused."""
    where = Where("field_caps", tenant=tenant)
    made = record(_CAPS)(where, asked)
    if not made.get("fields"):
        where.refuse("Validation Failed: 1: no fields specified;", "action_request_validation_exception")
    found: Dsl = {}
    for each in _listed(vectors) if index else ():
        if any(fits(each.name, pattern) for pattern in made["fields"]) and _kept(each, made):
            found[each.name] = {each.type: _caps(each)}
    return {"indices": list(index), "fields": found}


def _kept(each: Field, made: Dsl) -> bool:
    filters = made.get("filters", ())
    if ("-nested" in filters and each.name.startswith("passages")) or ("-parent" in filters and each.type in _PATHS):
        return False
    # No field here is a metadata field of Elasticsearch, or a part of a multi-field.
    if "+metadata" in filters:
        return False
    return not made.get("types") or each.type in made["types"]


def _caps(each: Field) -> Dsl:
    exact = each.type not in (*_PATHS, "text", "dense_vector")
    return {
        "type": each.type,
        "metadata_field": False,
        "searchable": each.type not in _PATHS and each.options.get("index", True),
        "aggregatable": exact and each.options.get("doc_values", True),
    }
