"""Chats: which files belong together, which folder's git changes they follow, and whether they are archived.

Unlike attachments they have no files of their own: the index is where they live, so a backup needs a snapshot of it.
Every change names the state it was decided on (`if_seq_no`, `if_primary_term`), so of two at the same time one wins and
the other sees what the first one did.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from elasticsearch import ConflictError, NotFoundError

from app import processing
from app.coordination.contract import ChangeLock
from app.errors import AnswerTooLarge, Conflict, IndexOutcomeUnknown, IndexUnavailable, NotFound, StoreError
from app.index import mappings
from app.index.admission import time_left
from app.index.connection import Connection, index_errors, slow_gate
from app.model.attachment import now
from app.model.chat import Chat
from app.model.schema import CHAT_FIELDS, existing
from app.settings import Settings

Json = dict[str, Any]

_ID, _TENANT, _CREATED, _ARCHIVED = existing("id", "tenant", "created", "archived", table=CHAT_FIELDS)
#: How often a change is tried again because another one came in between; each time that other one succeeded.
_ATTEMPTS = 10


#: A page of chats is at most this fraction of the largest answer that is read: pages stay in memory while they are
#: sent, several at once.
PAGE_PART = 8
#: How many times the size of a page one read may be, when all chats are as large as they may be.
READ_AHEAD = 2
#: The most bytes that Elasticsearch's answer has for a chat, beside the JSON that it was made from.
CHAT_OVERHEAD = 4096


class AlreadySo(Conflict):
    """The chat is in the wanted state already: nothing was changed."""

    code = "already_so"


@dataclass(frozen=True)
class Page:
    """Chats, each as it was written, and whether these are all that were asked for, or only as many as fit."""

    chats: list[bytes]
    whole: bool


class Chats:
    """The chats of all tenants of one store. Creating it connects to nothing."""

    def __init__(self, settings: Settings, store_id: str, connection: Connection, change_lock: ChangeLock) -> None:
        self.alias = settings.chat_alias
        self._connection = connection
        self._store_id = store_id
        self._change_lock = change_lock
        self._definition = mappings.of_chats(settings)
        #: Where chats are written to; None until it is known that the index is this store's.
        self._target: str | None = None
        self._preparing = threading.Lock()
        self._seconds = settings.elasticsearch_timeout
        self._page_bytes = settings.max_answer_size // PAGE_PART
        # In an answer, a chat is no longer than the JSON that it was made from and what stands around it.
        self._batch = max(1, READ_AHEAD * self._page_bytes // (settings.max_json_size + CHAT_OVERHEAD))
        self._page_gate = slow_gate(settings)

    def check(self) -> None:
        """Make sure that the index of the chats, if it exists, is this store's. Raises as `create`; changes nothing."""
        with self._connection.gate.passage(), index_errors():
            found = mappings.current(self._connection.client, self.alias)
        if found is not None:
            mappings.check(found, self._definition, self._store_id)

    def blocks(self) -> list[str]:
        """What blocks Elasticsearch has on their index, as `Connection.blocks` returns it. Errors as `create`."""
        with self._connection.gate.passage(probe=True):
            return self._connection.blocks(self.alias)

    def create(self, chat: Chat) -> None:
        """Keep a new chat; on return every list contains it. Raises IndexUnavailable, IndexOutcomeUnknown,
        WrongIndex."""
        with self._changing():
            self._put(chat, op_type="create")

    def get(self, chat_id: str, tenant: str) -> Chat:
        """The chat under this id. Raises NotFound when there is none or it is another tenant's, and as `create`."""
        return self._get(chat_id, tenant)[0]

    def _get(self, chat_id: str, tenant: str) -> tuple[Chat, Json]:
        with self._asking():
            try:
                answer = self._connection.client.get(index=self.alias, id=chat_id).body
            except NotFoundError as error:
                if isinstance(error.body, dict) and error.body.get("found") is False:
                    raise NotFound() from None
                raise IndexUnavailable() from error
        chat = Chat.from_source(answer["_source"])
        if chat.tenant != tenant:
            raise NotFound()
        return chat, {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}

    def page(
        self,
        tenant: str,
        write: Callable[[Chat], bytes],
        *,
        archived: bool,
        size: int,
        start: int = 0,
    ) -> Page:
        """Chats of a tenant as `write` writes them, the newest first: up to `size` of them after the first `start`.
        There are fewer when they would take more bytes than a page may have, but at least one, if there is any.

        Few pages are made at once, because the chats of each may be large. Errors as `create`, and what `write` and
        `processing.spend` raise.
        """
        written: list[bytes] = []
        left = self._page_bytes
        with self._page_gate.passage(tenant=tenant), processing.within(time_left(self._seconds)):
            for chat in self._walk(tenant, archived, size, start):
                made = write(chat)
                left -= len(made)
                if left < 0 and written:
                    return Page(written, whole=False)
                written.append(made)
        return Page(written, whole=True)

    def _walk(self, tenant: str, archived: bool, size: int, start: int) -> Iterator[Chat]:
        """The same, read in batches that certainly fit into one answer."""
        body: Json = {
            "query": {"bool": {"filter": [{"term": {_TENANT: tenant}}, {"term": {_ARCHIVED: archived}}]}},
            "sort": [{_CREATED: "desc"}, {_ID: "desc"}],
            "track_total_hits": False,
            "from": start,
        }
        batch = self._batch
        while size > 0:
            wanted = body["size"] = min(batch, size)
            with self._asking():
                path = f"/{self.alias}/_search?allow_partial_search_results=false"
                try:
                    hits = json.loads(self._connection.undecoded(path, body))["hits"]["hits"]
                except AnswerTooLarge:
                    # They were made when larger chats were allowed.
                    if wanted == 1:
                        raise
                    batch = wanted // 2
                    continue
            for hit in hits:
                yield Chat.from_source(hit["_source"])
            if len(hits) < wanted:
                return
            size -= wanted
            body["from"], body["search_after"] = 0, hits[-1]["sort"]

    def set_archived(self, chat_id: str, tenant: str, archived: bool) -> None:
        """Archive a chat or bring it back; on return every list shows that. Of two calls at once, one raises AlreadySo.

        Raises AlreadySo, NotFound, and as `create`.
        """
        # The state that a change names belongs to one index, which must not be exchanged in between.
        with self._changing():
            for _ in range(_ATTEMPTS):
                if self._set_archived(chat_id, tenant, archived):
                    return
        raise IndexOutcomeUnknown()

    def _set_archived(self, chat_id: str, tenant: str, archived: bool) -> bool:
        """One attempt; False when another change came between."""
        chat, state = self._get(chat_id, tenant)
        if chat.archived == archived:
            raise AlreadySo()
        changed = replace(chat, archived=archived, updated=now())
        return self._put(changed, **state)

    def _put(self, chat: Chat, **condition: Any) -> bool:
        """Write a chat; False when the condition does not hold. To be called within `_changing`."""
        for last in (False, True):
            with self._asking() as target:
                try:
                    self._connection.client.index(
                        index=target,
                        id=chat.id,
                        document=chat.to_source(),
                        refresh=True,
                        require_alias=True,
                        wait_for_active_shards=1,
                        **condition,
                    )
                except ConflictError:
                    return False
                except NotFoundError:
                    # Another generation has taken its place since. It can't be replaced again now: a change is under
                    # way.
                    if last:
                        raise
                    self._target = None
                else:
                    return True
        raise IndexUnavailable()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """A block that changes chats: nobody exchanges the index within it."""
        with contextlib.closing(self._change_lock.shared()):
            yield

    @contextlib.contextmanager
    def _asking(self) -> Iterator[str]:
        """A block that calls Elasticsearch, behind the gate and on an index that is this store's. Yields the name to
        write to."""
        with self._connection.gate.passage():
            target = self._prepare()
            try:
                with index_errors():
                    yield target
            except NotFound:
                raise
            except StoreError:
                # The index may be gone, or another one in its place: look again before the next call.
                self._target = None
                raise

    def _prepare(self) -> str:
        target = self._target
        if target is not None:
            return target
        # The thread that prepares waits for Elasticsearch; the others wait for it no longer than their own time limit.
        if not self._preparing.acquire(timeout=time_left(self._seconds)):
            raise IndexUnavailable()
        try:
            target = self._target
            if target is None:
                self._connection.major()
                index = mappings.ensure(self._connection.client, self.alias, self._definition, self._store_id)
                self._target = target = index.target
            return target
        finally:
            self._preparing.release()
