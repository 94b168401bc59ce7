"""The index of attachments, as the rest of the application sees it: prepare, write, search, health."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.attachment import Attachment
from app.errors import StoreError
from app.index import mappings
from app.index.connection import Connection, typed_errors
from app.index.documents import Documents, Write
from app.index.envelope import Envelope
from app.settings import Settings


@dataclass(frozen=True)
class IndexHealth:
    """`status` is Elasticsearch's word for the shards behind the alias: green, yellow or red."""

    status: str


class AttachmentIndex:
    """One store's documents in Elasticsearch. Creating it connects to nothing, so a server starts without it too."""

    def __init__(self, settings: Settings, store_id: str) -> None:
        self.connection = Connection(settings)
        self.alias = settings.index
        self._store_id = store_id
        self._definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
        self._documents = Documents(self.connection, self.alias, settings.elasticsearch_timeout)
        self._envelope = Envelope(self.alias)
        self._prepared = False
        self._preparing = threading.Lock()

    def prepare(self) -> None:
        """Create the index when it is missing, check that it is this store's; once, until a write fails.

        Raises WrongIndex, IndexUnavailable or IndexOutcomeUnknown.
        """
        if self._prepared:
            return
        with self._preparing:
            if not self._prepared:
                self.connection.major()
                mappings.ensure(self.connection.client, self.alias, self._definition, self._store_id)
                self._prepared = True

    def put(self, attachments: Sequence[Attachment]) -> None:
        """Write their documents; on return every search finds them. Errors as in `Documents.write`."""
        self._write([Write(each.id, each.version, each.to_source()) for each in attachments])

    def remove(self, versions: Mapping[str, int]) -> None:
        """Remove documents, by id and the version of the removal; on return no search finds them."""
        self._write([Write(each, version, None) for each, version in versions.items()])

    def _write(self, writes: Sequence[Write]) -> None:
        self.prepare()
        try:
            self._documents.write(writes)
        except StoreError:
            # It may be the index that is gone, or another one in its place: look again before the next write.
            self._prepared = False
            raise

    def search(self, body: Mapping[str, Any]) -> bytes:
        """The answer of Elasticsearch to a search body, in the documented envelope."""
        self.prepare()
        return self._envelope.documented(self.connection.undecoded(f"/{self.alias}/_search", body))

    def health(self) -> IndexHealth:
        """The state of the index. Raises the same errors as a write that could not be done."""
        self.prepare()
        with typed_errors():
            answer = self.connection.client.cluster.health(index=self.alias, filter_path="status")
        return IndexHealth(str(answer["status"]))

    def close(self) -> None:
        self.connection.close()
