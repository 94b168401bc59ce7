"""Facets: counted under all filters but their own."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.search.facets import FACETS, aggregations, collected

TERM = {name: {"terms": {name: ["x", "y"]}} for name in FACETS if "terms" in FACETS[name]}
RANGE: dict[str, dict[str, Any]] = {
    "created": {"range": {"created": {"gte": "2026-01-01"}}},
    "file_size": {"range": {"size": {"lte": 5}}},
}
OWN: dict[str, dict[str, Any]] = {**TERM, **RANGE}


@given(st.lists(st.sampled_from(sorted(FACETS)), unique=True, min_size=1), st.sets(st.sampled_from(sorted(FACETS))))
def test_each_is_narrowed_by_all_others(asked: list[str], filtered: set[str]) -> None:
    own = {name: OWN[name] for name in filtered if name in asked}
    made = aggregations(asked, own)
    assert list(made) == asked
    for name, found in made.items():
        others = [clause for facet, clause in own.items() if facet != name]
        if not own:
            assert found == FACETS[name]
        elif found != FACETS[name]:
            assert found["filter"] == {"bool": {"filter": others}}
            assert found["aggs"]["counted"] == FACETS[name]
            assert ("chosen" in found["aggs"]) == (name in own and name in TERM)
        else:
            assert not others


def test_the_answer_has_one_form() -> None:
    plain = {"buckets": [{"key": "a", "doc_count": 1}]}
    counted = {"sum_other_doc_count": 3, "buckets": [{"key": "a", "doc_count": 9}]}
    chosen = {"buckets": [{"key": "a", "doc_count": 9}, {"key": "x", "doc_count": 2}]}
    found = collected({"one": plain, "two": {"doc_count": 12, "counted": counted, "chosen": chosen}})
    assert found == {
        "one": plain,
        "two": {"sum_other_doc_count": 1, "buckets": [{"key": "a", "doc_count": 9}, {"key": "x", "doc_count": 2}]},
    }
