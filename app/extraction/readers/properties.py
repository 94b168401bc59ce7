"""Java properties: continued lines, and characters by their number.

Source: java.util.Properties.load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.extraction.readers import encoding, escapes, text
from app.extraction.readers.reader import Options, Piece

most_read = text.most_read
_CONTINUED = re.compile(r"(?<!\\)((?:\\\\)*)\\\r?\n[ \t\f]*")


def load(options: Options) -> None:
    encoding.load(most_read(options))


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    # Since Java 9 they are in UTF-8; otherwise in this encoding.
    yield escapes.undone(_CONTINUED.sub(r"\1", encoding.decoded(content, "iso-8859-1")))
