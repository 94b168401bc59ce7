"""The outcome of the extraction of one attachment, as a value; its file is `<id>.extraction`, beside the bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from app.extraction import parts
from app.extraction.parts import Part

#: Format 1 did not say where the pages begin.
EXTRACTION_FORMAT = 2
_FORMATS = (1, 2)

#: Why there is no text. `timeout`, `memory` and `crashed` are final after several tries. `environment`: this machine
#: could not read it (a library is missing, no space, no permission), and it is tried again. `unsupported`: no reader
#: reads such a file. `empty`: there is nothing but blanks. The others stay until there are other readers. `unreadable`:
#: the word of earlier versions for `damaged`, `encrypted` and `unsupported`.
Reason = Literal[
    "timeout",
    "memory",
    "crashed",
    "interrupted",
    "damaged",
    "encrypted",
    "unsupported",
    "empty",
    "unreadable",
    "too-large",
    "missing-bytes",
    "environment",
]

#: Reasons that other readers would not change.
NO_READERS_DOING: frozenset[Reason] = frozenset({"too-large", "missing-bytes", "environment"})

Json = dict[str, Any]

_LANGUAGE = re.compile("([a-z]{2,3})?")


@dataclass(frozen=True)
class Extraction:
    """The outcome. `reason` None: completed. `size`: bytes of the kept text, which is the indexed text; `cut`: whether there
    was more; `characters`: of the whole text, None when only its beginning was read; `sha256`: of the kept text; `parts`:
    where its pages, and the files inside the document, begin; None when an earlier version extracted the text.
    `recognition`: the data by which text in its pictures was recognized, empty when none was installed; None when it has no
    pictures, or when they were not noted. `language`: the ISO 639 code of the
    language of the text, '' when it can't be told; None when an earlier version extracted the text."""

    at: datetime
    attempts: int
    reason: Reason | None = None
    detail: str = ""
    size: int = 0
    sha256: str | None = None
    characters: int | None = None
    cut: bool = False
    parts: tuple[Part, ...] | None = ()
    recognition: tuple[str, ...] | None = None
    language: str | None = None

    @property
    def state(self) -> Literal["completed", "failed"]:
        return "completed" if self.reason is None else "failed"

    @property
    def written_earlier(self) -> bool:
        """Whether an earlier version extracted the text, and noted less of it."""
        return self.parts is None or (self.reason is None and self.language is None)

    def to_record(self) -> Json:
        """The content of the file."""
        return {
            "format": EXTRACTION_FORMAT,
            "state": self.state,
            "reason": self.reason,
            "detail": self.detail,
            "attempts": self.attempts,
            "at": self.at.isoformat(timespec="microseconds"),
            "size": self.size,
            "sha256": self.sha256,
            "characters": self.characters,
            "cut": self.cut,
            "parts": None if self.parts is None else [each.to_record() for each in self.parts],
            "recognition": None if self.recognition is None else list(self.recognition),
            "language": self.language,
        }

    @classmethod
    def from_record(cls, record: Json) -> Extraction:
        """The outcome in the content of a file. Raises ValueError when it does not have a known format."""
        try:
            if record["format"] not in _FORMATS:
                raise ValueError(f"extraction format {record['format']!r} is not known to this version")
            if record["reason"] not in (None, *get_args(Reason)):
                raise ValueError("unknown reason")
            return cls(
                at=datetime.fromisoformat(record["at"]),
                attempts=record["attempts"],
                reason=record["reason"],
                detail=record["detail"],
                size=record["size"],
                sha256=record["sha256"],
                characters=record["characters"],
                cut=record["cut"],
                parts=None if record.get("parts") is None else parts.from_records(record["parts"]),
                recognition=_names(record.get("recognition")),
                language=language_in(record.get("language")),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an extraction: {error!r}") from None

    def to_source(self) -> Json:
        """Its fields in the index's document. With the digest a check can see whether the document has this text."""
        source: Json = {"state": self.state, "size": self.size, "cut": self.cut}
        if self.reason is not None:
            source["reason"] = self.reason
        if self.sha256 is not None:
            source["sha256"] = self.sha256
        return source


def language_in(told: Any) -> str | None:
    """The code of a language that somebody tells, or '', if it may be one."""
    return told if isinstance(told, str) and _LANGUAGE.fullmatch(told) else None


def _names(told: Any) -> tuple[str, ...] | None:
    if told is None:
        return None
    if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
        raise ValueError("no names of data")
    return tuple(told)
