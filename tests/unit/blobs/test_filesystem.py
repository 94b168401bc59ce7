"""The contract of blobs/base.py, kept by the filesystem."""

import fcntl
import hashlib
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.blobs.base import HASHED_ALONE
from app.blobs.filesystem import LARGE_PIECE, SMALL_FILE, Filesystem
from app.errors import FileTooLarge, StorageFailed, StorageFull
from app.ids import new_uuid, new_xid
from tests.support.descriptors import below

BIG = 1 << 30
MIB = 1 << 20


@pytest.fixture
def blobs(tmp_path: Path) -> Filesystem:
    return Filesystem(tmp_path)


def files(blobs: Filesystem) -> list[Path]:
    return sorted(path for path in blobs.root.rglob("*") if path.is_file())


def stored(blobs: Filesystem, content: bytes = b"bytes") -> str:
    attachment_id = new_xid()
    staged = blobs.stage([content], BIG)
    staged.keep(attachment_id)
    blobs.commit(attachment_id, {"id": attachment_id})
    staged.discard()
    return attachment_id


def test_bytes_come_back(blobs: Filesystem) -> None:
    attachment_id = stored(blobs, b"some bytes")
    assert blobs.record(attachment_id) == {"id": attachment_id}
    with blobs.open(attachment_id) or pytest.fail("no bytes") as file:
        assert file.read() == b"some bytes"
    assert list(blobs.ids()) == [attachment_id]


@pytest.mark.parametrize(
    "size", [0, SMALL_FILE - 1, SMALL_FILE, SMALL_FILE + 1, SMALL_FILE + LARGE_PIECE, SMALL_FILE + LARGE_PIECE + 1]
)
def test_a_record_of_any_size_comes_back_whole(blobs: Filesystem, size: int) -> None:
    attachment_id = new_xid()
    path = blobs.record_path(attachment_id)
    path.write_bytes(b'"' + b"x" * (size - 2) + b'"' if size else b"0")
    assert blobs.record(attachment_id) == ("x" * (size - 2) if size else 0)
    assert blobs.record(new_xid()) is None
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageFailed):
        blobs.record(attachment_id)
    assert below(blobs.root) == []


def test_measured(blobs: Filesystem) -> None:
    staged = blobs.stage([b"ab", b"", b"c" * 100_000], BIG)
    assert staged.measured.size == 100_002
    assert staged.measured.sha256 == hashlib.sha256(b"ab" + b"c" * 100_000).hexdigest()
    assert os.pread(staged.file.fileno(), 4, 0) == b"abcc"
    staged.discard()
    assert files(blobs) == []


