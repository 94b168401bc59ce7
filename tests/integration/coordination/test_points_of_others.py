"""Points in time of a process that is killed in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from app.storage.filesystem import Filesystem
from tests.support.app import ROOT


def test_a_process_that_is_killed_leaves_only_what_is_swept(tmp_path: Path) -> None:
    """The file that is to take its place is one of the temporary files, which a sweep and a check know."""
    program = (
        "import os, pathlib, signal, sys; from app.coordination.local import Local\n"
        "os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from app.services.points_in_time import PointsInTime\n"
        "PointsInTime(Local(pathlib.Path(sys.argv[1])).points_in_time, 2).reserve('mine', 60)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=60, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "points").rglob("*")] == ["mine"]
    (left,) = (tmp_path / "incoming").iterdir()
    assert Filesystem(tmp_path).sweep(10.0, lambda: time.time() + 60) == []
    assert Filesystem(tmp_path).sweep(10.0, lambda: time.time() + 71) == [left.name]
