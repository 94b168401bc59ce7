"""The index of attachments, as the rest of the application sees it: prepare, write, search, health.

Documents with large texts are written by themselves, one after the other, behind a gate of their own: Elasticsearch takes
seconds for some (a mebibyte of nothing but different words: one second), and neither uploads are to wait for them nor may
their time-outs say that Elasticsearch stands still. Small ones share the bulks of uploads.

Rejected: all documents with a text apart (each would cost a refresh beside those of the uploads), and one long time limit
for all (then a stalled node is noticed late).
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.attachment import Attachment
from app.errors import IndexMoved, IndexUnavailable, StoreError
from app.index import mappings
from app.index.connection import Connection, to_json, typed_errors
from app.index.documents import REMOVAL_VERSION, Documents, Write
from app.index.envelope import Envelope
from app.index.gate import Gate, time_left
from app.index.lane import Lane
from app.index.refusals import of_error
from app.monitoring import measures
from app.settings import Settings

#: Letters (those of a content and of its words) from which on a text is large: what takes about as long as a refresh.
LARGE = 256 * 1024
#: How many times as long as a request a large text may take: nobody waits for it, and a busy node takes seconds for one.
LARGE_TIMES = 4
#: Hits past which a page is heavy: Elasticsearch reads past the text of each, six to seven milliseconds for a large one.
HEAVY_PAGE = 100


@dataclass(frozen=True)
class IndexHealth:
    """`status` is Elasticsearch's word for the shards behind the alias: green, yellow or red."""

    status: str


@dataclass(frozen=True)
class Refreshes:
    """Refreshes of the primary shards since they were opened, and the seconds that these took together."""

    count: int
    seconds: float


