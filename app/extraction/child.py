"""The process that reads one document, started by app/extraction/sandbox.py. Of the application it loads only the
readers.

    python -I start.py KIND MEDIA_TYPE LIMIT MEMORY SECONDS PARENT RESULT UNFIT INNER FOLDER LANGUAGES PAGE BYTES FILES
        BATCH PICTURES

The document is standard input, the text goes to standard output in UTF-8, at most LIMIT bytes of it, a JSON object to
the descriptor RESULT, and the files inside the document to INNER (`app.extraction.inner` says how), at most FILES of
them with BYTES together. A KIND that draws writes no text; then these files are thumbnails. PAGE: the page to read, 0
for all. With BATCH, standard input has several small documents of one kind in the form of INNER, and INNER has their
texts in the same form, each after a line with its result. PICTURES: whether pictures that the document shows are among
its files, to be recognized. It loads everything from the environment that it was started from, and from FOLDER, which
has the data of recognition ('' for none) in its LANGUAGES ('' for all). It unpacks and searches no library anywhere
else, and writes nothing but the text and those files.

Before it reads the document it gives up everything but memory, processor time and its open descriptors. By then it has
loaded its libraries and read a small document of the same kind, so that everything that a library loads or starts with
its first document is there. A failure until then is caused by the machine and is written to the descriptor UNFIT, which
is closed afterwards: nothing that a document causes can be reported there.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any, cast

from app.confinement.privileges import give_up
from app.extraction import inner, kinds, language, samples
from app.extraction.parts import MOST_PARTS, MOST_TITLE, Part
from app.extraction.readers import encoding
from app.extraction.readers.reader import Inner, Omitted, Options, Page, Unfit, Unreadable

#: The most characters that a cut goes back so as not to end within a word.
BACK = 200
#: The most characters of text that are collected, however many a document expands to; or as many as are kept, if that
#: is more.
MOST_CHARACTERS = 16 * 1024 * 1024
#: The most bytes of the result.
MOST_TOLD = 1024 * 1024

# Characters that no text has, and that would only disturb its display.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]+")
# The same in UTF-8 without the last one; no other character has these bytes.
_CONTROL_BYTES, _MARK = bytes({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D}), "\ufeff"


def without_controls(text: str) -> str:
    """`text` with a blank for each run of control characters. Most texts have none, which their bytes tell in a tenth of the
    time."""
    encoded = text.encode(errors="surrogatepass")
    if _MARK not in text and len(encoded.translate(None, _CONTROL_BYTES)) == len(encoded):
        return text
    return _CONTROLS.sub(" ", text)


def as_it_is(content: bytes, limit: int) -> tuple[str, bool] | None:
    """`content` as a text, although it is named as a document of another form, and whether that is the whole text; None
    when it is not a text. This tells a damaged document from a text."""
    most = 4 * limit + 4
    kept = content[:most]
    try:
        found = content.decode() if len(content) <= most else encoding.beginning(kept)
    except UnicodeDecodeError:
        return None
    return None if content.startswith(b"%PDF-") or _CONTROLS.search(found) else (found, len(content) <= most)


def extracted(kind: str, media_type: str, reader: Any, options: Options, files: inner.Writer) -> Assembly:
    """The text. Raises Unreadable, MemoryError, OSError."""
    most = reader.most_read(options) if hasattr(reader, "most_read") else options.size
    assembly = text_of(kind, media_type, reader, taken(most), options.limit, files)
    assembly.whole = assembly.whole and most == options.size
    return assembly


def text_of(
    kind: str, media_type: str, reader: Any, content: bytes, limit: int, files: inner.Writer | None = None
) -> Assembly:
    """The text in a document, or the document itself as a text in spite of its name. Raises Unreadable, MemoryError."""
    try:
        return form_read(reader, media_type, content, files, max(limit, MOST_CHARACTERS))
    except Unreadable as error:
        is_text = error.reason == "damaged" and kind != "text" and kind not in kinds.DRAWERS
        found = as_it_is(content, limit) if is_text else None
        if found is None:
            raise
        return Assembly(*found)


def batch_read(kind: str, reader: Any, options: Options, files: inner.Writer) -> dict[str, Any]:
    """Read each of the documents in standard input. Raises OSError."""
    for each in inner.files(0, options.size):
        content = b""

        def read(document: Inner = each) -> dict[str, Any]:
            nonlocal content
            content, told = text_of(kind, document.media_type, reader, document.content, options.limit).kept(
                options.limit
            )
            return told

        told = json.dumps(result_of(read)).encode()
        files.write(Inner("", told + b"\n" + content))
    return {}


def taken(most: int) -> bytes:
    """The first `most` bytes of the document. Raises OSError."""
    pieces = []
    while most and (piece := os.read(0, most)):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


class Assembly:
    """A text while it is collected. `whole`: whether nothing was left out."""

    def __init__(self, content: str = "", whole: bool = True) -> None:
        self.whole = whole
        self._pieces: list[str] = []
        self._length = 0
        #: Where each page begins, in characters, and its title.
        self._pages: list[tuple[int, str]] = []
        #: The numbers of the pages that are pictures.
        self._pictures: set[int] = set()
        if content:
            self.add(content)

    def add(self, piece: str | Page) -> None:
        if isinstance(piece, Page):
            piece, title, is_picture = piece
            self._put("\n" if self._pieces else "")
            self._pages.append((self._length, title))
            if is_picture:
                self._pictures.add(len(self._pages))
            piece = f"{title}\n{piece}" if title else piece
        self._put(without_controls(piece) + "\n")

    def _put(self, characters: str) -> None:
        self._pieces.append(characters)
        self._length += len(characters)

    def full(self, most: int) -> bool:
        """Whether it has more than `most` characters, and so is not whole."""
        if self._length <= most:
            return False
        self.whole = False
        return True

    def text(self) -> str:
        return "".join(self._pieces).strip()

    def kept(self, limit: int) -> tuple[bytes, dict[str, Any]]:
        """At most `limit` bytes of it, and their result."""
        joined = "".join(self._pieces)
        found = joined.strip()
        content, more = cut(found, limit)
        before = len(joined) - len(joined.lstrip())
        parts, end, at, place = [], len(content.decode()), 0, 0
        for number, (begins, title) in enumerate(self._pages[:MOST_PARTS], 1):
            # A last page may consist only of what is stripped at the end.
            begins = min(max(0, begins - before), len(found))
            if begins > end or (begins == end and more):
                break
            at, place = at + len(found[place:begins].encode(errors="replace")), begins
            parts.append(Part(at, number, title[:MOST_TITLE]).to_record())
        return content, {
            "cut": more or not self.whole,
            "characters": len(found) if self.whole else None,
            "parts": parts,
            "pictures": sorted(self._pictures & {each["page"] for each in parts}),
            "language": language.detected(found),
        }


def form_read(
    reader: Any,
    media_type: str,
    content: bytes,
    files: inner.Writer | inner.Collector | None = None,
    most: int = MOST_CHARACTERS,
) -> Assembly:
    """The text in a document of this form, until it has more than `most` characters; the files in it are written to
    `files`. Raises Unreadable, MemoryError."""
    assembly = Assembly()
    for piece in reader.read(content, media_type):
        if isinstance(piece, Inner):
            if files is not None:
                files.write(piece)
        elif isinstance(piece, Omitted):
            assembly.whole = False
        else:
            assembly.add(piece)
            if assembly.full(most):
                break
    assembly.whole = assembly.whole and not (files is not None and files.full)
    return assembly


def cut(whole: str, limit: int) -> tuple[bytes, bool]:
    """The beginning of a text that has at most `limit` bytes in UTF-8, and whether there was more."""
    content = whole[: limit + 1].encode(errors="replace")
    if len(whole) <= limit and len(content) <= limit:
        return content, False
    kept = content[:limit].decode(errors="ignore")
    border = max(kept.rfind(blank, len(kept) - BACK) for blank in " \n\t")
    return (kept[:border] if border > 0 else kept).encode(), True


def rehearse(kind: kinds.Kind, reader: Any, media_type: str, content: bytes) -> None:
    """Read the small document of the reader's kind. Raises Unfit when the word in it is not found."""
    inside = inner.Collector()
    found = form_read(reader, media_type, content, inside).text()
    if not samples.found(kind, found, inside.files):
        raise Unfit("a small known document was read, and what it has in it was not found")
    for more in getattr(reader, "rehearsals", list)():
        # Its result does not matter: what it starts or loads is there afterwards.
        with contextlib.suppress(Unreadable):
            form_read(reader, *more)


