"""Where the node is, told by a process that was killed."""

import subprocess
import sys
from pathlib import Path

from app.coordination.local.data_folder import node_url, telling_node_url
from tests.support.app import ROOT
from tests.unit.test_node_url import URL

KILLED = """
import os, pathlib, signal, sys
from app.coordination.local.data_folder import telling_node_url
with telling_node_url(pathlib.Path(sys.argv[1]), "http://127.0.0.1:4711"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_one_leaves_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "elasticsearch").mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False, timeout=60)
    assert (tmp_path / "elasticsearch" / "url").read_text() == URL
    assert node_url(tmp_path) is None
    with telling_node_url(tmp_path, URL):
        assert node_url(tmp_path) == URL