class AttachmentIndex:
    """One store's documents in Elasticsearch. Creating it connects to nothing, so a server starts without it too."""

    def __init__(self, settings: Settings, store_id: str) -> None:
        self.connection = Connection(settings)
        self.alias = settings.index
        self._store_id = store_id
        self._definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
        self._seconds = settings.elasticsearch_timeout
        lane = Lane(settings.data / ".bulk.lock")
        self._documents = Documents(self.connection, self.alias, self._seconds, lane)
        text_seconds = LARGE_TIMES * self._seconds
        # Waits for a text of another process as long as leaves the same for its own.
        lane = Lane(settings.data / ".text.lock", text_seconds / 2)
        self._texts = Documents(self.connection, self.alias, text_seconds, lane)
        # For all who extract, and the reconciler.
        self._text_gate = Gate(text_seconds, settings.extraction_workers + 1, unattended=0.0)
        # Searches that may be slow by their own doing: marks, many hits with large texts, and those that callers wrote. They
        # wait in a place of their own, and by their time-outs nobody is to believe that Elasticsearch stands still. With
        # two workers, one for each processor, one tenant holds two of the four threads that a node searches with; and with
        # slow ones half of a worker's threads do other things, whoever waits.
        threads = settings.web_threads
        self._slow_gate = Gate(
            self._seconds,
            max(1, threads // 8),
            each=max(1, threads // 16),
            patient=max(1, threads * 3 // 8),
            telling=False,
        )
        self._envelope = Envelope(self.alias)
        #: Where documents are written to; None until it is known that the index is this store's.
        self._target: str | None = None
        self._preparing = threading.Lock()
        #: Whether an index that is missing may be made, empty; the store says no when it holds attachments.
        self.may_create: Callable[[], bool] = lambda: True

    def prepare(self) -> str:
        """Create the index when it is missing, check that it is this store's; once, until a write fails.

        Returns the alias that documents are written to.

        Raises IndexMissing when it may not be created; WrongIndex, IndexUnavailable or IndexOutcomeUnknown.
        """
        target = self._target
        if target is not None:
            return target
        with self.connection.gate.passage():
            if not self._preparing.acquire(timeout=time_left(self._seconds)):
                raise IndexUnavailable()
            try:
                target = self._target
                if target is None:
                    self.connection.major()
                    self._target = target = mappings.ensure(
                        self.connection.client, self.alias, self._definition, self._store_id, self.may_create
                    )
                return target
            finally:
                self._preparing.release()

    def announced(self) -> contextlib.AbstractContextManager[None]:
        """What comes before a `put` and takes a moment: a bulk that is about to be sent waits for it, if that may pay."""
        return self._documents.announced()

    def put(self, attachments: Sequence[Attachment]) -> None:
        """Write their documents; on return every search finds them. Errors as in `Documents.write`."""
        self._write([Write(each.id, each.version, each.to_source()) for each in attachments])

    def put_documents(self, documents: Iterable[Write]) -> None:
        """Write documents with their texts, taking each when those before it are done as far as memory is concerned.

        Errors as in `Documents.write`, of the first that fails: those before it may be done.
        """
        small: list[Write] = []
        letters = 0
        for each in documents:
            if each.letters > LARGE:
                self._write([each], documents=self._texts, gate=self._text_gate)
                continue
            small.append(each)
            letters += each.letters
            if letters > LARGE:
                self._write(small)
                small, letters = [], 0
        if small:
            self._write(small)

    def remove(self, ids: Sequence[str], *, seconds: float | None = None) -> None:
        """Remove documents; on return no search finds them, and no write that is still under way brings them back.

        `seconds`: wait no longer than that. Errors as in `Documents.write`.
        """
        self._write([Write(each, REMOVAL_VERSION, None) for each in ids], seconds)

    def _write(
        self,
        writes: Sequence[Write],
        seconds: float | None = None,
        *,
        documents: Documents | None = None,
        gate: Gate | None = None,
    ) -> None:
        documents, gate = documents or self._documents, gate or self.connection.gate
        with gate.passage(seconds), self._looking_again(), measures.step("index"):
            try:
                documents.write(writes, self.prepare())
            except IndexMoved:
                # Another generation took its place since. Not again now: a change is under way.
                self._target = None
                documents.write(writes, self.prepare())

    @contextlib.contextmanager
    def _looking_again(self, kind: type[StoreError] = StoreError) -> Iterator[None]:
        try:
            yield
        except kind:
            # It may be the index that is gone, or another one in its place: look again before the next call.
            self._target = None
            raise

    def search(self, body: Mapping[str, Any], tenant: str = "") -> bytes:
        """The answer of Elasticsearch to a search body, in the documented envelope. `tenant`: who asks."""
        heavy = "highlight" in body or body.get("size", 0) > HEAVY_PAGE
        with (self._slow_gate if heavy else self.connection.gate).passage(tenant=tenant):
            try:
                self.prepare()
                with measures.step("search"):
                    answer = self.connection.undecoded(f"/{self.alias}/_search", body)
            except IndexUnavailable:
                self._target = None
                raise
        return self._envelope.documented(answer)

    def ask(self, search: Mapping[str, Any], tenant: str = "", *, typed_keys: bool = False) -> bytes:
        """The answer to a body that `search.language` made, in the index or in the point in time that the body names.
        `tenant`: who asks, here and below.

        Whole or not at all. Raises SearchRefused, PointMissing and the errors of `health`.
        """
        target = "/_search" if "pit" in search else f"/{self.alias}/_search"
        options = f"?allow_partial_search_results=false{_typed(typed_keys)}"
        return self._envelope.plain(self._asked("POST", target + options, search, json.dumps(search), tenant))

    def ask_several(
        self, searches: Sequence[Mapping[str, Any]], tenant: str = "", *, typed_keys: bool = False
    ) -> dict[str, Any]:
        """The answers to several of such bodies: an `error` is a StoreError in the place of what Elasticsearch said."""
        lines = []
        for each in searches:
            header = {} if "pit" in each else {"index": self.alias}
            lines += [{**header, "allow_partial_search_results": False}, each]
        # One after the other: together they would take all of the few threads that a node searches with.
        path = f"/_msearch?max_concurrent_searches=1{_typed(typed_keys)}"
        answer = self._asked("POST", path, [to_json(line) for line in lines], "", tenant)
        found: dict[str, Any] = json.loads(self._envelope.plain(answer))
        for response, each in zip(found["responses"], searches, strict=True):
            if "error" in response:
                error = of_error(response.get("status", 500), response["error"], json.dumps(each))
                response.clear()
                response["error"] = error
        return found

    def count(self, body: Mapping[str, Any], tenant: str = "") -> bytes:
        """The answer to a count. Errors as in `ask`."""
        return self._asked("POST", f"/{self.alias}/_count", body, json.dumps(body), tenant)

    def open_point(self, seconds: float, tenant: str = "") -> str:
        """Open a point in time; Elasticsearch's id of it. Errors as in `ask`."""
        answer = self._asked("POST", f"/{self.alias}/_pit?keep_alive={_span(seconds)}", {}, "", tenant)
        return str(json.loads(answer)["id"])

    def close_point(self, point: str, tenant: str = "") -> None:
        """Close a point in time, by Elasticsearch's id. Raises PointMissing when it has expired; errors as in `ask`."""
        self._asked("DELETE", "/_pit", {"id": point}, "", tenant)

    def _asked(
        self, method: str, path: str, body: Mapping[str, Any] | Sequence[bytes], asked: str, tenant: str
    ) -> bytes:
        with self._slow_gate.passage(tenant=tenant), self._looking_again(IndexUnavailable):
            self.prepare()
            with measures.step("search"):
                return self.connection.plain(method, path, body, asked)

    def health(self) -> IndexHealth:
        """The state of the index. Raises the same errors as a write that could not be done."""
        with self.connection.gate.passage(probe=True), self._looking_again():
            self.prepare()
            with typed_errors():
                # Without `timeout` it waits half a minute for an index that is missing.
                answer = self.connection.client.cluster.health(index=self.alias, filter_path="status", timeout="1s")
        return IndexHealth(str(answer["status"]))

    def refreshes(self) -> Refreshes:
        """What Elasticsearch itself says of the refreshes of the index. Raises the same errors as `health`."""
        with self.connection.gate.passage():
            self.prepare()
            with typed_errors():
                answer = self.connection.client.indices.stats(
                    index=self.alias, metric="refresh", filter_path="_all.primaries.refresh"
                )
        found = answer["_all"]["primaries"]["refresh"]
        return Refreshes(int(found["external_total"]), int(found["external_total_time_in_millis"]) / 1000)

    def look_after_stall(self) -> None:
        """Ask Elasticsearch for a sign of life if the last call had no answer, so that no client's request has to.

        Raises the errors of `health`.
        """
        if self.connection.gate.stalled:
            self.health()

    def close(self) -> None:
        self.connection.close()


def _typed(typed_keys: bool) -> str:
    return "&typed_keys=true" if typed_keys else ""


def _span(seconds: float) -> str:
    # Never nothing: Elasticsearch would keep it for ever, or refuse.
    return f"{max(1, round(seconds * 1000))}ms"
