"""Recognition of text in a picture by tesseract, which is part of the library that reads most documents.

It only gets plain grey pictures of bounded size: formats, colours and pages of a file are handled before. It turns a page
that lies on its side when the data for that (`osd`) is installed, and enlarges small letters by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.extraction.readers import document
from app.extraction.readers.reader import Options, Unfit, Unreadable
from app.extraction.recognition_data import TURNS, recognition_used

#: The most pixels of a picture that is recognized: an A4 page at 300 dots per inch has 8.7 million. A larger picture has to
#: be made smaller.
MOST_PIXELS = 10_000_000
#: A picture with fewer pixels on a side contains no legible text.
LEAST_SIDE = 8

# The folder of the data and the data in use, set by `load`.
_settings: dict[str, Any] = {}
_AUTOMATIC, _WITH_TURNS = 3, 1


def load(options: Options) -> None:
    """Raises Unfit."""
    document.load(options)
    if "tesseract" not in document.native().list_ocr_backends():
        raise Unfit("recognition can't be used: tesseract is not among what the library offers")
    folder = Path(options.folder)
    used = recognition_used(folder, options.languages)
    languages = [each for each in used if each != TURNS]
    segmentation = _WITH_TURNS if TURNS in used else _AUTOMATIC
    _settings.update(folder=options.folder, languages=languages, segmentation=segmentation)


def text(pixels: bytes, width: int, height: int) -> str:
    """The text in a grey picture with a byte for each pixel. Raises Unreadable."""
    if min(width, height) < LEAST_SIDE or pixels.count(pixels[:1]) == len(pixels):
        return ""
    picture = b"P5 %d %d 255\n" % (width, height) + pixels
    while True:
        try:
            return "\n".join(str(each) for each in document.read(picture, "image/x-portable-graymap", ocr=_asked()))
        except Unreadable as error:
            # The small document reveals data under a name that the library does not accept as a language. Only the
            # error's message shows it, because the library has no list of accepted names.
            refused = [each for each in _settings["languages"] if f"language code '{each}'" in str(error)]
            if not refused or refused == _settings["languages"]:
                raise
            _settings["languages"] = [each for each in _settings["languages"] if each not in refused]


def _asked() -> Any:
    xberg = document.native()
    tesseract = xberg.TesseractConfig(use_cache=False, psm=_settings["segmentation"])
    return xberg.OcrConfig(
        backend="tesseract",
        language=_settings["languages"],
        tesseract_config=tesseract,
        tessdata_path=_settings["folder"],
    )
