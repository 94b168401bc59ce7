"""Whose attachments a storage has, and where they are while a store is moved: the object that `Storage.keep_identity` keeps.

    {"format": 1, "id": "<uuid of the store>"}   and, while a store is moved or after it was:
    "copy": {...}    these attachments are an unfinished copy: no server takes them (app/upkeep/copying.py has the rest)
    "copied": {...}  they are a whole copy that no server has used yet, so that the copy may still go on
    "moved": "<storage>"  the store has its attachments there now: no server takes these

With it a bucket is not taken for another store's, a server that is started again with yesterday's settings does not serve
yesterday's attachments, and half a copy is never served. In a storage that is the data folder itself it is the `store.json`
that the coordination makes.

Rejected: a note of the copy in the data folder (it says nothing to a server that has another one, and outlives a target
that was emptied), and the state in a name of its own (two writes for one fact).
"""

from __future__ import annotations

from typing import Any

from app.errors import WrongStore
from app.storage.contract import Storage

Json = dict[str, Any]

IDENTITY_FORMAT = 1
COPY, COPIED, MOVED = "copy", "copied", "moved"


def identity_of(storage: Storage) -> Json | None:
    """What the storage says of its attachments; None where it says nothing. Raises WrongStore for what this version does
    not know, StorageFailed."""
    found = storage.identity()
    if found is not None:
        _known(found)
    return found


def _known(found: Json) -> None:
    version, store_id = found.get("format"), found.get("id")
    if type(version) is not int or not isinstance(store_id, str):
        raise WrongStore("store.json is damaged")
    if version > IDENTITY_FORMAT:
        raise WrongStore(f"the attachments were written by a newer version (format {version} > {IDENTITY_FORMAT})")


def plain(store_id: str) -> Json:
    """The identity of a storage that is used."""
    return {"format": IDENTITY_FORMAT, "id": store_id}


def check_identity(storage: Storage, store_id: str) -> None:
    """Raises WrongStore unless the attachments in `storage` are this store's, whole, and in use here; StorageFailed."""
    found = identity_of(storage)
    if found is None:
        if next(storage.ids(), None) is not None:
            raise WrongStore(
                "the attachments in this storage belong to no store: its store.json is missing; restore it"
            )
        return
    check_content(found, store_id)


def check_content(found: Json, store_id: str) -> None:
    """The same for an identity that was read. Raises WrongStore."""
    _known(found)
    if found["id"] != store_id:
        raise WrongStore(f"this storage belongs to another store [{found['id']}]")
    if COPY in found:
        raise WrongStore("the attachments in this storage are an unfinished copy: scripts/store copy --finish ends it")
    if MOVED in found:
        raise WrongStore(f"the attachments of this store are in [{found[MOVED]}] now: set STORAGE, or copy them back")


def take(storage: Storage, store_id: str) -> None:
    """For a server that starts: check it, and mark it as used. Errors as in `check_identity`, and StorageFull."""
    check_identity(storage, store_id)
    present = storage.identity()
    if present is None or COPIED in present:
        storage.keep_identity({**plain(store_id), **{k: v for k, v in (present or {}).items() if k != COPIED}})
