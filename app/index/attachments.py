"""The index of attachments, as the rest of the application sees it: prepare, write, search, health."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.attachment import Attachment
from app.errors import IndexUnavailable, StoreError
from app.index import mappings
from app.index.connection import Connection, typed_errors
from app.index.documents import REMOVAL_VERSION, Documents, Write
from app.index.envelope import Envelope
from app.index.gate import Gate, time_left
from app.monitoring import measures
from app.settings import Settings


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
        self._documents = Documents(self.connection, self.alias, settings.elasticsearch_timeout)
        # A quarter of the threads never waits for Elasticsearch, so downloads always find one.
        self._gate = Gate(settings.elasticsearch_timeout, max(1, settings.web_threads * 3 // 4))
        self._envelope = Envelope(self.alias)
        self._seconds = settings.elasticsearch_timeout
        self._prepared = False
        self._preparing = threading.Lock()
        #: Whether an index that is missing may be made, empty; the store says no when it holds attachments.
        self.may_create: Callable[[], bool] = lambda: True

    def prepare(self) -> None:
        """Create the index when it is missing, check that it is this store's; once, until a write fails.

        Raises IndexMissing when it may not be created; WrongIndex, IndexUnavailable or IndexOutcomeUnknown.
        """
        if self._prepared:
            return
        with self._gate.passage():
            if not self._preparing.acquire(timeout=time_left(self._seconds)):
                raise IndexUnavailable()
            try:
                if not self._prepared:
                    self.connection.major()
                    mappings.ensure(
                        self.connection.client, self.alias, self._definition, self._store_id, self.may_create
                    )
                    self._prepared = True
            finally:
                self._preparing.release()

    def put(self, attachments: Sequence[Attachment]) -> None:
        """Write their documents; on return every search finds them. Errors as in `Documents.write`."""
        self._write([Write(each.id, each.version, each.to_source()) for each in attachments])

    def put_documents(self, documents: Sequence[Write]) -> None:
        """Write documents that are made already, such as those with a text. Errors as in `Documents.write`."""
        self._write(documents)

    def remove(self, ids: Sequence[str], *, seconds: float | None = None) -> None:
        """Remove documents; on return no search finds them, and no write that is still under way brings them back.

        `seconds`: wait no longer than that. Errors as in `Documents.write`.
        """
        self._write([Write(each, REMOVAL_VERSION, None) for each in ids], seconds)

    def _write(self, writes: Sequence[Write], seconds: float | None = None) -> None:
        with self._gate.passage(seconds), self._looking_again():
            self.prepare()
            with measures.step("index"):
                self._documents.write(writes)

    @contextlib.contextmanager
    def _looking_again(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            # It may be the index that is gone, or another one in its place: look again before the next call.
            self._prepared = False
            raise

    def search(self, body: Mapping[str, Any]) -> bytes:
        """The answer of Elasticsearch to a search body, in the documented envelope."""
        with self._gate.passage():
            try:
                self.prepare()
                with measures.step("search"):
                    answer = self.connection.undecoded(f"/{self.alias}/_search", body)
            except IndexUnavailable:
                self._prepared = False
                raise
        return self._envelope.documented(answer)

    def health(self) -> IndexHealth:
        """The state of the index. Raises the same errors as a write that could not be done."""
        with self._gate.passage(), self._looking_again():
            self.prepare()
            with typed_errors():
                # Without `timeout` it waits half a minute for an index that is missing.
                answer = self.connection.client.cluster.health(index=self.alias, filter_path="status", timeout="1s")
        return IndexHealth(str(answer["status"]))

    def refreshes(self) -> Refreshes:
        """What Elasticsearch itself says of the refreshes of the index. Raises the same errors as `health`."""
        with self._gate.passage():
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
        if self._gate.stalled:
            self.health()

    def close(self) -> None:
        self.connection.close()
