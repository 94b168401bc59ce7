"""The document of an attachment in the index. It is made from the files alone, so an upload, a repair and a rebuild
make the same one."""

from __future__ import annotations

import functools
import hashlib
import logging
from contextlib import closing
from typing import Any

from app import processing
from app.errors import StorageFailed
from app.extraction import parts
from app.extraction.record import Extraction
from app.extraction.thumbnail import MOST_HEAD, Picture, Thumbnail
from app.index.documents import Write
from app.index.source import EXTRACTION, source_of
from app.model.attachment import Attachment, microseconds
from app.model.schema import FIELDS
from app.passages.cutting import CUTTER
from app.passages.keeping import MOST_HEADER, Kept, decoded, made
from app.search.analysis import content_fields, name_fields
from app.search.inside import MOST_BYTES, Inside
from app.services import passages
from app.storage.contract import Artefact, Content, Storage, outcome_in

#: The fields of the text itself. They are not part of the `_source` that Elasticsearch keeps.
TEXT_FIELDS = tuple(each.name for each in FIELDS if each.origin == "text")
#: Fields that are made from name, text and passages again for every version of the mapping, so they are never lost.
DERIVED_FIELDS = tuple(each.name for each in FIELDS if each.origin in ("text", "name", "passages"))
#: Fields by which Elasticsearch may refuse a document that it accepts without them.
HEAVY_FIELDS = (*TEXT_FIELDS, *(each.name for each in FIELDS if each.origin == "passages"))

#: The cost of looking at the outcome of an extraction, for each of its parts.
_STEPS_A_PART = 3

log = logging.getLogger(__name__)


def extraction_of(storage: Storage, attachment_id: str) -> Extraction | None:
    """What is known of the attachment's text; None when no text was extracted. Raises ValueError for a damaged file,
    StorageFailed."""
    record = storage.outcome(attachment_id)
    return None if record is None else Extraction.from_record(record)


def text_of(storage: Storage, attachment_id: str, extraction: Extraction) -> bytes:
    """The stored text, in UTF-8. Raises ValueError when it is not the one that was extracted, StorageFailed."""
    content = (storage.read(attachment_id, Artefact.TEXT) if extraction.size else b"") or b""
    if len(content) != extraction.size:
        raise ValueError(f"{len(content)} bytes instead of {extraction.size}")
    if extraction.sha256 is not None and hashlib.sha256(content).hexdigest() != extraction.sha256:
        raise ValueError("another digest")
    return content


def inside_of(storage: Storage, attachment_id: str) -> Inside | None:
    """The files inside an attachment; None where its text has none, or was not extracted. Raises ValueError for a
    damaged outcome of the extraction, StorageFailed."""
    outcome = storage.read(attachment_id, Artefact.OUTCOME)
    # Decided before the outcome is decoded: most have no files inside.
    if outcome is None or b'"file"' not in outcome:
        return None
    record = outcome_in(outcome)
    try:
        size, told = record["size"], record["parts"] or ()
        processing.spend(_STEPS_A_PART * len(told))
        files = parts.files_of(told)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an extraction: {error!r}") from None
    return Inside(files, functools.partial(_beginning, storage, attachment_id, size)) if files else None


def _beginning(storage: Storage, attachment_id: str, size: int) -> bytes:
    """The beginning of a text of `size` bytes; empty where the text is another one by now, or can't be read."""
    try:
        content = storage.open(attachment_id, Artefact.TEXT)
        if content is None:
            return b""
        with closing(content):
            return content.read(0, MOST_BYTES) if content.size == size else b""
    except StorageFailed:
        log.error("the text of %s can't be read", attachment_id)
        return b""


def thumbnail_of(storage: Storage, attachment_id: str) -> Thumbnail | None:
    """What is known of the attachment's thumbnails; None when nobody drew them. Raises ValueError for a damaged file,
    StorageFailed."""
    content = storage.open(attachment_id, Artefact.THUMBNAIL)
    if content is None:
        return None
    with closing(content):
        return _thumbnail_in(content)[0]


def picture_of(storage: Storage, attachment_id: str, size: int) -> tuple[Thumbnail, Picture, bytes] | None:
    """The thumbnail of this size, with what is known of it; None when there is none. Raises ValueError when it is not the
    one that was drawn, StorageFailed."""
    content = storage.open(attachment_id, Artefact.THUMBNAIL)
    if content is None:
        return None
    # Read from one open file: another one may take its place at any time.
    with closing(content):
        known, begin = _thumbnail_in(content)
        for each in known.pictures:
            if each.size == size:
                return known, each, _picture_in(content, begin, each)
            begin += each.length
    return None


def check_thumbnail(storage: Storage, attachment_id: str, read_data: bool) -> None:
    """Raises ValueError when the stored thumbnails are not those that were drawn, StorageFailed. Digests are compared
    only with `read_data`."""
    content = storage.open(attachment_id, Artefact.THUMBNAIL)
    if content is None:
        return
    with closing(content):
        known, begin = _thumbnail_in(content)
        size, wanted = content.size, begin + sum(each.length for each in known.pictures)
        if size != wanted:
            raise ValueError(f"{size} bytes instead of {wanted}")
        for each in known.pictures if read_data else ():
            _picture_in(content, begin, each)
            begin += each.length


def _thumbnail_in(content: Content) -> tuple[Thumbnail, int]:
    """The head of the artefact, and where the first picture begins."""
    return Thumbnail.from_head(content.read(0, MOST_HEAD))


