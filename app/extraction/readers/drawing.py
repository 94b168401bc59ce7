"""Thumbnails as they are stored: a picture as a person sees it (oriented, on white, in the colours of screens), in each
size, as WebP.

The picture is made smaller first, because profiles, turning and transparency take time for each pixel. A picture that
is smaller than a thumbnail keeps its size.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

from app.extraction.readers import picture
from app.extraction.readers.reader import Inner
from app.extraction.thumbnail import SIZES

#: Options of WebP: the quality at which letters on a page stay legible; a slower method saves 3 % in twice the time
#: (docs/adr/0018-thumbnails.md).
QUALITY, METHOD = 80, 2
_ORIENTATION = 0x0112


def load() -> None:
    from PIL import ImageCms  # noqa: F401

    picture.load()


def of_picture(content: bytes) -> tuple[Inner, ...]:
    """The thumbnails of a picture, of its first frame or page if it has several. Raises Unreadable, MemoryError."""

    def read(is_broken: bool) -> tuple[Inner, ...]:
        with picture.opened(content) as opened:
            drawn = _small(opened)
            # A picture that is truncated at its beginning has nothing but the decoder's initial value.
            if is_broken and all(least == most for least, most in drawn.getextrema()):
                return ()
            return thumbnails(drawn)

    return picture.whole_or_broken(read)


def thumbnails(drawn: Any) -> tuple[Inner, ...]:
    """The thumbnails of a picture in RGB. Raises Unreadable, MemoryError."""
    found = []
    for size in sorted(SIZES, reverse=True):
        # The small one is made from the large one, which has all that it needs.
        drawn = _scaled(drawn, _within(drawn.size, size))
        # Profiles and texts of the picture do not belong into the thumbnail.
        drawn.info.clear()
        buffer = io.BytesIO()
        with picture.readable():
            drawn.save(buffer, "WEBP", quality=QUALITY, method=METHOD)
        found.append(Inner(str(size), buffer.getvalue()))
    return tuple(reversed(found))


def _within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """The size of a picture scaled so that no side is longer than that."""
    share = min(1.0, longest / max(size))
    width, height = (max(1, round(each * share)) for each in size)
    return width, height


def _scaled(drawn: Any, size: tuple[int, int]) -> Any:
    from PIL import Image

    # First by a whole number, when it is much larger.
    return drawn.copy() if drawn.size == size else drawn.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _small(opened: Any) -> Any:
    """Decode a picture: in RGB, not larger than the largest thumbnail."""
    size = _within(opened.size, max(SIZES))
    if opened.format in ("JPEG", "MPO"):
        # A photo is decoded at a smaller size when that is enough.
        opened.draft(opened.mode, size)
    picture.check(opened)
    opened.load()
    # Known by then, and only applied when the decoder has not turned it already.
    orientation = opened.getexif().get(_ORIENTATION)
    profile = opened.info.get("icc_profile")
    if picture.is_transparent(opened):
        whole = opened if opened.mode == "RGBA" else opened.convert("RGBA")
        drawn = picture.on_white(_scaled(whole, size)).convert("RGB")
    elif opened.mode.startswith(("I", "F")):
        drawn = picture.levelled(_scaled(opened.convert("F"), size))
    elif opened.mode in ("1", "P"):
        drawn = _scaled(opened.convert("L" if opened.mode == "1" else "RGB"), size)
    else:
        drawn = _scaled(opened, size)
    return _turned(_on_screen(drawn, profile), orientation)


def _on_screen(drawn: Any, profile: bytes | None) -> Any:
    """The picture in RGB, with its profile applied."""
    from PIL import ImageCms

    if drawn.mode == "LAB":
        lab, screen = (ImageCms.createProfile(each) for each in ("LAB", "sRGB"))
        return ImageCms.profileToProfile(drawn, lab, screen, outputMode="RGB")
    if profile:
        # A broken profile, or one for another colour space, counts as none.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            found = ImageCms.profileToProfile(
                drawn, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            if found is not None:
                return found
    return drawn.convert("RGB")


def _turned(drawn: Any, orientation: object) -> Any:
    """The picture turned by its orientation (Exif 3.0, 4.6.5)."""
    from PIL.Image import Transpose

    ways = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    way = ways.get(orientation) if isinstance(orientation, int) else None
    return drawn if way is None else drawn.transpose(way)
