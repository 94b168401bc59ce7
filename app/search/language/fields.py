"""The fields that a body may name, and what each can be used for. The tenant's field is not among them, and neither are
the fields that Elasticsearch adds.

A name that is not here is refused, whether the index has such a field or not. A name with `*` stands for those fields
here that it matches.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from app.model import schema
from app.search.language import limits
from app.search.language.reading import Check, Where, fits
from app.search.params import SOURCE_FIELDS

#: Name -> the type in the mapping. A `text` field is searched by words; a `shown` field is in `_source` and nowhere
#: else.
FIELDS: dict[str, str] = {each.name: each.kind for each in schema.FIELDS if each.nameable and each.kind != "object"}

EXACT = ("keyword", "date", "long", "boolean")
NUMERIC = ("long", "date")
TEXT = ("text",)
ANY = (*EXACT, *TEXT)

#: What `_source` may hold: every field but the tenant and the text itself, of which only fragments are told.
SOURCE = tuple(dict.fromkeys(SOURCE_FIELDS))
#: The same, with the fields inside objects in place of the objects.
SOURCE_LEAVES = tuple(
    name for name in FIELDS if name in SOURCE or name.partition(".")[0] in SOURCE and FIELDS[name] != "text"
)


def refuse_field(where: Where, name: Any, allowed: Collection[str]) -> Any:
    shown = name[: limits.MAX_NAME] if isinstance(name, str) else type(name).__name__
    where.refuse(f"can't use the field [{shown}]: it is to be one of {', '.join(allowed)}", "query_shard_exception")


def field_of(*types: str) -> Check:
    """A check for the name of a field of one of these types."""
    allowed = [name for name, kind in FIELDS.items() if kind in types]

    def check(where: Where, value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            refuse_field(where, value, allowed)
        return str(value)

    return check


def matching(where: Where, pattern: Any, allowed: Collection[str]) -> list[str]:
    """The names in `allowed` that `pattern` stands for. `pattern` is one of these names, or has `*` and matches any
    number of them, even none. Raises SearchRefused."""
    if isinstance(pattern, str) and "*" in pattern and len(pattern) <= limits.MAX_PATTERN:
        return [name for name in allowed if fits(name, pattern)]
    if not isinstance(pattern, str) or pattern not in allowed:
        refuse_field(where, pattern, allowed)
    return [str(pattern)]
