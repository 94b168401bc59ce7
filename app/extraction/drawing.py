"""Thumbnails of one document, drawn by a process of its own as its text is read by one: whatever it does, the server gets a
verdict, and pictures that were looked at (app/extraction/thumbnail.py) or none.

Rejected: drawing in the process that reads the text (a picture that crashes its decoder would cost the text, and each PDF
would pay for the libraries of both before its text is found), and pictures in the text's own stream (bytes that are not
text would have to be told from text).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.contents import package
from app.contents.window import Window
from app.extraction import inner, sandbox, thumbnail
from app.extraction.kinds import PREVIEWS, Way
from app.extraction.sandbox import Limits, Verdict, memory_file
from app.storage.contract import Content

_PREVIEWS = frozenset(each.lower().encode() for each in PREVIEWS)
_BOOK = "application/epub+zip"
_BYTES = len(thumbnail.SIZES) * (thumbnail.MOST_BYTES + inner.MOST_HEAD)
NO_PREVIEW = Verdict("unsupported", "there is no preview in it")


def draw(
    way: Way, content: Content, limits: Limits, stopping: Callable[[], bool] = lambda: False
) -> tuple[Verdict, tuple[bytes, ...]]:
    """How it went, and the pictures, one of each size, where `reason` is None. Raises Stopped.

    That no process could be started is a verdict too. Raises StorageFailed.
    """
    limits = replace(limits, text=0, inner_bytes=_BYTES, inner_files=len(thumbnail.SIZES))
    try:
        if way.kind == "thumbnail_package" and way.media_type != _BOOK and not _has_preview(content):
            return NO_PREVIEW, ()
        with memory_file("none") as text:
            verdict = sandbox.run(way, content.local(), text, limits, stopping)
    except OSError as error:
        return Verdict("environment", f"it can't be drawn: {error}"), ()
    files, verdict = verdict.files, replace(verdict, files=())
    if verdict.reason is not None:
        return verdict, ()
    try:
        return verdict, thumbnail.drawn(files)
    except ValueError as error:
        # What the process wrote is not believed to be a picture.
        return Verdict("crashed", str(error)), ()


def _has_preview(content: Content) -> bool:
    """Whether a process can find one. Most office files have none, and a process takes longer than a look at their list."""
    return package.holds(Window(content), _PREVIEWS)
