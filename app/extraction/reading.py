"""Reads a document with everything inside it: the files in it are read like the document, each in a process of its own.

So an attachment of a mail can do no more than an attachment of the store, and the same reader reads both. The name and
the text of each file follow the text of the document. A file that can't be read, or that no reader knows, has only its
name; when this machine is the reason, it is the reason for the whole document. A file without a name is the document's
own text in another form, or a picture that the document shows: its text comes last, under the page that shows it, which
is then listed once more.

Bounds hold for the whole tree of documents within documents: its depth, the number of files that are read, their bytes
together, and the time. When a bound is reached, what was read is kept, with the names of what was not; one file never
takes all the time that is left for others. The same applies to pages that are pictures (app/extraction/scans.py).

A thousand small files would need a thousand processes, of a tenth of a second each. So one process reads many small
files of the kinds that are read most quickly (`kinds.BATCHED`). It knows no other document: a hostile file could only
change the text of another file of the same attachment, and to a search these are one text. When the process fails, each
file is read on its own. Rejected: reading such files in the process that unpacks them (it would need every reader), and
processes that outlive a document (one could reach the next tenant's).
"""

from __future__ import annotations

import mimetypes
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from app.contents.mediatype import detect
from app.contents.window import Held
from app.extraction import inner, parts, sandbox, scans
from app.extraction.kinds import BATCHED, Way, way_of
from app.extraction.readers.reader import Inner
from app.extraction.recognition_data import recognition_installed
from app.extraction.sandbox import LEAST_SECONDS, Limits, Verdict, memory_file
from app.model.attachment import extension

#: The deepest level of documents within documents; the outermost one is the first.
MOST_DEPTH = 5
#: The most files in all of them, and their bytes; the bytes of an archive in an archive count in both.
MOST_FILES = inner.MOST_FILES
MOST_BYTES = 2 * inner.MOST_BYTES
#: The most files that one process reads, and the most bytes of one and of all of them together.
BATCH_FILES = 100
BATCH_FILE = 256 * 1024
BATCH_BYTES = 4 * 1024 * 1024

_types = mimetypes.MimeTypes()


def read(
    way: Way,
    document: BinaryIO,
    output: BinaryIO,
    limits: Limits,
    stopping: Callable[[], bool] = lambda: False,
    *,
    pictures: bool = True,
) -> Verdict:
    """Write the text of `document`, and of everything inside, to `output`. Raises Stopped, and the errors of `sandbox.run`.

    `pictures`: whether text in pictures is recognized, which takes seconds for each; otherwise the verdict says whether any
    picture waits for that.
    """
    tree = _Tree(output, limits, stopping, pictures)
    tree.pictured = way.kind == "image"
    verdict = tree.document(way, document, limits.seconds, 1)
    return replace(verdict, waits=tree.waits, pictured=tree.pictured, language=tree.language)


