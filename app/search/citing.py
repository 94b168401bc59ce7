"""Reads which passages a request asks for, and chooses which of those that were found are told. Pure.

A request has a query and the filters of a search, which `app.search.params` parses. It also has limits: for the number
of passages, for those of one attachment, and for their tokens. The best passages are chosen first, as they were cut.
Chosen passages that overlap or follow each other on one page of one file are merged into one passage. So a limit counts
passages as they were cut, whether they are merged or not, and a passage that is told is never more than what was
chosen. A text that occurs at several places is told once, where it ranks first.

Rejected: merging before choosing (the neighbours of the best passage would be told only because they are there, and a
limit of one passage would not be kept); cutting what does not fit (half a sentence would be cited as a whole one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app import processing
from app.errors import InvalidParameter
from app.search import params
from app.search.nearest import Cited
from app.search.params import SearchParams

#: The default and the limit for the passages of an answer, for those of one attachment, and for the tokens of all of
#: them.
DEFAULT_SIZE, MOST_SIZE = 10, 50
DEFAULT_OF_ONE, MOST_OF_ONE = 3, 10
DEFAULT_TOKENS, MOST_TOKENS = 4_000, 100_000
#: How many bytes (UTF-8) count as one token. Tokenizers differ. For nearly every text, in any language, this counts
#: more tokens than the tokenizers of usual models make.
BYTES_A_TOKEN = 3
#: The most characters of one value of a filter.
MOST_VALUE = 1_024
#: Twice as many attachments are looked at as passages are asked for, within these limits.
LEAST_ATTACHMENTS, MOST_ATTACHMENTS = 10, 50
#: How many near passages of an attachment are looked at.
NEAR_OF_ONE = 10

_RANGES = {name: each.type for each, used in params.RANGES for name in used.parameters}
_NUMBERS = {
    "size": (DEFAULT_SIZE, MOST_SIZE),
    "max_tokens": (DEFAULT_TOKENS, MOST_TOKENS),
    "per_attachment": (DEFAULT_OF_ONE, MOST_OF_ONE),
}
KEYS = ("query", "match", *params.FILTERS, *_RANGES, *_NUMBERS)
#: The most bytes of blanks between two passages that follow each other.
_MOST_BETWEEN = 200
#: The cost of a candidate, in steps of `app.processing`.
_STEPS_A_CANDIDATE = 20


@dataclass(frozen=True)
class CitingParams:
    """What a request asks for. `search`: the search that finds the attachments. `size`: the most passages.
    `per_attachment`: the most passages of one attachment. `max_tokens`: the most tokens of all passages together."""

    search: SearchParams
    size: int = DEFAULT_SIZE
    max_tokens: int = DEFAULT_TOKENS
    per_attachment: int = DEFAULT_OF_ONE


@dataclass(frozen=True)
class Candidate:
    """A passage as it was cut. `attachment`: the id of its attachment. `rank`: the place of the attachment among those
    found. `words`: how much of the query's words it has, from 0 to 1; None if no words were looked for. `meaning`: the
    cosine between it and the query; None if it was not found by its meaning."""

    attachment: str
    rank: int
    cited: Cited
    words: float | None
    meaning: float | None

    @property
    def score(self) -> float:
        """Words and nearness together. All words of a query count more than the nearness of any passage."""
        return (self.words or 0.0) + max(self.meaning or 0.0, 0.0)


@dataclass(frozen=True)
class Told(Candidate):
    """A passage as it is told: one passage as it was cut, or several that follow each other. `best`: the score of the
    best of them. `words` and `meaning`: the highest value among them. `count`: how many they are."""

    best: float
    count: int = 1

    @property
    def tokens(self) -> int:
        return tokens(self.cited.text)


def tokens(text: str) -> int:
    """How many tokens a text counts as."""
    return -(-len(text.encode()) // BYTES_A_TOKEN)


def parse(content: Mapping[str, Any], *, max_query_length: int) -> CitingParams:
    """What a JSON object asks for. Raises InvalidParameter, which names the first key that is unknown or invalid."""
    for name in content:
        if name not in KEYS:
            raise InvalidParameter(name[:100].encode(errors="replace").decode(), "is not known")
    size, max_tokens, per_attachment = (_number(content, name, *bounds) for name, bounds in _NUMBERS.items())
    given: dict[str, list[str]] = {}
    for name, value in content.items():
        if name in ("query", "match"):
            given[name] = [_text(name, value)]
        elif name in params.FILTERS:
            values = value if isinstance(value, list) else [value]
            if not values:
                raise InvalidParameter(name, "is an empty list")
            given[name] = [_text(name, each, MOST_VALUE) for each in values[: params.MAX_VALUES + 1]]
        elif _RANGES.get(name) == "date":
            given[name] = [_text(name, value, MOST_VALUE)]
        elif name in _RANGES:
            if type(value) is not int:
                raise InvalidParameter(name, "must be a whole number")
            given[name] = [str(value) if abs(value) < 10**30 else ""]
    if not given.get("query", [""])[0].strip():
        raise InvalidParameter("query", "is missing")
    attachments = min(max(2 * size, LEAST_ATTACHMENTS), MOST_ATTACHMENTS)
    search = params.parse(given, max_page_size=MOST_ATTACHMENTS, max_query_length=max_query_length)
    search = replace(search, size=attachments, source=(), passages=NEAR_OF_ONE)
    return CitingParams(search, size, max_tokens, per_attachment)


def _number(content: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = content.get(name, default)
    if type(value) is not int or not 1 <= value <= most:
        raise InvalidParameter(name, f"must be a whole number from 1 to {most}")
    return value


def _text(name: str, value: Any, most: int | None = None) -> str:
    if not isinstance(value, str):
        raise InvalidParameter(name, "must be a string")
    if most is not None and len(value) > most:
        raise InvalidParameter(name, f"is longer than {most} characters")
    if any("\ud800" <= each <= "\udfff" for each in value):
        raise InvalidParameter(name, "has half of a surrogate pair")
    return value


def chosen(candidates: Iterable[Candidate], wanted: CitingParams, piece: Callable[[str, int, int], str]) -> list[Told]:
    """The passages to tell, the best first. `piece`: returns the text of an attachment, by its id, between two byte
    offsets. Raises what `piece` and `processing.spend` raise."""
    told: list[Told] = []
    texts: set[str] = set()
    left = wanted.max_tokens
    for each in sorted(candidates, key=lambda candidate: (-candidate.score, candidate.rank, candidate.cited.start)):
        processing.spend(_STEPS_A_CANDIDATE + len(told))
        text = " ".join(each.cited.text.split())
        of_one = sum(other.count for other in told if other.attachment == each.attachment)
        if sum(other.count for other in told) >= wanted.size:
            break
        if not text or text in texts or not each.score or of_one >= wanted.per_attachment:
            continue
        made = Told(each.attachment, each.rank, each.cited, each.words, each.meaning, each.score)
        joined = [other for other in told if _follow(made, other, piece)]
        for other in joined:
            made = _merged(made, other, piece)
        cost = made.tokens - sum(other.tokens for other in joined)
        if cost > left:
            # A shorter passage may still fit.
            continue
        left -= cost
        texts.add(text)
        told = [other for other in told if other not in joined] + [made]
    return sorted(told, key=lambda each: (-each.best, each.rank, each.cited.start))


def _follow(one: Told, other: Told, piece: Callable[[str, int, int], str]) -> bool:
    """Whether two passages of the same page and file overlap, or have only blanks between them."""
    first, second = sorted((one.cited, other.cited), key=lambda cited: cited.start)
    if one.attachment != other.attachment or (first.page, first.file) != (second.page, second.file):
        return False
    if second.start <= first.end:
        return True
    between = second.start - first.end
    return between <= _MOST_BETWEEN and not piece(one.attachment, first.end, second.start).strip()


def _merged(one: Told, other: Told, piece: Callable[[str, int, int], str]) -> Told:
    start, end = min(one.cited.start, other.cited.start), max(one.cited.end, other.cited.end)
    return replace(
        one,
        cited=replace(one.cited, text=piece(one.attachment, start, end), start=start, end=end),
        words=_most(one.words, other.words),
        meaning=_most(one.meaning, other.meaning),
        best=max(one.best, other.best),
        count=one.count + other.count,
    )


def _most(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)