@pytest.mark.parametrize("more", [0, 1, 3 * MIB])
def test_a_large_file_is_hashed_beside_its_writing(blobs: Filesystem, more: int) -> None:
    pieces = [bytes([number % 251]) * MIB for number in range(HASHED_ALONE // MIB)] + [b"x" * more]
    staged = blobs.stage(pieces, BIG)
    assert staged.measured.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()
    staged.discard()
    with pytest.raises(FileTooLarge):
        blobs.stage([*pieces, b"x" * MIB, b"y"], HASHED_ALONE + more + MIB)
    assert files(blobs) == []
    assert "digest" not in {each.name for each in threading.enumerate()}


def test_no_bytes_are_bytes(blobs: Filesystem) -> None:
    attachment_id = stored(blobs, b"")
    with blobs.open(attachment_id) or pytest.fail("no bytes") as file:
        assert file.read() == b""


def test_modes_do_not_let_others_read(blobs: Filesystem) -> None:
    before = os.umask(0)
    try:
        stored(Filesystem(blobs.root / "fresh"))
    finally:
        os.umask(before)
    for path in (blobs.root / "fresh").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640), path


def test_limit(blobs: Filesystem) -> None:
    blobs.stage([b"x" * 10], 10).discard()
    with pytest.raises(FileTooLarge):
        blobs.stage([b"x" * 10, b"x"], 10)
    assert files(blobs) == []


def test_nothing_stays_of_a_body_that_breaks(blobs: Filesystem) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 1000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        blobs.stage(broken(), BIG)
    assert files(blobs) == []


def test_kept_bytes_are_no_attachment_without_their_record(blobs: Filesystem) -> None:
    attachment_id = new_xid()
    staged = blobs.stage([b"x"], BIG)
    staged.keep(attachment_id)
    staged.discard()
    staged.discard()
    assert blobs.record(attachment_id) is None
    assert list(blobs.ids()) == []
    file = blobs.open(attachment_id)
    assert file is not None
    file.close()


def test_removal(blobs: Filesystem) -> None:
    attachment_id = stored(blobs)
    blobs.remove(attachment_id)
    blobs.remove(attachment_id)
    assert blobs.record(attachment_id) is None
    assert blobs.open(attachment_id) is None
    assert files(blobs) == []


def test_an_open_file_outlives_its_removal(blobs: Filesystem) -> None:
    attachment_id = stored(blobs, b"still here")
    with blobs.open(attachment_id) or pytest.fail("no bytes") as file:
        blobs.remove(attachment_id)
        assert file.read() == b"still here"


def test_a_record_is_replaced_whole(blobs: Filesystem) -> None:
    attachment_id = stored(blobs)
    blobs.commit(attachment_id, {"id": attachment_id, "new": True})
    assert blobs.record(attachment_id) == {"id": attachment_id, "new": True}
    assert len(files(blobs)) == 2


def test_a_damaged_record_is_an_error_and_not_an_absence(blobs: Filesystem) -> None:
    attachment_id = stored(blobs)
    blobs.record_path(attachment_id).write_text("{")
    with pytest.raises(StorageFailed):
        blobs.record(attachment_id)


@pytest.mark.parametrize("text", ["", "../x", "a/b", "cu737jrq50kcaicgn7p0/../..", "cu737jrq50kcaicgn7p0\0"])
def test_what_is_no_id_never_becomes_a_path(blobs: Filesystem, text: str) -> None:
    for method in (blobs.record_path, blobs.bytes_path):
        with pytest.raises(ValueError, match="not an id"):
            method(text)


def test_paths_follow_from_the_id_alone(tmp_path: Path) -> None:
    attachment_id = new_uuid()
    folder = hashlib.sha256(attachment_id.encode()).hexdigest()[:3]
    assert (
        Filesystem(tmp_path).bytes_path(attachment_id) == tmp_path / "attachments" / folder / f"{attachment_id}.bytes"
    )


def test_the_reserve(tmp_path: Path) -> None:
    blobs = Filesystem(tmp_path, reserve=1 << 60)
    assert blobs.free() < 0
    with pytest.raises(StorageFull):
        blobs.stage([b"x"], BIG)
    assert files(blobs) == []


def test_the_reserve_is_looked_at_again_while_a_large_body_comes(blobs: Filesystem) -> None:
    """Others fill the disk too, and a body without a length can be of any size."""

    def large() -> Iterator[bytes]:
        blobs.reserve = 1 << 60
        # More than is taken between two looks.
        for _ in range(66):
            yield bytes(MIB)

    with pytest.raises(StorageFull):
        blobs.stage(large(), 1 << 40)
    assert files(blobs) == []
    with pytest.raises(StorageFull):
        blobs.stage_text()
    assert files(blobs) == []


def test_litter_is_no_attachment(blobs: Filesystem) -> None:
    attachment_id = stored(blobs)
    (blobs.attachments / ".DS_Store").touch()
    (blobs.attachments / "000" / "notes.json").touch()
    assert list(blobs.ids()) == [attachment_id]


def test_sweeping_takes_old_files_that_nobody_holds(blobs: Filesystem) -> None:
    held = blobs.stage([b"x"], BIG)
    left = blobs.incoming / "left"
    left.touch()
    assert blobs.sweep(3600) == []
    later = time.time() + 7200
    assert blobs.sweep(3600, lambda: later) == ["left"]
    assert blobs.sweep(3600, lambda: later) == []
    assert held.path.exists()
    held.discard()
    assert files(blobs) == []


def test_a_staged_file_is_locked(blobs: Filesystem) -> None:
    staged = blobs.stage([b"x"], BIG)
    with staged.path.open("rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    staged.discard()
