"""Which indices a request names. There is only one index here. Names, patterns, lists and exclusions find it where they
would find it in Elasticsearch; otherwise they find nothing or are an error, as they would there.

Rejected: refusing every name but that of the index (tools ask for `*` and for lists out of habit); accepting every name
for it (a misspelled name would get an answer, and a client that asks whether its index exists would be told that it
does).

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

#: The name by which clients know the index, whatever its name in Elasticsearch is.
PUBLIC_INDEX = "coco_attachment"
ALL = "_all"
#: The kinds of indices that a pattern may stand for. The index here is open, and not hidden.
WILDCARDS = ("all", "open", "closed", "hidden", "none")
_OPEN = {"all", "open"}


@dataclass(frozen=True)
class Options:
    """How names of indices are to be understood. `ignore_unavailable`: a name of no index is ignored, and is no error.
    `allow_no_indices`: it is no error if no index is named. `expand`: what patterns may stand for, some of
    WILDCARDS."""

    ignore_unavailable: bool = False
    allow_no_indices: bool = True
    expand: tuple[str, ...] = ("open",)


USUAL = Options()


def wildcards(where: Where, value: Any) -> tuple[str, ...]:
    """What patterns may stand for, given as a list or as a text with commas. Raises SearchRefused."""
    listed = value.split(",") if isinstance(value, str) else value
    return tuple(several(choice(*WILDCARDS), 2 * len(WILDCARDS))(where, listed))


def split(expression: str) -> list[str]:
    """The names in a list that is separated by commas. Commas at its end are ignored. An empty list of names means all
    indices."""
    expression = expression.rstrip(",")
    return expression.split(",") if expression else []


def named(names: Sequence[str], options: Options = USUAL) -> bool:
    """Whether the index is among those that `names` stand for; without names, all are meant. Raises NoSuchIndex,
    NoIndexName, and SearchRefused if there are more names than allowed."""
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
            # An empty name is an error, even if missing names are ignored.
            if not excluded and not (options.ignore_unavailable and name):
                raise NoSuchIndex(name)
    return found


def only(expression: str) -> None:
    """Refuse every name but that of the index, in a request about one document. Raises NoSuchIndex, SearchRefused."""
    if expression != PUBLIC_INDEX:
        _check(expression)
        raise NoSuchIndex(expression)


def _plain(name: str) -> str:
    """A name without the angle brackets in which a date may stand; no index here has a date in its name."""
    return name[1:-1] if name.startswith("<") and name.endswith(">") and "{" not in name else name


def _matches(pattern: str, options: Options) -> bool:
    return bool(_OPEN & set(options.expand)) and fits(PUBLIC_INDEX, pattern)


def _check(name: str) -> None:
    """Refuse a name that no index can have, as Elasticsearch does before it looks for the index."""
    if name.startswith("_"):
        raise NoIndexName(name, "must not start with '_'.")
