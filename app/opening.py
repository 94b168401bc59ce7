"""Where storage, coordination and embeddings are chosen: once, for the server, its workers and the commands alike."""

from __future__ import annotations

from pathlib import Path

from app.coordination.contract import Coordination
from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder
from app.embeddings.contract import Embeddings
from app.services.store import Store
from app.settings import FOLDER, Settings
from app.storage.contract import Storage
from app.storage.identity import check_identity


def open_store(settings: Settings) -> Store:
    """The store that the settings name. Raises WrongStore, StorageFailed or StorageFull. Elasticsearch is not asked yet."""
    # First: what follows creates folders, and only a folder that is a store's, or empty, may be used.
    store_id = open_data_folder(settings.data)
    storage = storage_at(settings.storage, settings, store_id)
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
    return str(settings.data) if settings.storage == FOLDER else settings.storage


def storage_at(
    place: str, settings: Settings, store_id: str, *, notes: Path | None = None, checked: bool = False
) -> Storage:
    """The storage that `place` names, as STORAGE does, or the one in a folder, with everything else as the settings say;
    nothing of the others is imported. An object store is not asked yet. `store_id`: the store whose attachments are in it.
    `notes`: the folder for what one machine notes of an object store, if not the data folder. `checked`: the caller sees
    to it that it is this store's. Raises StorageFailed or StorageFull."""
    if "://" not in place:
        from app.storage.filesystem import Filesystem

        return Filesystem(settings.data if place == FOLDER else Path(place), reserve=settings.disk_reserve)
    from app.storage.bucket import Where
    from app.storage.objects import Objects

    where = Where(
        place,
        timeout=settings.storage_timeout,
        at_once=max(1, settings.web_threads * 3 // 4),
        endpoint=settings.storage_endpoint,
        region=settings.storage_region,
        virtual=settings.storage_addressing == "virtual",
        access_key=settings.storage_access_key,
        secret_key=settings.storage_secret_key,
        ca_certs=settings.storage_ca_certs,
    )
    return Objects(where, notes or settings.data, store_id, reserve=settings.disk_reserve, checked=checked)


def empty_storage() -> Storage:
    """A storage that has nothing, and keeps nothing beyond this process."""
    from app.storage.memory import Memory

    return Memory()


def import_storage(choice: str) -> None:
    """Import what a server needs for this value of STORAGE, before it becomes one."""
    if choice == FOLDER:
        from app.storage import filesystem  # noqa: F401
    else:
        from app.storage import objects  # noqa: F401


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
