"""The package as pip makes it: all of the application's files are in it, those of the page too."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.app import ROOT
from tests.support.registries import fetch


@pytest.mark.timeout(600)
def test_the_wheel_has_every_file_of_the_application(tmp_path: Path) -> None:
    source = tmp_path / "source"
    # From a copy: what building leaves behind is not for the clone.
    shutil.copytree(ROOT / "app", source / "app", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    wanted = {str(path.relative_to(source)) for path in (source / "app").rglob("*") if path.is_file()}
    assert {"app/web/page/static/page.html", "app/web/page/static/pdfjs/cmaps/UniGB-UCS2-H.bcmap"} <= wanted
    # What builds it comes from the registry.
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--disable-pip-version-check"]
    fetch([*command, "-w", str(tmp_path), str(source)], seconds=150)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        found = {name for name in packed.namelist() if name.startswith("app/")}
    assert found == wanted
