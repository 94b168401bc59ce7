"""Pictures as pillow opens them: for those who recognize text in them, and who draw thumbnails of them.

A few forms of those that the library knows: one that nobody sends is nobody's way in, and some of them start programs.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from app.extraction.readers import heif
from app.extraction.readers.base import Unreadable

Found = TypeVar("Found")

#: Of pillow, by the names of its modules.
_FORMS = ("Avif", "Bmp", "Gif", "Ico", "Jpeg", "Jpeg2K", "Mpo", "Pcx", "Png", "Ppm", "Psd", "Tga", "Tiff", "WebP")
_NAMES = ["AVIF", "BMP", "DIB", "GIF", "HEIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "PSD", "TGA"]
_NAMES += ["TIFF", "WEBP"]
#: Pixels of one page, which takes four bytes for each of them at most, and twice that for a moment.
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
    """Of a broken file pillow raises whatever a decoder came upon, from SyntaxError to struct.error: as Unreadable."""
    try:
        yield
    except (MemoryError, Unreadable):
        raise
    except Exception as error:
        raise Unreadable(str(error)) from None


def whole_or_broken(read: Callable[[bool], Found]) -> Found:
    """What `read` makes of a picture; of one that breaks off, of what there is, when it is told True. Raises as it does the
    first time, also where it makes nothing of that."""
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
    """Whether pixels of it may be transparent."""
    return picture.mode in _TRANSPARENT or "transparency" in picture.info


def on_white(picture: Any) -> Any:
    """A transparent picture on white paper, in RGBA."""
    from PIL import Image

    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def levelled(picture: Any) -> Any:
    """A grey picture of more than 256 levels, of which a scanner or camera may use a part, in 256."""
    picture = picture.convert("F")
    darkest, lightest = picture.getextrema()
    scale = 255.0 / ((lightest - darkest) or 1.0)
    return picture.point(lambda level: level * scale - darkest * scale).convert("L")
