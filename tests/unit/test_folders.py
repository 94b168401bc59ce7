"""What has become of a folder since it was read last."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.blobs.filesystem import Filesystem
from app.ids import new_xid
from app.upkeep.folders import MARGIN, Change, Folders

LONG_AGO = time.time() - 3600


@pytest.fixture
def blobs(tmp_path: Path) -> Filesystem:
    return Filesystem(tmp_path)


def written(path: Path, moment: float = LONG_AGO) -> Path:
    path.write_text("{}")
    os.utime(path, (moment, moment))
    return path


def test_first_time_everything_is_new(blobs: Filesystem) -> None:
    one, two = same_folder(blobs, count=2)
    written(blobs.record_path(one))
    written(blobs.record_path(two))
    written(blobs.extraction_path(two))
    written(blobs.bytes_path(one))
    # An outcome without a record is nobody's.
    (alone,) = same_folder(blobs, one, count=1)
    written(blobs.extraction_path(alone))
    folder = int(blobs.folder(one).name, 16)
    change = Folders(blobs).read(folder)
    assert (change.gone, set(change.new), change.extracted & {one, two}) == (set(), {one, two}, {two})


def test_later_only_what_changed(blobs: Filesystem) -> None:
    old, changed, extracted, removed = ids = same_folder(blobs, count=4)
    for each in ids:
        written(blobs.record_path(each))
        written(blobs.extraction_path(each))
    folders = Folders(blobs)
    number = int(blobs.folder(old).name, 16)
    folders.read(number)
    assert folders.read(number) == Change(set(), [], set(ids))
    written(blobs.record_path(changed), time.time())
    written(blobs.extraction_path(extracted), time.time() - MARGIN / 2)
    blobs.record_path(removed).unlink()
    (new,) = same_folder(blobs, old, count=1)
    written(blobs.record_path(new))
    change = folders.read(number)
    assert (change.gone, set(change.new)) == ({removed}, {changed, extracted, new})
    # The outcome that is left of what was removed is nobody's.
    assert change.extracted - {removed} == {old, changed, extracted}


def same_folder(blobs: Filesystem, of: str | None = None, *, count: int) -> list[str]:
    """Ids whose files are in one folder."""
    found: dict[str, list[str]] = {}
    while True:
        made = new_xid()
        folder = blobs.folder(made).name
        if of is None or blobs.folder(of).name == folder:
            found.setdefault(folder, []).append(made)
            if len(found[folder]) == count:
                return found[folder]
