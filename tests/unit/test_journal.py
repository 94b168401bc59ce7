"""The journal: an entry is somebody's while they live, and everybody's afterwards."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import journal as module
from app.journal import Journal
from app.turnstile import Turnstile

ROOT = Path(__file__).parents[2]


def test_an_entry_that_is_worked_on_is_nobody_elses(tmp_path: Path) -> None:
    entry = Journal(tmp_path).begin("upload", ["a"], durable=False)
    assert list(Journal(tmp_path).abandoned()) == []
    entry.settled()
    assert list(Journal(tmp_path).abandoned()) == []
    assert list((tmp_path / "journal").iterdir()) == []


def test_an_entry_that_was_let_go_is_taken_up_by_one(tmp_path: Path) -> None:
    Journal(tmp_path).begin("delete", ["a", "b"], durable=True).close()
    (taken,) = Journal(tmp_path).abandoned()
    assert (taken.kind, taken.ids) == ("delete", ["a", "b"])
    assert list(Journal(tmp_path).abandoned()) == []
    taken.close()
    (again,) = Journal(tmp_path).abandoned()
    again.settled()
    again.settled()
    assert list(Journal(tmp_path).abandoned()) == []


def test_the_entry_of_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from app.journal import Journal\n"
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


def test_one_that_is_being_made_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    # Between its creation and its lock an entry can be locked by anybody.
    new = tmp_path / "journal" / f"{'0' * 32}.new"
    new.touch()
    assert list(journal.abandoned()) == []
    assert new.exists()
    long_ago = time.time() - 3600
    os.utime(new, (long_ago, long_ago))
    assert list(journal.abandoned()) == []
    assert not new.exists()


def test_litter_is_removed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    (tmp_path / "journal" / "x.upload").write_text("{")
    (tmp_path / "journal" / "y.delete").write_text('{"ids": []}')
    assert list(journal.abandoned()) == []
    assert list((tmp_path / "journal").iterdir()) == []


def test_what_cannot_be_read_keeps_nothing_from_being_decided(tmp_path: Path) -> None:
    """And costs no descriptor and no lock: it is looked at again and again."""
    journal = Journal(tmp_path)
    (tmp_path / "journal" / "0.upload").mkdir()
    journal.begin("delete", ["a"], durable=False).close()
    held = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        (taken,) = journal.abandoned()
        assert taken.ids == ["a"]
        taken.close()
        assert len(os.listdir("/proc/self/fd")) == held
    with Turnstile(tmp_path).alone():
        pass


def test_an_entry_closes_its_descriptors_once(tmp_path: Path) -> None:
    """By the second time their numbers may be other files'."""
    entry = Journal(tmp_path).begin("upload", ["a"], durable=False)
    numbers = entry.descriptor, entry.work
    entry.settled()
    others = [os.open(tmp_path, os.O_RDONLY) for _ in numbers]
    assert set(others) == set(numbers)
    entry.close()
    for each in others:
        os.fstat(each)
        os.close(each)


def test_an_entry_whose_removal_can_not_be_synced_stands_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut brings it back after one of its files was deleted: the others must not be taken for half an upload."""
    entry = Journal(tmp_path).begin("upload", ["a", "b"], durable=True)
    # What the disk still has under that name, as its removal was not synced.
    kept = tmp_path / "kept"
    os.link(entry.path, kept)

    def fail(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module, "sync_folder", fail)
    entry.settled(durable=True)
    assert list((tmp_path / "journal").iterdir()) == []
    kept.rename(entry.path)
    assert list(Journal(tmp_path).abandoned()) == []
    assert list((tmp_path / "journal").iterdir()) == []
