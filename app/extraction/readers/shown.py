"""Pictures that office files show: which of them may contain text, so that recognition is worthwhile.

Recognition takes about a second for each picture, and most pictures in documents are icons, logos and lines. The first
bytes show the size of a picture. A small picture, or one in a format that no screenshot or scan has, is left out, and a
picture that occurs several times (on each slide) is passed on once.

They are passed on as files without a name, after everything else of the document: `image1.png` means nothing to a
person, and the document's own text comes first and is whole whatever their result (app/extraction/reading.py). Without
recognition they are not unpacked.

Rejected: pillow for measuring them (loading it takes longer than reading most office files, of which few have
pictures), and putting the recognized text at the place of the picture (the text would have to be split again).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

from app.extraction.readers.package import Broken
from app.extraction.readers.reader import Inner, Omitted, Piece

#: The most pictures of one document, and the least bytes, pixels, and pixels of the shorter side of one that may
#: contain text.
MOST_PICTURES = 200
LEAST_BYTES = 1024
LEAST_PIXELS = 30_000
LEAST_SIDE = 40
#: The most bytes of one: as many as can be recognized without a cut.
MOST_BYTES = 32 * 1024 * 1024
#: Markers of a JPEG that are followed by its size: all SOF markers.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}


def pictures(
    shown: Iterable[tuple[str, int]], content_of: Callable[[str], Iterator[bytes]], known: Callable[[str], bool]
) -> Iterator[Piece]:
    """The pictures that may contain text, among the parts that are `shown` on a page (0: none). `content_of` returns
    the bytes of a part or raises Broken; `known`: whether there is such a part."""
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
    """Whether a picture has a format of screenshots and scans and is large enough."""
    width, height = _size(content)
    return width * height >= LEAST_PIXELS and min(width, height) >= LEAST_SIDE


def _size(content: bytes) -> tuple[int, int]:
    """Width and height from the picture's first bytes; (0, 0) for other formats. For a TIFF or a WebP, which have them
    anywhere, a size that is large enough."""
    found: tuple[int, ...] = (0, 0)
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        found = struct.unpack_from(">II", content, 16)
    elif content.startswith(b"GIF8") and len(content) >= 10:
        found = struct.unpack_from("<HH", content, 6)
    elif content.startswith(b"BM") and len(content) >= 26:
        width, height = struct.unpack_from("<ii", content, 18)
        # A negative height means rows from top to bottom.
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
        # Fill bytes may precede a marker.
        length = 0 if mark in _ALONE else struct.unpack_from(">H", content, place + 2)[0]
        place += 1 if mark == 0xFF else 2 + length
    return 0, 0
