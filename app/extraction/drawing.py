"""Thumbnails of one document, drawn by a process of its own, as another process reads its text. Whatever that process
does, the server gets a verdict, and either checked pictures (app/extraction/thumbnail.py) or none.

Rejected: drawing in the process that reads the text (a picture that crashes its decoder would cost the text, and each
PDF would load the libraries of both before its text is found), and pictures in the stream of the text (pictures would
have to be separated from text).
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
    """The verdict, and the pictures, one of each size, when its `reason` is None. Raises Stopped and StorageFailed.

    A process that could not be started is a verdict too.
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
        # The output of the process is checked before it counts as a picture.
        return Verdict("crashed", str(error)), ()


def _has_preview(content: Content) -> bool:
    """Whether a process may find a preview. Most office files have none, and starting a process takes longer than
    reading their list of parts."""
    return package.holds(Window(content), _PREVIEWS)