class _Tree:
    """A document, and the remaining bounds for everything inside it."""

    def __init__(self, output: BinaryIO, limits: Limits, stopping: Callable[[], bool], recognizes: bool) -> None:
        self.waits = self.pictured = False
        self._installed = recognition_installed()
        self._recognizes = recognizes or not self._installed
        self._output = output
        self._limits = limits
        self._stopping = stopping
        self._end = time.monotonic() + limits.seconds
        self._files = MOST_FILES
        self._bytes = MOST_BYTES
        #: By language, bytes of all texts that are in it.
        self._languages: Counter[str] = Counter()

    @property
    def language(self) -> str | None:
        """That of most of the text."""
        return max(self._languages, key=self._languages.__getitem__, default=None)

    def _told(self, verdict: Verdict, size: int) -> None:
        """Count a text of so many bytes."""
        if verdict.language is not None:
            self._languages[verdict.language] += size

    def document(self, way: Way, document: BinaryIO, seconds: float, depth: int) -> Verdict:
        """Write its text and the text of everything inside."""
        began, limits, end = self._output.tell(), self._within(seconds), time.monotonic() + seconds
        verdict = sandbox.run(way, document, self._output, limits, self._stopping)
        self.pictured |= bool(verdict.pictures)
        if verdict.pictures and not self._recognizes:
            self.waits = True
            verdict = replace(verdict, pictures=())
        if verdict.pictures:
            verdict = scans.recognize(verdict, way, document, self._output, began, limits, self._stopping, end)
        self._told(verdict, self._output.tell() - began)
        if verdict.reason is not None or not verdict.files:
            return replace(verdict, files=())
        # Counted at once: files inside the first one must not take the place of the second.
        self._files -= len(verdict.files)
        self._bytes -= sum(len(each.content) for each in verdict.files)
        return self._inside(replace(verdict, files=()), list(verdict.files), began, depth)

    def _inside(self, verdict: Verdict, files: list[Inner], began: int, depth: int) -> Verdict:
        whole, characters = not verdict.cut, verdict.characters or 0
        failed: Verdict | None = None
        found_parts = list(verdict.parts)
        ways: dict[int, Way | None] = {}
        known: dict[int, tuple[Verdict, bytes]] = {}
        for number, file in enumerate(files):
            if not file.name and not self._recognizes and self._is_picture(number, files, ways):
                # Nothing of it was written yet, not even a line.
                self.waits = True
                continue
            began_at = self._output.tell()
            before = "\n\n" if self._output.tell() > began else ""
            heading = f"{before}{file.name}\n" if file.name else before
            named_at = self._output.tell() - began + len(before)
            if self._room() <= len(heading.encode(errors="replace")):
                whole = False
                break
            self._output.write(heading.encode(errors="replace"))
            text_at = self._output.tell() - began
            characters += len(heading)
            if depth >= MOST_DEPTH:
                found = Verdict(cut=True)
            elif self._end - time.monotonic() < LEAST_SECONDS:
                found = Verdict("timeout")
            elif (way := self._way(number, files, ways)) is None:
                found = Verdict("unsupported")
            elif way.kind == "image" and not self._recognizes:
                self.waits = True
                found = Verdict()
            else:
                if number not in known and way.kind in BATCHED:
                    known |= self._batch(number, files, ways)
                # Files that were read together and have no final verdict are read once more.
                if number in known and known[number][0].final:
                    found = self._kept(*known.pop(number))
                else:
                    found = self._alone(way, file, number == len(files) - 1, depth)
            if found.reason == "environment":
                return found
            if found.reason not in (None, "empty"):
                failed = failed or found
            # Released, as deeper levels take memory too.
            files[number] = file._replace(content=b"")
            whole = whole and not found.cut and found.reason not in ("timeout", "memory", "crashed")
            if not file.name and self._output.tell() == text_at + began:
                # Another form of the text, which is empty.
                self._output.seek(began_at)
                self._output.truncate()
                characters -= len(heading)
                continue
            characters += found.characters or 0
            if file.name:
                found_parts += parts.within(found.parts, file.name, named_at, text_at)
            elif self._is_picture(number, files, ways):
                # It is not a page but on a page, whose text continues here.
                found_parts += [parts.Part(text_at, file.page)] if file.page else []
            else:
                found_parts += (each._replace(at=each.at + text_at) for each in found.parts)
        self._output.flush()
        if failed is not None and self._output.tell() == began:
            # A single compressed file without a name is as readable as its content.
            return replace(failed, files=())
        return Verdict(cut=not whole, characters=characters if whole else None, parts=parts.bounded(found_parts))

    def _alone(self, way: Way, file: Inner, last: bool, depth: int) -> Verdict:
        left = self._end - time.monotonic()
        with memory_file("inner") as document:
            document.write(file.content)
            document.seek(0)
            return self.document(way, document, left if last else max(LEAST_SECONDS, left / 2), depth + 1)

    def _is_picture(self, number: int, files: list[Inner], ways: dict[int, Way | None]) -> bool:
        way = self._way(number, files, ways)
        return way is not None and way.kind == "image"

    def _way(self, number: int, files: list[Inner], ways: dict[int, Way | None]) -> Way | None:
        """How a file is read. `ways`: those that are known already, because determining one takes milliseconds. Raises
        Stopped."""
        if number not in ways:
            if self._stopping():
                raise sandbox.Stopped
            found = _form(files[number])
            way = way_of(*found, recognition=True)
            if way is not None and way.kind == "image":
                self.pictured = True
                way = way if self._installed else way_of(*found, recognition=False)
            ways[number] = way
        return ways[number]

    def _batch(self, first: int, files: list[Inner], ways: dict[int, Way | None]) -> dict[int, tuple[Verdict, bytes]]:
        """The texts of the small files from the first on that have its kind, by number, as far as they could be read."""
        given: dict[int, tuple[str, bytes]] = {}
        kind, size = None, 0
        for number in range(first, len(files)):
            content = files[number].content
            if len(content) <= BATCH_FILE and (way := self._way(number, files, ways)) is not None:
                kind = kind or way.kind
                size += len(content) if way.kind == kind else 0
                if size > BATCH_BYTES or len(given) == BATCH_FILES or self._end - time.monotonic() < LEAST_SECONDS:
                    break
                if way.kind == kind:
                    given[number] = way.media_type, content
            if first not in given:
                break
        if kind is None or len(given) < 2:
            return {}
        seconds = max(LEAST_SECONDS, (self._end - time.monotonic()) / 2)
        try:
            found = sandbox.run_batch(kind, list(given.values()), self._within(seconds), self._stopping)
        except OSError:
            # The process of a single file, which is started next, reports it.
            found = []
        # If it did not get that far, these files are not read together again.
        return dict.fromkeys(given, (Verdict("crashed"), b"")) | dict(zip(given, found, strict=False))

    def _kept(self, verdict: Verdict, content: bytes) -> Verdict:
        """The text of a file, as far as there is room for it."""
        room = self._room()
        self._told(verdict, min(room, len(content)))
        if len(content) <= room:
            self._output.write(content)
            return verdict
        kept = content[:room].decode(errors="ignore").encode()
        self._output.write(kept)
        shown = tuple(each for each in verdict.parts if each.at <= len(kept))
        return replace(verdict, cut=True, characters=None, parts=shown)

    def _room(self) -> int:
        return self._limits.text - self._output.tell()

    def _within(self, seconds: float) -> Limits:
        return replace(
            self._limits,
            seconds=seconds,
            text=max(0, self._room()),
            inner_bytes=max(0, min(self._bytes, inner.MOST_BYTES)),
            inner_files=max(0, self._files),
        )


def _form(file: Inner) -> tuple[str, str]:
    """The media type and the extension of a file: by its content, or, when that tells little, by its name or by what the
    document says about it."""
    known = extension(file.name) or (_types.guess_extension(file.media_type, strict=False) or "").removeprefix(".")
    name = file.name if extension(file.name) or not known else f"x.{known}"
    return detect(Held(file.content), name), known
