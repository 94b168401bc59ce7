"""Tokens that several processes make at once."""

import subprocess
import sys
from pathlib import Path

from app.auth.tokens import Tokens
from app.coordination.local import Local
from tests.support.app import ROOT


def test_two_processes_lose_no_change(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.auth.tokens import Tokens\n"
        "from app.coordination.local import Local\n"
        "for n in range(15): Tokens(Local(Path(sys.argv[1])).tokens).create(f'{sys.argv[2]}-{n}')"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=ROOT) for name in ("a", "b", "c")
    ]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert len(Tokens(Local(tmp_path).tokens).all()) == 45
