"""The data that text in pictures is recognized with, as it is installed on this machine."""

from __future__ import annotations

from pathlib import Path

#: Data of recognition that is of no language: how a page is turned, and formulas.
_NO_LANGUAGES = {"osd", "equ"}
#: Where the library looks for the data of recognition.
RECOGNITION_DATA = tuple(
    Path(folder)
    for folder in (
        "/usr/share/tesseract-ocr/5/tessdata",
        "/usr/share/tesseract-ocr/4/tessdata",
        "/usr/share/tessdata",
        "/usr/local/share/tessdata",
    )
)


def recognition_folder() -> Path | None:
    """The folder with the data that recognition needs; None where it is not installed. The program is in the library."""
    return next((each for each in RECOGNITION_DATA if (each / "eng.traineddata").is_file()), None)


def recognition_languages(folder: Path) -> tuple[str, ...]:
    """The languages of which the folder has data, in the order of their names."""
    found = (each.stem for each in folder.glob("*.traineddata"))
    # What is written from top to bottom belongs to its language, which loads it.
    return tuple(sorted(each for each in found if each not in _NO_LANGUAGES and not each.endswith("_vert")))


def recognition_installed() -> bool:
    """Whether recognition can be used on this machine."""
    return recognition_folder() is not None
