"""The index itself: a generation (`coco_attachment-000001`) behind the alias, made from a file in `mappings/`.

The `_meta` of every generation says which store it belongs to and which version of the mapping it has. An index without
this store's id is never written to, emptied or removed.

While a generation is in use it has a second alias of its own (`coco_attachment-000001.1f2e3d4c`), its target, to which
documents are written. The target is removed in the same step in which another generation takes the place of this one,
and is never used again: a write that was delayed until then reaches neither.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from app.errors import IndexMissing, WrongIndex
from app.index.connection import index_errors
from app.model.schema import existing
from app.settings import Settings

#: The project's folder `mappings`: a link here, and a copy where the package is installed.
MAPPINGS = Path(__file__).parents[1] / "mappings"

Json = dict[str, Any]

(_VECTOR,) = existing("passages.vector")


def load(path: Path) -> Json:
    """A mapping file: an object with `settings` and `mappings`, as the create-index API takes it.

    Raises OSError, or ValueError for a file that does not have this form.
    """
    content: Json = json.loads(path.read_text())
    try:
        properties, version = content["mappings"]["properties"], content["mappings"]["_meta"]["mapping_version"]
        whole = isinstance(content["settings"]["index"], dict) and isinstance(properties, dict) and type(version) is int
        whole = whole and type(served_from(content)) is int
    except (KeyError, TypeError):
        whole = False
    if not whole:
        raise ValueError("it needs settings.index, mappings.properties, and a number as mappings._meta.mapping_version")
    return content


def served_from(definition: Json) -> int:
    """The oldest version of the mapping that a server works with: that of the file itself, unless it says otherwise."""
    meta = definition["mappings"]["_meta"]
    found: int = meta.get("served_from", meta["mapping_version"])
    return found


def lacking(definition: Json, properties: Iterable[str]) -> frozenset[str]:
    """The fields of the file that an index with these does not have; those within objects are not looked at."""
    return frozenset(definition["mappings"]["properties"]) - frozenset(properties)


def dimensions(properties: Json) -> int | None:
    """How many numbers the vectors of an index with these fields have; None as long as it has no vector, or no place for
    one."""
    field: Json = {"properties": properties}
    for name in _VECTOR.split("."):
        field = field.get("properties", {}).get(name, {})
    found = field.get("dims")
    return found if type(found) is int else None


def with_dimensions(definition: Json, number: int | None) -> Json:
    """The same definition, whose vectors have so many numbers; None: as many as the first one will have. One without
    vectors stays as it is."""
    made: Json = json.loads(json.dumps(definition))
    field: Json = made["mappings"]
    for name in _VECTOR.split("."):
        field = field.get("properties", {}).get(name)
        if field is None:
            return made
    field.pop("dims", None)
    if number is not None:
        field["dims"] = number
    return made


def sized(definition: Json, shards: int | None, replicas: str) -> Json:
    """The same definition with so many primary shards (None: as it says), each with so many copies (`auto`: as it says)."""
    index: Json = {**definition["settings"]["index"]}
    if shards is not None:
        index["number_of_shards"] = shards
    if replicas != "auto":
        # The other setting would win, and an index without it is not distinguished from one with it.
        index |= {"auto_expand_replicas": "false", "number_of_replicas": int(replicas)}
    return {**definition, "settings": {**definition["settings"], "index": index}}


def of_attachments(settings: Settings) -> Json:
    """The definition of the index of attachments of a store with these settings."""
    return sized(load(MAPPINGS / "coco_attachment.json"), settings.index_shards, settings.index_replicas)


def of_chats(settings: Settings) -> Json:
    """The same for the index of chats, which is small and stays in one piece."""
    return sized(load(MAPPINGS / "coco_chat.json"), None, settings.index_replicas)


def generation(alias: str, number: int) -> str:
    """The name of a generation of `alias`; `number` from 1."""
    return f"{alias}-{number:06d}"


def target(name: str) -> str:
    """A new name for the alias to which documents are written while the generation `name` is in use."""
    return f"{name}.{secrets.token_hex(4)}"


def targets(name: str, aliases: Iterable[str]) -> list[str]:
    """Those of `aliases` that `target` made."""
    return sorted(each for each in aliases if each.startswith(f"{name}."))


@dataclass(frozen=True)
class Current:
    """The index behind an alias: its name, its `_meta`, its fields, its target (an older one has none), and how many numbers
    its vectors have; None as long as it has no vector."""

    name: str
    meta: Json
    fields: frozenset[str]
    target: str | None
    dimensions: int | None = None


@dataclass(frozen=True)
class InUse:
    """The index that documents are written to: by the alias `target`, without the fields `lacking`, which an index of an
    older version does not have, and without vectors that do not have `dimensions` numbers (None: it has no vector yet)."""

    target: str
    lacking: frozenset[str]
    dimensions: int | None = None


def current(client: Elasticsearch, alias: str) -> Current | None:
    """The index behind `alias`, or None when there is no such alias.

    Raises WrongIndex when `alias` is itself an index, or has several.
    """
    try:
        found = client.indices.get(index=alias, filter_path="*.mappings._meta,*.mappings.properties,*.aliases").body
    except NotFoundError:
        return None
    if list(found) == [alias]:
        raise WrongIndex(f"[{alias}] is an index of somebody else: this store needs it as an alias")
    if len(found) != 1:
        raise WrongIndex(f"the alias [{alias}] stands for {len(found)} indices: {', '.join(sorted(found))}")
    (name, content), *_ = found.items()
    own = targets(name, content.get("aliases", {}))
    found_mappings = content.get("mappings", {})
    fields = found_mappings.get("properties", {})
    meta = found_mappings.get("_meta", {})
    return Current(name, meta, frozenset(fields), own[0] if own else None, dimensions(fields))


def ensure(
    client: Elasticsearch,
    alias: str,
    definition: Json,
    store_id: str,
    may_create: Callable[[], bool] = lambda: True,
) -> InUse:
    """Make sure that `alias` names an index of this store; create the first generation when there is none.

    Returns where to write documents to, as long as no write says IndexMoved.

    `may_create` is called only when there is no index; IndexMissing is raised when it returns False.

    Raises WrongIndex when the index belongs to another store, or to a newer or too old version of this software, and the
    errors of `index.connection`. Then nothing is changed.
    """
    with index_errors():
        found = current(client, alias)
        if found is None:
            allowed = may_create()
            if allowed:
                _create_first(client, alias, definition, store_id)
            # When it is refused, the reason may be that another process has just created the index.
            found = current(client, alias)
            if found is None and not allowed:
                raise IndexMissing()
    if found is None:
        raise WrongIndex(f"the index [{alias}] could not be created")
    check(found, definition, store_id)
    made = found.target
    if made is None:
        made = target(found.name)
        with index_errors():
            client.indices.put_alias(index=found.name, name=made)
    return InUse(made, lacking(definition, found.fields), found.dimensions)


def check(found: Current, definition: Json, store_id: str) -> None:
    """Raises WrongIndex when `found` belongs to another store, or to a newer or too old version of this software."""
    name, meta = found.name, found.meta
    if meta.get("store_id") != store_id:
        raise WrongIndex(
            f"the index [{name}] belongs to another store ({meta.get('store_id')}): "
            "choose another INDEX or CHAT_INDEX, or the data folder that it belongs to"
        )
    known, version = definition["mappings"]["_meta"]["mapping_version"], meta.get("mapping_version", 0)
    if version > known:
        raise WrongIndex(f"the index [{name}] was made by a newer version (mapping {version} > {known})")
    oldest = served_from(definition)
    if version < oldest:
        # The index lacks fields that every search uses.
        raise WrongIndex(
            f"the index [{name}] was made by an older version (mapping {version} < {oldest}): "
            "run `scripts/index migrate` once, then start again; nothing was changed"
        )


def _create_first(client: Elasticsearch, alias: str, definition: Json, store_id: str) -> None:
    name = generation(alias, 1)
    mappings = {**definition["mappings"], "_meta": {**definition["mappings"]["_meta"], "store_id": store_id}}
    try:
        client.indices.create(
            index=name,
            settings=definition["settings"],
            mappings=mappings,
            aliases={alias: {"is_write_index": True}, target(name): {}},
            wait_for_active_shards=1,
        )
    except BadRequestError as error:
        # Another process was faster; the caller checks whether that process belongs to this store.
        if error.error != "resource_already_exists_exception":
            raise
