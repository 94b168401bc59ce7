"""What the filesystem alone promises: names, modes, locks, what lies beside, and the order of its steps. All that every
storage promises is in tests/contracts/test_storage.py."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.errors import StorageFailed, StorageFull
from app.ids import new_xid
from app.storage.contract import Artefact, Stray, partition_of
from app.storage.filesystem import LARGE_PIECE, LOOK_EVERY, SMALL_FILE, Filesystem
from tests.faults.conftest import mounted
from tests.support.artefacts import path_of
from tests.support.descriptors import below

pytestmark = pytest.mark.any_user

BIG = 1 << 30
MIB = 1 << 20
ROOT = Path(__file__).parents[3]


@pytest.fixture
def storage(tmp_path: Path) -> Filesystem:
    return Filesystem(tmp_path)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def stored(storage: Filesystem, content: bytes = b"bytes") -> str:
    attachment_id = new_xid()
    staged = storage.stage([content], BIG)
    staged.keep(attachment_id)
    storage.commit(attachment_id, {"id": attachment_id})
    staged.discard()
    return attachment_id


def with_text(storage: Filesystem, attachment_id: str, content: bytes) -> None:
    with closing(storage.stage_text()) as text:
        text.file.write(content)
        storage.keep_text(attachment_id, {"size": len(content)}, text)


# Names and modes


def test_what_lies_where(storage: Filesystem, tmp_path: Path) -> None:
    attachment_id = stored(storage, b"bytes")
    with_text(storage, attachment_id, b"text")
    storage.keep_thumbnail(attachment_id, b"{}\n", [b"picture"])
    storage.keep_passages(attachment_id, b"passages")
    assert files(tmp_path) == sorted(path_of(tmp_path, attachment_id, each) for each in Artefact)
    assert path_of(tmp_path, attachment_id, Artefact.THUMBNAIL).read_bytes() == b"{}\npicture"
    assert path_of(tmp_path, attachment_id).read_bytes() == b"bytes"
    assert path_of(tmp_path, attachment_id, Artefact.TEXT).read_bytes() == b"text"
    assert path_of(tmp_path, attachment_id, Artefact.OUTCOME).read_text() == '{\n "size": 4\n}\n'
    storage.remove(attachment_id)
    assert files(tmp_path) == []


def test_modes_do_not_let_others_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        storage = Filesystem(tmp_path / "fresh")
        attachment_id = stored(storage)
        with_text(storage, attachment_id, b"text")
        storage.keep_thumbnail(attachment_id, b"{}\n", [b"picture"])
        storage.keep_passages(attachment_id, b"passages")
    finally:
        os.umask(before)
    for path in (tmp_path / "fresh").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640), path


def test_passages_that_came_after_all_the_rest_are_a_change(storage: Filesystem, tmp_path: Path) -> None:
    attachment_id = stored(storage)
    with_text(storage, attachment_id, b"text")
    storage.keep_passages(attachment_id, b"passages")
    number, before = partition_of(attachment_id), time.time() - 60
    for artefact in Artefact:
        if artefact not in (Artefact.THUMBNAIL, Artefact.PASSAGES):
            os.utime(path_of(tmp_path, attachment_id, artefact), (before - 60, before - 60))
    assert storage.changes(number, before, {attachment_id}).modified == {attachment_id}
    os.utime(path_of(tmp_path, attachment_id, Artefact.PASSAGES), (before - 60, before - 60))
    assert storage.changes(number, before, {attachment_id}).modified == set()


def test_folders_that_are_missing_are_made_again(storage: Filesystem, tmp_path: Path) -> None:
    (tmp_path / "attachments" / "abc").rmdir()
    Filesystem(tmp_path)
    assert len(list((tmp_path / "attachments").iterdir())) == 4096


# What is read


@pytest.mark.parametrize(
    "size", [SMALL_FILE - 1, SMALL_FILE, SMALL_FILE + 1, SMALL_FILE + LARGE_PIECE, SMALL_FILE + LARGE_PIECE + 1]
)
def test_a_record_of_any_size_comes_back_whole(storage: Filesystem, tmp_path: Path, size: int) -> None:
    attachment_id = new_xid()
    path = path_of(tmp_path, attachment_id, Artefact.RECORD)
    path.write_bytes(b'{"":"' + b"x" * (size - 7) + b'"}')
    assert storage.record(attachment_id) == {"": "x" * (size - 7)}
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageFailed):
        storage.record(attachment_id)
    assert below(tmp_path) == []


@pytest.mark.parametrize("damage", ["{", "", "\xff", "[" * 100_000])
def test_a_damaged_record_is_an_error_and_not_an_absence(storage: Filesystem, tmp_path: Path, damage: str) -> None:
    attachment_id = stored(storage)
    path_of(tmp_path, attachment_id, Artefact.RECORD).write_bytes(damage.encode("latin-1"))
    with pytest.raises(StorageFailed) as raised:
        storage.record(attachment_id)
    # So that `verify` tells it from a file that can't be read.
    assert isinstance(raised.value.__cause__, ValueError | RecursionError)
    assert list(storage.ids()) == [attachment_id]


@pytest.mark.parametrize("damage", ["{", "", "\xff", "[]", "1", "[" * 100_000])
def test_a_damaged_outcome_is_told(storage: Filesystem, tmp_path: Path, damage: str) -> None:
    attachment_id = stored(storage)
    path_of(tmp_path, attachment_id, Artefact.OUTCOME).write_bytes(damage.encode("latin-1"))
    with pytest.raises(ValueError, match=""".+"""):
        storage.outcome(attachment_id)


def test_what_can_not_be_read_is_an_error_of_its_own(storage: Filesystem, tmp_path: Path) -> None:
    """Here a folder that has the name of a file; a disk that fails says it in the same way."""
    attachment_id = stored(storage)
    path_of(tmp_path, attachment_id).unlink()
    path_of(tmp_path, attachment_id).mkdir()
    for artefact in (Artefact.TEXT, Artefact.OUTCOME):
        path_of(tmp_path, attachment_id, artefact).mkdir()
    for call in (
        lambda: storage.open(attachment_id),
        lambda: storage.read(attachment_id, Artefact.TEXT),
        lambda: storage.outcome(attachment_id),
        lambda: storage.remove_leftover(f"attachments/{partition_of(attachment_id):03x}", 0.0),
    ):
        with pytest.raises(StorageFailed) as raised:
            call()
        assert isinstance(raised.value.__cause__, OSError)
    assert below(tmp_path) == []


def test_an_open_file_is_closed_once(storage: Filesystem, tmp_path: Path) -> None:
    content = storage.open(stored(storage))
    assert content is not None
    assert len(below(tmp_path)) == 1
    assert content.local() is content.file
    content.close()
    assert below(tmp_path) == []


# The order of steps, seen where one of them fails


def test_the_record_goes_before_the_bytes(storage: Filesystem, tmp_path: Path) -> None:
    attachment_id = stored(storage)
    with_text(storage, attachment_id, b"text")
    path_of(tmp_path, attachment_id, Artefact.TEXT).unlink()
    path_of(tmp_path, attachment_id, Artefact.TEXT).mkdir()
    with pytest.raises(StorageFailed):
        storage.remove(attachment_id)
    assert storage.record(attachment_id) is None
    assert storage.size(attachment_id, Artefact.OUTCOME) is None
    assert storage.size(attachment_id) == 5


def test_the_text_comes_before_the_outcome(storage: Filesystem, tmp_path: Path) -> None:
    attachment_id = stored(storage)
    path_of(tmp_path, attachment_id, Artefact.OUTCOME).mkdir()
    with pytest.raises(StorageFailed):
        with_text(storage, attachment_id, b"text")
    assert storage.read(attachment_id, Artefact.TEXT) == b"text"
    path_of(tmp_path, attachment_id, Artefact.OUTCOME).rmdir()
    with_text(storage, attachment_id, b"another")
    path_of(tmp_path, attachment_id, Artefact.TEXT).unlink()
    path_of(tmp_path, attachment_id, Artefact.TEXT).mkdir()
    # And where the text can't come, the outcome stays the one before.
    with pytest.raises(StorageFailed):
        with_text(storage, attachment_id, b"x")
    assert storage.outcome(attachment_id) == {"size": 7}


_WRITER = """
import sys
from pathlib import Path
from app.storage.contract import Artefact
from app.storage.filesystem import Filesystem
storage, attachment_id = Filesystem(Path(sys.argv[1])), sys.argv[2]
print("begun", flush=True)
for number in range(1 << 30):
    pad = str(number % 10) * 200_000
    staged = storage.stage([pad.encode()], 1 << 30)
    staged.keep(attachment_id)
    staged.discard()
    storage.commit(attachment_id, {"pad": pad})
    text = storage.stage_text()
    text.file.write(pad.encode())
    storage.keep_text(attachment_id, {"pad": pad}, text)
    text.close()
