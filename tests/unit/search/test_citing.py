"""What a request for passages may ask for, and which passages are told within its bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidParameter
from app.search import citing
from app.search.citing import Candidate, CitingParams, Told, chosen, parse, tokens
from app.search.nearest import Cited
from app.search.params import FILTERS, SearchParams

TEXT = "".join(f"Sentence number {number:03}. " for number in range(100))
LENGTH = len("Sentence number 000. ")


def read(**content: Any) -> CitingParams:
    return parse({"query": "q", **content}, max_query_length=10)


def test_the_least_that_is_asked_for() -> None:
    found = read()
    assert (found.size, found.max_tokens, found.per_attachment) == (10, 4000, 3)
    assert found.search == SearchParams(query="q", size=20, source=(), passages=citing.NEAR_OF_ONE)


def test_filters_are_those_of_a_search() -> None:
    found = read(session="s", extension=[".PDF", "txt"], min_size=0, created_after="2026-01-31", match="words").search
    assert found.filters == {"session": ("s",), "extension": ("pdf", "txt")}
    assert found.ranges["size"] == (0, None)
    assert found.match == "words"
    for name in FILTERS:
        assert list(read(**{name: "x"}).search.filters) == [name]


REFUSED: dict[str, list[Any]] = {
    **dict.fromkeys(("size", "max_tokens", "per_attachment"), [0, -1, 1.0, "1", None, True, [], 10**9, 10**400]),
    "query": ["", "  ", None, 1, ["q"], {}, "x" * 11, "\ud800"],
    "match": ["", "all", None, ["words"], True],
    "session": [None, 1, True, {}, [], [1], ["a", None], ["a"] * 101, "\udfff", "x" * 1025],
    "min_size": ["1", -1, 1.5, True, None, 10**30, 10**400, [1]],
    "created_after": [1, None, "", "yesterday", ["2026-01-01"], "2" * 2000],
    "from": [1],
    "highlight": [True],
    "sort": ["name"],
    "pit": ["true"],
    "Query": ["q"],
    "x" * 500: [1],
    "\ud800": [1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_anything_else_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter) as refused:
        read(**{name: value})
    told = name[:100].encode(errors="replace").decode()
    assert f"[{told}]" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "most"),
    [("size", citing.MOST_SIZE), ("max_tokens", citing.MOST_TOKENS), ("per_attachment", citing.MOST_OF_ONE)],
)
def test_each_bound_is_one(name: str, most: int) -> None:
    assert getattr(read(**{name: most}), name) == most
    with pytest.raises(InvalidParameter):
        read(**{name: most + 1})


def test_a_query_has_to_be_there() -> None:
    with pytest.raises(InvalidParameter, match="query"):
        parse({}, max_query_length=10)


def candidate(
    first: int, score: float, last: int | None = None, attachment: str = "a", page: int | None = None, **more: Any
) -> Candidate:
    """The sentences from one to another."""
    start, end = first * LENGTH, (first if last is None else last) * LENGTH + LENGTH - 1
    cited = Cited(more.pop("text", TEXT[start:end]), start, end, page, more.pop("file", ""))
    return Candidate(attachment, more.pop("rank", 0), cited, score, more.pop("meaning", None))


def piece(attachment: str, start: int, end: int) -> str:
    return TEXT[start:end]


def told(*candidates: Candidate, **bounds: int) -> list[tuple[str, int, int, float]]:
    wanted = CitingParams(SearchParams(query="q"), **bounds)
    found = chosen(candidates, wanted, piece)
    return [(each.attachment, each.cited.start // LENGTH, each.cited.end // LENGTH, each.best) for each in found]


def test_the_best_come_first_and_no_more_than_asked_for() -> None:
    several = [candidate(3 * number, number / 10) for number in range(1, 9)]
    assert told(*several, size=2) == [("a", 24, 24, 0.8), ("a", 21, 21, 0.7)]
    assert len(told(*several, size=50, per_attachment=10)) == 8
    assert len(told(*several, size=50, per_attachment=3)) == 3
    other = [candidate(50, 0.05, attachment="b"), candidate(60, 0.0, attachment="c")]
    # What has nothing of the query is none.
    assert [each[0] for each in told(*several, *other, size=50, per_attachment=1)] == ["a", "b"]


def test_what_overlaps_or_follows_is_one_passage() -> None:
    assert told(candidate(4, 0.4), candidate(5, 0.6)) == [("a", 4, 5, 0.6)]
    assert told(candidate(3, 0.4, 5), candidate(5, 0.6, 6)) == [("a", 3, 6, 0.6)]
    # One between two.
    assert told(candidate(3, 0.6), candidate(5, 0.5), candidate(4, 0.4)) == [("a", 3, 5, 0.6)]
    # With something between them, on another page, of another file, of another attachment: none.
    assert len(told(candidate(3, 0.6), candidate(5, 0.5))) == 2
    assert len(told(candidate(3, 0.6, page=1), candidate(4, 0.5, page=2))) == 2
    assert len(told(candidate(3, 0.6, file="a"), candidate(4, 0.5, file="b"))) == 2
    assert len(told(candidate(3, 0.6), candidate(4, 0.5, attachment="b"))) == 2


def test_what_is_merged_has_its_text_and_the_best_of_its_parts() -> None:
    wanted = CitingParams(SearchParams(query="q"))
    (found,) = chosen([candidate(4, 0.4, meaning=0.5), candidate(5, 0.6)], wanted, piece)
    assert found.cited.text == TEXT[4 * LENGTH : 6 * LENGTH - 1]
    assert (found.words, found.meaning, found.count, found.best) == (0.6, 0.5, 2, 0.9)
    # Each of them counts.
    assert told(*[candidate(number, 1 - number / 100) for number in range(20)], size=2) == [("a", 0, 1, 1.0)]


def test_the_same_text_is_told_once() -> None:
    same = "The same  text."
    several = [candidate(number * 5, 0.5, text=same, attachment=each) for number, each in enumerate("abc")]
    several[1] = replace(several[1], cited=replace(several[1].cited, text="The same\ntext. "), rank=9)
    assert [each[0] for each in told(*several)] == ["a"]
    # The one that ranks first.
    several[0] = replace(several[0], rank=10)
    assert [each[0] for each in told(*several)] == ["c"]


def test_no_more_tokens_than_asked_for_and_a_shorter_one_may_fit() -> None:
    assert (tokens(""), tokens("abc"), tokens("abcd"), tokens("中文")) == (0, 1, 2, 2)
    long, short = candidate(0, 0.9, 9), candidate(20, 0.5)
    assert told(long, short, max_tokens=tokens(short.cited.text)) == [("a", 20, 20, 0.5)]
    assert told(long, short, max_tokens=1) == []


CANDIDATES = st.lists(
    st.builds(
        candidate,
        first=st.integers(0, 40),
        score=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        attachment=st.sampled_from("abc"),
        page=st.sampled_from([None, 1]),
        rank=st.integers(0, 2),
        meaning=st.sampled_from([None, -0.5, 0.3, 0.9]),
    ),
    max_size=30,
)


@given(CANDIDATES, st.integers(1, 9), st.integers(1, 4), st.integers(1, 90))
def test_every_bound_holds(candidates: list[Candidate], size: int, per_attachment: int, most: int) -> None:
    wanted = CitingParams(SearchParams(query="q"), size, most, per_attachment)
    found = chosen(candidates, wanted, piece)
    assert sum(each.count for each in found) <= size
    assert sum(each.tokens for each in found) <= most
    for name in "abc":
        assert sum(each.count for each in found if each.attachment == name) <= per_attachment
    assert [each.best for each in found] == sorted((each.best for each in found), reverse=True)
    texts = [each.cited.text for each in found]
    assert len(set(texts)) == len(texts)
    for each in found:
        assert each.cited.text == TEXT[each.cited.start : each.cited.end]
        assert isinstance(each, Told)
    assert chosen(candidates, wanted, piece) == found
