"""Where storage, coordination and embeddings are chosen: once, for the server, its workers and the commands alike."""

from __future__ import annotations

from pathlib import Path

from app.coordination.contract import Coordination
from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder
from app.embeddings.contract import Embeddings
from app.errors import WrongStore
from app.services.store import Store
from app.settings import Settings
from app.storage.contract import Storage
from app.storage.filesystem import Filesystem
from app.storage.identity import check_identity


def open_store(settings: Settings) -> Store:
    """The store that the settings name. Raises WrongStore, StorageFailed or StorageFull. Elasticsearch is not asked yet."""
    # First: what follows creates folders, and only a folder that is a store's, or empty, may be used.
    store_id = open_data_folder(settings.data)
    storage = Filesystem(settings.data, reserve=settings.disk_reserve)
    coordination = Local(settings.data)
    return Store(settings, storage, coordination, store_id, open_embeddings(settings, coordination))


def open_checked(settings: Settings) -> Store:
    """The same for a command: only attachments that are this store's, and whole. Errors as in `open_store` and
    `check_identity`."""
    store = open_store(settings)
    check_identity(store.storage, store.id)
    return store


def place_of(settings: Settings) -> str:
    """Where the store of these settings has its attachments: a folder or a URL."""
    return str(settings.data)


def storage_at(place: str, settings: Settings) -> Storage:
    """The storage at a place: a folder, or the URL of another storage. Raises WrongStore for any other, StorageFailed or
    StorageFull."""
    if "://" in place:
        raise WrongStore(f"[{place}] is no storage that is known")
    return Filesystem(Path(place), reserve=settings.disk_reserve)


def empty_storage() -> Storage:
    """A storage that has nothing, and keeps nothing beyond this process."""
    from app.storage.memory import Memory

    return Memory()


def open_embeddings(settings: Settings, coordination: Coordination) -> Embeddings:
    """The embeddings that the settings name; nothing of the others is imported. No process is started, and no server
    asked. Raises StorageFailed or StorageFull."""
    if settings.embeddings == "off":
        from app.embeddings.off import Off

        return Off()
    from app.embeddings.checked import Checked, Source

    source: Source
    if settings.embeddings == "builtin":
        from app.embeddings.builtin import SLOT, Builtin

        source = Builtin(coordination.work_slots(1, SLOT))
    else:
        from app.embeddings.remote import Remote

        source = Remote(settings)
    return Checked(source, settings.embeddings_query_timeout, settings.embeddings_timeout)


def import_embeddings(choice: str) -> None:
    """Import what a server needs for this value of EMBEDDINGS, before it becomes one. A URL's is imported at its start."""
    if choice == "builtin":
        from app.embeddings import builtin, checked, keeper  # noqa: F401
