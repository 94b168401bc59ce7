"""Searches: what a caller asks of the index, within the tenant's attachments and in points in time that are open."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from app.errors import PointMissing, StoreError
from app.index.attachments import AttachmentIndex
from app.search import params, query
from app.search.language import body
from app.services.points_in_time import PointsInTime
from app.services.records import Records

Made = TypeVar("Made")


class Searching:
    """`tenant`: whose attachments are searched; `client`: the connection, and when that ends, the search ends."""

    def __init__(self, index: AttachmentIndex, records: Records, points: PointsInTime) -> None:
        self._index, self._records, self._points = index, records, points

    def search(self, wanted: params.SearchParams, tenant: str, *, client: socket.socket | None = None) -> bytes:
        """The answer to a search by words and filters, in the documented envelope. Raises IndexUnavailable, IndexRejected,
        and as `AttachmentIndex.search`."""
        return self._index.search(
            query.build(wanted, tenant),
            tenant,
            functools.partial(query.answered, wanted, inside=functools.partial(self._records.inside, tenant=tenant)),
            client=client,
            slow=query.slow(wanted),
            doubtful=query.doubtful(wanted),
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
        """What `finish` makes of the answer to a search in Elasticsearch's own language. Raises SearchRefused, PointMissing,
        and as `AttachmentIndex.ask`."""
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
        """What `finish` makes of the answers to several searches; a StoreError stands in the place of an answer that
        there is not. A search in a point that is gone has an error of its own, like a search that Elasticsearch
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

    # Points in time

    def open_point(self, tenant: str, seconds: float) -> str:
        """The id of a new point in time, which lives for `seconds`. Raises TooManyPoints, and as `ask`."""
        point = self._points.reserve(tenant, seconds)
        try:
            self._points.keep(tenant, point, self._index.open_point(seconds, tenant), seconds)
        except BaseException:
            self._points.remove(tenant, point)
            raise
        return point

    def keep_point(self, tenant: str, point: str, elastic: str, seconds: float) -> None:
        """A search was answered in this point: Elasticsearch's id of it is `elastic` from now on, and it lives for
        `seconds` more."""
        self._points.keep(tenant, point, elastic, seconds)

    def close_point(self, tenant: str, point: str) -> None:
        """Raises PointMissing where there is none (any more), and as `ask`."""
        try:
            self._index.close_point(self._points.find(tenant, point), tenant)
        except PointMissing:
            self._points.remove(tenant, point)
            raise
        self._points.remove(tenant, point)

    def _with_point(self, search: body.Search, tenant: str) -> dict[str, Any]:
        """The body to send, with Elasticsearch's own id of the point in time. Raises PointMissing."""
        if search.point is None:
            return search.body
        pit: dict[str, Any] = {"id": self._points.find(tenant, search.point.id)}
        if search.point.keep_alive is not None:
            pit["keep_alive"] = f"{max(1, round(search.point.keep_alive * 1000))}ms"
        return {**search.body, "pit": pit}
