"""Finds stored media types that differ from the content: an earlier version knew fewer types and detected other
ones."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.contents.mediatype import detect
from app.errors import StoreError
from app.services.store import Store

log = logging.getLogger(__name__)

#: Dialects in which the caller declares the type of a file, and no other is accepted.
OWN_TYPES = frozenset({"coder"})
#: How many records are changed at once: uploads and deletes wait meanwhile, about a tenth of a second.
BATCH = 25


@dataclass(frozen=True)
class Difference:
    """An attachment whose record has another type than its content."""

    id: str
    stored: str
    found: str


class Types:
    """Checks one store. `attachments`: how many were checked; `unread`: those whose bytes could not be read."""

    def __init__(self, store: Store, tenant: str | None = None) -> None:
        self.attachments = 0
        self.unread = 0
        self._store = store
        self._tenant = tenant

    def differences(self, progress: Callable[[int], None] = lambda done: None) -> Iterator[Difference]:
        """The attachments, of one tenant or of all, whose stored type differs."""
        for attachment in self._store.records.all():
            if attachment.dialect in OWN_TYPES or self._tenant not in (None, attachment.tenant):
                continue
            self.attachments += 1
            progress(self.attachments)
            try:
                content = self._store.storage.open(attachment.id)
                if content is None:
                    raise StoreError("there are no bytes")
                with contextlib.closing(content):
                    found = detect(content, attachment.name)
            except StoreError as error:
                # Deleted just now, or damaged: `verify` shows which.
                self.unread += 1
                log.warning("%s can't be looked at: %s", attachment.id, error)
                continue
            if found != attachment.media_type:
                yield Difference(attachment.id, attachment.media_type, found)

    def apply(self, differences: list[Difference]) -> int:
        """Correct them; returns how many. Errors as in `Changes.retype`."""
        done = 0
        for start in range(0, len(differences), BATCH):
            done += len(
                self._store.changes.retype({each.id: each.found for each in differences[start : start + BATCH]})
            )
        return done
