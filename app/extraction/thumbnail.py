"""The thumbnails of one attachment, as a value and as the one file that has them: `<id>.thumbnail`, beside the bytes.

The file is a line of JSON, followed by the pictures in the order in which the line lists them. It exists once drawing has
ended, even when nothing could be drawn: then it says why, and drawing is not tried again.

One file has all sizes and the outcome: there is no order of several writes, no file that could be left behind, and one
rename and one removal for each attachment. Rejected: a file for each size (three files to keep consistent, and one more
for the outcome), and the outcome within `<id>.extraction` (a picture has no such file where text is not recognized).

The process that draws is not trusted. Each picture must be a WebP of the simplest form (RFC 9649, 2.5): one lossy
frame, no metadata, no profile, no animation, as large as its frame says and within its size. Its first thirty bytes say
that; it is not decoded here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from app.extraction.readers.reader import Inner
from app.extraction.record import Reason

THUMBNAIL_FORMAT = 1
MEDIA_TYPE = "image/webp"
#: The longest side of each, in pixels: that of a row in a list, and of a preview.
SIZES = (160, 640)
#: The most bytes of one. Pure noise takes half of that.
MOST_BYTES = 1024 * 1024
#: The most bytes of the line in the file.
MOST_HEAD = 4096
#: The most characters of a detail that are kept.
_DETAIL = 300

# The container, its only chunk, and the frame: tag, start code of a key frame, width and height with bits of scaling.
_WEBP = struct.Struct("<4sI4s4sI3s3sHH")
_KEY_FRAME, _SIDE = b"\x9d\x01\x2a", 0x3FFF

Json = dict[str, Any]


def dimensions(content: bytes) -> tuple[int, int]:
    """Width and height of a picture in the stored form. Raises ValueError for any other form."""
    if not _WEBP.size < len(content) <= MOST_BYTES:
        raise ValueError(f"{len(content)} bytes are no thumbnail")
    riff, whole, webp, chunk, size, tag, mark, width, height = _WEBP.unpack_from(content)
    if (riff, webp, chunk, mark) != (b"RIFF", b"WEBP", b"VP8 ", _KEY_FRAME) or tag[0] & 1:
        raise ValueError("not a lossy WebP of one frame")
    if whole != len(content) - 8 or size + size % 2 != len(content) - 20:
        raise ValueError("more or less than one frame")
    return width & _SIDE, height & _SIDE


@dataclass(frozen=True)
class Picture:
    """One thumbnail as it is listed. `size`: one of SIZES. `width`, `height`: in pixels. `length`: in bytes. `sha256`:
    of these bytes."""

    size: int
    width: int
    height: int
    length: int
    sha256: str

    def to_record(self) -> Json:
        return dict(vars(self))


def _checked(size: int, content: bytes) -> tuple[int, int]:
    """Width and height of the thumbnail of a size. Raises ValueError when the content is not such a thumbnail."""
    width, height = dimensions(content)
    if not 1 <= min(width, height) <= max(width, height) <= size:
        raise ValueError(f"{width} by {height} pixels are no thumbnail of {size}")
    return width, height


def drawn(files: Iterable[Inner]) -> tuple[bytes, ...]:
    """The pictures that a process wrote. Raises ValueError unless there is one of each size."""
    found = [(each.name, each.content) for each in files]
    if [name for name, _ in found] != [str(each) for each in SIZES]:
        raise ValueError("not a thumbnail of each size")
    for name, content in found:
        _checked(int(name), content)
    return tuple(content for _, content in found)


def listed(pictures: Iterable[bytes]) -> tuple[Picture, ...]:
    """The list of pictures, one of each size in their order. Raises ValueError when they are not."""
    # Imported here, not above: the process that draws does not need it.
    import hashlib

    return tuple(
        Picture(size, *_checked(size, content), len(content), hashlib.sha256(content).hexdigest())
        for size, content in zip(SIZES, pictures, strict=True)
    )


@dataclass(frozen=True)
class Thumbnail:
    """The outcome of drawing. `reason` None: there are `pictures`, one of each of SIZES."""

    at: datetime
    attempts: int
    reason: Reason | None = None
    detail: str = ""
    pictures: tuple[Picture, ...] = ()

    def to_head(self) -> bytes:
        """The line at the beginning of the file."""
        record = {
            "format": THUMBNAIL_FORMAT,
            "reason": self.reason,
            "detail": self.detail[:_DETAIL],
            "attempts": self.attempts,
            "at": self.at.isoformat(timespec="microseconds"),
            "pictures": [each.to_record() for each in self.pictures],
        }
        return json.dumps(record).encode() + b"\n"

    @classmethod
    def from_head(cls, content: bytes) -> tuple[Thumbnail, int]:
        """The outcome in the first bytes of a file, and where its line ends. Raises ValueError when they are not of a known
        format."""
        line, newline, _ = content[:MOST_HEAD].partition(b"\n")
        if not newline:
            raise ValueError("there is no line at the beginning")
        try:
            record = json.loads(line)
            if record["format"] != THUMBNAIL_FORMAT:
                raise ValueError(f"thumbnail format {record['format']!r} is not known to this version")
            if record["reason"] not in (None, *get_args(Reason)):
                raise ValueError("unknown reason")
            pictures = tuple(Picture(**each) for each in record["pictures"])
            found = cls(
                datetime.fromisoformat(record["at"]), record["attempts"], record["reason"], record["detail"], pictures
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a thumbnail: {error!r}") from None
        if [each.size for each in pictures] != list(SIZES if found.reason is None else ()) or not all(
            type(each.length) is int and 0 < each.length <= MOST_BYTES and isinstance(each.sha256, str)
            for each in pictures
        ):
            raise ValueError("not the pictures of a thumbnail")
        return found, len(line) + 1
