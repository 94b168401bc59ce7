"""Bytes in memory, as an open artefact."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from app.files import storage_errors


class HeldContent:
    """A Content of bytes that are in memory already."""

    location = ""
    file = None

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._copy: BinaryIO | None = None

    @property
    def size(self) -> int:
        return len(self._content)

    def local(self) -> BinaryIO:
        with storage_errors():
            if self._copy is None:
                self._copy = os.fdopen(os.memfd_create("content", os.MFD_CLOEXEC), "w+b")
                self._copy.write(self._content)
            self._copy.seek(0)
        return self._copy

    def read(self, start: int, stop: int) -> bytes:
        return self._content[start:stop]

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        # One piece: it needs no memory beyond the bytes.
        if piece := self._content[start:stop]:
            yield piece

    def close(self) -> None:
        if self._copy is not None:
            self._copy.close()
