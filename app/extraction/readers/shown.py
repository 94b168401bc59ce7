"""Pictures that are shown in office files: which of them may have text in them, so that it is worth being recognized.

Recognition takes a second or so for each picture, and most of those in documents are icons, logos and lines. How large one
is stands in its first bytes; what is small, or of a form that no screenshot or scan is kept in, is passed over, and a
picture that is there several times (on each slide) is given on once.

They are given on as files without a name, behind all else of the document: `image1.png` says nothing to a person, and the
text of the document is first and whole whatever becomes of them (app/extraction/reading.py). Where recognition is not
installed they are not unpacked.

Rejected: pillow to measure them (0.1 s for each office file, for the pictures of a few), and to put what is recognized
where the picture stands in a paragraph (the text would have to be taken apart again).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

from app.extraction.readers.base import Inner, Omitted, Piece
from app.extraction.readers.package import Broken

#: Pictures of one document, and bytes, pixels and pixels of the shorter side from which on one may have text in it.
MOST_PICTURES = 200
LEAST_BYTES = 1024
LEAST_PIXELS = 30_000
LEAST_SIDE = 40
#: Bytes of one at most: as many as can be recognized without being cut.
MOST_BYTES = 32 * 1024 * 1024
#: Marks of a JPEG after which its size stands: any frame but those that say something else.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}


def pictures(
    shown: Iterable[tuple[str, int]], content_of: Callable[[str], Iterator[bytes]], known: Callable[[str], bool]
) -> Iterator[Piece]:
    """Those of the parts that are `shown` on a page (0: on none) which may have text in them. `content_of`: the bytes of a
    part, raising Broken; `known`: whether there is such a part."""
    met: set[object] = set()
    count = 0
    for part, page in shown:
        if part in met or not known(part):
            continue
        met.add(part)
        try:
            content = b"".join(content_of(part))
        except Broken:
            continue
        same = (len(content), zlib.crc32(content))
        if same in met or not LEAST_BYTES <= len(content) <= MOST_BYTES or not may_have_text(content):
            continue
        met.add(same)
        count += 1
        if count > MOST_PICTURES:
            yield Omitted()
            return
        yield Inner("", content, page=page)


def may_have_text(content: bytes) -> bool:
    """Whether a picture of a form that screenshots and scans have is large enough."""
    width, height = _size(content)
    return width * height >= LEAST_PIXELS and min(width, height) >= LEAST_SIDE


def _size(content: bytes) -> tuple[int, int]:
    """Width and height as the picture says them; (0, 0) of other forms. Of a TIFF or a WebP, in which they stand anywhere,
    what is large enough."""
    found: tuple[int, ...] = (0, 0)
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        found = struct.unpack_from(">II", content, 16)
    elif content.startswith(b"GIF8") and len(content) >= 10:
        found = struct.unpack_from("<HH", content, 6)
    elif content.startswith(b"BM") and len(content) >= 26:
        width, height = struct.unpack_from("<ii", content, 18)
        # From the top to the bottom where it is negative.
        found = abs(width), abs(height)
    elif content.startswith(b"\xff\xd8"):
        found = _of_jpeg(content)
    elif content.startswith((b"II*\0", b"MM\0*")) or (content.startswith(b"RIFF") and content[8:12] == b"WEBP"):
        found = LEAST_PIXELS, LEAST_SIDE
    return found[0], found[1]


def _of_jpeg(content: bytes) -> tuple[int, int]:
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        mark = content[place + 1]
        if mark in _FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        # Some are filled up with the first byte of a mark.
        length = 0 if mark in _ALONE else struct.unpack_from(">H", content, place + 2)[0]
        place += 1 if mark == 0xFF else 2 + length
    return 0, 0
