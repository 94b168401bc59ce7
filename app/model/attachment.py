"""The Attachment: what the store knows about one file, as a value, and its record (the JSON file beside the bytes, the
truth).

`app.index.source` makes its document in Elasticsearch from it, and so from the record alone: a rebuild makes the same
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from app.model.schema import DIALECT_FIELDS

#: The longest session, in characters; it is a keyword in the index.
MAX_SESSION = 512

#: Version of the record's form; docs/format.md says what each version holds.
RECORD_FORMAT = 1

Json = dict[str, Any]
#: Why the text of an attachment is not read, as far as that was known when its record was written.
Unread = Literal["unsupported", "empty"]


def extension(name: str) -> str:
    """The lower-case extension of a file name without its dot; empty when it has none."""
    stem, dot, suffix = name.rpartition(".")
    return suffix.lower() if dot and stem else ""


def now() -> datetime:
    """The present time, in UTC."""
    return datetime.now(UTC)


def microseconds(moment: datetime) -> int:
    """`moment` as a version of a document: microseconds since 1970."""
    return int(moment.timestamp() * 1_000_000)


def written(moment: datetime) -> str:
    """`moment` as records and documents contain it: ISO 8601, to the microsecond."""
    return moment.isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Attachment:
    """One attachment. Times are aware and in UTC, `size` is bytes, `sha256` is lower-case hex."""

    id: str
    created: datetime
    updated: datetime
    name: str
    size: int
    sha256: str
    media_type: str
    tenant: str
    owner: str
    dialect: str
    session: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    #: None: the text is read, or it is not known (earlier versions, and where extraction is off).
    unread: Unread | None = None

    def __post_init__(self) -> None:
        unknown = set(self.fields) - set(DIALECT_FIELDS)
        if unknown:
            raise ValueError(f"unknown dialect fields: {sorted(unknown)}")

    @property
    def icon(self) -> str:
        return extension(self.name)

    @property
    def url(self) -> str:
        return f"/attachment/{self.id}"

    @property
    def version(self) -> int:
        """The document's external version in Elasticsearch: microseconds since 1970.

        Every later write or delete of the same id has a higher one, so a write that arrives late has no effect.
        """
        return microseconds(self.updated)

    def to_record(self) -> Json:
        """The record's content."""
        return {
            "format": RECORD_FORMAT,
            "id": self.id,
            "name": self.name,
            "session": self.session,
            "tenant": self.tenant,
            "owner": self.owner,
            "dialect": self.dialect,
            "created": written(self.created),
            "updated": written(self.updated),
            "media_type": self.media_type,
            "size": self.size,
            "sha256": self.sha256,
            "fields": dict(self.fields),
            **({} if self.unread is None else {"unread": self.unread}),
        }

    @classmethod
    def from_record(cls, record: Json) -> Attachment:
        """The attachment of a record. Raises ValueError when it does not have a known format."""
        try:
            if record["format"] != RECORD_FORMAT:
                raise ValueError(f"record format {record['format']!r} is not known to this version")
            return cls(
                id=record["id"],
                name=record["name"],
                session=record["session"],
                tenant=record["tenant"],
                owner=record["owner"],
                dialect=record["dialect"],
                created=datetime.fromisoformat(record["created"]),
                updated=datetime.fromisoformat(record["updated"]),
                media_type=record["media_type"],
                size=record["size"],
                sha256=record["sha256"],
                fields=record["fields"],
                unread=record.get("unread"),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a record: {error!r}") from None
