"""Reads pieces of the kept text of an attachment, each with its page and with the file inside the attachment that it is
in.

A piece is read from the disk when it is asked for: a hit shows a few hundred bytes of a text that may have a megabyte.
The places of the passages of a text are read the same way, without their vectors.
"""

from __future__ import annotations

from contextlib import closing
from functools import cached_property

from app import processing
from app.extraction.record import Extraction
from app.passages.keeping import MOST_BEGINNING, Beginning, beginning_of
from app.passages.places import Places
from app.search.inside import path_of
from app.search.nearest import Cited
from app.services.indexing import extraction_of, text_of
from app.services.passages import label
from app.storage.contract import Artefact, Storage

#: The cost of looking at the outcome of an extraction, in steps of `app.processing`, for each part of the text.
_STEPS_A_PART = 5

Place = tuple[int, int]


class KeptText:
    """The text of one attachment. Every method raises StorageFailed, and ValueError if the text is damaged or has been
    replaced by another one."""

    def __init__(self, storage: Storage, attachment_id: str, extraction: Extraction) -> None:
        """`extraction`: the outcome that describes the text."""
        self._storage, self._id, self._extraction = storage, attachment_id, extraction
        self.parts = extraction.parts or ()
        self._whole: bytes | None = None
        processing.spend(_STEPS_A_PART * len(self.parts))

    @property
    def size(self) -> int:
        """The size of the text in bytes."""
        return self._extraction.size

    @property
    def language(self) -> str | None:
        return self._extraction.language

    @property
    def places(self) -> tuple[Place, ...] | None:
        """The byte offsets at which its passages begin and end; None if it was not cut (yet)."""
        return None if self._beginning is None else self._beginning.places

    def place(self, number: int, model: str) -> Place | None:
        """The place of the passage with this number, from 0. None if there is no such passage, or if its vector is not
        of `model` (as documents name it): what Elasticsearch says of the vectors of another model means nothing."""
        found = self._beginning
        if found is None or label(found.model, found.version) != model or not 0 <= number < len(found.places):
            return None
        return found.places[number]

    @cached_property
    def _beginning(self) -> Beginning | None:
        content = self._storage.open(self._id, Artefact.PASSAGES)
        if content is None:
            return None
        with closing(content):
            found = beginning_of(content.read(0, MOST_BEGINNING))
        return found if found.text == self._extraction.sha256 else None

    @cached_property
    def _pages(self) -> Places:
        return Places(self.parts)

    def whole(self) -> bytes:
        """The whole text in UTF-8, after its digest was checked. From then on, it is kept in memory."""
        if self._whole is None:
            self._whole = text_of(self._storage, self._id, self._extraction)
        return self._whole

    def piece(self, start: int, end: int) -> str:
        """The text between two byte offsets."""
        if self._whole is not None:
            return self._whole[start:end].decode()
        content = self._storage.open(self._id, Artefact.TEXT)
        if content is None:
            raise ValueError("there is no text")
        with closing(content):
            if content.size != self.size or not 0 <= start < end <= self.size:
                raise ValueError("a piece of another text")
            return content.read(start, end).decode()

    def cited(self, start: int, end: int) -> Cited:
        """The text between two byte offsets, with its place."""
        place = self._pages.at(start)
        return Cited(self.piece(start, end), start, end, place.page, path_of(place.file), place.title)


def kept_text(storage: Storage, attachment_id: str) -> KeptText | None:
    """The text of an attachment of any tenant; None if there is none (yet). Raises StorageFailed, and ValueError if the
    outcome of the extraction is damaged."""
    extraction = extraction_of(storage, attachment_id)
    return KeptText(storage, attachment_id, extraction) if extraction is not None and extraction.size else None
