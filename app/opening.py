"""Where storage and coordination are chosen: once, for the server, its workers and the commands alike."""

from __future__ import annotations

from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder
from app.services.store import Store
from app.settings import Settings
from app.storage.filesystem import Filesystem


def open_store(settings: Settings) -> Store:
    """The store that the settings name. Raises WrongStore, StorageFailed or StorageFull. Elasticsearch is not asked yet."""
    # First: what follows creates folders, and only a folder that is a store's, or empty, may be used.
    store_id = open_data_folder(settings.data)
    storage = Filesystem(settings.data, reserve=settings.disk_reserve)
    return Store(settings, storage, Local(settings.data), store_id)
