"""Where the artefacts of attachments lie on the disk, for tests that damage or look at them there."""

from __future__ import annotations

from pathlib import Path

from app.coordination.local import Local
from app.services.store import Store
from app.storage.contract import Artefact, name_of


def path_of(data: Path, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> Path:
    """The file of an artefact of the store in `data`."""
    return data / name_of(attachment_id, artefact)


def data_of(store: Store) -> Path:
    """The data folder of a store."""
    assert isinstance(store.coordination, Local)
    return store.coordination.root
