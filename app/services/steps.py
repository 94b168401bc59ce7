"""What is left to do with an attachment after its upload, and how far that has come: extracting its text, drawing its
thumbnails, recognizing the text in its pictures, giving its passages vectors. app/services/extracting.py does it."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from typing import Literal

from app.errors import StoreError
from app.extraction.kinds import Way, drawing_of, way_of
from app.extraction.queue import Queue, Stage
from app.extraction.recognition_data import recognition_folder, recognition_installed, recognition_used
from app.extraction.record import NO_READERS_DOING, Extraction
from app.model.attachment import Attachment, Unread
from app.services.indexing import outdated_passages
from app.services.passages import Maker
from app.services.records import Records
from app.settings import Settings
from app.storage.contract import Artefact, Storage

log = logging.getLogger(__name__)

ExtractionState = Literal["pending", "completed", "failed"]
#: `none`: no thumbnails are drawn of such a file, or drawing failed.
ThumbnailState = Literal["pending", "completed", "none"]


class Steps:
    """The steps after an upload, in one store.

    `extracts`: whether text is extracted from new files; `recognition`: whether also from images; `draws`: whether
    thumbnails of them are drawn; `embeds`: whether passages of their texts are given vectors.
    """

    def __init__(self, settings: Settings, storage: Storage, queue: Queue, records: Records) -> None:
        self.extracts = settings.extraction == "on"
        self.recognition = recognition_installed()
        self.draws = self.extracts and settings.thumbnails == "on"
        self.embeds = self.extracts and settings.embeddings != "off"
        self._languages = settings.recognition_languages
        self._storage, self._queue, self._records = storage, queue, records

    def enqueue(self, attachments: list[Attachment]) -> None:
        """Queue them for extraction. An upload does not wait for it, and does not fail when it fails."""
        for attachment in attachments:
            left = self.stages(attachment) if self.extracts else ()
            if not left:
                # The outcome is known already, and the record says it.
                continue
            try:
                self._queue.add(attachment.id, attachment.tenant, left=left)
            except StoreError:
                log.warning("%s is not in the queue for extraction; it is found at the next start", attachment.id)
                with contextlib.suppress(StoreError):
                    self._queue.forget_scan()

    def enqueue_anew(self, attachments: list[Attachment]) -> None:
        """The same for attachments whose media type may have been another one before. Raises StorageFull or
        StorageFailed."""
        for attachment in attachments if self.extracts else ():
            if left := self.stages_anew(attachment):
                self._queue.add(attachment.id, attachment.tenant, left=left, again=True)

    def way(self, attachment: Attachment) -> Way | None:
        """How the text of this attachment is extracted; None when no reader takes such a file, or it is empty."""
        if attachment.size == 0:
            return None
        return way_of(attachment.media_type, attachment.icon, recognition=self.recognition)

    def drawing(self, attachment: Attachment) -> Way | None:
        """How thumbnails of this attachment are drawn; None when there are none for such a file, or drawing is off."""
        return drawing_of(attachment.media_type, attachment.icon) if self.draws and attachment.size else None

    def stages(self, attachment: Attachment) -> tuple[Stage, ...]:
        """What is to be done with this attachment after its upload, in this order."""
        way = self.way(attachment)
        is_picture = way is not None and way.kind == "image"
        stages: dict[Stage, bool] = {
            "text": way is not None and not is_picture,
            "thumbnail": self.drawing(attachment) is not None,
            "recognition": is_picture,
            "passages": self.embeds and way is not None,
        }
        return tuple(stage for stage, wanted in stages.items() if wanted)

    def stages_anew(self, attachment: Attachment) -> tuple[Stage, ...]:
        """The same for an attachment whose media type may have been another one before: also the stages that remove
        what was read or drawn before."""
        left = self.stages(attachment)
        if not {"text", "recognition"} & set(left) and self._storage.size(attachment.id, Artefact.OUTCOME) is not None:
            left = ("text", *left)
        if "thumbnail" not in left and self._storage.size(attachment.id, Artefact.THUMBNAIL) is not None:
            left = (*left, "thumbnail")
        return left

    def unread(self, attachment: Attachment) -> Unread | None:
        """Why the text of this attachment is not read; None when it is, or when extraction is off."""
        if not self.extracts or self.way(attachment) is not None:
            return None
        return "unsupported" if attachment.size else "empty"

    def told(self, attachment: Attachment) -> Attachment:
        """The attachment, with what is known of its text without reading it."""
        unread = self.unread(attachment)
        return attachment if unread == attachment.unread else replace(attachment, unread=unread)

    def extraction_state(self, attachment: Attachment) -> tuple[ExtractionState, Extraction | None]:
        """Whether a search in the text finds this attachment by now, and what is known of its text."""
        # Asked first: the entry is removed only once the outcome is there, except where the machine has to be mended
        # first.
        waiting = self.extracts and self._queue.reads(attachment.id)
        known = self._records.extraction(attachment.id)
        if known is not None and known.reason == "environment":
            return known.state, known
        unread = self.unread(attachment)
        if waiting or (known is None and self.extracts and unread is None):
            return "pending", known
        if known is None and (unread := unread or attachment.unread):
            known = Extraction(attachment.updated, 0, unread)
        # Where nothing is extracted there is nothing to wait for.
        return ("completed" if known is None else known.state), known

    def thumbnail_state(self, attachment: Attachment) -> ThumbnailState:
        """Whether there are thumbnails of this attachment, or will be."""
        # Asked first: the stage is done only after the file is there.
        pending = self.draws and self._queue.draws(attachment.id)
        known = self._records.thumbnail(attachment.id)
        if known is not None and known.pictures:
            return "completed"
        return "pending" if pending else "none"

    def queue_missing(self, *, failed: bool = False, by: Maker | None = None) -> int:
        """Queue every attachment that has text to extract and no outcome yet. Without an outcome, also pictures whose
        text is not recognized here, if they have no thumbnails. `failed`: also those that no reader could read, and
        those with pictures in which no text could be recognized. `by`: as in `outdated_passages`; texts whose
        passages these are, or that have none, are queued for that, where there are embeddings. Returns how many. Reads only
        the records of these."""
        count = 0
        for attachment_id in self._storage.ids():
            with contextlib.suppress(StoreError):
                again = self._storage.size(attachment_id, Artefact.OUTCOME) is not None
                if again and not (failed and self._may_have_more(self._records.extraction(attachment_id))):
                    if self.lacks_passages(attachment_id, by) is not None:
                        self._queue.add(attachment_id, left=("passages",))
                        count += 1
                    continue
                attachment = self._records.attachment(attachment_id)
                left = () if attachment is None else self.stages(attachment)
                if left == ("thumbnail",) and self._storage.size(attachment_id, Artefact.THUMBNAIL) is not None:
                    continue
                if attachment is not None and left:
                    self._queue.add(attachment_id, attachment.tenant, left=left, again=again)
                    count += 1
        return count

    def lacks_passages(self, attachment_id: str, by: Maker | None) -> str | None:
        """Why passages of its text are to be made; None where they are there, or none are to be. `by`: as in
        `outdated_passages`. Raises StorageFailed."""
        if not self.embeds:
            return None
        return outdated_passages(self._storage, attachment_id, self._records.extraction(attachment_id), by)

    def _may_have_more(self, known: Extraction | None) -> bool:
        """Whether other readers may find more text, or recognition that was not available then."""
        return _in_vain(known) or (known is not None and known.recognition == () and self.recognition)

    def recognition_data(self) -> tuple[str, ...]:
        """The data with which text in pictures is recognized now: languages, and `osd`; empty where none is
        installed."""
        return recognition_used(recognition_folder(), self._languages)

    def recognized_otherwise(self, known: Extraction) -> bool:
        """Whether the text in a document's pictures was recognized with other data than would be used now."""
        present = self.recognition_data()
        return bool(present) and known.recognition is not None and set(known.recognition) != set(present)


def _in_vain(known: Extraction | None) -> bool:
    """Whether another reader may find more. (Earlier versions called it completed when nothing was found.)"""
    if known is None or known.reason in NO_READERS_DOING:
        return False
    return known.reason is not None or known.size == 0
