"""The index of attachments, as the other packages see it: prepare, write, search, health.

Documents with large texts are written by themselves, one after the other, behind a gate of their own: Elasticsearch
takes seconds for some (a mebibyte of nothing but different words: one second). Uploads must not wait for them, and
their time-outs must not mean that Elasticsearch has stalled. Documents with small texts share the bulks of uploads.

Rejected: writing every document with a text by itself (each would cost a refresh beside those of the uploads), and one
long time limit for all (then a stalled node is noticed late).
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from app import processing
from app.coordination.contract import Coordination
from app.errors import (
    ClientGone,
    IndexMoved,
    IndexOutcomeUnknown,
    IndexUnavailable,
    PointMissing,
    SearchTimedOut,
    StoreError,
)
from app.index import mappings
from app.index.admission import Gate, time_left
from app.index.calls import error_from_status
from app.index.connection import Connection, index_errors, slow_gate, to_json
from app.index.documents import REMOVAL_VERSION, Documents, Write
from app.index.envelope import Envelope
from app.index.refusals import of_error
from app.index.source import source_of
from app.model.attachment import Attachment
from app.search.constant import without_statistics
from app.settings import Settings
from app.telemetry import measures
from app.telemetry.observation import request_id

#: Characters (of a content and of its words) from which on a text is large: one that takes about as long as a refresh.
LARGE = 256 * 1024
#: How many times the time limit of a request a large text has: no client waits for it, and a busy node takes seconds
#: for one.
LARGE_TIMES = 4
#: Hits past which a page is heavy: Elasticsearch has to read past the text of each, which takes milliseconds for a
#: large one.
HEAVY_PAGE = 100


#: Seconds between two looks whether an index whose vectors are of another size is still the one in use.
VECTORS_SECONDS = 5.0

#: The fraction of a request's remaining time within which Elasticsearch is told to end a search.
WITHIN = 0.9
Made = TypeVar("Made")
#: Turns the answer of Elasticsearch into the caller's answer, within the place and the time of the search.
Finish = Callable[[bytes], Made]


def _as_it_is(answer: bytes) -> bytes:
    return answer


@dataclass(frozen=True)
class IndexHealth:
    """`status`: Elasticsearch's health of the shards behind the alias: green, yellow or red. `blocks`: what blocks the
    index, as `Connection.blocks` returns it."""

    status: str
    blocks: Sequence[str] = ()


@dataclass(frozen=True)
class Refreshes:
    """The number of refreshes of the primary shards since they were opened, and the seconds that these took
    together."""

    count: int
    seconds: float


class AttachmentIndex:
    """One store's documents in Elasticsearch. Creating it connects to nothing, so a server starts without it too."""

    def __init__(
        self,
        settings: Settings,
        store_id: str,
        coordination: Coordination,
        *,
        may_create: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_create`: whether a missing index may be created, empty; called when it is missing."""
        self.connection = Connection(settings)
        self.alias = settings.index
        self._store_id = store_id
        self._definition = mappings.of_attachments(settings)
        self._seconds = settings.elasticsearch_timeout
        bulk_lock = coordination.bulk_lock("documents")
        self._documents = Documents(self.connection, self.alias, self._seconds, bulk_lock)
        text_seconds = LARGE_TIMES * self._seconds
        # It waits for another process's text at most half of its time, which leaves the same for its own.
        bulk_lock = coordination.bulk_lock("texts", text_seconds / 2)
        self._texts = Documents(self.connection, self.alias, text_seconds, bulk_lock)
        # For all extractors, and the reconciler.
        at_once, silent = settings.extraction_workers + 1, self.connection.silent
        self._text_gate = Gate(text_seconds, at_once, unattended=0.0, silent=silent)
        # Searches that may be slow by themselves: with marks, with many hits of large texts, or written by callers.
        self._slow_gate = slow_gate(settings)
        # Searches that may be slow because of what is in the texts, as most that people type: separate from both, and
        # few of one tenant.
        self._doubtful_gate = slow_gate(settings, at_once=max(1, settings.web_threads // 4))
        self._envelope = Envelope(self.alias)
        # Of the threads with which a node on this many processors searches, at least one is left for quick searches.
        self._slots = coordination.search_slots(settings.worker_processes * 3 // 2)
        self._scored = without_statistics if settings.scores == "constant" else dict
        #: Where documents are written to; None until it is known that the index is this store's.
        self._target: mappings.InUse | None = None
        self._preparing = threading.Lock()
        self._may_create = may_create
        self._looked = float("-inf")

    def prepare(self) -> mappings.InUse:
        """Create the index when it is missing, and check that it is this store's. This is done once, until a write
        fails.

        Returns where documents are written to.

        Raises IndexMissing when it must not be created; WrongIndex, IndexUnavailable or IndexOutcomeUnknown.
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
                        self.connection.client, self.alias, self._definition, self._store_id, self._may_create
                    )
                return target
            finally:
                self._preparing.release()

    def announced(self) -> contextlib.AbstractContextManager[None]:
        """Announce a `put` that follows in a moment: a bulk that is about to be sent waits for it, if that may be worth
        it."""
        return self._documents.announced()

    def put(self, attachments: Sequence[Attachment]) -> None:
        """Write their documents; on return every search finds them. Errors as in `Documents.write`."""
        self._write([Write(each.id, each.version, source_of(each)) for each in attachments])

    def put_documents(self, documents: Iterable[Write]) -> None:
        """Write documents with their texts. The next one is taken from `documents` only when memory allows: then those
        before it are written.

        Errors as in `Documents.write`, for the first one that fails: those before it may be written.
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
        """Remove documents; on return no search finds them, and no write that is still under way adds them again.

        `seconds`: how long to wait at most. Errors as in `Documents.write`.
        """
        self._write([Write(each, REMOVAL_VERSION, None) for each in ids], seconds)

    def lacks(self, field: str) -> bool:
        """Whether the index, of an older version, does not have this field of the first level. Raises the errors of
        `prepare`."""
        return field in self.prepare().lacking

    def other_vectors(self, dimensions: int) -> int | None:
        """How many numbers the vectors of the index have, where these can't be compared with one of `dimensions`; None where
        they can, or there are none. Raises the errors of `prepare`.

        Only a migration changes that, and no write may tell of it: so it is looked at again, now and then."""
        index = self.prepare()
        if index.dimensions not in (None, dimensions) and time.monotonic() - self._looked > VECTORS_SECONDS:
            self._looked = time.monotonic()
            self.look_again()
            index = self.prepare()
        return None if index.dimensions == dimensions else index.dimensions

    def look_again(self) -> None:
        """Look at the index before the next call: another one may have taken its place."""
        self._target = None

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
                self._send(writes, documents)
            except IndexMoved:
                # Another generation has taken its place. It can't be replaced again meanwhile: a change is under way.
                self._target = None
                self._send(writes, documents)

    def _send(self, writes: Sequence[Write], documents: Documents) -> None:
        index = self.prepare()
        if index.dimensions is None and any(each.dimensions for each in writes):
            # By now it may have some of another process, which decide how many numbers a vector has.
            self.look_again()
            index = self.prepare()
        fitting = [each.without(index.lacking).fitting(index.dimensions) for each in writes]
        documents.write(fitting, index.target)

    @contextlib.contextmanager
    def _looking_again(self, kind: type[StoreError] = StoreError) -> Iterator[None]:
        try:
            yield
        except kind:
            # The index may be gone, or another one in its place: look again before the next call.
            self._target = None
            raise

    def search(
        self,
        body: Mapping[str, Any],
        tenant: str = "",
        finish: Finish[bytes] = _as_it_is,
        *,
        client: socket.socket | None = None,
        slow: bool = False,
        doubtful: bool = False,
        named: bool = False,
    ) -> bytes:
        """What `finish` makes of the answer to a search body, in the documented envelope; in the index, or in the point
        in time that the body names. `tenant`: whose search it is. `client`: the connection; when it ends, the search
        ends. `slow`: whether the query may take long by itself; `doubtful`: whether it may take long because of what is
        in the texts. `named`: whether each hit says what the clauses that have a name give to its score.

        Raises what Elasticsearch raises, PointMissing, AnswerTooLarge, and what `processing.spend` and `finish` raise.
        """
        heavy = slow or "highlight" in body or body.get("size", 0) > HEAVY_PAGE
        path = f"{_target_of(body, self.alias)}?allow_partial_search_results=false"
        if named:
            path += "&include_named_queries_score=true"
        with self._passage(tenant, slow=heavy, doubtful=doubtful):
            try:
                self.prepare()
                with measures.step("search"):
                    watched = client if heavy or doubtful else None
                    refused = _in_point if "pit" in body else _in_index
                    answer = self.connection.undecoded(path, self._timed(body), watched, refused)
                check_whole(answer)
            except SearchTimedOut:
                raise
            except IndexUnavailable:
                self._target = None
                raise
            return self._finished(self._envelope.documented(answer), finish)

    def _passage(self, tenant: str, *, slow: bool, doubtful: bool) -> contextlib.AbstractContextManager[None]:
        if slow:
            return self._slowly(tenant)
        if doubtful:
            return self._through(self._doubtful_gate, tenant, contextlib.nullcontext(contextlib.ExitStack()))
        return self.connection.gate.passage(tenant=tenant)

    def _slowly(self, tenant: str) -> contextlib.AbstractContextManager[None]:
        """A passage for a search that may take long."""
        return self._through(self._slow_gate, tenant, self._slots.place(lambda: time_left(self._seconds)))

    @contextlib.contextmanager
    def _through(
        self, gate: Gate, tenant: str, waiting: contextlib.AbstractContextManager[contextlib.ExitStack]
    ) -> Iterator[None]:
        """A passage whose place stays taken until Elasticsearch has finished the search, even when nobody waits for it
        any more: Elasticsearch can't stop a search in the middle of a phrase."""
        with gate.passage(tenant=tenant), waiting as place:
            try:
                yield
            except (IndexOutcomeUnknown, ClientGone):
                place.callback(gate.hold(tenant))
                self.connection.when_done(request_id(), place.pop_all().close)
                raise

    def _timed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body to send, with scores as the settings say, and the time after which Elasticsearch ends the search by
        itself, a little before the request's own time limit."""
        return {**self._scored(body), "timeout": _span(time_left(self._seconds) * WITHIN)}

    def ask(
        self,
        search: Mapping[str, Any],
        tenant: str = "",
        *,
        typed_keys: bool = False,
        client: socket.socket | None = None,
        finish: Finish[bytes] = _as_it_is,
    ) -> bytes:
        """What `finish` makes of the answer to a body that `search.language` made, in the index or in the point in time that
        the body names. `tenant` and `client`, here and below: as in `search`.

        The answer is whole, or an error. Raises SearchRefused, PointMissing, the errors of `health`, and those of `search`.
        """
        target = _target_of(search, self.alias)
        options = f"?allow_partial_search_results=false{_typed(typed_keys)}"
        with self._asking(tenant):
            answer = self.connection.plain("POST", target + options, self._timed(search), json.dumps(search), client)
            check_whole(answer)
            return self._finished(self._envelope.plain(answer), finish)

    def ask_several(
        self,
        searches: Sequence[Mapping[str, Any]],
        tenant: str = "",
        *,
        typed_keys: bool = False,
        client: socket.socket | None = None,
        finish: Callable[[dict[str, Any]], Made],
    ) -> Made:
        """What `finish` makes of the answers to several such bodies; each `error` in them is a StoreError instead of what
        Elasticsearch said. Errors as in `ask`."""
        # One after the other: together they would use all of the few threads with which a node searches.
        path = f"/_msearch?max_concurrent_searches=1{_typed(typed_keys)}"

        def finished(answer: bytes) -> Made:
            found: dict[str, Any] = json.loads(self._envelope.plain(answer))
            for response, each in zip(found["responses"], searches, strict=True):
                error: StoreError | None = None
                if response.get("timed_out"):
                    error = SearchTimedOut()
                elif "error" in response:
                    error = of_error(response.get("status", 500), response["error"], json.dumps(each))
                if error is not None:
                    response.clear()
                    response["error"] = error
            return finish(found)

        with self._asking(tenant):
            lines = []
            for each in searches:
                header = {} if "pit" in each else {"index": self.alias}
                lines += [{**header, "allow_partial_search_results": False}, self._timed(each)]
            answer = self.connection.plain("POST", path, [to_json(line) for line in lines], "", client)
            return self._finished(answer, finished)

    def count(self, body: Mapping[str, Any], tenant: str = "", *, client: socket.socket | None = None) -> bytes:
        """The answer to a count. Errors as in `ask`."""
        return self._asked("POST", f"/{self.alias}/_count", body, json.dumps(body), tenant, _as_it_is, client)

    def open_point(self, seconds: float, tenant: str = "") -> str:
        """Open a point in time. Returns Elasticsearch's id of it. Errors as in `ask`."""
        path = f"/{self.alias}/_pit?keep_alive={_span(seconds)}"
        return self._asked("POST", path, {}, "", tenant, lambda answer: str(json.loads(answer)["id"]))

    def close_point(self, point: str, tenant: str = "") -> None:
        """Close a point in time, by Elasticsearch's id. Raises PointMissing when it has expired; errors as in `ask`."""
        self._asked("DELETE", "/_pit", {"id": point}, "", tenant, _as_it_is)

    def _asked(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        asked: str,
        tenant: str,
        finish: Finish[Made],
        client: socket.socket | None = None,
    ) -> Made:
        with self._asking(tenant):
            return self._finished(self.connection.plain(method, path, body, asked, client), finish)

    @contextlib.contextmanager
    def _asking(self, tenant: str) -> Iterator[None]:
        """The block around a call with a body that a caller wrote."""
        with self._slowly(tenant), self._looking_again(IndexUnavailable):
            self.prepare()
            with measures.step("search"):
                yield

    def _finished(self, answer: bytes, finish: Finish[Made]) -> Made:
        """What `finish` makes of an answer, within the rest of its search's time."""
        left = 0.0
        # Elasticsearch has answered in time: a later time-out does not mean that it has stalled.
        with contextlib.suppress(IndexUnavailable):
            left = time_left(self._seconds)
        with processing.within(left):
            return finish(answer)

    def health(self) -> IndexHealth:
        """The state of the index. Raises the errors of a write that can't be done."""
        with self.connection.gate.passage(probe=True), self._looking_again():
            self.prepare()
            with index_errors():
                # Without `timeout`, Elasticsearch waits half a minute for a missing index.
                answer = self.connection.client.cluster.health(index=self.alias, filter_path="status", timeout="1s")
            return IndexHealth(str(answer["status"]), self.connection.blocks(self.alias))

    def not_serving(self) -> list[int]:
        """As `Connection.not_serving`."""
        return self.connection.not_serving()

    def refreshes(self) -> Refreshes:
        """Elasticsearch's counts of the refreshes of the index. Raises the same errors as `health`."""
        with self.connection.gate.passage():
            self.prepare()
            with index_errors():
                answer = self.connection.client.indices.stats(
                    index=self.alias, metric="refresh", filter_path="_all.primaries.refresh"
                )
        found = answer["_all"]["primaries"]["refresh"]
        return Refreshes(int(found["external_total"]), int(found["external_total_time_in_millis"]) / 1000)

    def look_after_stall(self) -> None:
        """Check whether Elasticsearch answers again if the last call had no answer, so that no client's request has to.

        Raises the errors of `health`.
        """
        if self.connection.gate.stalled:
            self.health()

    def close(self) -> None:
        self.connection.close()


def _target_of(body: Mapping[str, Any], alias: str) -> str:
    """Where a search is sent to: a point in time stands for its index."""
    return "/_search" if "pit" in body else f"/{alias}/_search"


def _in_index(status: int, answer: bytes) -> StoreError:
    return error_from_status(status)


def _in_point(status: int, answer: bytes) -> StoreError:
    # The view is gone, or its index with it.
    return PointMissing() if status == 404 else error_from_status(status)


def check_whole(answer: bytes) -> None:
    """Raise SearchTimedOut for an incomplete answer, which Elasticsearch gave when the time limit was over. What it says of
    that is before the shards, behind the id of a point in time."""
    if answer.find(b'"timed_out":true', 0, answer.find(b'"_shards":')) >= 0:
        raise SearchTimedOut()


def _typed(typed_keys: bool) -> str:
    return "&typed_keys=true" if typed_keys else ""


def _span(seconds: float) -> str:
    # Never zero: Elasticsearch would keep it for ever, or refuse.
    return f"{max(1, round(seconds * 1000))}ms"
