"""Generations of the index: the next one is filled beside the present one and put in its place in one step.

`<alias>-000002` is created with `"building": {...}` in its `_meta`, filled, and put behind the alias only when it is
complete, in one action that also removes the alias from the index that has it. A killed build is found again by that
mark. Nothing here ever changes an index whose `_meta` does not have this store's id.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.helpers import BulkIndexError, ScanError, scan, streaming_bulk

from app.errors import IndexRejected, IndexUnavailable, WrongIndex
from app.index import mappings
from app.index.connection import Connection, index_errors
from app.index.documents import Write
from app.index.prefetch import Lines, ahead

#: Seconds that one step of a long operation may take; far more than a request may.
TIMEOUT = 120.0
#: How often an operation that a node refuses with 429 is sent again, and the seconds before the first time, which
#: double each time.
RETRIES = 5
RETRY_SECONDS = 2.0
#: Ids in one page of a walk.
PAGE = 5000
#: Whole documents in one page of a walk.
DOCUMENT_PAGE = 500

_TOO_MUCH = 429
#: The part of the answer to a bulk that is read: reading the rest would take as long as sending the bulk.
_TOLD = "items.*._id,items.*.status,items.*.error.reason"
#: Statuses that are no errors: the index has a newer version already, or the document to be removed was not there.
_NOTHING_TO_DO = {404, 409}

Json = dict[str, Any]


@dataclass(frozen=True)
class Generation:
    """One index of the series. `building` is None when it is complete."""

    name: str
    store_id: str | None
    mapping_version: int
    aliased: bool
    #: The aliases to which documents are written while it is in use.
    targets: tuple[str, ...]
    building: Json | None

    @property
    def number(self) -> int:
        return int(self.name.rpartition("-")[2])


class Generations:
    """Manages the generations of one store's index."""

    def __init__(self, connection: Connection, alias: str, definition: Json, store_id: str) -> None:
        self.alias = alias
        self._client: Elasticsearch = connection.client.options(request_timeout=TIMEOUT)
        self._definition = definition
        self._store_id = store_id

    def all(self) -> list[Generation]:
        """All indices that have this alias, or its name with a number, of this store or another, oldest first."""
        names = re.compile(re.escape(self.alias) + r"-\d{6}")
        with index_errors():
            found = self._client.indices.get(
                index=f"{self.alias}-*", filter_path="*.mappings._meta,*.aliases", allow_no_indices=True
            ).body
        generations = []
        for name, content in found.items():
            if names.fullmatch(name):
                meta = content.get("mappings", {}).get("_meta", {})
                generations.append(
                    Generation(
                        name,
                        meta.get("store_id"),
                        meta.get("mapping_version", 0),
                        self.alias in content.get("aliases", {}),
                        tuple(mappings.targets(name, content.get("aliases", {}))),
                        meta.get("building"),
                    )
                )
        return sorted(generations, key=lambda each: each.number)

    def current(self) -> str | None:
        """The name of the index behind the alias, None when there is none. Raises WrongIndex when it is not this
        store's."""
        with index_errors():
            found = mappings.current(self._client, self.alias)
        if found is None:
            return None
        self._check(found.name, found.meta.get("store_id"))
        return found.name

    def unfinished(self) -> list[Generation]:
        """The builds of this store that were not finished, the newest first."""
        return [
            each
            for each in reversed(self.all())
            if each.building is not None and not each.aliased and each.store_id == self._store_id
        ]

    def fits(self, generation: Generation) -> bool:
        """Whether it was made from the same definition, so that its build can be continued."""
        return generation.building is not None and generation.building.get("definition") == self._digest()

    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self._definition, sort_keys=True).encode()).hexdigest()

    def create(self, building: Json) -> str:
        """Create the next generation, empty and without the alias. Returns its name."""
        # Number 1 is left to the server, which creates it when it finds no index at all.
        number = max([1, *(each.number for each in self.all())]) + 1
        name = mappings.generation(self.alias, number)
        meta = {**self._definition["mappings"]["_meta"], "store_id": self._store_id}
        with index_errors():
            self._client.indices.create(
                index=name,
                settings=self._definition["settings"],
                mappings={**self._definition["mappings"], "_meta": self._marked(meta, building)},
                wait_for_active_shards=1,
            )
        return name

    def mark(self, name: str, building: Json | None) -> None:
        """Note how far the build has come; None says that it is complete."""
        with index_errors():
            found = self._client.indices.get_mapping(index=name)[name]["mappings"].get("_meta", {})
            meta = self._marked(found, building)
            if meta != found:
                self._client.indices.put_mapping(index=name, meta=meta)

    def _marked(self, meta: Json, building: Json | None) -> Json:
        meta = {key: value for key, value in meta.items() if key != "building"}
        return meta if building is None else {**meta, "building": {**building, "definition": self._digest()}}

    def fill(self, name: str, writes: Iterable[Write]) -> int:
        """Apply all `writes` as `pour` does; returns how many there were."""
        done = 0
        for count in self.pour(name, writes):
            done = count
        return done

    def pour(self, name: str, writes: Iterable[Write]) -> Iterator[int]:
        """Apply `writes` to the index `name`, bulk by bulk, without vectors of another size than it has. Yields after each
        bulk how many writes there were so far: these, in their order, are all applied or not needed. They are searchable
        after `refresh`. Another thread reads `writes`, ahead of what is yielded.

        Raises IndexRejected when a document is refused, IndexUnavailable when the node is overloaded for too long, the
        errors of reading `writes`, and those of `index.connection`.
        """
        done = 0
        with index_errors():
            try:
                for portion in ahead(self._fitting(name, writes)):
                    self._send(name, portion)
                    done += len(portion)
                    yield done
            except BulkIndexError as error:
                raise IndexRejected() from error
            except ScanError as error:
                raise IndexUnavailable("Elasticsearch could not read all of the index") from error

    def _fitting(self, name: str, writes: Iterable[Write]) -> Iterator[Write]:
        found: int | None = None
        for each in writes:
            if found is None and each.dimensions is not None:
                # The first vector of an index decides.
                found = self.dimensions(name) or each.dimensions
            yield each.fitting(found)

    def _send(self, name: str, portion: list[Lines]) -> None:
        # One call for each portion: within a call, the helper reports what was done before it sends again what was
        # refused.
        actions: Iterable[Any] = portion
        for ok, item in streaming_bulk(
            self._client,
            actions,
            chunk_size=len(portion),
            index=name,
            expand_action_callback=_as_it_is,
            filter_path=_TOLD,
            raise_on_error=False,
            max_retries=RETRIES,
            initial_backoff=RETRY_SECONDS,
            retry_on_status=_TOO_MUCH,
        ):
            result = next(iter(item.values()))
            if ok or result["status"] in _NOTHING_TO_DO:
                continue
            if result["status"] == _TOO_MUCH:
                raise IndexUnavailable()
            reason = result.get("error", {}).get("reason", "no reason given")
            raise IndexRejected(f"Elasticsearch refused the document {result['_id']}: {reason}")

    def refresh(self, name: str) -> None:
        with index_errors():
            self._client.indices.refresh(index=name)

    def swap(self, name: str) -> None:
        """Give the alias to the index `name` alone, in one step. Raises WrongIndex when an index that has it is not
        this store's.

        Writes that are still on their way to another generation are refused from then on.
        """
        actions: list[Json] = [
            {"add": {"index": name, "alias": self.alias, "is_write_index": True}},
            {"add": {"index": name, "alias": mappings.target(name)}},
        ]
        for each in self.all():
            if each.aliased and each.name != name:
                self._check(each.name, each.store_id)
                actions += [{"remove": {"index": each.name, "alias": own}} for own in (self.alias, *each.targets)]
        with index_errors():
            self._client.indices.update_aliases(actions=actions)

    def remove(self, name: str) -> None:
        """Remove a generation of this store that is not behind the alias. Raises WrongIndex for any other."""
        for each in self.all():
            if each.name == name:
                self._check(name, each.store_id)
                if each.aliased:
                    raise WrongIndex(f"the index [{name}] is in use")
                with index_errors():
                    self._client.indices.delete(index=name)

    def old(self) -> list[str]:
        """The generations of this store that are not behind the alias."""
        return [each.name for each in self.all() if not each.aliased and each.store_id == self._store_id]

    def _check(self, name: str, store_id: str | None) -> None:
        if store_id != self._store_id:
            raise WrongIndex(f"the index [{name}] belongs to another store ({store_id})")

    # Mapping and settings

    def described(self, name: str) -> tuple[Json, Json]:
        """The mappings of the index `name`, and its settings below `index`."""
        with index_errors():
            found = self._client.indices.get(index=name)[name]
        return found["mappings"], found["settings"]["index"]

    def lacking(self, name: str) -> frozenset[str]:
        """The fields of the definition that the index `name`, of an older version, does not have."""
        return mappings.lacking(self._definition, self.described(name)[0].get("properties", {}))

    def dimensions(self, name: str) -> int | None:
        """How many numbers the vectors of the index `name` have; None as long as it has no vector."""
        return mappings.dimensions(self.described(name)[0].get("properties", {}))

    def extend(self, name: str) -> None:
        """Give the index `name` the fields and the mapping version of the definition. Raises IndexRejected if that is
        impossible."""
        with index_errors():
            meta = self._client.indices.get_mapping(index=name)[name]["mappings"].get("_meta", {})
            wanted = mappings.with_dimensions(self._definition, self.dimensions(name))["mappings"]
            self._client.indices.put_mapping(
                index=name, properties=wanted["properties"], meta={**meta, **wanted["_meta"]}
            )

    def configure(self, name: str, settings: Json) -> None:
        """Change settings (those below `index`) of the index `name`. Raises IndexRejected when they can't be
        changed."""
        with index_errors():
            self._client.indices.put_settings(index=name, settings={"index": settings})

    def carrying(self, name: str, fields: Iterable[str]) -> list[str]:
        """Those of `fields` in which a document of the index `name` has a value."""
        found = []
        with index_errors():
            for each in fields:
                if self._client.count(index=name, query={"exists": {"field": each}})["count"]:
                    found.append(each)
        return found

    # Reading

    def count(self, name: str) -> int:
        """The number of documents in the index `name`."""
        with index_errors():
            return int(self._client.count(index=name)["count"])

    def ids(self, name: str) -> Iterator[str]:
        """The ids of all documents that were searchable in `name` when the walk began. It needs the memory of one
        page."""
        with index_errors():
            point = self._client.open_point_in_time(index=name, keep_alive="5m")["id"]
        try:
            after: list[Any] | None = None
            while True:
                with index_errors():
                    answer = self._client.search(
                        pit={"id": point, "keep_alive": "5m"},
                        size=PAGE,
                        source=False,
                        sort=["_shard_doc"],
                        search_after=after,
                        track_total_hits=False,
                    )
                hits = answer["hits"]["hits"]
                if not hits:
                    return
                yield from (hit["_id"] for hit in hits)
                after = hits[-1]["sort"]
        finally:
            with index_errors():
                self._client.close_point_in_time(id=point)

    def checkpoints(self, name: str) -> dict[int, int]:
        """By shard: the sequence number up to which every copy of it has all operations; -1 before the first one."""
        with index_errors():
            shards = self._client.indices.stats(index=name, level="shards", filter_path="indices.*.shards.*.seq_no")
        copies = shards["indices"][name]["shards"] if shards.body else {}
        if not copies:
            raise IndexUnavailable(f"no shard of [{name}] is there")
        return {int(shard): max(each["seq_no"]["global_checkpoint"] for each in all) for shard, all in copies.items()}

    def changes(self, name: str, shard: int, after: int, without: Collection[str] = ()) -> Iterator[Json]:
        """The searchable documents of a shard that were written by operations above the number `after`, in that order,
        without the fields `without`.

        Each is a hit with `_id`, `_version`, `_seq_no` and `_source`. It needs the memory of one page. For use within
        `fill`.
        """
        return iter(
            scan(
                self._client,
                index=name,
                preference=f"_shards:{shard}",
                query={
                    "query": {"range": {"_seq_no": {"gt": after}}},
                    "sort": ["_seq_no"],
                    "_source": {"excludes": list(without)},
                    "version": True,
                    "seq_no_primary_term": True,
                },
                preserve_order=True,
                size=DOCUMENT_PAGE,
                # The helper's default is the time limit of a request.
                request_timeout=TIMEOUT,
            )
        )

    def existing(self, name: str, ids: list[str]) -> set[str]:
        """Those of `ids` that have a document in `name`, refreshed or not."""
        if not ids:
            return set()
        with index_errors():
            answer = self._client.mget(index=name, ids=ids, source=False)
        return {each["_id"] for each in answer["docs"] if each.get("found")}

    def sources(self, name: str, ids: list[str]) -> Mapping[str, Json]:
        """The `_source` of each of `ids` that has a document, refreshed or not."""
        if not ids:
            return {}
        with index_errors():
            answer = self._client.mget(index=name, ids=ids)
        return {each["_id"]: each["_source"] for each in answer["docs"] if each.get("found")}


def _as_it_is(lines: Any) -> Any:
    """For the helper, which sends bytes as they are, without serializing them."""
    return lines
