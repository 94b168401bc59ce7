"""What differs between a mapping file and an index, field by field, and what each difference needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

#: What a difference needs, the least first. `newer`: the index belongs to a newer version of this software and must not
#: be changed.
NOTHING, UPDATE, SETTINGS, MIGRATION, NEWER = "nothing", "update", "settings", "migration", "newer software"

#: Settings that can't be changed: other values need a new index.
_FIXED_SETTINGS = {"number_of_shards"}
#: Settings that Elasticsearch adds by itself.
_IMPLIED = {"type": "object"}


@dataclass(frozen=True)
class Difference:
    """`field` is a dotted path; it begins with `mappings._meta` or `settings` if it is not a field of documents. None:
    missing."""

    field: str
    file: Any
    cluster: Any
    needs: str


def differences(definition: Json, mappings: Json, settings: Json, derived: Collection[str] = ()) -> list[Difference]:
    """The differences between a file's `definition` and an index's `mappings` and `settings` (those below `index`).
    `derived`: fields that are made of others; a migration makes them for existing documents, an update does not."""
    return [
        *_fields("", definition["mappings"].get("properties", {}), mappings.get("properties", {}), derived),
        *_root(definition["mappings"], mappings),
        *_settings(definition["settings"]["index"], settings),
    ]


def _fields(prefix: str, wanted: Json, found: Json, derived: Collection[str] = ()) -> Iterator[Difference]:
    for name in [*wanted, *(each for each in found if each not in wanted)]:
        field = prefix + name
        if name not in found:
            yield Difference(field, wanted[name], None, MIGRATION if field in derived else UPDATE)
        elif name not in wanted:
            yield Difference(field, None, found[name], MIGRATION)
        else:
            mine, theirs = _IMPLIED | wanted[name], _IMPLIED | found[name]
            below = mine.pop("properties", {}), theirs.pop("properties", {})
            yield from _fields(f"{field}.", *below)
            if _text(mine) != _text(theirs):
                yield Difference(field, wanted[name], found[name], MIGRATION)


def _root(wanted: Json, found: Json) -> Iterator[Difference]:
    for name in sorted((wanted.keys() | found.keys()) - {"properties", "_meta"}):
        mine, theirs = wanted.get(name), found.get(name)
        if _text(mine) != _text(theirs):
            yield Difference(f"mappings.{name}", mine, theirs, MIGRATION)
    mine, theirs = wanted["_meta"]["mapping_version"], found.get("_meta", {}).get("mapping_version", 0)
    if mine != theirs:
        yield Difference("mappings._meta.mapping_version", mine, theirs, UPDATE if theirs < mine else NEWER)


def _settings(wanted: Json, found: Json) -> Iterator[Difference]:
    for name, value in wanted.items():
        if _text(value) != _text(found.get(name)):
            needs = MIGRATION if name in _FIXED_SETTINGS else SETTINGS
            yield Difference(f"settings.{name}", value, found.get(name), needs)


def _text(value: Any) -> Any:
    """`value` with its leaves as text: Elasticsearch returns settings, and some parameters, as text."""
    if isinstance(value, dict):
        return {key: _text(each) for key, each in value.items()}
    return str(value).lower() if isinstance(value, bool | int) else value
