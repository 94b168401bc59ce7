"""The Chat: which files belong together, as a value, and its document in Elasticsearch, where alone it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.model.attachment import written

Json = dict[str, Any]


@dataclass(frozen=True)
class Chat:
    """One chat. Times are aware and in UTC; `files` are ids of attachments; `workspace` is a relative path or None."""

    id: str
    tenant: str
    owner: str
    organization: str | None
    created: datetime
    updated: datetime
    archived: bool
    title: str
    workspace: str | None
    content: tuple[Mapping[str, str], ...]
    files: tuple[str, ...]

    def to_source(self) -> Json:
        """The document's `_source`."""
        return {
            **self.__dict__,
            "created": written(self.created),
            "updated": written(self.updated),
            "content": [dict(part) for part in self.content],
            "files": list(self.files),
        }

    @classmethod
    def from_source(cls, source: Json) -> Chat:
        """The chat of a document."""
        return cls(
            **{
                **source,
                "created": datetime.fromisoformat(source["created"]),
                "updated": datetime.fromisoformat(source["updated"]),
                "content": tuple(source["content"]),
                "files": tuple(source["files"]),
            }
        )
