"""`knn`: the attachments with the passages that are nearest to a vector, alone or beside a `query`.

The filter of each `knn` includes the tenant and the model that made the vectors. They have to be inside it: a filter
outside would only narrow down the nearest passages of all tenants. A caller's vector may have any numbers. It is
compared in whole numbers, as the vectors of the index are kept (docs/adr/0027-passages.md).

Rejected: `knn` as a clause of a caller's query (it may stand in any other clause, and many times);
`query_vector_builder` (the models of a cluster are not the model that made the vectors here).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import SearchRefused
from app.model.schema import existing
from app.search.language import limits
from app.search.language.fields import field_of
from app.search.language.queries import query
from app.search.language.reading import (
    Check,
    Dsl,
    Where,
    given_name,
    number,
    record,
    several,
    whole,
)
from app.search.language.tenant import term

VECTOR, _MODEL = existing("passages.vector", "passages_model")
_LARGEST = 1e18


@dataclass(frozen=True)
class Vectors:
    """What is known about the vectors of the index. `model`: the model that made them, as documents name it.
    `dimensions`: how many numbers each has. `quantized`: turns numbers into a vector as it is kept; raises ValueError
    for one without a direction."""

    model: str
    dimensions: int
    quantized: Callable[[Sequence[float]], bytes]


def without() -> Vectors:
    """Stands in for a function that returns vectors, where there are none. Raises SearchRefused."""
    raise SearchRefused(
        "illegal_argument_exception",
        "[knn] is not offered here: this server has no EMBEDDINGS, or its index was not migrated since they came",
    )


def _vector(where: Where, value: Any) -> list[float]:
    if isinstance(value, str):
        where.refuse("must be a list of numbers, not a text")
    if not isinstance(value, list) or not 0 < len(value) <= limits.MAX_DIMENSIONS:
        where.refuse(f"must be a list of 1 to {limits.MAX_DIMENSIONS} numbers")
    check = number(-_LARGEST, _LARGEST)
    return [float(check(where, each)) for each in value]


def _inner(where: Where, value: Any) -> Dsl:
    table: dict[str, Check] = {
        "name": given_name,
        "size": whole(0, limits.MAX_INNER_HITS),
        "from": whole(0, limits.MAX_INNER_HITS),
    }
    # They say which passage it is. What it says is not in the index.
    return {**record(table)(where, value), "_source": False}


_queries = several(query, limits.MAX_CLAUSES)
_KNN: dict[str, Check] = {
    "field": field_of("dense_vector"),
    "query_vector": _vector,
    "k": whole(1, limits.MAX_CANDIDATES),
    "num_candidates": whole(1, limits.MAX_CANDIDATES),
    "filter": _queries,
    "similarity": number(-1, 1),
    "boost": number(0, 1e6),
    "inner_hits": _inner,
}
#: The keys that a `knn` may have, for the documentation.
NAMES = tuple(_KNN)


def nearest(vectors: Callable[[], Vectors]) -> Check:
    """A check for the `knn` of a body. `vectors` is called only if there is one, and may raise."""
    check = record(_KNN, "field", "query_vector")

    def build(where: Where, value: Any) -> Dsl:
        made = check(where, value)
        used = vectors()
        if len(made["query_vector"]) != used.dimensions:
            where.refuse(
                f"[query_vector] must be a list of {used.dimensions} numbers, as POST /v1/embeddings makes them"
            )
        try:
            vector = used.quantized(made["query_vector"])
        except ValueError:
            where.refuse("[query_vector] has no direction: its numbers are all zero")
        # The tenant and the model are added to the filter that the caller gave.
        own = [term(where.tenant), {"term": {_MODEL: used.model}}]
        return {**made, "query_vector": vector.hex(), "filter": [*made.get("filter", ()), *own]}

    return several(build, limits.MAX_VECTORS)


def settle(where: Where, made: Dsl, size: int) -> None:
    """For each `knn` of a body that does not say them itself, set how many it finds (`k`: as many as a page has) and
    how many passages it compares (`num_candidates`: half as many again). Raises SearchRefused if it compares fewer than
    it finds, or if all together compare more than one request may."""
    for each in made.get("knn", ()):
        found = each.setdefault("k", max(1, min(size, limits.MAX_CANDIDATES)))
        looked = each.get("num_candidates", min(round(1.5 * found), limits.MAX_CANDIDATES))
        if looked < found:
            where.inside("knn").refuse(f"[num_candidates] cannot be less than [k]: {looked} and {found}")
        each["num_candidates"] = max(looked, limits.LEAST_CANDIDATES)
        where.budget.candidates += each["num_candidates"]
    if where.budget.candidates > limits.MAX_CANDIDATES:
        where.inside("knn").refuse(
            f"looks at {where.budget.candidates} passages in all, of which {limits.MAX_CANDIDATES} are allowed: take a "
            "smaller [num_candidates] or [k]"
        )
