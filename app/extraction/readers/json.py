"""JSON, JSON lines, notebooks, GeoJSON: the text as it is, with escapes in strings replaced.

Names, numbers and punctuation stay, as anyone who opens such a file sees them. So nothing has to be well formed: comments,
extra commas and truncated files are read. The same holds for notebooks: the words of sources and outputs are in strings.
Rejected: the library's parser, which needs ten times the size in memory and returns nothing for malformed files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.extraction.readers import encoding, escapes, inlined
from app.extraction.readers.reader import Options, Piece

#: A string; when its end is missing, up to the end of the line.
_STRING = re.compile(r'"([^"\\\n]*+(?:\\.[^"\\\n]*+)*+)(?:"|(?=[\\\n])|\Z)')
#: An escape outside any string.
_LONE = re.compile(r"\\(?:u[\da-fA-F]{4}(?:\\u[\da-fA-F]{4})?|.|\Z)", re.DOTALL)
#: JSON within strings of JSON.
_MOST_DEPTH = 3


def most_read(options: Options) -> int:
    """How many bytes of the document are read: an escape has six bytes for one character."""
    return min(options.size, 6 * options.limit + 4)


def load(options: Options) -> None:
    encoding.load(most_read(options))


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    yield inlined.without_data(_meant(encoding.decoded(content), _MOST_DEPTH))


def _meant(text: str, depth: int) -> str:
    """`text` with escapes replaced. It looks for backslashes, not for strings, as most strings have none."""
    pieces: list[str] = []
    place = 0
    while (escape := text.find("\\", place)) >= 0:
        begin = text.rfind('"', place, escape)
        string = None if begin < 0 else _STRING.match(text, begin)
        if string is None or string.end() <= escape:
            begin, lone = escape, _LONE.match(text, escape)
            assert lone is not None
            meant, end = escapes.undone(lone[0]), lone.end()
        else:
            meant, end = escapes.undone(string[1]), string.end()
            if depth > 1 and meant.lstrip()[:1] in ("{", "["):
                meant = _meant(meant, depth - 1)
            meant = f'"{meant}{string[0][len(string[1]) + 1 :]}'
        pieces += (text[place:begin], meant)
        place = end
    return "".join((*pieces, text[place:]))
