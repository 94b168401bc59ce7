"""What one server knows of its objects without asking for them: when a partition was last written to, what was removed,
and which large uploads are under way. It is in the data folder, for all processes of the server.

    <data>/objects/changed/<3 hex>       empty; its modification time is when something in the partition was last written
    <data>/objects/removed/<id>          empty; this attachment was removed, within the last hour or so
    <data>/objects/uploading/<id>.<artefact>   empty; locked by the process that uploads this in parts
    <data>/objects/bound/<16 hex>        the URL of an object store that has belonged to this store

So a cached answer is compared with one `stat`, and a rebuild finds what has changed without listing everything.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from app.errors import StorageFailed
from app.files import FILE_MODE, FOLDER_MODE, locked, storage_errors, sync_folder
from app.storage.contract import Artefact, partition_of

_ARTEFACTS = frozenset(Artefact)
_FOLDERS = ("changed", "removed", "uploading", "bound")


class Ledger:
    """The notes in `<data>/objects`. Raises StorageFull or StorageFailed."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "objects"
        self._changed = f"{self._folder}/changed/"
        self._removed = f"{self._folder}/removed/"
        self._uploading = self._folder / "uploading"
        with storage_errors():
            for each in _FOLDERS:
                (self._folder / each).mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    # Changes

    def changed(self, partition: int) -> int:
        """When something in the partition was last written or removed by this server, in nanoseconds since 1970; 0 when
        nothing was."""
        try:
            return os.stat(f"{self._changed}{partition:03x}").st_mtime_ns
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise StorageFailed() from error

    def note_change(self, attachment_id: str) -> None:
        path = f"{self._changed}{partition_of(attachment_id):03x}"
        with storage_errors():
            try:
                os.utime(path)
            except FileNotFoundError:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
                os.utime(path)

    # Removals

    def removed(self, attachment_id: str) -> bool:
        """Whether this attachment was removed a short time ago, so that a record of it is a write that came late."""
        return os.path.exists(self._removed + attachment_id)

    def note_removal(self, attachment_id: str) -> None:
        """Durable on return."""
        with storage_errors():
            os.close(os.open(self._removed + attachment_id, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
            os.utime(self._removed + attachment_id)
            sync_folder(Path(self._removed))

    def forget_removal(self, attachment_id: str) -> None:
        with storage_errors(), contextlib.suppress(FileNotFoundError):
            os.unlink(self._removed + attachment_id)

    def removals(self, grace: float) -> list[str]:
        """The ids that were removed more than `grace` seconds ago and not forgotten."""
        return list(_old(Path(self._removed), grace))

    # Uploads in parts

    @contextlib.contextmanager
    def uploading(self, attachment_id: str, artefact: Artefact) -> Iterator[None]:
        """Within it, the note of this upload is locked. It goes when the block succeeds."""
        path = self._uploading / f"{attachment_id}.{artefact}"
        with storage_errors():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            locked(descriptor)
            yield
            with storage_errors():
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def unfinished(self, grace: float) -> Iterator[tuple[str, Artefact]]:
        """The uploads in parts that began more than `grace` seconds ago, and on which no process works. Each stays locked
        until the next one is asked for."""
        for name in _old(self._uploading, grace):
            stem, _, suffix = name.rpartition(".")
            with storage_errors(), contextlib.suppress(FileNotFoundError):
                descriptor = os.open(self._uploading / name, os.O_RDWR | os.O_CLOEXEC)
                try:
                    if suffix in _ARTEFACTS and locked(descriptor):
                        yield stem, Artefact(suffix)
                finally:
                    os.close(descriptor)

    def forget_upload(self, attachment_id: str, artefact: Artefact) -> None:
        with storage_errors():
            (self._uploading / f"{attachment_id}.{artefact}").unlink(missing_ok=True)

    # Where the objects are

    def bound(self, url: str) -> bool:
        """Whether this object store has belonged to this store before."""
        return self._bound(url).exists()

    def bind(self, url: str) -> None:
        with storage_errors():
            self._bound(url).write_text(f"{url}\n")

    def _bound(self, url: str) -> Path:
        return self._folder / "bound" / hashlib.sha256(url.encode()).hexdigest()[:16]


def _old(folder: Path, grace: float) -> Iterator[str]:
    with storage_errors(), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if time.time() - entry.stat().st_mtime >= grace:
                    yield entry.name
