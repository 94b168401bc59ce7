"""Text that is recognized in a picture, by tesseract, which is a part of the library that reads most documents.

It gets plain pictures alone, grey and of a size that is bounded: what a file has of forms, colours and pages is dealt with
before. It turns a page that lies on its side where the data for that (`osd`) is installed, and makes small letters larger
by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.extraction.readers import document
from app.extraction.readers.base import Options, Unfit
from app.extraction.recognition_data import recognition_languages

#: Pixels of a picture that is recognized: a page of A4 with 300 dots to an inch has 8.7 million. A larger picture has to be
#: made smaller.
MOST_PIXELS = 10_000_000
#: A picture with less on a side has no text that could be read.
LEAST_SIDE = 8

ENGLISH = "eng"

# Where the data lies and what is used of it, since `load`.
_settings: dict[str, Any] = {}
_AUTOMATIC, _WITH_TURNS = 3, 1


def load(options: Options) -> None:
    """Raises Unfit."""
    document.load(options)
    if "tesseract" not in document.native().list_ocr_backends():
        raise Unfit("recognition can't be used: tesseract is not among what the library offers")
    folder = Path(options.folder)
    there = recognition_languages(folder)
    used = [each for each in options.languages or there if each in there]
    # English last, where it is not asked for: the small document that tells whether recognition works is in English.
    used += [] if ENGLISH in used else [ENGLISH]
    turns = (folder / "osd.traineddata").is_file()
    _settings.update(folder=options.folder, languages=used, segmentation=_WITH_TURNS if turns else _AUTOMATIC)


def text(pixels: bytes, width: int, height: int) -> str:
    """What is recognized in a grey picture, of a byte for each pixel. Raises Unreadable."""
    if min(width, height) < LEAST_SIDE or pixels.count(pixels[:1]) == len(pixels):
        return ""
    xberg = document.native()
    tesseract = xberg.TesseractConfig(use_cache=False, psm=_settings["segmentation"])
    ocr = xberg.OcrConfig(
        backend="tesseract",
        language=_settings["languages"],
        tesseract_config=tesseract,
        tessdata_path=_settings["folder"],
    )
    picture = b"P5 %d %d 255\n" % (width, height) + pixels
    return "\n".join(str(each) for each in document.read(picture, "image/x-portable-graymap", ocr=ocr))
