"""Pictures: the text that is recognized in them. The pages of a TIFF are recognized each by a process of its own, as
those of a scanned PDF are (app/extraction/scans.py).

A few forms of those that the library knows: one that nobody sends is nobody's way in, and some of them start programs.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from typing import Any

from app.extraction.readers import heif, recognition
from app.extraction.readers.base import Options, Page, Piece, Unreadable

#: Of pillow, by the names of its modules.
_FORMS = ("Avif", "Bmp", "Gif", "Ico", "Jpeg", "Jpeg2K", "Mpo", "Pcx", "Png", "Ppm", "Psd", "Tga", "Tiff", "WebP")
_NAMES = ["AVIF", "BMP", "DIB", "GIF", "HEIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "PSD", "TGA"]
_NAMES += ["TIFF", "WEBP"]
#: Pages of one file, and pixels of one page, which takes four bytes for each of them at most, and twice that for a moment.
MOST_PAGES = 500
MOST_PIXELS = 64_000_000

# The page that is asked for, from 1; 0: none.
_wanted = 0


def load(options: Options) -> None:
    from PIL import Image, ImageFile, ImageOps  # noqa: F401

    global _wanted
    _wanted = options.page
    recognition.load(options)
    Image.preinit()
    for each in _FORMS:
        importlib.import_module(f"PIL.{each}ImagePlugin")
    # No thread can be started later, and none is needed.
    vars(importlib.import_module("PIL.AvifImagePlugin")).update(DEFAULT_MAX_THREADS=1)
    if not heif.load():
        _NAMES.remove("HEIF")
    Image.MAX_IMAGE_PIXELS = None


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    """Its text; of a TIFF with several pages that they are there, unless one of them is asked for. Of a picture that breaks
    off what there is."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=_NAMES) as opened:
            count = min(getattr(opened, "n_frames", 1), MOST_PAGES) if opened.format == "TIFF" else 1
    except MemoryError:
        raise
    except Exception as error:
        raise _unreadable(error) from None
    if count > 1 and not _wanted:
        yield from [Page("", is_picture=True)] * count
    else:
        yield Page(_text(content, min(max(0, _wanted - 1), count - 1)))


def _unreadable(error: Exception) -> Unreadable:
    """Of a broken file pillow raises whatever a decoder came upon, from SyntaxError to struct.error."""
    return error if isinstance(error, Unreadable) else Unreadable(str(error))


def _text(content: bytes, number: int) -> str:
    """What is recognized in a page, counted from 0. Raises Unreadable, MemoryError."""
    from PIL import Image, ImageFile

    first: Exception | None = None
    for broken in (False, True):
        ImageFile.LOAD_TRUNCATED_IMAGES = broken
        try:
            with Image.open(io.BytesIO(content), formats=_NAMES) as opened:
                opened.seek(number)
                _check(opened)
                found = _recognized(_plain(opened))
        except MemoryError:
            raise
        except Exception as error:
            first = first or error
        else:
            if found or first is None:
                return found
    assert first is not None
    raise _unreadable(first)


def _check(picture: Any) -> None:
    """Raises Unreadable for one that is too large, before it is decoded."""
    if picture.format in ("JPEG", "MPO"):
        # A photo is decoded in a smaller size, if that is enough, and without its colours.
        share = max(1.0, (picture.width * picture.height / recognition.MOST_PIXELS) ** 0.5)
        picture.draft("L", (int(picture.width / share), int(picture.height / share)))
    if picture.width * picture.height > MOST_PIXELS:
        raise Unreadable(f"{picture.width} by {picture.height} pixels are too many", "unsupported")


def _recognized(grey: Any) -> str:
    from PIL import Image

    share = (recognition.MOST_PIXELS / (grey.width * grey.height)) ** 0.5
    if share < 1:
        size = (max(1, int(grey.width * share)), max(1, int(grey.height * share)))
        grey = grey.resize(size, Image.Resampling.BOX)
    return recognition.text(grey.tobytes(), grey.width, grey.height)


def _plain(picture: Any) -> Any:
    """The picture in grey, as a person sees it: turned, on white paper."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("L")
    if picture.mode == "LAB":
        return picture.getchannel(0)
    if picture.mode.startswith(("I", "F")):
        # More than 256 levels, of which a scanner or camera may use a part.
        picture = picture.convert("F")
        darkest, lightest = picture.getextrema()
        scale = 255.0 / ((lightest - darkest) or 1.0)
        picture = picture.point(lambda level: level * scale - darkest * scale)
    return picture.convert("L")
