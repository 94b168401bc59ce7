"""Bounded reading of a file that somebody sent.

Whatever the file says about itself (tables, chains, sizes), only a limited number of its bytes are read, in a limited
number of reads. They are parsed in Python alone, where no length that a file claims can lead outside the bytes that
were read.
"""

from __future__ import annotations

from typing import Protocol

#: The most bytes and reads for one file. An office file of 200 MB needs some 200 KB.
MOST_BYTES = 4 * 1024 * 1024
MOST_READS = 5000


class TooMuch(Exception):
    """Reading further would exceed the bounds for one file."""


class Readable(Protocol):
    """`size` bytes that can be read at any position."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`, fewer where they end before."""


class Held:
    """A Readable of bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int:
        return len(self._content)

    def read(self, start: int, stop: int) -> bytes:
        return self._content[start:stop]


class Window:
    """Reads of `content`, within the bounds."""

    def __init__(self, content: Readable) -> None:
        self.size = content.size
        self._content = content
        self._bytes = MOST_BYTES
        self._reads = MOST_READS

    def read(self, offset: int, size: int) -> bytes:
        """The `size` bytes from `offset`, fewer where the file ends before. Raises TooMuch, and the errors of reading."""
        size = max(0, min(size, self.size - offset)) if offset >= 0 else 0
        self._bytes -= size
        self._reads -= 1
        if self._bytes < 0 or self._reads < 0:
            raise TooMuch
        return self._content.read(offset, offset + size) if size else b""
