"""The `_source` of an attachment's document, without its text.

It is made from the attachment alone, so that an upload, a repair and a rebuild agree. The table of fields says which of
the attachment's attributes it has; `app.search.words` makes the fields that are derived from the name.
"""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any

from app.extraction.record import Extraction
from app.model.attachment import Attachment, written
from app.model.schema import FIELDS, existing
from app.search.analysis import name_fields

Json = dict[str, Any]

_ATTRIBUTES = [(each.name, attrgetter(each.name)) for each in FIELDS if each.origin == "attachment"]
(EXTRACTION,) = existing("extraction")


def source_of(attachment: Attachment) -> Json:
    """The eight documented fields first and in their order, then those that searches need."""
    source = {name: _json(value(attachment)) for name, value in _ATTRIBUTES}
    if attachment.unread is not None:
        source[EXTRACTION] = Extraction(attachment.updated, 0, attachment.unread).to_source()
    return {**source, **name_fields(attachment.name), **attachment.fields}


def _json(value: Any) -> Any:
    return written(value) if isinstance(value, datetime) else value
