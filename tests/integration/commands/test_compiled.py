"""`scripts/serve` compiles the application, for processes that write nothing: one for each document."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.commands import serve
from tests.support.namespaces import own_mounts

ROOT = Path(__file__).parents[3]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone without compiled modules, which is the door's."""
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(serve, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    return tmp_path


def compiled_by_a_reader(clone: Path) -> set[str]:
    """The modules that a process which reads documents has to compile itself. (It ends as no document is told to it.)"""
    command = [sys.executable, "-I", "-B", "-v", str(clone / "app" / "extraction" / "start.py")]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr
    assert "import 'app.extraction.child'" in said
    before = f"# code object from {clone}/app/"
    return {Path(line).name for line in said.splitlines() if line.startswith(before)}


def test_readers_of_documents_compile_nothing(clone: Path) -> None:
    assert "child.py" in compiled_by_a_reader(clone)
    serve.compile_application()
    assert compiled_by_a_reader(clone) == set()


def test_what_is_changed_since_is_read_as_it_is(clone: Path) -> None:
    serve.compile_application()
    changed = clone / "app" / "extraction" / "inner.py"
    changed.write_text(f"{changed.read_text()}\nchanged = True\n")
    assert compiled_by_a_reader(clone) == {"inner.py"}
    serve.compile_application()
    assert compiled_by_a_reader(clone) == set()


def test_who_wants_no_compiled_modules_has_none(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    serve.compile_application()
    assert list(clone.rglob("__pycache__")) == []


def test_a_folder_that_cannot_be_written_is_no_error(clone: Path) -> None:
    mounts = [f"mount --bind {clone} {clone}", f"mount -o remount,bind,ro {clone}"]
    program = "import pathlib; from app.commands import serve; "
    program += f"serve.ROOT = pathlib.Path({str(clone)!r}); serve.compile_application()"
    done = subprocess.run(
        [*own_mounts(mounts), sys.executable, "-c", program],
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(clone.rglob("__pycache__")) == []
