"""A look at a file that somebody sent: as much of it as it takes, and no more than is paid for.

Whatever the file says of itself (tables, chains, sizes), only so many bytes are read of it, in so many reads. What is read
is looked at in Python alone, where no length that a file claims can lead out of what was read.
"""

from __future__ import annotations

import os
from collections.abc import Callable

#: Bytes and reads that one file may cost. An office file of 200 MB takes some 200 KB of it.
MOST_BYTES = 4 * 1024 * 1024
MOST_READS = 5000


class TooMuch(Exception):
    """The file would have more read of it than it may cost."""


class Window:
    """Reads of a file of `size` bytes. `taken`: gives so many of them, the first number, from a place, the second."""

    def __init__(self, size: int, taken: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._taken = taken
        self._bytes = MOST_BYTES
        self._reads = MOST_READS

    @classmethod
    def of_file(cls, descriptor: int) -> Window:
        """Of the file behind a descriptor, whose position stays as it is. Raises OSError."""
        return cls(os.fstat(descriptor).st_size, lambda size, offset: os.pread(descriptor, size, offset))

    @classmethod
    def of_content(cls, content: bytes) -> Window:
        """Of a file that is in memory."""
        return cls(len(content), lambda size, offset: content[offset : offset + size])

    def read(self, offset: int, size: int) -> bytes:
        """The `size` bytes from `offset`, fewer where the file ends before. Raises TooMuch, OSError."""
        size = max(0, min(size, self.size - offset)) if offset >= 0 else 0
        self._bytes -= size
        self._reads -= 1
        if self._bytes < 0 or self._reads < 0:
            raise TooMuch
        return self._taken(size, offset) if size else b""
