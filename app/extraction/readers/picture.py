"""Pictures as pillow opens them, for recognition of text and for thumbnails.

Only a few of the library's formats are allowed: a format that nobody sends would only be an attack surface, and some start
programs.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from app.extraction.readers import heif
from app.extraction.readers.reader import Unreadable

Found = TypeVar("Found")

#: Formats of pillow, by the names of its modules.
_FORMS = ("Avif", "Bmp", "Gif", "Ico", "Jpeg", "Jpeg2K", "Mpo", "Pcx", "Png", "Ppm", "Psd", "Tga", "Tiff", "WebP")
_NAMES = ["AVIF", "BMP", "DIB", "GIF", "HEIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "PSD", "TGA"]
_NAMES += ["TIFF", "WEBP"]
#: The most pixels of one page, which takes up to four bytes for each, and twice that for a moment.
MOST_PIXELS = 64_000_000
_TRANSPARENT = ("RGBA", "LA", "PA", "La", "RGBa")


def load() -> None:
    from PIL import Image, ImageFile, ImageOps  # noqa: F401

    Image.preinit()
    for each in _FORMS:
        importlib.import_module(f"PIL.{each}ImagePlugin")
    # No thread can be started later, and none is needed.
    vars(importlib.import_module("PIL.AvifImagePlugin")).update(DEFAULT_MAX_THREADS=1)
    if not heif.load():
        _NAMES.remove("HEIF")
    Image.MAX_IMAGE_PIXELS = None


@contextlib.contextmanager
def opened(content: bytes) -> Iterator[Any]:
    """The picture, not decoded yet. Raises Unreadable, MemoryError."""
    from PIL import Image

    with readable(), Image.open(io.BytesIO(content), formats=_NAMES) as found:
        yield found


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """For a broken file pillow raises any error of its decoders, from SyntaxError to struct.error: they become
    Unreadable."""
    try:
        yield
    except (MemoryError, Unreadable):
        raise
    except Exception as error:
        raise Unreadable(str(error)) from None


def whole_or_broken(read: Callable[[bool], Found]) -> Found:
    """The result of `read` for a picture; when it is truncated, the result of `read(True)`, which uses what there is.
    Raises the error of the first call when the second fails too."""
    from PIL import ImageFile

    first: Unreadable | None = None
    for broken in (False, True):
        ImageFile.LOAD_TRUNCATED_IMAGES = broken
        try:
            found = read(broken)
        except Unreadable as error:
            first = first or error
        else:
            if found or first is None:
                return found
    assert first is not None
    raise first


def check(picture: Any) -> None:
    """Raises Unreadable for one that is too large, before it is decoded."""
    if picture.width * picture.height > MOST_PIXELS:
        raise Unreadable(f"{picture.width} by {picture.height} pixels are too many", "unsupported")


def is_transparent(picture: Any) -> bool:
    """Whether it may have transparent pixels."""
    return picture.mode in _TRANSPARENT or "transparency" in picture.info


def on_white(picture: Any) -> Any:
    """A transparent picture on white paper, in RGBA."""
    from PIL import Image

    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def levelled(picture: Any) -> Any:
    """A grey picture of more than 256 levels reduced to 256: the range that the scanner or camera used is stretched."""
    picture = picture.convert("F")
    darkest, lightest = picture.getextrema()
    scale = 255.0 / ((lightest - darkest) or 1.0)
    return picture.point(lambda level: level * scale - darkest * scale).convert("L")
