"""Which indices a request names. There is one here; names, patterns, lists and exclusions find it where they would in
Elasticsearch, and find nothing, or are an error, where they would there.

Rejected: to refuse every name but that of the index (tools ask for `*` and for lists out of habit), and to take every
name for it (a name with a mistake in it would answer, and a client that asks whether its index is there would be told
that it is).

Source: https://www.elastic.co/docs/reference/elasticsearch/rest-apis/api-conventions#api-multi-index, and the answers
of 8.19.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import NoIndexName, NoSuchIndex, SearchRefused
from app.search.language import limits
from app.search.language.reading import Where, choice, fits, several

#: The name under which the index is known to clients, whatever it is called in Elasticsearch.
PUBLIC_INDEX = "coco_attachment"
ALL = "_all"
#: What a pattern may stand for. The index is open, and not hidden.
WILDCARDS = ("all", "open", "closed", "hidden", "none")
_OPEN = {"all", "open"}


@dataclass(frozen=True)
class Options:
    """`ignore_unavailable`: a name that is missing names nothing, and is no error. `allow_no_indices`: nor is it one that
    nothing is named. `expand`: of WILDCARDS."""

    ignore_unavailable: bool = False
    allow_no_indices: bool = True
    expand: tuple[str, ...] = ("open",)


USUAL = Options()


def wildcards(where: Where, value: Any) -> tuple[str, ...]:
    """What patterns may stand for: a list, or with commas. Raises SearchRefused."""
    listed = value.split(",") if isinstance(value, str) else value
    return tuple(several(choice(*WILDCARDS), 2 * len(WILDCARDS))(where, listed))


def split(expression: str) -> list[str]:
    """The names of a list that is written with commas, those at its end included; none for all indices."""
    expression = expression.rstrip(",")
    return expression.split(",") if expression else []


def named(names: Sequence[str], options: Options = USUAL) -> bool:
    """Whether the index is among those that `names` stand for; without names all are. Raises NoSuchIndex, NoIndexName, and
    SearchRefused for more names than there may be."""
    if len(names) > limits.MAX_INDICES:
        raise SearchRefused("illegal_argument_exception", f"more than {limits.MAX_INDICES} names of indices")
    found = _found(names, options)
    if not found and not options.allow_no_indices:
        raise NoSuchIndex(",".join(names) or ALL, tuple(names) if len(names) > 1 else ())
    return found


def _found(names: Sequence[str], options: Options) -> bool:
    if not names or list(names) == [ALL]:
        return _matches("*", options)
    found = patterns = False
    for each in names:
        excluded = patterns and each.startswith("-")
        name = _plain(each[1:] if excluded else each)
        if "*" in name and "none" not in options.expand:
            patterns = True
            if _matches(name, options):
                found = not excluded
            elif not options.allow_no_indices:
                raise NoSuchIndex(name)
        elif name == PUBLIC_INDEX:
            found = not excluded
        else:
            _check(name)
            # An empty one is missing whatever else is.
            if not excluded and not (options.ignore_unavailable and name):
                raise NoSuchIndex(name)
    return found


def only(expression: str) -> None:
    """Refuse what is not the name of the one index, where a request is about one document. Raises NoSuchIndex,
    SearchRefused."""
    if expression != PUBLIC_INDEX:
        _check(expression)
        raise NoSuchIndex(expression)


def _plain(name: str) -> str:
    """A name without the brackets in which there could be a date; no index here has one."""
    return name[1:-1] if name.startswith("<") and name.endswith(">") and "{" not in name else name


def _matches(pattern: str, options: Options) -> bool:
    return bool(_OPEN & set(options.expand)) and fits(PUBLIC_INDEX, pattern)


def _check(name: str) -> None:
    """Refuse what no index can be called, as Elasticsearch does before it looks for it."""
    if name.startswith("_"):
        raise NoIndexName(name, "must not start with '_'.")
