"""The journal where other processes write it, which end or are killed."""

import signal
import subprocess
import sys
from pathlib import Path

from app.coordination.local.journal import Journal
from tests.support.app import ROOT


def test_the_spares_of_a_process_that_ended_are_removed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.coordination.local.journal import Journal\n"
        "Journal(Path(sys.argv[1])).begin('upload', ['a'], durable=False).settled()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True)
    assert [each.suffix for each in (tmp_path / "journal").iterdir()] == [".spare"]
    assert list(Journal(tmp_path).abandoned()) == []
    assert list((tmp_path / "journal").iterdir()) == []


def test_the_entry_of_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from app.coordination.local.journal import Journal\n"
        "entry = Journal(Path(sys.argv[1])).begin('upload', ['a'], durable=True)\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        assert list(Journal(tmp_path).abandoned()) == []
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    (entry,) = Journal(tmp_path).abandoned()
    assert entry.ids == ["a"]
    entry.settled()
