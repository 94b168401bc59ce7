"""Checks for the plain values of a body, each of which returns the value built anew or refuses it by name, and the
budget that all of them share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from app.errors import SearchRefused
from app.search.language import limits
from app.search.language.refused import reason

Dsl = dict[str, Any]

_MINIMUM = re.compile(r"(?:\d{1,3}<)?-?\d{1,3}%?(?: \d{1,3}<-?\d{1,3}%?){0,4}", re.ASCII)
_SPAN = re.compile(r"(\d{1,6})(nanos|micros|ms|s|m|h|d)")
_SECONDS = {"nanos": 1e-9, "micros": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_NAME = re.compile(rf"[^\[\]<>\x00-\x1f]{{1,{limits.MAX_NAME}}}")


@dataclass
class Budget:
    """How much of its limits one body has used so far."""

    clauses: int = 0
    values: int = 0
    aggregations: int = 0
    #: The hits that its buckets and groups may have.
    hits: int = 0
    #: The weight of the clauses that stand for every word that matches, and the options of the regular expressions
    #: among them.
    expansions: int = 0
    regexps: list[Dsl] = field(default_factory=list)
    #: Whether the body asks for `_shard_doc`, the order that only a point in time has.
    shard_order: bool = False
    #: What full-text clauses look for in contents, as a person would type it. A highlight of `content` marks it.
    marks: list[str] = field(default_factory=list)
    #: The passages that are compared to find the nearest.
    candidates: int = 0


@dataclass(frozen=True)
class Where:
    """A place in a body. `clause`: the name that refusals give. `depth`: how deep the queries are nested there.
    `tenant`: whose body it is; with '' it finds nothing. `marking`: whether the query only says which words of hits are
    marked."""

    clause: str
    budget: Budget = field(default_factory=Budget)
    depth: int = 0
    tenant: str = ""
    marking: bool = False

    def inside(self, clause: str) -> Where:
        return Where(clause[: limits.MAX_NAME], self.budget, self.depth, self.tenant, self.marking)

    def deeper(self) -> Where:
        return Where(self.clause, self.budget, self.depth + 1, self.tenant, self.marking)

    def for_marks(self) -> Where:
        return Where(self.clause, self.budget, self.depth, self.tenant, marking=True)

    def refuse(self, why: str, kind: str = "illegal_argument_exception") -> NoReturn:
        """Raise SearchRefused, which names the clause. `kind`: Elasticsearch's name for the error."""
        raise SearchRefused(kind, f"[{self.clause}] {why}")

    def spend_values(self, count: int) -> None:
        self.budget.values += count
        if self.budget.values > limits.MAX_VALUES:
            self.refuse(f"has more than {limits.MAX_VALUES} values, together with the others of this body")


#: A function that takes a place and the value there, and returns the value built anew. It raises SearchRefused.
Check = Callable[[Where, Any], Any]


def known(where: Where, name: str, names: Collection[str], what: str = "unknown field") -> str:
    """`name`, if it is one of `names`. Otherwise raises SearchRefused, with the reason if that is known."""
    if name not in names:
        shown = name[: limits.MAX_NAME]
        if why := reason(name):
            raise SearchRefused("illegal_argument_exception", f"[{shown}] in [{where.clause}] {why}")
        where.refuse(f"{what} [{shown}]", "x_content_parse_exception")
    return name


def mapping(where: Where, value: Any) -> Mapping[str, Any]:
    """`value`, if it is an object. Raises SearchRefused."""
    if not isinstance(value, dict):
        where.refuse("must be an object", "parsing_exception")
    return value


def record(table: Mapping[str, Check], *required: str) -> Check:
    """A check for an object that has all `required` keys, and no keys but those in `table`."""

    def check(where: Where, value: Any) -> Dsl:
        found = mapping(where, value)
        for name in required:
            if name not in found:
                where.refuse(f"requires [{name}]", "parsing_exception")
        return {
            known(where, name, table): table[name](where.inside(f"{where.clause}.{name}"), item)
            for name, item in found.items()
        }

    return check


def text(longest: int = limits.MAX_TEXT) -> Check:
    """A check for a string of at most `longest` characters that can be written in UTF-8."""

    def check(where: Where, value: Any) -> str:
        if not isinstance(value, str):
            where.refuse("must be a string")
        if len(value) > longest:
            where.refuse(f"is longer than {longest} characters")
        if any("\ud800" <= each <= "\udfff" for each in value):
            where.refuse("has half of a character")
        return value

    return check


