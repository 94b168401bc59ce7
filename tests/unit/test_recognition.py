"""What is installed for recognition, and what `scripts/serve` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.commands.serve import _recognition
from app.errors import InvalidSetting
from app.extraction.recognition_data import recognition_folder, recognition_installed, recognition_languages
from app.settings import Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("eng", "deu", "osd", "equ", "chi_sim", "chi_sim_vert"):
        (tmp_path / f"{name}.traineddata").touch()
    monkeypatch.setattr("app.extraction.recognition_data.RECOGNITION_DATA", (tmp_path / "missing", tmp_path))
    return tmp_path


def test_languages_are_told_from_the_data(folder: Path) -> None:
    assert recognition_folder() == folder
    assert recognition_languages(folder) == ("chi_sim", "deu", "eng")
    (folder / "eng.traineddata").unlink()
    assert not recognition_installed()


def test_it_is_said_which_are_there_and_how_to_get_more(folder: Path) -> None:
    said = _recognition(Settings())
    assert "chi_sim, deu, eng" in said
    assert "apt-get install tesseract-ocr-" in said
    said = _recognition(Settings(recognition_languages=("deu", "fra")))
    assert "in these languages: deu " in said
    assert "Not installed: fra." in said
    (folder / "eng.traineddata").unlink()
    assert "apt-get install tesseract-ocr-eng" in _recognition(Settings())


def test_names_of_languages() -> None:
    assert Settings.from_environ({"RECOGNITION_LANGUAGES": " deu, chi_sim,"}).recognition_languages == (
        "deu",
        "chi_sim",
    )
    assert Settings.from_environ({"RECOGNITION_LANGUAGES": ""}).recognition_languages == ()
    for wrong in ("../eng", "deu fra", "eng+deu", "-x"):
        with pytest.raises(InvalidSetting):
            Settings.from_environ({"RECOGNITION_LANGUAGES": wrong})
