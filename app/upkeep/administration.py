"""What people do with one of the store's indices: compare it with its mapping file, extend it, migrate it, roll it
back, remove old generations.

A method with `dry` changes nothing and returns what it would do. Each returns what `scripts/index --json` prints:
docs/commands.md. An index that is made when it is first needed, and was not needed yet, needs nothing: there is nothing
to change in it, to carry over or to go back to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from app.coordination.contract import ChangeLock
from app.errors import NotFound, WrongIndex
from app.index import mappings
from app.index.connection import Connection
from app.index.difference import MIGRATION, NEWER, NOTHING, SETTINGS, UPDATE, Difference, differences
from app.index.generations import Generation, Generations
from app.services.indexing import DERIVED_FIELDS, carried_over
from app.services.passages import other_vectors
from app.storage.contract import Storage
from app.upkeep.exchange import Exchange
from app.upkeep.migration import Copy
from app.upkeep.partitions import Partitions

Json = dict[str, Any]

#: Reports progress: documents done, and documents in all.
Progress = Callable[[int, int], None]

_WORST = (NOTHING, SETTINGS, UPDATE, MIGRATION, NEWER)


@dataclass(frozen=True)
class Administration:
    """One index of one store. `change_lock`: as in `Exchange`. `from_records`: whether its documents are made from
    records, and removed with them; such an index is needed from the start, another one from its first document on.
    `dimensions`: those of the vectors that the model makes now; None if there is none or it is not known: those of the
    index stay then."""

    alias: str
    definition: Json
    store_id: str
    connection: Connection
    storage: Storage
    change_lock: ChangeLock
    from_records: bool
    dimensions: int | None = None

    @property
    def generations(self) -> Generations:
        return Generations(self.connection, self.alias, self.definition, self.store_id)

    # Looking

    def status(self) -> Json:
        """The differences between file and cluster, and the generations. Raises WrongIndex and the errors of the index."""
        name = self.generations.current()
        found = self._differences(name) if name is not None else []
        present = self.generations.dimensions(name) if name is not None else None
        warnings = []
        if present is not None and self.dimensions is not None and present != self.dimensions:
            warnings.append(other_vectors(present, self.dimensions))
        return {
            "index": self.alias,
            "generation": name,
            "needs": _worst(found) if name is not None or not self.from_records else "create",
            "warnings": warnings,
            "differences": [asdict(each) for each in found],
            "generations": [self._described(each) for each in self.generations.all()],
        }

    def _described(self, generation: Generation) -> Json:
        return {
            "name": generation.name,
            "current": generation.aliased,
            "unfinished": generation.building is not None and not generation.aliased,
            "own": generation.store_id == self.store_id,
            "mapping_version": generation.mapping_version,
            "documents": self.generations.count(generation.name),
        }

    def _differences(self, name: str) -> list[Difference]:
        found, settings = self.generations.described(name)
        present = mappings.dimensions(found.get("properties", {}))
        # An index without vectors takes those of any model.
        wanted = mappings.with_dimensions(self.definition, present and (self.dimensions or present))
        return differences(wanted, found, settings, self._derived)

    def _current(self) -> str | None:
        """The generation in use; None where there is none and none is needed. Raises WrongIndex where one is."""
        name = self.generations.current()
        if name is None and self.from_records:
            raise WrongIndex(f"there is no index [{self.alias}]: create it")
        return name

    def _known(self, name: str) -> list[Difference]:
        """The differences of an index; raises when a newer version has made it."""
        found = self._differences(name)
        if any(each.needs == NEWER for each in found):
            raise WrongIndex(f"the index [{name}] was made by a newer version: nothing was changed")
        return found

    # Changing

    def create(self, dry: bool) -> Json:
        """Create the first generation when there is no index."""
        name = self.generations.current()
        missing = name is None
        if missing and not dry:
            mappings.ensure(self.connection.client, self.alias, self.definition, self.store_id)
            name = self.generations.current()
        return {"index": self.alias, "generation": name, "needed": missing, "done": missing and not dry}

    def update(self, dry: bool) -> Json:
        """Add the fields of the file that the index does not have. `refused`: what an update can't do; then nothing is
        done."""
        name = self._current()
        if name is None:
            return {"index": self.alias, "generation": None, "added": [], "refused": [], "done": False}
        found = self._known(name)
        added = [each.field for each in found if each.needs == UPDATE]
        refused = [asdict(e) for e in found if e.needs == MIGRATION and not e.field.startswith("settings.")]
        doing = bool(added) and not refused and not dry
        if doing:
            self.generations.extend(name)
        return {"index": self.alias, "generation": name, "added": added, "refused": refused, "done": doing}

    def migrate(
        self,
        dry: bool,
        *,
        force: bool = False,
        shards: int | None = None,
        drop: Collection[str] = (),
        progress: Progress = lambda done, total: None,
    ) -> Json:
        """Copy everything to a new generation that is as the file says. `force`: even when no difference needs it.

        `refused`: fields with values in documents that the file does not have and the caller does not drop; then
        nothing is done.
        """
        name = self._current()
        if name is None:
            return {"index": self.alias, "from": None, "to": None, "needed": False, "refused": [], "done": False}
        found = self._known(name)
        number = self.dimensions or self.generations.dimensions(name)
        definition = _with_shards(mappings.with_dimensions(self.definition, number), shards)
        found_settings = self.generations.described(name)[1]
        resharded = shards is not None and str(shards) != str(found_settings["number_of_shards"])
        needed = force or resharded or any(each.needs == MIGRATION for each in found)
        refused = self._lost(name, definition["mappings"], drop) if needed else []
        result = {"index": self.alias, "from": name, "to": None, "needed": needed, "refused": refused, "done": False}
        if dry or refused or not needed:
            return result
        generations = Generations(self.connection, self.alias, definition, self.store_id)
        return {**result, **self._exchange(generations, name, None, drop, progress)}

    def rollback(
        self,
        dry: bool,
        *,
        to: str | None = None,
        drop: Collection[str] = (),
        progress: Progress = lambda done, total: None,
    ) -> Json:
        """Go back to an older generation, or to the complete one named `to`, with everything that was written since.

        Raises NotFound when there is none. `refused` as in `migrate`.
        """
        name = self._current()
        if name is None:
            return {"index": self.alias, "from": None, "to": None, "refused": [], "done": False}
        whole = [
            each
            for each in self.generations.all()
            if each.building is None and not each.aliased and each.store_id == self.store_id
        ]
        older = [each for each in whole if each.name == to or (to is None and each.name < name)]
        if not older:
            raise NotFound(f"there is no {'older generation' if to is None else f'generation [{to}]'} to go back to")
        target = older[-1]
        if target.mapping_version > self.definition["mappings"]["_meta"]["mapping_version"]:
            raise WrongIndex(f"the index [{target.name}] was made by a newer version: nothing was changed")
        refused = self._lost(name, self.generations.described(target.name)[0], drop)
        result = {"index": self.alias, "from": name, "to": target.name, "refused": refused, "done": False}
        if dry or refused:
            return result
        return {**result, **self._exchange(self.generations, name, target.name, drop, progress)}

    def _lost(self, name: str, wanted: Json, drop: Collection[str]) -> list[str]:
        """Fields in which documents of the index `name` have values and which an index with these mappings refuses."""
        here = self.generations.described(name)[0].get("properties", {})
        return self.generations.carrying(name, here.keys() - wanted["properties"].keys() - {*drop, *self._derived})

    @property
    def _derived(self) -> tuple[str, ...]:
        return DERIVED_FIELDS if self.from_records else ()

    def _exchange(
        self, generations: Generations, origin: str, into: str | None, drop: Collection[str], progress: Progress
    ) -> Json:
        began = time.monotonic()
        partitions = Partitions(self.storage) if self.from_records else None
        # An older generation does not have all fields that are derived today.
        target = (self.definition["mappings"] if into is None else generations.described(into)[0])["properties"]
        left_out = {*drop, *(each for each in self._derived if each not in target)}
        derive = partial(carried_over, self.storage) if self.from_records else _unchanged
        source = Copy(generations, origin, partitions, left_out, progress, self._derived, derive)
        exchange = Exchange(generations, self.change_lock)
        name = exchange.run(source, into)
        return {
            "to": name,
            "copied": source.copied,
            "resumed": exchange.resumed,
            "seconds": round(time.monotonic() - began, 3),
            "paused": round(exchange.paused, 3),
            "done": True,
        }

    def configure(self, dry: bool, settings: Json | None) -> Json:
        """Change settings of the index in use; None: to those of the file."""
        name = self._current()
        if name is None:
            return {"index": self.alias, "generation": None, "settings": {}, "done": False}
        wanted = settings
        if wanted is None:
            prefix = "settings."
            wanted = {e.field.removeprefix(prefix): e.file for e in self._known(name) if e.needs == SETTINGS}
        if wanted and not dry:
            self.generations.configure(name, wanted)
        return {"index": self.alias, "generation": name, "settings": wanted, "done": bool(wanted) and not dry}

    def removable(self, names: Collection[str]) -> list[str]:
        """The generations that `remove` may remove: those named, or all that are not in use. Raises NotFound, WrongIndex."""
        current = self.generations.current()
        old = self.generations.old()
        for each in names:
            if each == current:
                raise WrongIndex(f"the index [{each}] is in use")
            if each not in old:
                raise NotFound(f"[{each}] is no generation of [{self.alias}] that this store made")
        return [each for each in old if not names or each in names]

    def remove(self, names: Collection[str]) -> None:
        """Remove generations for good. Raises WrongIndex for one that is in use or another store's."""
        for each in names:
            self.generations.remove(each)


def _unchanged(source: Json) -> Json:
    return source


def _worst(found: list[Difference]) -> str:
    return max((each.needs for each in found), key=_WORST.index, default=NOTHING)


def _with_shards(definition: Json, shards: int | None) -> Json:
    if shards is None:
        return definition
    index = {**definition["settings"]["index"], "number_of_shards": shards}
    return {**definition, "settings": {**definition["settings"], "index": index}}
