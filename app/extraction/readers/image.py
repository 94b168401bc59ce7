"""Pictures: the text that is recognized in them. A process of its own recognizes each page of a TIFF, as each page of a
scanned PDF (app/extraction/scans.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.extraction.readers import picture, recognition
from app.extraction.readers.reader import Options, Page, Piece

#: The most pages of one file.
MOST_PAGES = 500

# The requested page, from 1; 0: none.
_wanted = 0


def load(options: Options) -> None:
    global _wanted
    _wanted = options.page
    recognition.load(options)
    picture.load()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    """Its text. For a TIFF with several pages it yields these pages without text, unless one of them is requested. For
    a truncated picture it is the text in the existing part."""
    with picture.opened(content) as opened:
        count = min(getattr(opened, "n_frames", 1), MOST_PAGES) if opened.format == "TIFF" else 1
    if count > 1 and not _wanted:
        yield from [Page("", is_picture=True)] * count
    else:
        number = min(max(0, _wanted - 1), count - 1)
        yield Page(picture.whole_or_broken(lambda _: _text(content, number)))


def _text(content: bytes, number: int) -> str:
    """The text that is recognized in a page, counted from 0. Raises Unreadable, MemoryError."""
    with picture.opened(content) as opened:
        # The picture is at its first page already; in some formats a seek to it fails.
        if number:
            opened.seek(number)
        if opened.format in ("JPEG", "MPO"):
            # A photo is decoded in a smaller size, if that is enough, and without its colours.
            share = max(1.0, (opened.width * opened.height / recognition.MOST_PIXELS) ** 0.5)
            opened.draft("L", (int(opened.width / share), int(opened.height / share)))
        picture.check(opened)
        return _recognized(_plain(opened))


def _recognized(grey: Any) -> str:
    from PIL import Image

    share = (recognition.MOST_PIXELS / (grey.width * grey.height)) ** 0.5
    if share < 1:
        size = (max(1, int(grey.width * share)), max(1, int(grey.height * share)))
        grey = grey.resize(size, Image.Resampling.BOX)
    return recognition.text(grey.tobytes(), grey.width, grey.height)


def _plain(opened: Any) -> Any:
    """The picture in grey, as a person sees it: turned, on white paper."""
    from PIL import ImageOps

    found = ImageOps.exif_transpose(opened)
    if picture.is_transparent(found):
        return picture.on_white(found).convert("L")
    if found.mode == "LAB":
        return found.getchannel(0)
    if found.mode.startswith(("I", "F")):
        return picture.levelled(found)
    return found.convert("L")
