"""Brings what people read of the fields up to the table of fields (`app.model.schema`): mappings/*.json and docs/search.md.

Of a mapping file only the fields, and which of them `_source` leaves out, are the table's: settings, the version, the order
and how it is written stay. Of the page it is the two tables that begin with a line of `PAGE_TABLES`. Tests compare the same,
and say what differs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.model.schema import CHAT_FIELDS, FIELDS, Field, Table

ROOT = Path(__file__).parents[2]
#: Whose fields a mapping file has.
MAPPINGS = {"mappings/coco_attachment.json": FIELDS, "mappings/coco_chat.json": CHAT_FIELDS}

Json = dict[str, Any]


def differences(definition: Json, table: Table) -> Iterator[str]:
    """How a mapping file differs from the table: a sentence for each field."""
    told, wanted = dict(_fields(definition["mappings"]["properties"])), {each.name: each.mapping for each in table}
    for name, mapping in wanted.items():
        if name not in told:
            yield f"[{name}] is in the table and not in the file: {_line(mapping)}"
        elif told[name] != mapping:
            yield f"[{name}] is {_line(told[name])} in the file and {_line(mapping)} in the table"
    for name, mapping in told.items():
        if name not in wanted:
            yield f"[{name}] is in the file and not in the table: {_line(mapping)}"
    left_out = set(_left_out(definition))
    for each in table:
        if each.stored == (each.name in left_out):
            where = ("table", "file") if each.stored else ("file", "table")
            yield f"[{each.name}] is part of _source in the {where[0]} and left out of it in the {where[1]}"
    for name in sorted(left_out - wanted.keys()):
        yield f"[{name}] is left out of _source in the file and not in the table"


def _left_out(definition: Json) -> list[str]:
    found: list[str] = definition["mappings"].get("_source", {}).get("excludes", [])
    return found


def _fields(properties: Json, before: str = "") -> Iterator[tuple[str, Json]]:
    """The fields of a mapping by their paths, objects among them, without what is below these."""
    for name, content in properties.items():
        yield before + name, {key: value for key, value in content.items() if key != "properties"}
        yield from _fields(content.get("properties", {}), f"{before}{name}.")


def renewed_mapping(text: str, table: Table) -> str:
    """A mapping file with the fields of the table; those that it has stay where they are."""
    definition = json.loads(text)
    if not list(differences(definition, table)):
        return text
    wanted: Json = {}
    for each in table:
        *above, name = each.name.split(".")
        place = wanted
        for part in above:
            place = place[part].setdefault("properties", {})
        place[name] = dict(each.mapping)
    properties = _in_order(wanted, definition["mappings"]["properties"])
    text = _replaced(text, "properties", "{\n" + ",\n".join(_lines(properties, "      ")) + "\n    }")
    left_out = [each.name for each in table if not each.stored]
    if set(left_out) != set(_left_out(definition)):
        written = f'{{ "excludes": {json.dumps(left_out)} }}'
        if "_source" in definition["mappings"]:
            return _replaced(text, "_source", written)
        return text.replace('    "properties": {', f'    "_source": {written},\n    "properties": {{', 1)
    return text


def _replaced(text: str, key: str, written: str) -> str:
    """The file with something else as the first object under `key`."""
    match = re.search(rf'"{key}"\s*:\s*(?={{)', text)
    if match is None:
        raise ValueError(f"no [{key}] in the file")
    _, end = json.JSONDecoder().raw_decode(text, match.end())
    return text[: match.end()] + written + text[end:]


def _in_order(wanted: Json, told: Json) -> Json:
    """`wanted` in the order of `told`, what is new behind what is before it in `wanted`."""
    names = [name for name in told if name in wanted]
    before = ""
    for name in wanted:
        if name not in names:
            names.insert(names.index(before) + 1 if before in names else 0, name)
        before = name
    made = {}
    for name in names:
        made[name] = dict(wanted[name])
        if "properties" in made[name]:
            below = told.get(name, {}).get("properties", {})
            made[name]["properties"] = _in_order(made[name]["properties"], below)
    return made


def _lines(properties: Json, indent: str) -> Iterator[str]:
    for name, content in properties.items():
        below = content.get("properties")
        if below is None:
            yield f"{indent}{json.dumps(name)}: {_line(content)}"
            continue
        own = [f"{indent}  {json.dumps(key)}: {_line(each)}" for key, each in content.items() if key != "properties"]
        inner = ",\n".join(_lines(below, f"{indent}    "))
        own.append(f'{indent}  "properties": {{\n{inner}\n{indent}  }}')
        yield f"{indent}{json.dumps(name)}: {{\n" + ",\n".join(own) + f"\n{indent}}}"


def _line(value: Any) -> str:
    """JSON on one line, as these files have it."""
    if isinstance(value, dict) and value:
        return "{ " + ", ".join(f"{json.dumps(key)}: {_line(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _asked(table: Table) -> Iterator[str]:
    """What may be asked of a search: the fields that it may show."""
    for each in table:
        if each.shown is None:
            continue
        filters = [*(["*values*"] if each.filter else []), *(each.range.parameters if each.range else ())]
        facet = f"`{each.facet_name}`: *{each.facet.counted}*" if each.facet else ""
        yield _row(
            f"`{each.name}`",
            each.what,
            ", ".join(name if name.startswith("*") else f"`{name}`" for name in filters),
            "yes" if each.sort else "",
            facet,
            "by default" if each.shown.default else "if named",
        )


#: What Elasticsearch's own language takes a kind of field for.
_KINDS = {
    "keyword": "keyword: queries, order, aggregations, `collapse`",
    "date": "date",
    "long": "long",
    "boolean": "boolean",
    "text": "words: queries; highlights",
    "shown": "in `_source` only",
    "dense_vector": "vectors: `knn`",
}


def _nameable(table: Table) -> Iterator[str]:
    """What Elasticsearch's own language may name, by kind."""
    for kind, what in _KINDS.items():
        found = [each for each in table if each.nameable and each.kind == kind]
        unmarked = [f"`{each.name}`" for each in found if each.type == "text" and not each.marked]
        if found:
            yield _row(", ".join(map(_noted, found)), f"{what}, but for {', '.join(unmarked)}" if unmarked else what)


