"""What begins while the node starts leaves nothing to be imported afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.app import ROOT

PROGRAM = """
import sys
import app.commands.early_server
before = set(sys.modules)
import app.server.config, app.web.app
app.web.app.create_app()
from app.server.config import worker_class
from gunicorn import util
util.load_class(worker_class)
print(*sorted(set(sys.modules) - before))
"""


def test_the_server_finds_everything_imported(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "DATA": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["app.server.config"]