"""


@pytest.mark.parametrize("seconds", [0.0, 0.013, 0.05, 0.117, 0.3])
def test_whatever_is_killed_in_the_middle_of_writing_leaves_all_whole(
    storage: Filesystem, tmp_path: Path, seconds: float
) -> None:
    attachment_id = stored(storage)
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path), attachment_id], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
    record, outcome = storage.record(attachment_id), storage.outcome(attachment_id)
    text = storage.read(attachment_id, Artefact.TEXT)
    content = storage.open(attachment_id)
    assert content is not None
    with closing(content):
        found = content.read(0, content.size)
    for each in (found, text, *(told["pad"].encode() for told in (record, outcome) if told and "pad" in told)):
        assert each in (None, b"bytes") or (len(each) == 200_000 and len(set(each)) == 1)
    stale = [each.name for each in storage.strays(0.0)]
    assert len(stale) <= 1
    assert [f"incoming/{each}" for each in storage.sweep(0.0)] == stale
    assert files(tmp_path / "incoming") == []


# Room


def test_the_reserve(tmp_path: Path) -> None:
    storage = Filesystem(tmp_path, reserve=1 << 60)
    assert storage.room() < 0
    with pytest.raises(StorageFull):
        storage.stage([b"x"], BIG)
    with pytest.raises(StorageFull):
        storage.stage_text()
    assert files(tmp_path) == []


def test_the_reserve_is_looked_at_again_while_a_large_body_comes(storage: Filesystem, tmp_path: Path) -> None:
    """Others fill the disk too, and a body without a length can be of any size."""

    def large() -> Iterator[bytes]:
        storage.reserve = 1 << 60
        # More than is taken between two looks.
        for _ in range(LOOK_EVERY // MIB + 2):
            yield bytes(MIB)

    with pytest.raises(StorageFull):
        storage.stage(large(), 1 << 40)
    assert files(tmp_path) == []


@pytest.mark.needs("root")
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A real one: what it refuses at the last byte, when a file is made, or when it is synced, is one error."""
    with mounted("-t", "tmpfs", "-o", f"size={4 * MIB},nr_inodes=5000", "tmpfs", on=tmp_path):
        storage = Filesystem(tmp_path)
        attachment_id = stored(storage)
        with_text(storage, attachment_id, b"text")
        # No part of it is taken in silence.
        with pytest.raises((OSError, StorageFull)):
            with_text(storage, attachment_id, b"x" * 5 * MIB)
        with pytest.raises(StorageFull):
            storage.stage([b"x" * MIB] * 5, BIG)
        assert storage.read(attachment_id, Artefact.TEXT) == b"text"
        assert storage.outcome(attachment_id) == {"size": 4}
        assert files(tmp_path / "incoming") == []
        ballast = tmp_path / "ballast"
        with ballast.open("wb", buffering=0) as file:
            # A last write takes what is left of it.
            while file.write(bytes(MIB)) == MIB:
                pass
        assert storage.room() == 0
        with pytest.raises(StorageFull):
            storage.commit(attachment_id, {"id": attachment_id, "new": True})
        ballast.unlink()
        assert storage.record(attachment_id) == {"id": attachment_id}
        assert files(tmp_path / "incoming") == []