def _picture_in(content: Content, begin: int, picture: Picture) -> bytes:
    found = content.read(begin, begin + picture.length)
    if hashlib.sha256(found).hexdigest() != picture.sha256:
        raise ValueError(f"another digest of the one with {picture.size} pixels")
    return found


def check_text(storage: Storage, attachment_id: str, extraction: Extraction, read_data: bool) -> None:
    """Raises ValueError when the stored text is not the one that was extracted, or its pages can't begin where the
    outcome says; StorageFailed. The digest of the text and where its characters begin are checked only with
    `read_data`."""
    known = extraction.parts or ()
    if known and known[-1].at > extraction.size:
        raise ValueError("a part begins behind the end of the text")
    if read_data:
        parts.check(known, text_of(storage, attachment_id, extraction))
    elif extraction.size:
        size = storage.size(attachment_id, Artefact.TEXT) or 0
        if size != extraction.size:
            raise ValueError(f"{size} bytes instead of {extraction.size}")


def kept_passages(storage: Storage, attachment_id: str) -> Kept | None:
    """The passages that are kept of an attachment, of whichever text; None when there are none. Raises ValueError for a
    damaged file, StorageFailed."""
    content = storage.read(attachment_id, Artefact.PASSAGES)
    return None if content is None else decoded(content)


def passages_of(storage: Storage, attachment_id: str, extraction: Extraction) -> Kept | None:
    """The passages of this text; None when there are none, when they are another text's, or damaged. Raises
    StorageFailed."""
    if not extraction.size:
        return None
    try:
        kept = kept_passages(storage, attachment_id)
    except ValueError as error:
        # The words must still be found; `scripts/store verify` says what to do.
        log.error("damaged passages of %s: %s", attachment_id, error)
        return None
    return kept if kept is not None and kept.text == extraction.sha256 else None


def outdated_passages(
    storage: Storage, attachment_id: str, extraction: Extraction | None, by: passages.Maker | None
) -> str | None:
    """Why the passages of this text have to be made again; None where they have not, or it has none. `by`: the model that
    makes vectors now; None: whichever it is. Reads
    the head of the passages alone. Raises StorageFailed."""
    if extraction is None or not extraction.size or extraction.sha256 is None:
        return None
    content = storage.open(attachment_id, Artefact.PASSAGES)
    if content is None:
        return "there are none"
    with closing(content):
        beginning = content.read(0, min(MOST_HEADER, content.size))
    try:
        found = made(beginning)
    except ValueError as error:
        return str(error)
    if found.text != extraction.sha256:
        return "of another text"
    if found.cutter != CUTTER:
        return f"cut by version {found.cutter}, which is {CUTTER} now"
    if by is not None and (found.model, found.version, by[2] and found.dimensions) != by:
        return f"made by another model: {passages.label(found.model, found.version)}"
    return None


def visible_source(attachment: Attachment, extraction: Extraction | None, kept: Kept | None = None) -> dict[str, Any]:
    """The document without the text itself and the vectors, as a check compares it; `extraction` has the digest of the
    text. `kept`: the passages that are there, of whichever text."""
    source = source_of(attachment)
    if extraction is not None:
        source[EXTRACTION] = extraction.to_source()
        if kept is not None and extraction.size and kept.text == extraction.sha256:
            source |= passages.model_of(kept)
    return source


def carried_over(storage: Storage, source: dict[str, Any]) -> dict[str, Any]:
    """The document for another version of the mapping, made from `source`, the present `_source`. All derived fields
    are made again from its name and the text in the files; where that text is damaged, there is none. Raises
    StorageFailed."""
    kept = {key: value for key, value in source.items() if key not in DERIVED_FIELDS}
    found = {**kept, **name_fields(source["name"])}
    if source.get(EXTRACTION, {}).get("size"):
        try:
            extraction = extraction_of(storage, source["id"])
            if extraction is not None:
                text = text_of(storage, source["id"], extraction).decode()
                found |= content_fields(text, extraction.language)
                if (cut := passages_of(storage, source["id"], extraction)) is not None:
                    found |= passages.fields_of(cut)
        except ValueError as error:
            log.error("damaged text of %s: %s", source["id"], error)
    return found


def document_of(storage: Storage, attachment: Attachment, extracted: bool = True) -> Write:
    """The document, with the text if it was extracted and is not damaged. Raises StorageFailed.

    `extracted`: False when it is known that there is no outcome of an extraction.

    When there is an outcome of an extraction, the document's version is the time of that outcome. So the upload's own
    write, if it arrives late, does not remove the text again. With passages it is one more, so that a late write of the
    text does not remove them either. The version of a removal is higher than all.
    """
    version = attachment.version + 1
    try:
        extraction = extraction_of(storage, attachment.id) if extracted else None
        if extraction is None:
            return Write(attachment.id, attachment.version, source_of(attachment))
        version = max(version, microseconds(extraction.at))
        source = visible_source(attachment, extraction)
        if extraction.size:
            text = text_of(storage, attachment.id, extraction).decode()
            source |= content_fields(text, extraction.language)
            if (kept := passages_of(storage, attachment.id, extraction)) is not None:
                source |= passages.fields_of(kept)
                version += 1
    except ValueError as error:
        # The name and everything else must still be found; `scripts/store verify` says what to do.
        log.error("damaged text of %s: %s", attachment.id, error)
        source = source_of(attachment)
    return Write(attachment.id, version, source)
