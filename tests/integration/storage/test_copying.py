"""A copy from one storage into another: what is at the target is whole, whatever is at the source and whenever it ends."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.coordination.local import Local
from app.errors import StorageFull, WrongStore
from app.extraction.record import Extraction
from app.ids import new_uuid, new_xid
from app.model.attachment import Attachment, now
from app.storage.contract import PARTITIONS, Artefact, Measured, Storage, name_of, partition_of
from app.storage.filesystem import Filesystem
from app.storage.identity import check_identity, plain, take
from app.storage.memory import Memory
from app.upkeep.copying import Copy
from tests.support.app import ROOT

ID = new_uuid()
NAMES = ("/from", "/to")


def add(storage: Storage, content: bytes, *, text: bytes | None = None, others: bool = False) -> str:
    """An attachment, as a server leaves it."""
    moment, attachment_id = now(), new_xid()
    attachment = Attachment(
        id=attachment_id,
        created=moment,
        updated=moment,
        name="a.txt",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        media_type="text/plain",
        tenant="default",
        owner="owner",
        dialect="coco",
    )
    storage.put(attachment_id, Artefact.BYTES, [content])
    storage.commit(attachment_id, attachment.to_record())
    if text is not None:
        read(storage, attachment_id, text)
    if others:
        storage.keep_thumbnail(attachment_id, b"{}\n", [content[:100]])
        storage.keep_passages(attachment_id, b"passages" + content[:50])
    return attachment_id


def read(storage: Storage, attachment_id: str, text: bytes) -> None:
    """Its text, as extraction leaves it."""
    outcome = Extraction(now(), 1, size=len(text), sha256=hashlib.sha256(text).hexdigest() if text else None)
    storage.put(attachment_id, Artefact.TEXT, [text]) if text else storage.remove_text(attachment_id)
    storage.put(attachment_id, Artefact.OUTCOME, [json.dumps(outcome.to_record()).encode()])


def contents(storage: Storage) -> dict[str, bytes | None]:
    return {
        name_of(each.id, each.artefact): storage.read(each.id, each.artefact)
        for number in range(PARTITIONS)
        for each in storage.entries(number)
    }


@pytest.fixture
def source(tmp_path: Path) -> Filesystem:
    storage = Filesystem(tmp_path / "from")
    storage.keep_identity(plain(ID))
    return storage


@pytest.fixture(params=["filesystem", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return Filesystem(tmp_path / "to") if request.param == "filesystem" else Memory()


def copied(source: Storage, target: Storage, **options: Any) -> Copy:
    work = Copy(source, target, ID, NAMES, **options)
    work.run()
    return work


def finished(source: Storage, target: Storage, tmp_path: Path, **options: Any) -> Copy:
    work = Copy(source, target, ID, NAMES)
    work.run(Local(tmp_path / "from").change_lock, **options)
    return work


def test_everything_is_there_and_nothing_else(source: Filesystem, target: Storage, tmp_path: Path) -> None:
    ids = [add(source, os.urandom(size), text=b"text %d" % size, others=True) for size in (0, 1, 70_000, 3_000_000)]
    # Half an upload is none.
    source.put(new_xid(), Artefact.BYTES, [b"x"])
    work = finished(source, target, tmp_path)
    assert (work.whole, list(work.findings.values())) == (True, [])
    assert (work.counts.attachments, work.counts.copied) == (4, 4)
    found = contents(target)
    assert found == {name: content for name, content in contents(source).items() if name.split("/")[2][:20] in ids}
    assert set(target.ids()) == set(ids)
    # The source is no store any more, and the target is.
    with pytest.raises(WrongStore, match="are in"):
        check_identity(source, ID)
    take(target, ID)
    assert target.identity() == plain(ID)


def test_a_copy_that_is_not_finished_is_no_store(source: Filesystem, target: Storage) -> None:
    add(source, b"x")
    assert not copied(source, target).whole
    with pytest.raises(WrongStore, match="unfinished"):
        take(target, ID)
    check_identity(source, ID)


def test_the_next_copy_brings_what_has_changed_and_removes_what_is_gone(
    source: Filesystem, target: Storage, tmp_path: Path
) -> None:
    gone, changed, read_again, without, stays = (add(source, b"%d" % n, text=b"text", others=True) for n in range(5))
    copied(source, target)
    source.remove(gone)
    record = source.record(changed)
    assert record is not None
    # As long as before.
    source.commit(changed, record | {"name": "b.txt"})
    read(source, read_again, b"txet")
    read(source, without, b"")
    source.remove_thumbnail(without)
    source.remove_passages(without)
    new = add(source, b"new")
    work = finished(source, target, tmp_path)
    assert work.whole
    assert work.resumed == PARTITIONS
    assert (work.counts.attachments, work.counts.removed) == (5, 1)
    assert contents(target) == contents(source)
    assert set(target.ids()) == {changed, read_again, without, stays, new}


def test_what_has_not_changed_is_not_read_again(source: Filesystem, target: Storage, tmp_path: Path) -> None:
    for _ in range(5):
        add(source, b"x" * 1000, text=b"text")
    time.sleep(2.1)
    copied(source, target)
    # Its contents can't be told from those of the source by names and sizes, and it is believed.
    for path in (tmp_path / "from").glob("attachments/*/*.thumbnail"):
        path.unlink()
    work = copied(source, target)
    assert (work.counts.copied, work.counts.bytes, work.counts.removed) == (0, 0, 0)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing-bytes": lambda path: path.with_suffix(".bytes").unlink(),
    "truncated-bytes": lambda path: path.with_suffix(".bytes").write_bytes(b"wh"),
    "overlong-bytes": lambda path: path.with_suffix(".bytes").write_bytes(b"wholewhole"),
    "wrong-digest": lambda path: path.with_suffix(".bytes").write_bytes(b"elohw"),
    "damaged-record": lambda path: path.write_bytes(b'{"format": 1'),
}


NO_RECORDS = (b"", b"[]", b"null", b'"x"', b'{"format": 1, "id": "x"}', b"[" * 100_000)


def test_what_is_damaged_is_left_out(source: Filesystem, tmp_path: Path) -> None:
    target = Memory()
    good = add(source, b"good")
    bad = {}
    for code, damage in DAMAGE.items():
        each = add(source, b"whole", text=b"text", others=True)
        damage(tmp_path / "from" / name_of(each, Artefact.RECORD))
        bad[each] = code
    for content in NO_RECORDS:
        each = add(source, b"whole", text=b"text", others=True)
        (tmp_path / "from" / name_of(each, Artefact.RECORD)).write_bytes(content)
        bad[each] = "damaged-record"
    work = finished(source, target, tmp_path)
    assert {each.id: each.code for each in work.findings.values()} == bad
    assert not work.whole
    assert set(target.ids()) == {good}
    assert {name.split("/")[2].split(".")[0] for name in contents(target)} == {good}
    check_identity(source, ID)
    assert finished(source, target, tmp_path, without_damaged=True).whole
    take(target, ID)


def test_a_damaged_text_is_left_out_and_the_attachment_is_not(source: Filesystem, tmp_path: Path) -> None:
    target = Memory()
    other, outcome, no_text = (add(source, b"bytes", text=b"text", others=True) for _ in range(3))
    folder = tmp_path / "from"
    (folder / name_of(other, Artefact.TEXT)).write_bytes(b"txet")
    (folder / name_of(outcome, Artefact.OUTCOME)).write_bytes(b"{")
    (folder / name_of(no_text, Artefact.TEXT)).unlink()
    work = finished(source, target, tmp_path)
    assert {each.id: each.code for each in work.findings.values()} == dict.fromkeys(
        (other, outcome, no_text), "damaged-text"
    )
    assert work.whole
    for each in (other, outcome, no_text):
        found = {entry.artefact for entry in target.entries(partition_of(each)) if entry.id == each}
        assert found == {Artefact.RECORD, Artefact.BYTES, Artefact.THUMBNAIL}


def test_a_copy_that_was_whole_once_outlives_damage_at_the_source(source: Filesystem, tmp_path: Path) -> None:
    target = Memory()
    attachment_id = add(source, b"whole")
    copied(source, target)
    (tmp_path / "from" / name_of(attachment_id, Artefact.BYTES)).write_bytes(b"elohw")
    assert finished(source, target, tmp_path).whole
    assert target.read(attachment_id, Artefact.BYTES) == b"whole"


class Broken(Memory):
    """A storage that keeps other bytes than it is given."""

    def put(self, attachment_id: str, artefact: Artefact, chunks: Any) -> Measured:
        content = b"".join(chunks)
        super().put(attachment_id, artefact, [content[:-1] + b"?" if artefact is self.broken else content])
        return Measured(len(content), hashlib.sha256(content).hexdigest())

    broken = Artefact.BYTES


@pytest.mark.parametrize("artefact", Artefact)
def test_what_reads_back_otherwise_ends_the_copy(source: Filesystem, artefact: Artefact) -> None:
    attachment_id = add(source, b"whole", text=b"text", others=True)
    target = Broken()
    target.broken = artefact
    with pytest.raises(Exception, match="can't be trusted"):
        copied(source, target)
    assert artefact is Artefact.RECORD or target.record(attachment_id) is None


def test_where_there_is_no_room_the_copy_ends_and_goes_on_later(source: Filesystem, tmp_path: Path) -> None:
    target = Memory(capacity=200_000)
    ids = {add(source, os.urandom(50_000)) for _ in range(6)}
    with pytest.raises(StorageFull):
        copied(source, target)
    for each in target.ids():
        assert target.read(each, Artefact.BYTES) == source.read(each, Artefact.BYTES)
    target.capacity = 1 << 30
    assert finished(source, target, tmp_path).whole
    assert set(target.ids()) == ids


def test_another_store_is_left_alone(source: Filesystem, tmp_path: Path) -> None:
    add(source, b"x")
    other = Memory()
    other.keep_identity(plain(new_uuid()))
    with pytest.raises(WrongStore, match="another store"):
        copied(source, other)
    used = Memory()
    used.keep_identity(plain(ID))
    kept = add(used, b"kept")
    with pytest.raises(WrongStore, match="is no copy"):
        copied(source, used)
    nobodys = Memory()
    add(nobodys, b"kept")
    with pytest.raises(WrongStore, match="is no copy"):
        copied(source, nobodys)
    assert list(used.ids()) == [kept]
    for damaged in ({}, {"format": "1", "id": ID}, {"format": 1, "id": 7}, {"format": 2, "id": ID}):
        target = Memory()
        target.keep_identity(damaged)
        with pytest.raises(WrongStore):
            copied(source, target)
    # A target that a server has used is one no longer.
    target = Memory()
    assert finished(source, target, tmp_path).whole
    take(target, ID)
    with pytest.raises(WrongStore, match="is no copy"):
        copied(source, target)
    # What was moved away can be moved back, and only from there.
    with pytest.raises(WrongStore, match="were moved"):
        Copy(source, Memory(), ID, ("/from", "/elsewhere")).check()
    new = add(target, b"new")
    work = Copy(target, source, ID, (NAMES[1], NAMES[0]))
    work.run(Local(tmp_path / "from").change_lock)
    assert work.whole
    assert set(source.ids()) == set(target.ids())
    assert source.read(new, Artefact.BYTES) == b"new"


@pytest.mark.parametrize(
    "state",
    [None, [], 7, "x", {}, {"from": "/from"}, {"from": "/from", "began": "x", "done": 1, "before": 0}]
    + [
        {"from": "/from", "began": 1e18, "done": 4096, "before": 1e18},
        {"from": "/x", "began": 9, "done": 9, "before": 9},
    ]
    + [{"from": "/from", "began": 9.0, "done": -1, "before": 0.0}],
)
def test_a_state_that_is_none_begins_anew(source: Filesystem, tmp_path: Path, state: object) -> None:
    ids = {add(source, b"x"), add(source, b"y")}
    target = Memory()
    target.keep_identity(plain(ID) | {"copy": state})
    work = finished(source, target, tmp_path)
    assert (work.whole, work.resumed) == (True, 0)
    assert set(target.ids()) == ids


#: Copies from one folder into another, one partition after the other.
PROCESS = """
import sys
from pathlib import Path
from app.storage.filesystem import Filesystem
from app.upkeep.copying import Copy
a, b, store_id = sys.argv[1:]
work = Copy(Filesystem(Path(a)), Filesystem(Path(b)), store_id, ("/from", "/to"), workers=2, rate=400_000)
print("begun", flush=True)
work.run()
"""


def test_killed_and_started_again(source: Filesystem, tmp_path: Path) -> None:
    """What is there after each kill is whole, and in the end it is all there."""
    ids = {add(source, os.urandom(20_000), text=os.urandom(500).hex().encode(), others=True) for _ in range(40)}
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "from"), str(tmp_path / "to"), ID]
    target = Filesystem(tmp_path / "to")
    random.seed(7)
    counts = []
    for _ in range(3):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        before = len(set(target.ids()))
        deadline = time.monotonic() + 60
        while len(set(target.ids())) < before + 3 and time.monotonic() < deadline:
            time.sleep(random.random() / 20)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        found = set(target.ids())
        counts.append(len(found))
        for each in found:
            for artefact in Artefact:
                assert target.read(each, artefact) == source.read(each, artefact)
        with pytest.raises(WrongStore, match="unfinished"):
            check_identity(target, ID)
    assert 0 < counts[0] < counts[-1] < len(ids), counts
    source.remove(ids.pop())
    work = finished(source, target, tmp_path)
    assert work.whole
    assert work.counts.copied < len(ids)
    assert contents(target) == contents(source)
    assert set(target.ids()) == ids
    target.sweep(0.0)
    assert list(target.strays(0.0)) == []


def test_beside_changes(source: Filesystem, target: Storage, tmp_path: Path) -> None:
    """Uploads, deletes, other texts and other names meanwhile: in the end both have the same."""
    lock = Local(tmp_path / "from").change_lock
    stop = threading.Event()
    failed: list[BaseException] = []

    def change(seed: int) -> None:
        chance, mine = random.Random(seed), []
        try:
            while not stop.is_set():
                hold = lock.shared(60.0)
                try:
                    mine.append(add(source, chance.randbytes(3000), text=b"text", others=True))
                    each = chance.choice(mine)
                    read(source, each, chance.randbytes(4).hex().encode())
                    record = source.record(each)
                    assert record is not None
                    source.commit(each, record | {"name": chance.choice("abc") + ".txt"})
                    if len(mine) > 5:
                        source.remove(mine.pop(chance.randrange(len(mine))))
                finally:
                    hold.close()
                time.sleep(0.005)
        except BaseException as error:
            failed.append(error)

    for _ in range(30):
        add(source, os.urandom(5000), text=b"text", others=True)
    threads = [threading.Thread(target=change, args=(number,)) for number in range(2)]
    for each in threads:
        each.start()
    try:
        copied(source, target)
        work = Copy(source, target, ID, NAMES)
        with_lock = _Remembering(lock, lambda: contents(source))
        work.run(with_lock)
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert failed == []
    assert work.whole
    assert list(work.findings.values()) == []
    assert contents(target) == with_lock.remembered


class _Remembering:
    """A change lock that asks for something when it is held exclusively."""

    def __init__(self, lock: Any, ask: Callable[[], dict[str, bytes | None]]) -> None:
        self._lock, self._ask = lock, ask
        self.remembered: dict[str, bytes | None] = {}
        self.shared = lock.shared

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._lock.exclusive():
            self.remembered = self._ask()
            yield


def test_a_plan_changes_nothing(source: Filesystem) -> None:
    target = Memory()
    for size in (10, 20):
        add(source, b"x" * size)
    work = Copy(source, target, ID, NAMES)
    work.check()
    work.plan()
    assert (work.counts.attachments, work.counts.copied, work.counts.removed) == (2, 2, 0)
    assert work.counts.bytes == sum(len(content or b"") for content in contents(source).values())
    assert target.identity() is None
    assert contents(target) == {}


def test_a_rate_is_kept(source: Filesystem) -> None:
    """At most as many bytes as the time allows, whatever the number of workers."""
    for _ in range(8):
        add(source, os.urandom(50_000))
    began = time.monotonic()
    work = copied(source, Memory(), workers=8, rate=400_000)
    took = time.monotonic() - began
    # No bound on how long it takes: only on what it may have read until then.
    assert work.counts.bytes <= 400_000 * took + 256 * 1024