def _noted(of: Field) -> str:
    return f"`{of.name}` ({of.note})" if of.note else f"`{of.name}`"


def _row(*cells: str) -> str:
    return "|" + "|".join(f" {each} " if each else " " for each in cells) + "|"


#: The tables of docs/search.md by their first lines, and what makes the rows.
PAGE_TABLES = {
    "| field | what it is | filter | sort | facet | `_source` |": _asked,
    "| field | type |": _nameable,
}
PAGE = "docs/search.md"


def renewed_page(text: str, table: Table = FIELDS) -> str:
    """The page with its tables of fields as the table has them. Raises ValueError when one is not there."""
    for head, rows in PAGE_TABLES.items():
        separator = "|" + "---|" * (head.count("|") - 1)
        found = re.compile(rf"^{re.escape(head)}\n(?:\|.*\n)*", re.MULTILINE)
        if len(found.findall(text)) != 1:
            raise ValueError(f"no table, or several, that begin with {head}")
        written = "\n".join((head, separator, *rows(table), ""))
        # Not as a template, in which a backslash says something.
        begin, end = next(found.finditer(text)).span()
        text = text[:begin] + written + text[end:]
    return text


def main(root: Path = ROOT) -> None:
    """Write the files that differ, and say which."""
    for path, table in MAPPINGS.items():
        _write(root / path, renewed_mapping((root / path).read_text(), table))
    _write(root / PAGE, renewed_page((root / PAGE).read_text()))


def _write(path: Path, text: str) -> None:
    if path.read_text() != text:
        path.write_text(text)
        print(f"{path.name}: written", file=sys.stderr)


if __name__ == "__main__":
    main()
