"""The data with which text in pictures is recognized, as installed on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

#: Data of recognition: for the language that is always there, and for the orientation of pages.
ENGLISH, TURNS = "eng", "osd"
#: Data that is not for a language: orientation, and formulas.
_NO_LANGUAGES = {TURNS, "equ"}
#: The suffix of data for vertical writing, which belongs to its language and is loaded with it; and that of data for
#: blackletter, which the library refuses to load by such a name.
_NO_ENDINGS = ("_vert", "_frak", "_latf")
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
    """The folder with the data that recognition needs; None where it is not installed. The library contains the program."""
    return next((each for each in RECOGNITION_DATA if (each / f"{ENGLISH}.traineddata").is_file()), None)


def recognition_languages(folder: Path) -> tuple[str, ...]:
    """The languages of which the folder has data, in the order of their names."""
    found = (each.stem for each in folder.glob("*.traineddata"))
    return tuple(sorted(each for each in found if each not in _NO_LANGUAGES and not each.endswith(_NO_ENDINGS)))


def recognition_used(folder: Path | None, chosen: Sequence[str] = ()) -> tuple[str, ...]:
    """The data in `folder` with which text is recognized: for the installed languages among `chosen` (empty: for all),
    and for English, which comes last when it is not chosen: the small document that shows whether recognition works is
    in English. Also `osd`, which detects how a page is turned, if installed. Empty: nothing is recognized."""
    if folder is None:
        return ()
    there = recognition_languages(folder)
    used = [each for each in dict.fromkeys(chosen or there) if each in there]
    used += [each for each in (ENGLISH,) if each not in used]
    used += [each for each in (TURNS,) if (folder / f"{each}.traineddata").is_file()]
    return tuple(used)


def recognition_installed() -> bool:
    """Whether recognition can be used on this machine."""
    return recognition_folder() is not None
