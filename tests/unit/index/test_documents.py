"""What the answers to the operations of a bulk mean for the write that they belong to."""

import pytest

from app.errors import IndexIncomplete, IndexMoved, IndexOutcomeUnknown, IndexRejected, IndexUnavailable, StoreError
from app.index.documents import Write, _Result, _verdict

PUT = Write("a", 1, {"id": "a"})
REMOVE = Write("a", 2, None)
DONE = _Result(201, None)


@pytest.mark.parametrize(
    ("results", "meant"),
    [
        ([DONE, _Result(200, None)], None),
        # Not now, and nothing of it was done: a lost index, a read-only one, a node with too much to do.
        ([_Result(404, "x"), _Result(404, "x")], IndexUnavailable),
        ([_Result(403, "x"), _Result(403, "x")], IndexUnavailable),
        ([_Result(429, "x"), _Result(429, "x")], IndexUnavailable),
        ([_Result(429, "x"), _Result(403, "x")], IndexUnavailable),
        ([_Result(404, "index_not_found_exception")] * 2, IndexMoved),
        # Never.
        ([_Result(400, "x"), _Result(400, "x")], IndexRejected),
        ([_Result(429, "x"), _Result(400, "x")], IndexRejected),
        # Some of it.
        ([DONE, _Result(429, "x")], IndexIncomplete),
        ([_Result(400, "x"), DONE], IndexIncomplete),
        # Nobody knows, whatever the others say.
        ([DONE, _Result(503, "x")], IndexOutcomeUnknown),
        ([_Result(500, "x"), _Result(429, "x")], IndexOutcomeUnknown),
    ],
)
def test_verdicts(results: list[_Result], meant: type[StoreError] | None) -> None:
    found = _verdict([PUT, PUT], results)
    assert (None if found is None else type(found)) is meant


def test_what_is_not_there_is_removed_already() -> None:
    assert _verdict([REMOVE], [_Result(404, None)]) is None
    assert type(_verdict([REMOVE], [_Result(404, "x")])) is IndexUnavailable
    assert type(_verdict([PUT], [_Result(404, None)])) is IndexUnavailable


def vectors(numbers: int) -> Write:
    return Write("a", 1, {"id": "a", "passages_model": "m", "passages": [{"vector": "01" * numbers}] * 2})


def test_what_an_index_can_not_have_is_left_out() -> None:
    made = vectors(8)
    assert made.dimensions == 8
    # The first vector of an index decides.
    for fits in (8, None):
        assert made.fitting(fits) is made
    for other in (7, 16):
        assert made.fitting(other) == Write("a", 1, {"id": "a"})
    for without in (PUT, REMOVE, Write("a", 1, {"passages_model": "m"}), Write("a", 1, {"passages": []})):
        assert (without.dimensions, without.fitting(8)) == (None, without)
