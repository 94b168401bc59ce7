"""The store: the order of effects, here and nowhere else. docs/guarantees.md has it crash by crash.

Upload: journal entry -> durable bytes under their final names -> records, durable (the last one is the commit point) ->
documents, searchable -> journal entry away -> acknowledged.

Change of a record: alone for the moment, in which no upload and no delete is under way: journal entry, durable -> records,
durable -> documents, searchable -> queue entries -> journal entry away.

Delete: journal entry, durable -> document out, no search finds it -> record and bytes away, durable -> journal entry
away -> acknowledged.

The files are the truth and the index follows: whatever stops in the middle leaves a journal entry, and `settle` brings
index and files together again. An upload is finished when all of its records are there and undone otherwise; a delete is
always finished, and so is a change.

Rejected: the document first (a crash leaves hits that can't be downloaded), and a transaction log in Elasticsearch (then
downloads would need it).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from app.attachment import Attachment, Unread, now
from app.coordination.contract import Coordination, Entry
from app.document import document_of, extraction_of, inside_of, picture_of, text_of, thumbnail_of
from app.errors import (
    BytesMissing,
    IndexIncomplete,
    IndexOutcomeUnknown,
    IndexRejected,
    IndexUnavailable,
    NotFound,
    StorageFailed,
    StorageFull,
    StoreError,
    TextDamaged,
    ThumbnailDamaged,
    WrongIndex,
)
from app.extraction import thumbnail
from app.extraction.kinds import Way, drawing_of, way_of
from app.extraction.queue import Queue, Stage
from app.extraction.recognition_data import recognition_folder, recognition_installed, recognition_used
from app.extraction.record import NO_READERS_DOING, Extraction
from app.extraction.thumbnail import Thumbnail
from app.ids import is_id
from app.index.attachments import AttachmentIndex
from app.mediatype import detect
from app.monitoring import measures
from app.search.inside import Inside
from app.settings import Settings
from app.storage.contract import Artefact, Content, Staged, Storage, Version
from app.storage.held import HeldContent

log = logging.getLogger(__name__)

#: Attachments that a process keeps in memory, about a kilobyte each.
KNOWN_RECORDS = 2000

ExtractionState = Literal["pending", "completed", "failed"]
#: `none`: nobody draws such a file, or it was tried in vain.
ThumbnailState = Literal["pending", "completed", "none"]

#: Seconds that a refused upload spends on taking back what Elasticsearch did of it.
WITHDRAWAL_SECONDS = 0.8


@dataclass(frozen=True)
class Draft:
    """A file that has arrived and is to become an attachment. `media_type` None: what its content says."""

    id: str
    name: str
    staged: Staged
    tenant: str
    owner: str
    dialect: str
    session: str | None = None
    media_type: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """An attachment with its bytes, opened unless nobody wants to read them; the holder closes it."""

    attachment: Attachment
    content: Content | None

    def close(self) -> None:
        if self.content is not None:
            self.content.close()


class Store:
    """Attachments of all tenants over one storage, one coordination and one index."""

    def __init__(
        self, settings: Settings, storage: Storage, coordination: Coordination, index: AttachmentIndex
    ) -> None:
        self.storage = storage
        self.coordination = coordination
        self.journal = coordination.journal
        self.queue = Queue(coordination.claims)
        #: Whether this store takes text out of new files, and whether out of images too.
        self.extracts = settings.extraction == "on"
        self.recognition = recognition_installed()
        self._languages = settings.recognition_languages
        #: Whether it draws thumbnails of them.
        self.draws = self.extracts and settings.thumbnails == "on"
        #: Records that were read, each as long as it is the one on the disk: any process may delete it at any time.
        self._known = functools.lru_cache(maxsize=KNOWN_RECORDS)(self._present)
        self.index = index
        # An index that was lost is not made anew and empty: searches would silently miss what is acknowledged.
        index.may_create = lambda: not self.holds_attachments()

    # Upload

    def stage(self, chunks: Iterable[bytes], limit: int) -> Staged:
        """Receive one file's bytes; they are no attachment until `upload`, and gone when discarded.

        Raises FileTooLarge past `limit` bytes, StorageFull, StorageFailed, and what `chunks` raise.
        """
        with measures.step("receive"):
            return self.storage.stage(chunks, limit)

    def check_room(self, size: int) -> None:
        """Raises StorageFull when `size` bytes more would leave less than the reserve."""
        if self.storage.room() < size:
            raise StorageFull()

    def room(self) -> int:
        """Bytes that uploads may still use."""
        return max(0, self.storage.room())

    def undecided(self) -> int:
        """How many uploads and deletes have begun and are not settled, those at work among them."""
        return self.journal.count()

    def holds_attachments(self) -> bool:
        """Whether any attachment is there, apart from those whose upload is not decided. Raises StorageFailed."""
        # The id before the journal: an upload's entry is there before its record.
        return any(each not in self.journal.ids("upload") for each in self.storage.ids())

    def check_writable(self) -> None:
        """Raises StorageFull or StorageFailed when an upload could not be stored now."""
        self.storage.stage([], 0).discard()

    def upload(self, drafts: list[Draft]) -> list[Attachment]:
        """Make attachments of `drafts`, all or none; on return they are durable and the next search finds them.

        Raises StorageFull or StorageFailed (nothing stays), IndexUnavailable or IndexRejected (nothing stays, or what
        stays is removed as soon as Elasticsearch answers), IndexOutcomeUnknown (decided later, all or none).
        """
        with contextlib.ExitStack() as stack:
            with self.index.announced():
                moment = now()
                attachments = [
                    self._told(_attachment(draft, moment + timedelta(microseconds=n))) for n, draft in enumerate(drafts)
                ]
                ids = [each.id for each in attachments]
                # One record decides for itself whether its upload is committed; of several, a power cut may keep only some.
                entry = self.journal.begin("upload", ids, durable=len(ids) > 1)
                stack.enter_context(contextlib.closing(entry))
                try:
                    for draft in drafts:
                        draft.staged.keep(draft.id)
                    for attachment in attachments:
                        self.storage.commit(attachment.id, attachment.to_record())
                except BaseException:
                    self._undo(entry)
                    raise
            try:
                self.index.put(attachments)
            except IndexOutcomeUnknown:
                raise
            except IndexIncomplete:
                self._withdraw(entry, attachments)
                raise
            except StoreError:
                self._undo(entry)
                raise
            self._enqueue(attachments)
            entry.settled(durable=len(ids) > 1)
        for attachment in attachments:
            measures.uploaded(attachment.dialect, attachment.size)
        return attachments

    def _undo(self, entry: Entry) -> None:
        """Remove the files of an upload that the index knows nothing of."""
        try:
            for attachment_id in entry.ids:
                self.storage.remove(attachment_id)
        except StoreError:
            log.warning("an upload could not be undone now; it is settled later")
        else:
            entry.settled()

    def _withdraw(self, entry: Entry, attachments: list[Attachment]) -> None:
        """Take back an upload of which the index knows some: from here on it is a delete."""
        try:
            withdrawal = self.journal.begin("delete", entry.ids, durable=True)
        except StoreError:
            log.warning("an upload could not be withdrawn now; it is settled later")
            return
        with contextlib.closing(withdrawal), contextlib.suppress(StoreError):
            entry.settled()
            # The upload took its time already, and what is not withdrawn now is withdrawn by `settle`.
            self._finish_delete(withdrawal, WITHDRAWAL_SECONDS)

    # Read: from the files alone

    def find(self, attachment_id: str, tenant: str) -> Attachment:
        """The attachment under this id. Raises NotFound when there is none, or it is another tenant's."""
        version = self.storage.version(attachment_id) if is_id(attachment_id) else None
        if version is None:
            raise NotFound()
        attachment = self._known(attachment_id, version)
        if attachment.tenant != tenant:
            raise NotFound()
        return attachment

    def _present(self, attachment_id: str, version: Version) -> Attachment:
        """The attachment whose record was seen as `version`; NotFound when it has gone since."""
        attachment = self.attachment(attachment_id)
        if attachment is None:
            raise NotFound()
        return attachment

    def open(self, attachment_id: str, tenant: str, *, read: bool = True) -> Opened:
        """The attachment and its bytes; without `read` it is only made sure that they are there.

        Raises NotFound, or BytesMissing when the record is there without them.
        """
        attachment = self.find(attachment_id, tenant)
        content = self.storage.open(attachment_id) if read else None
        size = self.storage.size(attachment_id) if content is None else content.size
        opened = Opened(attachment, content)
        if size is None or (read and content is None):
            # Either deleted just now, which is no damage, or damaged.
            self.find(attachment_id, tenant)
            raise BytesMissing()
        if size != attachment.size:
            opened.close()
            raise BytesMissing()
        return opened

    # Delete

    def delete(self, attachment_id: str, tenant: str) -> Attachment:
        """Remove an attachment; on return no search finds it and its bytes are gone. Returns what it was.

        Raises NotFound; IndexUnavailable or IndexRejected (nothing changed); IndexOutcomeUnknown (decided later);
        StorageFailed (it is no longer found, and the rest is done later).
        """
        attachment = self.find(attachment_id, tenant)
        with contextlib.closing(self.journal.begin("delete", [attachment_id], durable=True)) as entry:
            try:
                self._finish_delete(entry)
            except IndexOutcomeUnknown:
                raise
            except (IndexUnavailable, IndexRejected, WrongIndex):
                # Certainly refused, so nothing has changed yet. (A failing disk comes after the index: no way back.)
                entry.settled()
                raise
        measures.deleted()
        return attachment

    def _finish_delete(self, entry: Entry, seconds: float | None = None) -> None:
        self.index.remove(entry.ids, seconds=seconds)
        for attachment_id in entry.ids:
            self.storage.remove(attachment_id)
        entry.settled()

    # Change

    def retype(self, wanted: Mapping[str, str]) -> list[Attachment]:
        """Give attachments, by their ids, other media types; those that were changed. On return that is durable, the next
        search says so, and their texts are to be taken out anew. What is gone by now, or about to be, is left out.

        Raises StorageFull or StorageFailed, IndexUnavailable, IndexRejected or IndexOutcomeUnknown: then some may be
        changed, and what is left to do for these is done by `settle`.
        """
        with self.coordination.change_lock.exclusive():
            going = self.journal.ids("delete")
            changed = [
                each
                for attachment_id, media_type in wanted.items()
                if attachment_id not in going and (each := self._retyped(attachment_id, media_type)) is not None
            ]
            if not changed:
                return []
            entry = self.journal.begin("change", [each.id for each in changed], durable=True, alone=True)
            try:
                for each in changed:
                    self.storage.commit(each.id, each.to_record())
            except BaseException:
                entry.close()
                raise
        with contextlib.closing(entry), contextlib.closing(self.coordination.change_lock.shared()):
            self._finish_change(entry)
        return changed

    def _retyped(self, attachment_id: str, media_type: str) -> Attachment | None:
        attachment = self.attachment(attachment_id)
        if attachment is None or attachment.media_type == media_type:
            return None
        known = self.extraction(attachment_id)
        # Later than all that was written of it, whatever the clock says: its time is the document's version.
        last = max(attachment.updated, known.at if known is not None else attachment.updated)
        moment = max(now(), last + timedelta(microseconds=1))
        return self._told(replace(attachment, media_type=media_type, updated=moment))

    def _finish_change(self, entry: Entry) -> None:
        found = [self.attachment(attachment_id) for attachment_id in entry.ids]
        attachments = [each for each in found if each is not None]
        self.index.put_documents(document_of(self.storage, each) for each in attachments)
        for each in attachments if self.extracts else ():
            if left := self.stages_anew(each):
                self.queue.add(each.id, each.tenant, left=left, again=True)
        entry.settled()

    # Settle

    def settle(self) -> int:
        """Decide what the journal holds and nobody works on; returns how many entries were decided.

        Raises IndexUnavailable when Elasticsearch can't be asked: the rest stays for the next time.
        """
        decided = 0
        for entry in self.journal.abandoned():
            with contextlib.closing(entry):
                try:
                    if entry.kind == "delete":
                        self._finish_delete(entry)
                    elif entry.kind == "change":
                        self._finish_change(entry)
                    else:
                        self._finish_upload(entry)
                except (StoreError, ValueError) as error:
                    if isinstance(error, IndexUnavailable) and not isinstance(error, IndexIncomplete):
                        raise
                    # One that can't be decided (a damaged record, a refused document) must not keep the others from it.
                    log.error("journal entry %s is still undecided: %s", entry.name, error)
                else:
                    decided += 1
        return decided

    def _finish_upload(self, entry: Entry) -> None:
        records = [self.storage.record(attachment_id) for attachment_id in entry.ids]
        if all(record is not None for record in records):
            attachments = [Attachment.from_record(record) for record in records if record is not None]
            # With the text, should it be there already: the document must not lose what a search found.
            self.index.put_documents(document_of(self.storage, each) for each in attachments)
            self._enqueue(attachments)
            entry.settled(durable=len(records) > 1)
        else:
            self._finish_delete(entry)

    # Text: taken out of the bytes by app/extraction, after the upload

    def _enqueue(self, attachments: list[Attachment]) -> None:
        """Have their text extracted; an upload neither waits for it nor fails with it."""
        for attachment in attachments:
            left = self.stages(attachment) if self.extracts else ()
            if not left:
                # Known already, and said in its record.
                continue
            try:
                self.queue.add(attachment.id, attachment.tenant, left=left)
            except StoreError:
                log.warning("%s is not in the queue for extraction; it is found at the next start", attachment.id)
                with contextlib.suppress(StoreError):
                    self.queue.forget_scan()

    def way(self, attachment: Attachment) -> Way | None:
        """How the text of this attachment is taken out; None when nobody reads such a file, or nothing is in it."""
        if attachment.size == 0:
            return None
        return way_of(attachment.media_type, attachment.icon, recognition=self.recognition)

    def drawing(self, attachment: Attachment) -> Way | None:
        """How thumbnails of this attachment are drawn; None when there are none of such a file, or nobody draws here."""
        return drawing_of(attachment.media_type, attachment.icon) if self.draws and attachment.size else None

    def stages(self, attachment: Attachment) -> tuple[Stage, ...]:
        """What is to be done with this attachment after its upload, in this order."""
        way = self.way(attachment)
        is_picture = way is not None and way.kind == "image"
        stages: dict[Stage, bool] = {
            "text": way is not None and not is_picture,
            "thumbnail": self.drawing(attachment) is not None,
            "recognition": is_picture,
        }
        return tuple(stage for stage, wanted in stages.items() if wanted)

    def stages_anew(self, attachment: Attachment) -> tuple[Stage, ...]:
        """The same of one that may have been something else before: also what has to go that was read or drawn of it."""
        left = self.stages(attachment)
        if not {"text", "recognition"} & set(left) and self.storage.size(attachment.id, Artefact.OUTCOME) is not None:
            left = ("text", *left)
        if "thumbnail" not in left and self.storage.size(attachment.id, Artefact.THUMBNAIL) is not None:
            left = (*left, "thumbnail")
        return left

    def unread(self, attachment: Attachment) -> Unread | None:
        """Why nobody reads the text of this attachment; None when somebody does, or when nothing is read at all."""
        if not self.extracts or self.way(attachment) is not None:
            return None
        return "unsupported" if attachment.size else "empty"

    def _told(self, attachment: Attachment) -> Attachment:
        """The attachment, with what is known of its text without reading it."""
        unread = self.unread(attachment)
        return attachment if unread == attachment.unread else replace(attachment, unread=unread)

    def attachment(self, attachment_id: str) -> Attachment | None:
        """The attachment under this id, whosever it is; None when there is none. Raises StorageFailed."""
        record = self.storage.record(attachment_id)
        try:
            return None if record is None else Attachment.from_record(record)
        except ValueError as error:
            raise StorageFailed("The record of this attachment is damaged") from error

    def extraction(self, attachment_id: str) -> Extraction | None:
        """How the extraction ended; None while it has not, or what is known of it is damaged. Raises StorageFailed."""
        try:
            return extraction_of(self.storage, attachment_id)
        except ValueError:
            log.error("damaged extraction: %s", attachment_id)
            return None

    def extraction_state(self, attachment: Attachment) -> tuple[ExtractionState, Extraction | None]:
        """Whether a search in the text finds this attachment by now, and what is known of its text."""
        # Asked first: the entry goes only after the outcome is there, but where the machine has to be put right first.
        waiting = self.extracts and self.queue.reads(attachment.id)
        known = self.extraction(attachment.id)
        if known is not None and known.reason == "environment":
            return known.state, known
        unread = self.unread(attachment)
        if waiting or (known is None and self.extracts and unread is None):
            return "pending", known
        if known is None and (unread := unread or attachment.unread):
            known = Extraction(attachment.updated, 0, unread)
        # Where nothing is extracted there is nothing to wait for.
        return ("completed" if known is None else known.state), known

    def open_text(self, attachment_id: str, tenant: str) -> Opened:
        """The text that was taken out of the attachment, as a file of its own: a plain text in UTF-8 with the name of the
        attachment and `.txt`, its digest, and the time when it was taken out. It is the text that its digest says.

        Raises NotFound when there is none (yet), TextDamaged, StorageFailed.
        """
        attachment = self.find(attachment_id, tenant)
        # Asked first: the entry goes only after text and outcome are there, which change one after the other.
        changing = self.queue.reads(attachment.id)
        known = self.kept(attachment)
        try:
            content = text_of(self.storage, attachment.id, known)
        except ValueError as error:
            if changing or self.queue.reads(attachment.id):
                raise NotFound() from None
            # Either deleted just now, which is no damage, or damaged.
            self.find(attachment_id, tenant)
            raise TextDamaged() from error
        name = attachment.name if attachment.icon == "txt" else f"{attachment.name}.txt"
        text = replace(
            attachment,
            name=name,
            media_type="text/plain",
            size=known.size,
            sha256=known.sha256 or hashlib.sha256(content).hexdigest(),
            created=known.at,
            updated=known.at,
        )
        return Opened(text, HeldContent(content))

    def kept(self, attachment: Attachment) -> Extraction:
        """What is known of the text that was taken out. Raises NotFound when there is no text (yet), StorageFailed."""
        known = self.extraction(attachment.id)
        if known is None or not known.size:
            raise NotFound()
        return known

    def inside(self, attachment_id: str, tenant: str) -> Inside | None:
        """The files inside of an attachment, for whoever was answered that a search found it; None where there are none, or
        nothing is known of them (any more). What the disk does not say is left out of an answer, which stays one."""
        try:
            return inside_of(self.storage, self.find(attachment_id, tenant).id)
        except NotFound:
            return None
        except (StorageFailed, ValueError):
            log.error("what is known of the text of %s can't be read", attachment_id)
            return None

    # Thumbnails: drawn by app/extraction, after the text

    def thumbnail(self, attachment_id: str) -> Thumbnail | None:
        """How drawing ended; None while it has not, or what is known of it is damaged. Raises StorageFailed."""
        try:
            return thumbnail_of(self.storage, attachment_id)
        except ValueError:
            log.error("damaged thumbnail: %s", attachment_id)
            return None

    def thumbnail_state(self, attachment: Attachment) -> ThumbnailState:
        """Whether there are thumbnails of this attachment, or will be."""
        # Asked first: the stage is done only after the file is there.
        pending = self.draws and self.queue.draws(attachment.id)
        known = self.thumbnail(attachment.id)
        if known is not None and known.pictures:
            return "completed"
        return "pending" if pending else "none"

    def open_thumbnail(self, attachment_id: str, tenant: str, size: int) -> Opened:
        """The thumbnail of this size, as a file of its own: a picture with the name of the attachment and `.webp`, its
        digest, and the time when it was drawn. It is the one that its digest says.

        Raises NotFound when there is none (yet), ThumbnailDamaged, StorageFailed.
        """
        attachment = self.find(attachment_id, tenant)
        try:
            found = picture_of(self.storage, attachment.id, size)
        except ValueError as error:
            if self.queue.draws(attachment.id):
                # It is drawn anew.
                raise NotFound() from None
            # Either deleted just now, which is no damage, or damaged.
            self.find(attachment_id, tenant)
            raise ThumbnailDamaged() from error
        if found is None:
            raise NotFound()
        known, picture, content = found
        drawn = replace(
            attachment,
            name=f"{attachment.name}.webp",
            media_type=thumbnail.MEDIA_TYPE,
            size=picture.length,
            sha256=picture.sha256,
            created=known.at,
            updated=known.at,
        )
        return Opened(drawn, HeldContent(content))

    def queue_missing(self, *, failed: bool = False) -> int:
        """Queue every attachment that has text to take out and no outcome yet, and with `failed` what readers made nothing
        of, or what has pictures in which nobody could recognize text; of those without an outcome also pictures that have no
        thumbnails and of which nobody recognizes the text. How many. Reads only those records."""
        count = 0
        for attachment_id in self.storage.ids():
            with contextlib.suppress(StoreError):
                again = self.storage.size(attachment_id, Artefact.OUTCOME) is not None
                if again and not (failed and self._may_have_more(self.extraction(attachment_id))):
                    continue
                attachment = self.attachment(attachment_id)
                left = () if attachment is None else self.stages(attachment)
                if left == ("thumbnail",) and self.storage.size(attachment_id, Artefact.THUMBNAIL) is not None:
                    continue
                if attachment is not None and left:
                    self.queue.add(attachment_id, attachment.tenant, left=left, again=again)
                    count += 1
        return count

    def _may_have_more(self, known: Extraction | None) -> bool:
        """Whether other readers may find more, or recognition that was not there."""
        return _in_vain(known) or (known is not None and known.recognition == () and self.recognition)

    def recognition_data(self) -> tuple[str, ...]:
        """The data by which text in pictures is recognized now: languages, and `osd`; empty where none is installed."""
        return recognition_used(recognition_folder(), self._languages)

    def recognized_otherwise(self, known: Extraction) -> bool:
        """Whether the text in the pictures of a document was recognized by other data than it would be now."""
        present = self.recognition_data()
        return bool(present) and known.recognition is not None and set(known.recognition) != set(present)

    def sweep(self, grace: float) -> list[str]:
        """Remove temporary files older than `grace` seconds that nobody holds; returns their names."""
        return self.storage.sweep(grace)

    def attachments(self) -> Iterator[Attachment]:
        """All attachments of all tenants, in no order; a damaged record is passed over with a line in the log."""
        for attachment_id in self.storage.ids():
            try:
                record = self.storage.record(attachment_id)
                if record is not None:
                    yield Attachment.from_record(record)
            except (StoreError, ValueError):
                log.error("damaged record: %s", attachment_id)


def _in_vain(known: Extraction | None) -> bool:
    """Whether another reader may find more. (Earlier versions called it completed when nothing was found.)"""
    if known is None or known.reason in NO_READERS_DOING:
        return False
    return known.reason is not None or known.size == 0


def _media_type(draft: Draft) -> str:
    return draft.media_type or detect(draft.staged, draft.name)


def _attachment(draft: Draft, moment: datetime) -> Attachment:
    measured = draft.staged.measured
    return Attachment(
        id=draft.id,
        created=moment,
        updated=moment,
        name=draft.name,
        size=measured.size,
        sha256=measured.sha256,
        media_type=_media_type(draft),
        tenant=draft.tenant,
        owner=draft.owner,
        dialect=draft.dialect,
        session=draft.session,
        fields=draft.fields,
    )
