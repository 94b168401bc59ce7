"""One page of a PDF that is a picture: it is drawn and its text recognized."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from app.extraction.readers import pdf, pdf_text, recognition
from app.extraction.readers.reader import Options, Piece, Unreadable

#: Dots per inch, and points per inch.
RESOLUTION, POINTS = 300, 72

_page = 1


def load(options: Options) -> None:
    global _page
    pdf.load(options)
    recognition.load(options)
    _page = max(1, options.page)


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    """Its text. The small document that is read before has one page."""
    import pypdfium2 as pdfium2
    import pypdfium2.raw as raw

    document = pdf.opened(content)
    try:
        with contextlib.closing(document[min(_page, len(document)) - 1]) as page:
            # Text of annotations is read as text, and not recognized once more.
            for index in reversed(range(min(raw.FPDFPage_CountObjects(page), pdf_text.MOST_OBJECTS))):
                item = raw.FPDFPage_GetObject(page, index)
                if raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_TEXT and raw.FPDFPage_RemoveObject(page, item):
                    raw.FPDFPageObj_Destroy(item)
            width, height = page.get_size()
            scale = min(RESOLUTION / POINTS, (recognition.MOST_PIXELS / max(1.0, width * height)) ** 0.5)
            drawn = page.render(scale=scale, grayscale=True, draw_annots=False, may_draw_forms=False)
            # Each line may end with padding bytes.
            width, height, stride, pixels = drawn.width, drawn.height, drawn.stride, bytes(drawn.buffer)
    except pdfium2.PdfiumError as error:
        raise Unreadable(f"page {_page}: {error}") from None
    if stride != width:
        pixels = b"".join(pixels[line * stride : line * stride + width] for line in range(height))
    yield recognition.text(pixels, width, height)
