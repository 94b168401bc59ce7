"""Files inside a document (attachments of a mail, files of an archive, objects in office files): how the process that
reads the document passes them on, to be read by processes of their own.

They are one after the other in a file in memory: a line of JSON with `name`, `media_type`, `size` and `page`, then
`size` bytes. The content is not trusted: `files` returns only well-formed ones, within the same bounds.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from app.extraction.readers.reader import Inner

#: The most bytes of all files of one document together, the most files, and the most bytes of the line about one. For
#: documents within documents, `app.extraction.reading` bounds all of them together.
MOST_BYTES = 64 * 1024 * 1024
MOST_FILES = 1000
MOST_HEAD = 4096
#: Characters of a name that are kept.
_NAME = 255
# Control characters, line ends, and surrogates.
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class Writer:
    """Writes files to the descriptor, up to a number of bytes and files. `full`: whether something was left out."""

    def __init__(self, descriptor: int, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> None:
        self._descriptor = descriptor
        self._left = most_bytes
        self._most_files = most_files
        self._count = 0
        self.full = False

    def write(self, file: Inner) -> None:
        """Write `file`, or leave it out when there are too many files or bytes. Raises OSError."""
        said = {
            "name": file.name[-_NAME:],
            "media_type": file.media_type[:_NAME],
            "size": len(file.content),
            "page": file.page,
        }
        head = json.dumps(said).encode() + b"\n"
        self._count += 1
        if self._count > self._most_files or len(head) > MOST_HEAD or len(head) + len(file.content) > self._left:
            self.full = True
            return
        self._left -= len(head) + len(file.content)
        for part in (head, file.content):
            view = memoryview(part)
            while view:
                view = view[os.write(self._descriptor, view) :]


class Collector:
    """The same as a writer, for use within this process."""

    def __init__(self) -> None:
        self.files: list[Inner] = []
        self.full = False

    def write(self, file: Inner) -> None:
        self.files.append(file)


def files(descriptor: int, size: int | None = None) -> Iterator[Inner]:
    """The files that were written to it, as far as they are well formed. `size`: its size, where the process can no
    longer determine it."""
    place, end = 0, min(os.fstat(descriptor).st_size if size is None else size, MOST_BYTES)
    for _ in range(MOST_FILES):
        head, newline, _ = os.pread(descriptor, MOST_HEAD, place).partition(b"\n")
        try:
            said = json.loads(head)
            name, media_type, size, page = said["name"], said["media_type"], said["size"], said["page"]
            shaped = (
                newline and isinstance(name, str) and isinstance(media_type, str) and type(size) is type(page) is int
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        place += len(head) + 1
        if not shaped or not 0 <= size <= end - place or page < 0:
            return
        yield Inner(_shown(name[-_NAME:]), os.pread(descriptor, size, place), media_type, page)
        place += size


def _shown(name: str) -> str:
    """A name as texts and answers show it: one line, with blanks instead of characters that no text contains."""
    return _NO_TEXT.sub(" ", name)
