"""`filter_path`: right for any answer and any paths, and at the price of the answer, not of the paths."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import processing
from app.errors import TooMuchWork
from app.processing import Processing
from app.search.language import limits
from app.search.language.filtering import filtered

HITS = 30_000
#: Processor time for three times as many hits as one request is told: half a second, and 6 to 14 when each path was
#: looked at in each place.
MOST_SECONDS = 4.0


def leads(path: list[str], names: list[str]) -> bool:
    """Whether a path names the place `names`, or one above it."""
    if not path or path == ["**"]:
        return True
    if not names:
        return False
    if path[0] == "**" and leads(path, names[1:]):
        return True
    rest = path[1:] if path[0] == "**" else path
    return fnmatchcase(names[0], rest[0]) and leads(rest[1:], names[1:])


def once(path: list[str]) -> list[str]:
    """The path with any depth said once, where it is said several times in a row."""
    return [step for number, step in enumerate(path) if step != "**" or path[number - 1 : number] != ["**"]]


def places(value: Any, names: list[str]) -> Iterator[list[str]]:
    """The names above each leaf."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from places(each, [*names, name])
    elif isinstance(value, list) and value:
        for each in value:
            yield from places(each, names)
    else:
        yield names


NAME = st.text("ab", min_size=1, max_size=3)
ANSWER = st.recursive(
    st.integers(0, 3),
    lambda inner: st.dictionaries(NAME, inner, min_size=1, max_size=3) | st.lists(inner, min_size=1, max_size=3),
    max_leaves=8,
)
STEP = st.sampled_from(["*", "**", "a*", "*b", "a", "b", "ab", "a*b"])
PATH = st.lists(STEP, min_size=1, max_size=4).map(".".join)


@given(st.dictionaries(NAME, ANSWER, min_size=1), st.lists(PATH, min_size=1, max_size=4))
def test_leaves_are_those_that_a_path_leads_to(answer: dict[str, Any], paths: list[str]) -> None:
    split = [once(each.split(".")) for each in paths]
    kept = [names for names in places(answer, []) if any(leads(path, names) for path in split)]
    found = filtered(answer, tuple(paths))
    assert list(places(found, [])) == (kept or [[]])
    left = filtered(answer, tuple(f"-{each}" for each in paths))
    dropped = [names for names in places(left, []) if any(leads(path, names) for path in split)]
    assert dropped in ([], [[]]) or all(not names for names in dropped)


def page(hits: int) -> dict[str, Any]:
    names = [f"field{n}" for n in range(15)]
    hit = {"_id": "x", "_score": 1.0, "_source": dict.fromkeys(names, 1), "fields": dict.fromkeys(names, ["x"])}
    return {"took": 1, "hits": {"hits": [hit] * hits}}


ONE = ("**.x",)
DEAREST = {
    "many paths": tuple(f"**.x{n}" for n in range(limits.MAX_PATH_STEPS // 2)),
    "many patterns": tuple(f"**.a{n}*b*" for n in range(limits.MAX_PATH_STEPS // 2)),
    "a long path": (".".join(["**", "*"] * (limits.MAX_PATH_STEPS // 2)),),
    "many rests": tuple(f"**.*.*z{n}" for n in range(limits.MAX_PATH_STEPS // 3)),
}


def steps(answer: Any, paths: tuple[str, ...]) -> int:
    counted = Processing(lambda: False)
    processing.begin(counted)
    try:
        filtered(answer, paths)
    finally:
        processing.begin(None)
    return counted.steps


@pytest.mark.parametrize("kind", DEAREST)
@pytest.mark.parametrize("sign", ["", "-"])
def test_paths_cost_no_more_for_a_larger_answer(kind: str, sign: str) -> None:
    """Whatever the number of paths, a thousand hits more cost what they hold."""
    paths = tuple(f"{sign}{each}" for each in DEAREST[kind])
    one = tuple(f"{sign}{each}" for each in ONE)
    assert steps(page(1100), paths) - steps(page(100), paths) == steps(page(1100), one) - steps(page(100), one)
    assert steps(page(1100), paths) > 1000
    answer = page(HITS)
    began = time.process_time()
    filtered(answer, paths)
    assert time.process_time() - began < MOST_SECONDS


def test_names_of_which_each_is_another_are_bounded_in_all() -> None:
    """The keys of buckets may be: each is compared with each path."""
    answer = {"a": {f"key {n}": {"doc_count": 1} for n in range(130_000)}}
    with pytest.raises(TooMuchWork):
        steps(answer, DEAREST["many patterns"])
    few = {"a": {f"key {n}": {"doc_count": 1} for n in range(limits.MAX_BUCKET_PRODUCT)}}
    assert steps(few, DEAREST["many patterns"]) > 0