def result_of(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result to report: what `read` returns, or why it failed."""
    try:
        return read()
    except Unreadable as error:
        return {"reason": error.reason, "detail": str(error)}
    except MemoryError:
        return {"reason": "memory"}
    except OSError as error:
        return {"reason": "environment", "detail": str(error)}


def main() -> None:
    kind = cast(kinds.Kind, sys.argv[1])
    media_type, folder, languages = sys.argv[2], sys.argv[10], sys.argv[11]
    limit, memory, seconds, parent, told, unfit, inside = map(int, sys.argv[3:10])
    page, most_bytes, most_files, batch, pictures = map(int, sys.argv[12:17])
    options = Options(limit, os.fstat(0).st_size, folder, tuple(languages.split()), page, bool(pictures))
    files = inner.Writer(inside, most_bytes, most_files)

    def read() -> dict[str, Any]:
        if batch:
            return batch_read(kind, reader, options, files)
        content, told_of_it = extracted(kind, media_type, reader, options, files).kept(limit)
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return told_of_it

    most = max(limit, MOST_TOLD)
    if batch or kind in kinds.GIVERS:
        most = max(most, most_bytes)
    else:
        os.close(inside)
    try:
        reader = importlib.import_module(f"app.extraction.readers.{kind}")
        reader.load(options)
        if kind not in kinds.DRAWERS:
            language.load()
        known = samples.sample(kind)
        give_up(
            parent,
            memory,
            seconds=seconds,
            written=most + 65536,
            read=[folder] if folder else [],
            last=lambda: rehearse(kind, reader, *known),
        )
    except MemoryError:
        result: dict[str, Any] = {"reason": "memory"}
    except Exception as error:
        os.write(unfit, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    else:
        os.close(unfit)
        result = result_of(read)
    os.write(told, json.dumps(result).encode())
    # The library's threads have nothing more to do, and a normal exit might wait for them.
    os._exit(0)