def given_name(where: Where, value: Any) -> str:
    """A name that the caller gives to something."""
    if not isinstance(value, str) or not _NAME.fullmatch(text()(where, value)):
        where.refuse(f"has a name that is empty, longer than {limits.MAX_NAME} characters or has one of [ ] < >")
    return value


def boolean(where: Where, value: Any) -> bool:
    if value in ("true", "false") and isinstance(value, str):
        return value == "true"
    if not isinstance(value, bool):
        where.refuse("must be true or false")
    return value


def number(low: float = -(2.0**63), high: float = 2.0**63) -> Check:
    """A check for a number from `low` to `high`, given as a JSON number or as digits in a string."""

    def check(where: Where, value: Any) -> float | int:
        found = value
        if isinstance(value, str) and re.fullmatch(r"[-+]?\d{1,18}(\.\d{1,18})?", value, re.ASCII):
            found = float(value) if "." in value else int(value)
        if isinstance(found, bool) or not isinstance(found, int | float):
            where.refuse("must be a number")
        # This also refuses NaN, which is a float: no comparison with it is true.
        if not low <= found <= high:
            where.refuse(f"must be a number from {low:g} to {high:g}")
        return found

    return check


def whole(low: int, high: int) -> Check:
    """A check for a whole number from `low` to `high`."""

    def check(where: Where, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            where.refuse(f"must be a whole number from {low} to {high}")
        return value

    return check


def choice(*allowed: str) -> Check:
    """A check for one of these words, in upper or lower case."""

    def check(where: Where, value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in allowed:
            where.refuse(f"must be one of: {', '.join(allowed)}")
        return value.lower()

    return check


def scalar(where: Where, value: Any) -> str | int | float | bool:
    """A value to compare with: a string, a number, true or false."""
    if isinstance(value, str):
        return str(text()(where, value))
    if not isinstance(value, bool | int | float) or not -(2**63) <= value <= 2**63:
        where.refuse("must be a string, a number, true or false")
    return value


def several(check: Check, most: int) -> Check:
    """A check for a list of at most `most` values. One value alone counts as a list of one."""

    def check_all(where: Where, value: Any) -> list[Any]:
        items = value if isinstance(value, list) else [value]
        if len(items) > most:
            where.refuse(f"has more than {most} entries")
        return [check(where, each) for each in items]

    return check_all


def pattern(where: Where, value: Any) -> str:
    """A text with wildcards or a regular expression."""
    return str(text(limits.MAX_PATTERN)(where, value))


def fits(name: str, stars: str) -> bool:
    """Whether `name` matches `stars`, in which each `*` stands for any number of characters. It never backtracks, so
    its time is bounded by both lengths."""
    first, *rest = stars.split("*")
    if not rest:
        return name == stars
    if not name.startswith(first):
        return False
    at = len(first)
    for each in rest[:-1]:
        found = name.find(each, at)
        if found < 0:
            return False
        at = found + len(each)
    return len(name) - at >= len(rest[-1]) and name.endswith(rest[-1])


def minimum_should_match(where: Where, value: Any) -> str | int:
    """A number or a percentage, also with conditions (`2<-25% 9<-3`)."""
    number_given = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= limits.MAX_CLAUSES
    if not number_given and not (isinstance(value, str) and _MINIMUM.fullmatch(value)):
        where.refuse("must be a number or a percentage")
    return value  # type: ignore[no-any-return]


def fuzziness(where: Where, value: Any) -> str:
    """`AUTO`, `AUTO:3,6`, 0, 1 or 2."""
    found = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"0|1|2|AUTO(?::\d{1,2},\d{1,2})?", found.upper(), re.ASCII):
        where.refuse("must be 0, 1, 2 or AUTO")
    return found.upper()


def seconds(where: Where, value: Any, most: float) -> float:
    """The seconds of a span of time such as `1m`; at most `most`."""
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None or not match[1].isascii():
        where.refuse("must be a span of time such as [1m]")
    found = int(match[1]) * _SECONDS[match[2]]
    if not 0 < found <= most:
        where.refuse(f"must be more than nothing and at most {most:g} seconds")
    return found
