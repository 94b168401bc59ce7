"""JSON, lines of it, notebooks, GeoJSON: the text as it stands, with the characters that its strings mean.

Names, numbers and what divides them stay: whoever has such a file open sees them. So nothing has to be well formed:
comments, commas too many, a file that was cut. Of notebooks too, everything is told: the words of sources and outputs stand
in strings.
Rejected: the library's parser, which needs ten times the size in memory and tells nothing of what it does not understand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.extraction.readers import encoding, escapes, inlined
from app.extraction.readers.base import Options, Piece

#: A string; where its end is missing, to the end of the line, which it can't go beyond.
_STRING = re.compile(r'"([^"\\\n]*+(?:\\.[^"\\\n]*+)*+)(?:"|(?=[\\\n])|\Z)')
#: An escape where no string begins before it.
_LONE = re.compile(r"\\(?:u[\da-fA-F]{4}(?:\\u[\da-fA-F]{4})?|.|\Z)", re.DOTALL)
#: JSON within strings of JSON.
_MOST_DEPTH = 3


def most_read(options: Options) -> int:
    """How many bytes are read of the document: an escape has six for one."""
    return min(options.size, 6 * options.limit + 4)


def load(options: Options) -> None:
    encoding.load(most_read(options))


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    yield inlined.without_data(_meant(encoding.decoded(content), _MOST_DEPTH))


def _meant(text: str, depth: int) -> str:
    """Looks for backslashes, not for strings: most strings have none."""
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
