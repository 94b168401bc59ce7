"""A store, put together from its storage, its index and its coordination. docs/guarantees.md has its promises.

The order of effects is in the services of this package and nowhere else: `uploads`, `deletion`, `changes`,
`extracting`, and `settling` for what a killed process leaves of these. The files are the truth and the index follows:
work that stops in the middle leaves a journal entry or an entry in the queue, by which index and files are made to
agree again.

Rejected: the document first (a crash leaves hits that can't be downloaded), a transaction log in Elasticsearch (then
downloads would need it), and one class for all of it (anyone who needed one promise had to read them all).
"""

from __future__ import annotations

from app.coordination.contract import Coordination
from app.embeddings.contract import Embeddings
from app.extraction.queue import Queue
from app.index.attachments import AttachmentIndex
from app.services.changes import Changes
from app.services.deletion import Deletion
from app.services.downloads import Downloads
from app.services.records import Records
from app.services.settling import Settling
from app.services.steps import Steps
from app.services.uploads import Uploads
from app.settings import Settings
from app.storage.contract import Storage


class Store:
    """Attachments of all tenants over one storage, one coordination and one index."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        coordination: Coordination,
        store_id: str,
        embeddings: Embeddings,
    ) -> None:
        """`store_id`: the store that the index must belong to, as `open_data_folder` returns it. Elasticsearch is not
        asked yet."""
        self.id = store_id
        self.storage = storage
        self.coordination = coordination
        self.embeddings = embeddings
        self.journal = coordination.journal
        self.queue = Queue(coordination.claims)
        # A lost index is not created again, empty: searches would silently miss what is acknowledged.
        self.index = AttachmentIndex(settings, store_id, coordination, may_create=lambda: not self.holds_attachments())
        self.records = Records(storage)
        self.steps = Steps(settings, storage, self.queue, self.records)
        self.downloads = Downloads(storage, self.queue, self.records)
        self.deletion = Deletion(storage, self.index, self.journal, self.records)
        self.uploads = Uploads(storage, self.index, self.journal, self.steps, self.deletion)
        self.changes = Changes(storage, self.index, self.journal, coordination.change_lock, self.records, self.steps)
        self.settling = Settling(storage, self.index, self.journal, self.steps, self.deletion, self.changes)

    def holds_attachments(self) -> bool:
        """Whether any attachment is there, apart from those whose upload is not decided. Raises StorageFailed."""
        # The id is read before the journal: an upload's entry is there before its record.
        return any(each not in self.journal.ids("upload") for each in self.storage.ids())
