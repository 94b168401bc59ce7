"""The journal: an entry is somebody's while they live, and everybody's afterwards."""

import os
import shutil
import time
from pathlib import Path

import pytest

from app.coordination.local import Local
from app.coordination.local import journal as module
from app.coordination.local.change_lock import Hold
from app.coordination.local.journal import MOST_SPARES, Journal
from app.errors import StorageFailed
from app.files import locked
from tests.support.descriptors import below

ROOT = Path(__file__).parents[2]


def test_an_entry_that_is_worked_on_is_nobody_elses(tmp_path: Path) -> None:
    entry = Journal(tmp_path).begin("upload", ["a"], durable=False)
    assert list(Journal(tmp_path).abandoned()) == []
    entry.settled()
    assert list(Journal(tmp_path).abandoned()) == []
    assert Journal(tmp_path).count() == 0


def test_the_entry_of_an_upload_is_used_again(tmp_path: Path) -> None:
    """And says nothing in between, whatever is still in it."""
    journal, other = Journal(tmp_path), Journal(tmp_path)
    first = journal.begin("upload", ["a" * 100], durable=False)
    first.settled()
    (spare,) = (tmp_path / "journal").iterdir()
    assert (journal.count(), journal.ids(), list(other.abandoned())) == (0, set(), [])
    second = journal.begin("upload", ["b"], durable=False)
    assert [each.suffix for each in (tmp_path / "journal").iterdir()] == [".upload"]
    assert (journal.count(), journal.ids(), list(other.abandoned())) == (1, {"b"}, [])
    # Whoever settled it before has no part in it any more.
    first.settled()
    first.close()
    assert list(other.abandoned()) == []
    second.close()
    (taken,) = other.abandoned()
    assert taken.ids == ["b"]
    taken.settled()
    assert list((tmp_path / "journal").iterdir()) == []
    assert not spare.exists()


@pytest.mark.parametrize(("ids", "durable"), [(["a", "b"], False), (["a", "b"], True), (["a"], True)])
def test_an_entry_that_says_more_is_not_used_again(tmp_path: Path, ids: list[str], durable: bool) -> None:
    """What was in it may be back under its next name after a power cut."""
    Journal(tmp_path).begin("upload", ids, durable=durable).settled(durable=durable)
    assert list((tmp_path / "journal").iterdir()) == []


def test_so_many_entries_are_kept_and_no_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    entries = [journal.begin("upload", [f"a{number}"], durable=False) for number in range(MOST_SPARES + 1)]
    assert journal.count() == len(entries)
    for entry in entries:
        entry.settled()
    assert len(list((tmp_path / "journal").iterdir())) == MOST_SPARES
    assert len(below(tmp_path / "journal")) == MOST_SPARES
    assert journal.count() == 0


def test_a_spare_that_was_removed_by_hand_costs_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for entry in [journal.begin("upload", [f"a{number}"], durable=False) for number in range(3)]:
        entry.settled()
    for spare in list((tmp_path / "journal").iterdir())[:2]:
        spare.unlink()
    entries = [journal.begin("upload", [f"b{number}"], durable=False) for number in range(3)]
    assert journal.ids("upload") == {"b0", "b1", "b2"}
    assert list(Journal(tmp_path).abandoned()) == []
    for entry in entries:
        entry.settled()
    assert len(below(tmp_path)) == 3, "and no descriptor"
    # Without its folder it is an error all the same.
    shutil.rmtree(tmp_path / "journal")
    with pytest.raises(StorageFailed):
        journal.begin("upload", ["c"], durable=False)
    assert below(tmp_path) == []


def test_one_that_is_settled_while_it_is_looked_at_is_not_decided_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened, then settled by who worked on it, then locked: the lock of a file that has no name any more."""
    entry = Journal(tmp_path).begin("upload", ["a", "b"], durable=True)

    def late(descriptor: int) -> bool:
        entry.settled(durable=True)
        return locked(descriptor)

    looking = Journal(tmp_path)
    monkeypatch.setattr(module, "locked", late)
    assert list(looking.abandoned()) == []


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
    held = below(tmp_path)
    for _ in range(3):
        (taken,) = journal.abandoned()
        assert taken.ids == ["a"]
        taken.close()
        assert below(tmp_path) == held
    with Local(tmp_path).change_lock.exclusive():
        pass


def test_an_entry_closes_its_descriptors_once(tmp_path: Path) -> None:
    """By the second time their numbers may be other files'."""
    for _ in range(100):
        entry = Journal(tmp_path).begin("upload", ["a"], durable=False)
        assert isinstance(entry.work, Hold)
        numbers = entry.descriptor, entry.work._descriptor
        entry.close()
        others = [os.open(tmp_path, os.O_RDONLY) for _ in numbers]
        if set(others) == set(numbers):
            break
        # Another thread of this process was faster.
        for each in others:
            os.close(each)
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
