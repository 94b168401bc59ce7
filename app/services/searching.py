"""Runs the searches of callers, within the tenant's attachments and in points in time that are open."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from app.errors import IndexRejected, InvalidParameter, PointMissing, StoreError
from app.index.attachments import AttachmentIndex
from app.index.envelope import pointed
from app.model.attachment import now
from app.model.schema import UNIQUE
from app.passages.keeping import quantized
from app.search import params, query
from app.search.language import body
from app.search.language.nearest import Vectors
from app.search.language.tenant import term
from app.services.candidates import EXACT, Candidates
from app.services.meaning import Meanings
from app.services.passages import PASSAGES, label
from app.services.points_in_time import Point, PointsInTime
from app.services.records import Records

Made = TypeVar("Made")

#: Seconds that a point in time of the search by words and filters lives after each use: enough time to read a page of
#: hits.
WALK_SECONDS = 300.0
#: The note in a point in time that has no vectors, as its index is of an older version.
_LACKS = "words"
#: The most bytes of an id that Elasticsearch accepts.
MOST_ID = 512


class Found(NamedTuple):
    """An answer. `match`: what it was found by, one of `params.MATCHES`; None if only words were wanted. `model`: the
    model whose vectors were compared, as documents name it; '' if none were."""

    answer: bytes
    match: str | None = None
    model: str = ""


class Searching:
    """Runs searches. `tenant`: whose attachments are searched. `client`: the caller's connection; when it ends, so does
    the search."""

    def __init__(
        self,
        index: AttachmentIndex,
        records: Records,
        points: PointsInTime,
        meanings: Meanings | None,
    ) -> None:
        """`meanings`: None if nothing can be found by its meaning."""
        self._index, self._records, self._points = index, records, points
        self._meanings = meanings
        self._candidates = Candidates(self._passages)

    def search(self, wanted: params.SearchParams, tenant: str, *, client: socket.socket | None = None) -> Found:
        """The answer to a search by words, meaning and filters, in the documented envelope; with the id of its point in
        time, if it is asked in one. If the meaning of the query can't be had, or not in time, only its words are looked
        for. Raises InvalidParameter, IndexUnavailable, IndexRejected, PointMissing, TooManyPoints, and as
        `AttachmentIndex.search`."""
        if wanted.point is None:
            meaning = self._meaning(wanted, tenant)
            model = "" if meaning is None else meaning.model
            finish = self._finish(wanted, tenant, model)
            sent = query.build(wanted, tenant, meaning=meaning)
            try:
                return Found(self._search(wanted, sent, tenant, finish, client), self._told(wanted, meaning), model)
            except IndexRejected:
                if meaning is None:
                    raise
                # A migration has just put an index in its place whose vectors are of another size.
                self._index.look_again()
                sent, finish = query.build(wanted, tenant), self._finish(wanted, tenant, "")
                return Found(self._search(wanted, sent, tenant, finish, client), "words")
        if wanted.point != params.NEW_POINT:
            return self._search_in(wanted.point, wanted, tenant, client)
        point = self.open_point(tenant, WALK_SECONDS)
        try:
            return self._search_in(point, wanted, tenant, client)
        except BaseException:
            # No client knows this point in time.
            with contextlib.suppress(StoreError):
                self.close_point(tenant, point)
            raise

    def _meaning(self, wanted: params.SearchParams, tenant: str) -> query.Meaning | None:
        """The meaning of the query. None if only its words are looked for, if it has no meaning, if its meaning can't
        be had now, or if the index has nothing to compare it with. Raises InvalidParameter if the caller asked for it
        and this server can never find by it."""
        if self._meanings is None:
            if wanted.match in params.MEANT:
                raise InvalidParameter("match", "must be words: this server has no EMBEDDINGS")
            return None
        if query.match(wanted) not in params.MEANT or self._index.lacks(PASSAGES):
            return None
        found = self._meanings.of(wanted.query or "", tenant)
        return found and replace(found, candidates=self._candidates.of(tenant))

    def _passages(self, tenant: str) -> int:
        """How many passages a tenant has. They are counted in as many attachments as may have no more than `EXACT` of
        them. Errors as in `AttachmentIndex.search`."""
        sent = {
            "query": {"bool": {"filter": [term(tenant)]}},
            "size": 0,
            "track_total_hits": False,
            "terminate_after": EXACT + 1,
            "aggs": {PASSAGES: {"nested": {"path": PASSAGES}}},
        }
        answer = json.loads(self._index.search(sent, tenant))
        if answer.get("terminated_early"):
            return EXACT + 1
        return int(answer["aggregations"][PASSAGES]["doc_count"])

    def _told(self, wanted: params.SearchParams, meaning: query.Meaning | None) -> str | None:
        """What the answer was found by; None if it was to be found by words alone."""
        match = query.match(wanted)
        if match not in params.MEANT or self._meanings is None:
            return None
        return "words" if meaning is None else match

    def _finish(self, wanted: params.SearchParams, tenant: str, model: str = "") -> Callable[[bytes], bytes]:
        """A function that turns Elasticsearch's answer into the documented one. `model`: as in `Found`."""
        inside = functools.partial(self._records.inside, tenant=tenant)
        passage = functools.partial(self._records.passage, tenant=tenant, model=model)
        return functools.partial(query.answered, wanted, inside=inside, passage=passage)

    def _search_in(
        self,
        point: str,
        wanted: params.SearchParams,
        tenant: str,
        client: socket.socket | None,
    ) -> Found:
        """The answer to a search in a point in time, whose time to live begins anew with it."""
        found = self._points.find(tenant, point)
        meaning = self._meaning_in(found, wanted, tenant)
        if self._meanings is not None and query.match(wanted) in params.MEANT and found.walk != _LACKS:
            found = replace(found, walk=_walk(wanted, meaning))
        model = "" if meaning is None else meaning.model
        finish = self._finish(wanted, tenant, model)

        def told(answer: bytes) -> bytes:
            answer, elastic = pointed(answer, point)
            self._points.keep(tenant, point, replace(found, elastic=elastic), WALK_SECONDS)
            return finish(answer)

        sent = query.build(wanted, tenant, found.opened, meaning)
        try:
            answer = self._search(wanted, _in_point(sent, found, WALK_SECONDS), tenant, told, client)
        except IndexRejected:
            if meaning is not None:
                self._index.look_again()
            raise
        return Found(answer, self._told(wanted, meaning), model)

    def _meaning_in(self, point: Point, wanted: params.SearchParams, tenant: str) -> query.Meaning | None:
        """As `_meaning`, for a search in a point in time. All pages of a walk have the meaning that its first page had,
        or none, so that each hit is met once whether the model answers or not. The point keeps the meaning of the query
        that was last asked in it."""
        begins = wanted.after is None and not wanted.offset
        if query.match(wanted) in params.MEANT and self._meanings is not None:
            if point.walk == _LACKS:
                return None
            known = json.loads(point.walk) if point.walk else {}
            if known.get("asked") == _digest(wanted) and (known["meaning"] or not begins):
                return query.Meaning(*known["meaning"]) if known["meaning"] else None
        return self._meaning(wanted, tenant)

    def _search(
        self,
        wanted: params.SearchParams,
        sent: Mapping[str, Any],
        tenant: str,
        finish: Callable[[bytes], bytes],
        client: socket.socket | None,
    ) -> bytes:
        return self._index.search(
            sent,
            tenant,
            finish,
            client=client,
            slow=query.slow(wanted),
            doubtful=query.doubtful(wanted),
            named=wanted.scores,
        )

    def ask(
        self,
        search: body.Search,
        tenant: str,
        *,
        typed_keys: bool,
        finish: Callable[[bytes], bytes],
        client: socket.socket | None = None,
    ) -> bytes:
        """What `finish` makes of the answer to a search in Elasticsearch's own language. Raises SearchRefused,
        PointMissing, and as `AttachmentIndex.ask`."""
        sent = self._with_point(search, tenant)
        return self._index.ask(sent, tenant, typed_keys=typed_keys, client=client, finish=finish)

    def ask_several(
        self,
        searches: Sequence[body.Search],
        tenant: str,
        *,
        typed_keys: bool,
        finish: Callable[[dict[str, Any]], Made],
        client: socket.socket | None = None,
    ) -> Made:
        """What `finish` makes of the answers to several searches. If a search has no answer, a StoreError is in its
        place. A search in a point in time that is gone has an error of its own, like a search that Elasticsearch
        refuses."""
        ready: list[dict[str, Any] | StoreError] = []
        for each in searches:
            try:
                ready.append(self._with_point(each, tenant))
            except PointMissing as error:
                ready.append(error)
        sent = [each for each in ready if isinstance(each, dict)]

        def whole(answers: dict[str, Any]) -> Made:
            came = iter(answers["responses"])
            answers["responses"] = [next(came) if isinstance(each, dict) else {"error": each} for each in ready]
            return finish(answers)

        if not sent:
            return whole({"took": 0, "responses": []})
        return self._index.ask_several(sent, tenant, typed_keys=typed_keys, client=client, finish=whole)

    def count(self, content: Mapping[str, Any], tenant: str, *, client: socket.socket | None = None) -> bytes:
        """The answer to a count, for a body that `search.language` made. Errors as in `ask`."""
        return self._index.count(content, tenant, client=client)

    def document(
        self, attachment_id: str, source: Any, tenant: str, *, client: socket.socket | None = None
    ) -> dict[str, Any] | None:
        """The hit of an attachment, with its `_version` and the part of its `_source` that `source` selects, as
        `search.language` made it. None if the tenant has no attachment with this id. Errors as in `ask`."""
        if not 0 < len(attachment_id.encode("utf-8", "surrogatepass")) <= MOST_ID:
            return None
        sent = {
            "query": {"bool": {"filter": [{"term": {UNIQUE: attachment_id}}, term(tenant)]}},
            "size": 1,
            "version": True,
            "_source": source,
        }
        hits = json.loads(self._index.search(sent, tenant, client=client))["hits"]["hits"]
        return hits[0] if hits else None

    def vectors(self) -> Vectors | None:
        """What is known about the vectors that a caller's vector is compared with; None if this server or its index has
        none. Raises EmbeddingsUnavailable while it is not known which model makes them, and the errors of a write that
        can't be done."""
        if self._meanings is None or self._index.lacks(PASSAGES):
            return None
        model = self._meanings.model()
        return None if model is None else Vectors(label(model.name, model.version), model.dimensions, quantized)

    def status(self) -> str:
        """The health of the index: green, yellow or red. Errors as in `AttachmentIndex.health`."""
        return self._index.health().status

    # Points in time

    def open_point(self, tenant: str, seconds: float) -> str:
        """The id of a new point in time, which lives for `seconds`. Raises TooManyPoints, and as `ask`."""
        point = self._points.reserve(tenant, seconds)
        try:
            # If the index gets vectors later, this view of it still has none.
            walk = _LACKS if self._index.lacks(PASSAGES) else ""
            found = Point(self._index.open_point(seconds, tenant), now(), walk)
            self._points.keep(tenant, point, found, seconds)
        except BaseException:
            self._points.remove(tenant, point)
            raise
        return point

    def keep_point(self, tenant: str, point: str, elastic: str, seconds: float) -> None:
        """Note that a search was answered in this point in time: from now on, Elasticsearch's id of it is `elastic`,
        and it lives for `seconds` more."""
        # A point that was closed meanwhile stays closed. This is no error, as the search was answered.
        with contextlib.suppress(PointMissing):
            self._points.keep(tenant, point, replace(self._points.find(tenant, point), elastic=elastic), seconds)

    def close_point(self, tenant: str, point: str) -> None:
        """Close a point in time. Raises PointMissing if there is none (any more), and as `ask`."""
        try:
            self._index.close_point(self._points.find(tenant, point).elastic, tenant)
        except PointMissing:
            self._points.remove(tenant, point)
            raise
        self._points.remove(tenant, point)

    def _with_point(self, search: body.Search, tenant: str) -> dict[str, Any]:
        """The body to send, with Elasticsearch's own id of the point in time. Raises PointMissing."""
        if search.point is None:
            return search.body
        return _in_point(search.body, self._points.find(tenant, search.point.id), search.point.keep_alive)


def _walk(wanted: params.SearchParams, meaning: query.Meaning | None) -> str:
    """What a point in time keeps for the next pages of a walk: a digest of the query, and its meaning."""
    told = meaning and [meaning.vector, meaning.model, meaning.least, meaning.candidates]
    return json.dumps({"asked": _digest(wanted), "meaning": told})


def _digest(wanted: params.SearchParams) -> str:
    return hashlib.sha256((wanted.query or "").encode(errors="surrogatepass")).hexdigest()


def _in_point(sent: Mapping[str, Any], point: Point, seconds: float | None) -> dict[str, Any]:
    """A body that is asked in a point in time, which then lives for `seconds`. None leaves its time to live as it
    is."""
    pit: dict[str, Any] = {"id": point.elastic}
    if seconds is not None:
        pit["keep_alive"] = f"{max(1, round(seconds * 1000))}ms"
    return {**sent, "pit": pit}