# What lies beside


def test_litter_is_no_attachment(storage: Filesystem, tmp_path: Path) -> None:
    attachment_id = stored(storage)
    (tmp_path / "attachments" / ".DS_Store").touch()
    (tmp_path / "attachments" / "000" / "notes.json").touch()
    (tmp_path / "attachments" / "000" / "Thumbs.db").touch()
    (tmp_path / "attachments" / "000" / "deeper").mkdir()
    assert list(storage.ids()) == [attachment_id]
    listing = storage.listing(0)
    assert listing.foreign == ["attachments/000/deeper", "attachments/000/notes.json"]
    assert attachment_id not in storage.changes(1 - min(1, partition_of(attachment_id)), 0.0, ()).records
    assert list(storage.strays(0.0)) == []


def test_a_file_in_the_folder_of_another_id_does_not_belong_there(storage: Filesystem, tmp_path: Path) -> None:
    attachment_id = new_xid()
    elsewhere = f"{(partition_of(attachment_id) + 1) % 4096:03x}"
    (tmp_path / "attachments" / elsewhere / f"{attachment_id}.json").touch()
    assert storage.listing(int(elsewhere, 16)).foreign == [f"attachments/{elsewhere}/{attachment_id}.json"]
    assert storage.listing(int(elsewhere, 16)).ids == []


def test_strays(storage: Filesystem, tmp_path: Path) -> None:
    attachments, incoming = tmp_path / "attachments", tmp_path / "incoming"
    old, young, held = (incoming / (each * 32) for each in "0ab")
    before = attachments / ".abc.json.new"
    for path in (old, young, held, before, attachments / "notes", incoming / "notes"):
        path.touch()
    for path in (old, held, before):
        os.utime(path, (time.time() - 7200,) * 2)
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert list(storage.strays(3600.0)) == [
            Stray("attachments/.abc.json.new", temporary=True),
            Stray("attachments/notes", temporary=False),
            Stray(f"incoming/{'0' * 32}", temporary=True),
            Stray("incoming/notes", temporary=False),
        ]
        # Only what is old and nobody's is removed.
        for path in (held, young, old):
            name = str(path.relative_to(tmp_path))
            storage.remove_leftover(name, 3600.0)
            assert storage.holds(name) == path.exists() == (path != old)


def test_sweeping_takes_old_files_that_nobody_holds(storage: Filesystem, tmp_path: Path) -> None:
    held = storage.stage([b"x"], BIG)
    left = tmp_path / "incoming" / "left"
    left.touch()
    assert storage.sweep(3600) == []
    later = time.time() + 7200
    assert storage.sweep(3600, lambda: later) == ["left"]
    assert storage.sweep(3600, lambda: later) == []
    assert len(files(tmp_path)) == 1
    held.discard()
    assert files(tmp_path) == []


def test_what_is_staged_is_locked(storage: Filesystem, tmp_path: Path) -> None:
    staged, text = storage.stage([b"x"], BIG), storage.stage_text()
    for path in files(tmp_path / "incoming"):
        with path.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert len(files(tmp_path)) == 2
    staged.discard()
    text.close()
    assert files(tmp_path) == []
