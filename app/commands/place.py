"""A place that has attachments, or is to have them, as people name it: a folder or the URL of a storage."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.coordination.local.data_folder import is_store, open_copy_folder
from app.errors import WrongStore
from app.opening import empty_storage, place_of, storage_at
from app.settings import Settings
from app.storage.contract import Storage

#: Where this machine notes what it knows of an object store that is copied to, within the data folder.
COPY_NOTES = Path("objects", "copy")


@dataclass(frozen=True)
class Place:
    """`name`: the URL, or the absolute path of `folder`, which is None for a URL."""

    name: str
    folder: Path | None

    @classmethod
    def of(cls, text: str) -> Place:
        """The place that `text` names. Raises WrongStore or InvalidSetting for a text that names none."""
        if "://" in text:
            return cls(Settings.from_environ({"STORAGE": text}).storage, None)
        if not text or "\0" in text:
            raise WrongStore(f"{text!r} is neither a folder nor the URL of a storage")
        folder = Path(text).absolute().resolve()
        return cls(str(folder), folder)

    def check_is_of(self, settings: Settings) -> None:
        """Raises WrongStore unless the store of these settings has its attachments here."""
        there = Place.of(place_of(settings))
        if there.name != self.name:
            raise WrongStore(
                f"the store in {settings.data} has its attachments in [{there.name}] and not in [{self.name}]:"
                " name that one, or another store with --data and STORAGE"
            )

    def check_apart(self, other: Place) -> None:
        """Raises WrongStore where one is the other, or within it."""
        if self.name == other.name:
            raise WrongStore(f"[{self.name}] is both where to copy from and where to copy to")
        if self.folder is None or other.folder is None:
            return
        # A data folder must not have a store in it.
        if self.folder in other.folder.parents or other.folder in self.folder.parents:
            raise WrongStore(f"one of [{self.name}] and [{other.name}] is within the other")

    def settings(self, settings: Settings) -> Settings:
        """The settings of a server that has its attachments here. Raises InvalidSetting."""
        return settings if self.folder is not None else replace(settings, storage=self.name, accel_redirect=None)

    def open(self, settings: Settings, store_id: str) -> Storage:
        """The attachments of this store, which are here. Raises InvalidSetting, WrongStore where there is no store,
        StorageFailed or StorageFull."""
        if self.folder is not None and not is_store(self.folder):
            raise WrongStore(f"there is no store in {self.name}")
        return storage_at(self.name, self.settings(settings), store_id, checked=True)

    def open_for_copy(self, settings: Settings, store_id: str, *, dry: bool) -> Storage:
        """The storage to copy to; a missing folder is made. `dry`: nothing is made. Raises WrongStore where there is
        something else, StorageFailed or StorageFull."""
        if self.folder is not None:
            if dry and not is_store(self.folder):
                return empty_storage()
            open_copy_folder(self.folder)
        # Notes of its own: what is removed at the target is not removed at the source, which may be an object store, too.
        notes = settings.data / COPY_NOTES
        return storage_at(self.name, self.settings(settings), store_id, notes=notes, checked=True)

    @contextmanager
    def to_check(self) -> Iterator[str]:
        """Within it, the name of a storage whose medium is this place's. In a folder that is no store's, it is one of its
        own, which is removed at the end. Raises WrongStore where there is no folder."""
        if self.folder is None or is_store(self.folder):
            yield self.name
            return
        if not self.folder.is_dir():
            raise WrongStore(f"there is no folder {self.name}")
        with tempfile.TemporaryDirectory(prefix=".check-backend-", dir=self.folder) as folder:
            yield folder

    @property
    def advice(self) -> str:
        """How a server uses what was copied here."""
        return f"start the server with {'STORAGE' if self.folder is None else 'DATA'}={self.name}"
