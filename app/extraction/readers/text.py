"""Text as it is, in any encoding."""

from __future__ import annotations

from collections.abc import Iterator

from app.extraction.readers import encoding
from app.extraction.readers.hyphens import with_joined
from app.extraction.readers.reader import Options, Piece

#: Types in which people write sentences, so that a hyphen at the end of a line divides a word.
_PROSE = frozenset(("text/plain", "text/markdown", "text/x-rst", "text/x-tex", "text/troff", "text/x-asciidoc"))


def most_read(options: Options) -> int:
    """How many bytes of the document are read. No character has more than four bytes in any encoding."""
    return min(options.size, 4 * options.limit + 4)


def load(options: Options) -> None:
    encoding.load(most_read(options))


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    text = encoding.decoded(content)
    yield with_joined(text) if media_type in _PROSE else text
