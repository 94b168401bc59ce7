"""Thumbnails of a PDF: its first page as a viewer shows it, with annotations and filled-in forms."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from app.extraction.readers import drawing, pdf
from app.extraction.readers.reader import Options, Piece, Unreadable
from app.extraction.thumbnail import SIZES

#: Pixels on the longest side, a little less than the size because the library rounds up.
_LONGEST = max(SIZES) - 0.01


def load(options: Options) -> None:
    pdf.load(options)
    drawing.load()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    import pypdfium2 as pdfium2
    from PIL import Image

    document = pdf.opened(content)
    try:
        document.init_forms()
        with contextlib.closing(document[0]) as page:
            longest = max(page.get_size())
            if not longest > 0:
                raise Unreadable("its first page has no size")
            drawn = page.render(scale=_LONGEST / longest, rev_byteorder=True, prefer_bgrx=True)
            size, pixels = (drawn.width, drawn.height), bytes(drawn.buffer)
            found = Image.frombuffer("RGB", size, pixels, "raw", "RGBX", drawn.stride, 1)
    except (pdfium2.PdfiumError, IndexError) as error:
        raise Unreadable(f"its first page: {error}") from None
    yield from drawing.thumbnails(found)
