"""The `_source` of an attachment's document, without its text.

It is made of the attachment alone, so that an upload, a repair and a rebuild agree.
"""

from __future__ import annotations

from typing import Any

from app.extraction.record import Extraction
from app.model.attachment import Attachment, written
from app.search.words import name_fields

Json = dict[str, Any]


def source_of(attachment: Attachment) -> Json:
    """The documented eight first and in their order, then what searches need."""
    source: Json = {
        "id": attachment.id,
        "created": written(attachment.created),
        "updated": written(attachment.updated),
        "session": attachment.session,
        "name": attachment.name,
        "icon": attachment.icon,
        "url": attachment.url,
        "size": attachment.size,
        "tenant": attachment.tenant,
        "owner": attachment.owner,
        "dialect": attachment.dialect,
        "media_type": attachment.media_type,
        "sha256": attachment.sha256,
    }
    if attachment.unread is not None:
        source["extraction"] = Extraction(attachment.updated, 0, attachment.unread).to_source()
    return {**source, **name_fields(attachment.name), **attachment.fields}
