"""The contract of app/storage/contract.py, over everything that keeps it."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.errors import FileTooLarge, StorageFailed, StorageFull
from app.ids import new_uuid, new_xid
from app.storage.contract import (
    MARGIN,
    PARTITIONS,
    Artefact,
    Content,
    Storage,
    Version,
    key,
    name_of,
    partition_of,
)
from app.storage.receiving import HASHED_ALONE
from tests.contracts.life import BYTES, OUTCOME, RECORD, STEPS, STORE_ID, TEXT
from tests.contracts.media import MEDIA, Medium, made

BIG = 1 << 30
MIB = 1 << 20
#: Pieces in which files are read are of such sizes, and buffers.
SIZES = [0, 1, 8191, 8193, 16384, 65537, 256 * 1024, 256 * 1024 + 1, 2 * MIB + 16385]
NO_IDS = ["", "../x", "a/b", "cu737jrq50kcaicgn7p0/../..", "cu737jrq50kcaicgn7p0\0", "CU737JRQ50KCAICGN7P0", "\ud800"]
NO_NAMES = [
    "",
    "/etc/passwd",
    "attachments",
    "attachments/../tokens.json",
    "attachments/000/../../store.json",
    "incoming/../tokens.json",
    "incoming/\0",
    "store.json",
    "../outside",
]


@pytest.fixture(params=MEDIA)
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Medium:
    return made(request.param, tmp_path / "data", request)


@pytest.fixture
def storage(medium: Medium) -> Storage:
    return medium.storage


def stored(storage: Storage, content: bytes = b"bytes", **record: object) -> str:
    attachment_id = new_xid()
    put(storage, attachment_id, content)
    storage.commit(attachment_id, {"id": attachment_id, **record})
    return attachment_id


def put(storage: Storage, attachment_id: str, content: bytes) -> None:
    staged = storage.stage([content], BIG)
    staged.keep(attachment_id)
    staged.discard()


def with_text(storage: Storage, attachment_id: str, content: bytes = b"text", **outcome: object) -> None:
    with closing(storage.stage_text()) as text:
        text.file.write(content)
        storage.keep_text(attachment_id, outcome, text)


def never() -> Iterator[bytes]:
    """Chunks that nobody may ask for."""
    pytest.fail("it was read before it was refused")
    yield b""


def opened(storage: Storage, attachment_id: str, artefact: Artefact = Artefact.BYTES) -> Content:
    content = storage.open(attachment_id, artefact)
    assert content is not None
    return content


def bytes_of(storage: Storage, attachment_id: str) -> bytes | None:
    content = storage.open(attachment_id)
    if content is None:
        return None
    with closing(content):
        return content.read(0, content.size)


def there(storage: Storage, attachment_id: str) -> set[Artefact]:
    """Which artefacts there are; all ways to ask for them agree."""
    found = {each for each in Artefact if storage.size(attachment_id, each) is not None}
    assert found == {each for each in Artefact if storage.read(attachment_id, each) is not None}
    assert found == {each for each in Artefact if storage.holds(name_of(attachment_id, each))}
    for each in Artefact:
        content = storage.open(attachment_id, each)
        assert (content is not None) == (each in found)
        if content is not None:
            content.close()
    assert (storage.record(attachment_id) is not None) == (Artefact.RECORD in found)
    assert (storage.version(attachment_id) is not None) == (Artefact.RECORD in found)
    assert (attachment_id in storage.ids()) == (Artefact.RECORD in found)
    assert (storage.outcome(attachment_id) is not None) == (Artefact.OUTCOME in found)
    assert (attachment_id in storage.listing(partition_of(attachment_id)).ids) == bool(found)
    changes = storage.changes(partition_of(attachment_id), 0.0, ())
    assert (attachment_id in changes.records) == (Artefact.RECORD in found)
    assert (attachment_id in changes.outcomes) == (Artefact.OUTCOME in found)
    return found


def nothing_is_left(medium: Medium) -> None:
    """No temporary artefact, for anyone."""
    storage = medium.another()
    assert list(storage.strays(0.0)) == []
    assert storage.sweep(0.0) == []


# Bytes


@pytest.mark.parametrize("size", SIZES)
def test_bytes_come_back(medium: Medium, size: int) -> None:
    content = os.urandom(size)
    attachment_id = stored(medium.storage, content)
    for storage in (medium.storage, medium.another()):
        assert bytes_of(storage, attachment_id) == content
        assert storage.size(attachment_id) == size
        assert there(storage, attachment_id) == {Artefact.BYTES, Artefact.RECORD}


@pytest.mark.parametrize("size", SIZES)
def test_any_part_of_them(storage: Storage, size: int) -> None:
    content = os.urandom(size)
    attachment_id = stored(storage, content)
    with closing(opened(storage, attachment_id)) as found:
        assert found.size == size
        for start, stop in ((0, size), (0, 0), (1, 2), (size // 2, size), (size // 3, size // 2), (size, size + 9)):
            assert found.read(start, stop) == content[start:stop]
            pieces = list(found.chunks(start, stop))
            assert b"".join(pieces) == content[start:stop]
            assert all(pieces)
        assert found.read(0, size + 1000) == b"".join(found.chunks(0, size + 1000)) == content
        assert found.read(5, 3) == b"".join(found.chunks(5, 3)) == b""


def test_what_can_send_them(storage: Storage) -> None:
    content = os.urandom(MIB)
    attachment_id = stored(storage, content)
    found = opened(storage, attachment_id)
    assert found.location in ("", key(attachment_id, Artefact.BYTES))
    if found.file is not None:
        assert os.pread(found.file.fileno(), 100, 50) == content[50:150]
    found.read(0, 10)
    for _ in range(2):
        local = found.local()
        assert os.fstat(local.fileno()).st_size == len(content)
        # As a process reads that gets the descriptor and nothing else.
        assert os.lseek(local.fileno(), 0, os.SEEK_CUR) == 0
        assert os.read(local.fileno(), 2 * MIB) == content
    assert found.read(7, 9) == content[7:9]
    found.close()
    found.close()
    assert local.closed


def test_measured(medium: Medium) -> None:
    staged = medium.storage.stage([b"ab", b"", b"c" * 100_000], BIG)
    assert staged.size == staged.measured.size == 100_002
    assert staged.measured.sha256 == hashlib.sha256(b"ab" + b"c" * 100_000).hexdigest()
    assert (staged.read(0, 4), staged.read(100_000, 200_000), staged.read(100_002, 100_003)) == (b"abcc", b"cc", b"")
    staged.discard()
    staged.discard()
    nothing_is_left(medium)


def test_a_generator_is_read_once_and_nothing_of_it_is_kept_in_memory_by_the_digest(medium: Medium) -> None:
    pieces = [bytes([number % 251]) * MIB for number in range(HASHED_ALONE // MIB + 3)]
    staged = medium.storage.stage(iter(pieces), BIG)
    assert staged.measured.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()
    staged.discard()
    assert "digest" not in {each.name for each in threading.enumerate()}


def test_kept_bytes_are_no_attachment_without_their_record(storage: Storage) -> None:
    attachment_id = new_xid()
    staged = storage.stage([b"x"], BIG)
    assert there(storage, attachment_id) == set()
    staged.keep(attachment_id)
    assert staged.read(0, 1) == b"x"
    staged.discard()
    staged.discard()
    assert there(storage, attachment_id) == {Artefact.BYTES}
    assert bytes_of(storage, attachment_id) == b"x"


def test_kept_again_they_take_the_place_of_the_first(storage: Storage) -> None:
    attachment_id = stored(storage, b"first")
    with closing(opened(storage, attachment_id)) as first:
        put(storage, attachment_id, b"another")
        assert first.read(0, 100) == b"first"
    assert bytes_of(storage, attachment_id) == b"another"


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_what_is_open_outlives_its_removal_or_ends(medium: Medium, change: str) -> None:
    """Where there are no open files it ends, with an error; other bytes never come."""
    storage, content = medium.storage, os.urandom(3 * MIB)
    attachment_id = stored(storage, content)
    with closing(opened(storage, attachment_id)) as found:
        pieces = found.chunks(0, 3 * MIB)
        read = [next(pieces)]
        if change == "removed":
            storage.remove(attachment_id)
            assert there(storage, attachment_id) == set()
        else:
            put(storage, attachment_id, os.urandom(3 * MIB))
        with contextlib.nullcontext() if medium.keeps_open else pytest.raises(StorageFailed):
            read += pieces
        got = b"".join(read)
        assert got == content[: len(got)]
        assert (len(got) == len(content)) == medium.keeps_open


@pytest.mark.parametrize("artefact", [each for each in Artefact if each is not Artefact.BYTES])
def test_what_is_small_outlives_its_removal(storage: Storage, artefact: Artefact) -> None:
    attachment_id = stored(storage, note="x" * 300_000)
    with_text(storage, attachment_id, b"x" * 300_000, note="x" * 300_000)
    storage.keep_thumbnail(attachment_id, b"{}\n", [b"x" * 300_000])
    storage.keep_passages(attachment_id, b"x" * 300_000)
    with closing(opened(storage, attachment_id, artefact)) as found:
        storage.remove(attachment_id)
        assert len(found.read(0, found.size)) == found.size > 300_000 - 1


# Limits, and bodies that break


@pytest.mark.parametrize("size", [10, HASHED_ALONE + MIB])
def test_limit(medium: Medium, size: int) -> None:
    pieces = [b"x" * min(MIB, size)] * max(1, size // MIB)
    medium.storage.stage(pieces, size).discard()
    with pytest.raises(FileTooLarge):
        medium.storage.stage([*pieces, b"x"], size)
    with pytest.raises(FileTooLarge):
        medium.storage.stage([b"x"], 0)
    medium.storage.stage([], 0).discard()
    nothing_is_left(medium)
    assert "digest" not in {each.name for each in threading.enumerate()}


def test_no_more_is_taken_than_the_limit(storage: Storage) -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 1000

    with pytest.raises(FileTooLarge):
        storage.stage(endless(), 10_000)
    assert len(taken) == 11


@pytest.mark.parametrize("error", [ConnectionResetError, KeyboardInterrupt, FileTooLarge])
def test_nothing_stays_of_a_body_that_breaks(medium: Medium, error: type[BaseException]) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 1000
        raise error(1)

    with pytest.raises(error):
        medium.storage.stage(broken(), BIG)
    nothing_is_left(medium)
    assert list(medium.storage.ids()) == []


# Records


def test_a_record_is_replaced_whole(storage: Storage) -> None:
    attachment_id = stored(storage)
    record: dict[str, Any] = {
        "id": attachment_id,
        "name": "Ärger\u2028\0\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    }
    record |= {"fields": {"a": [1, None, True, 1.5]}, "long": "x" * 100_000}
    storage.commit(attachment_id, record)
    assert storage.record(attachment_id) == record
    # Plain JSON, whoever reads it.
    assert json.loads(storage.read(attachment_id, Artefact.RECORD) or b"") == record
    storage.commit(attachment_id, {})
    assert storage.record(attachment_id) == {}
    assert bytes_of(storage, attachment_id) == b"bytes"


def test_the_version_changes_with_the_record_and_with_nothing_else(medium: Medium) -> None:
    storage, another = medium.storage, medium.another()
    attachment_id = stored(storage)
    seen: list[Version | None] = [None]
    for number in range(20):
        # The same size, as fast as it goes.
        storage.commit(attachment_id, {"id": attachment_id, "number": 10 + number})
        version = storage.version(attachment_id)
        assert version not in (None, seen[-1])
        seen.append(version)
        with_text(storage, attachment_id)
        put(storage, attachment_id, b"other")
        assert storage.version(attachment_id) == another.version(attachment_id) == version
        assert hash(storage.version(attachment_id)) == hash(version)
    storage.remove(attachment_id)
    assert storage.version(attachment_id) is None


def test_removal(storage: Storage) -> None:
    attachment_id, other = stored(storage), stored(storage)
    with_text(storage, attachment_id)
    storage.keep_thumbnail(attachment_id, b"{}\n", [b"picture"])
    storage.keep_passages(attachment_id, b"passages")
    assert there(storage, attachment_id) == set(Artefact)
    storage.remove(attachment_id)
    assert there(storage, attachment_id) == set()
    storage.remove(attachment_id)
    storage.remove(new_uuid())
    assert list(storage.ids()) == [other]


def test_the_record_is_the_first_to_go_and_the_bytes_are_the_last() -> None:
    assert (next(iter(Artefact)), list(Artefact)[-1]) == (Artefact.RECORD, Artefact.BYTES)
    order = list(Artefact)
    assert order.index(Artefact.OUTCOME) < order.index(Artefact.PASSAGES) < order.index(Artefact.TEXT)


# Text and outcome


def test_text_and_outcome(medium: Medium) -> None:
    storage = medium.storage
    attachment_id = stored(storage)
    assert storage.outcome(attachment_id) is None
    with_text(storage, attachment_id, "Grüße".encode(), size=7)
    for each in (storage, medium.another()):
        assert each.read(attachment_id, Artefact.TEXT) == "Grüße".encode()
        assert each.outcome(attachment_id) == {"size": 7}
    assert there(storage, attachment_id) == set(Artefact) - {Artefact.THUMBNAIL, Artefact.PASSAGES}
    # Anew, and then one without a text.
    with_text(storage, attachment_id, b"x" * 3 * MIB, size=3 * MIB)
    assert (storage.read(attachment_id, Artefact.TEXT), storage.outcome(attachment_id)) == (
        b"x" * 3 * MIB,
        {"size": 3 * MIB},
    )
    storage.keep_text(attachment_id, {"reason": "empty"}, None)
    assert there(storage, attachment_id) == {Artefact.BYTES, Artefact.RECORD, Artefact.OUTCOME}
    with_text(storage, attachment_id)
    with_text(storage, attachment_id, b"", size=0)
    assert there(storage, attachment_id) == {Artefact.BYTES, Artefact.RECORD, Artefact.OUTCOME}
    with_text(storage, attachment_id)
    storage.remove_text(attachment_id)
    storage.remove_text(attachment_id)
    assert there(storage, attachment_id) == {Artefact.BYTES, Artefact.RECORD}
    nothing_is_left(medium)


def test_a_text_is_written_at_any_place_until_it_is_kept(medium: Medium) -> None:
    attachment_id = stored(medium.storage)
    text = medium.storage.stage_text()
    assert text.content() == b""
    assert text.file.write(b"0123456789" * 5000) == 50_000
    assert text.file.tell() == 50_000
    assert text.content() == b"0123456789" * 5000
    text.file.seek(5)
    assert text.file.read() == (b"0123456789" * 5000)[5:]
    text.file.seek(5)
    text.file.truncate()
    text.file.write(b"abc")
    assert text.content() == b"01234abc"
    medium.storage.keep_text(attachment_id, {}, text)
    assert text.content() == b"01234abc"
    text.close()
    text.close()
    assert medium.storage.read(attachment_id, Artefact.TEXT) == b"01234abc"
    text = medium.storage.stage_text()
    text.file.write(b"nobody's")
    text.close()
    assert medium.storage.read(attachment_id, Artefact.TEXT) == b"01234abc"
    nothing_is_left(medium)


def test_a_text_may_lie_where_there_is_no_record(storage: Storage) -> None:
    """Somebody deleted the attachment while its text was taken out; it is removed right after."""
    attachment_id = new_xid()
    with_text(storage, attachment_id)
    assert there(storage, attachment_id) == {Artefact.TEXT, Artefact.OUTCOME}


# Thumbnails


def test_thumbnails_are_replaced_whole_and_go_alone(medium: Medium) -> None:
    storage = medium.storage
    attachment_id = stored(storage)
    storage.keep_thumbnail(attachment_id, b"{}\n", [b"small", b"large"])
    assert medium.another().read(attachment_id, Artefact.THUMBNAIL) == b"{}\nsmalllarge"
    with closing(opened(storage, attachment_id, Artefact.THUMBNAIL)) as found:
        storage.keep_thumbnail(attachment_id, b"{1}\n", [])
        assert (found.size, found.read(3, 8), found.read(8, 13)) == (13, b"small", b"large")
    assert storage.read(attachment_id, Artefact.THUMBNAIL) == b"{1}\n"
    with_text(storage, attachment_id)
    storage.remove_text(attachment_id)
    assert there(storage, attachment_id) == {Artefact.BYTES, Artefact.RECORD, Artefact.THUMBNAIL}
    for _ in range(2):
        storage.remove_thumbnail(attachment_id)
        assert there(storage, attachment_id) == {Artefact.BYTES, Artefact.RECORD}
    nothing_is_left(medium)


# Passages


def test_passages_are_replaced_whole_and_go_alone(medium: Medium) -> None:
    storage = medium.storage
    attachment_id = stored(storage)
    with_text(storage, attachment_id)
    storage.keep_passages(attachment_id, b"a vector")
    assert medium.another().read(attachment_id, Artefact.PASSAGES) == b"a vector"
    with closing(opened(storage, attachment_id, Artefact.PASSAGES)) as found:
        storage.keep_passages(attachment_id, b"x" * 2 * MIB)
        assert (found.size, found.read(0, 8)) == (8, b"a vector")
    assert storage.read(attachment_id, Artefact.PASSAGES) == b"x" * 2 * MIB
    storage.remove_text(attachment_id)
    assert there(storage, attachment_id) == {Artefact.BYTES, Artefact.RECORD, Artefact.PASSAGES}
    for _ in range(2):
        storage.remove_passages(attachment_id)
        assert there(storage, attachment_id) == {Artefact.BYTES, Artefact.RECORD}
    nothing_is_left(medium)


# One by one


@pytest.mark.parametrize("artefact", Artefact)
@pytest.mark.parametrize("size", SIZES)
def test_an_artefact_is_put_as_it_is(medium: Medium, artefact: Artefact, size: int) -> None:
    content = os.urandom(size)
    chunks = [content[at : at + 70_000] for at in range(0, size, 70_000)]
    attachment_id = new_xid()
    measured = medium.storage.put(attachment_id, artefact, iter(chunks))
    assert (measured.size, measured.sha256) == (size, hashlib.sha256(content).hexdigest())
    for storage in (medium.storage, medium.another()):
        assert storage.read(attachment_id, artefact) == content
        assert storage.size(attachment_id, artefact) == size
        (entry,) = storage.entries(partition_of(attachment_id))
        assert (entry.id, entry.artefact, entry.size) == (attachment_id, artefact, size)
        assert abs(entry.written - time.time()) < 60
    nothing_is_left(medium)


def test_what_is_put_in_order_is_an_attachment(medium: Medium) -> None:
    attachment_id = new_xid()
    contents = {each: str(each).encode() for each in reversed(Artefact)}
    contents |= {Artefact.RECORD: b'{"id": "x"}', Artefact.OUTCOME: b'{"size": 4}'}
    for artefact, content in contents.items():
        assert medium.storage.record(attachment_id) is None
        medium.storage.put(attachment_id, artefact, [content])
    assert there(medium.another(), attachment_id) == set(Artefact)
    assert medium.another().record(attachment_id) == {"id": "x"}
    assert medium.another().outcome(attachment_id) == {"size": 4}
    found = {each.artefact: each.size for each in medium.another().entries(partition_of(attachment_id))}
    assert found == {artefact: len(content) for artefact, content in contents.items()}
    medium.storage.remove(attachment_id)
    assert medium.another().entries(partition_of(attachment_id)) == []


def test_what_is_put_again_takes_the_place_of_the_first(medium: Medium) -> None:
    attachment_id = stored(medium.storage, b"first")
    before = medium.storage.version(attachment_id)
    since = time.time()
    medium.storage.put(attachment_id, Artefact.BYTES, [b"sec", b"ond"])
    medium.storage.put(attachment_id, Artefact.RECORD, [b'{"id": "second"}'])
    assert bytes_of(medium.another(), attachment_id) == b"second"
    assert medium.another().record(attachment_id) == {"id": "second"}
    assert medium.storage.version(attachment_id) != before
    partition = partition_of(attachment_id)
    assert partition in medium.another().changed([since] * PARTITIONS)
    assert medium.another().changes(partition, since, {attachment_id}).modified == {attachment_id}
    assert all(each.written >= since - MARGIN for each in medium.another().entries(partition))


@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyboardInterrupt])
def test_what_breaks_while_it_is_put_leaves_the_old_one(medium: Medium, error: type[BaseException]) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * 300_000
        raise error("broken")

    attachment_id = stored(medium.storage, b"old")
    for each in Artefact:
        before = medium.storage.read(attachment_id, each)
        with pytest.raises(error, match="broken"):
            medium.storage.put(attachment_id, each, chunks())
        assert medium.storage.read(attachment_id, each) == before
    assert there(medium.another(), attachment_id) == {Artefact.BYTES, Artefact.RECORD}
    nothing_is_left(medium)


def test_entries_are_those_of_their_partition(storage: Storage) -> None:
    ids = {stored(storage) for _ in range(20)}
    partitions = {partition_of(each) for each in ids}
    found = [each for number in partitions for each in storage.entries(number)]
    assert all(
        storage.entries(number) == [] for number in {(each + 1) % PARTITIONS for each in partitions} - partitions
    )
    assert {(each.id, each.artefact) for each in found} == {
        (each, artefact) for each in ids for artefact in (Artefact.BYTES, Artefact.RECORD)
    }
    assert len(found) == 2 * len(ids)


def test_the_identity_is_replaced_whole(medium: Medium) -> None:
    assert medium.storage.identity() is None
    for content in ({"format": 1, "id": STORE_ID}, {"format": 1, "id": STORE_ID, "ü": {"done": 3}}):
        medium.storage.keep_identity(content)
        assert medium.another().identity() == content
    assert list(medium.storage.ids()) == []
    nothing_is_left(medium)


# Names


@pytest.mark.parametrize("text", NO_IDS)
def test_what_is_no_id_never_becomes_part_of_a_name(storage: Storage, text: str) -> None:
    staged = storage.stage([b"x"], 1)
    before = list(storage.ids())
    for call in (
        lambda: staged.keep(text),
        lambda: storage.commit(text, {}),
        lambda: storage.record(text),
        lambda: storage.version(text),
        lambda: storage.open(text),
        lambda: storage.size(text),
        lambda: storage.read(text, Artefact.TEXT),
        lambda: storage.remove(text),
        lambda: storage.keep_text(text, {}, None),
        lambda: storage.outcome(text),
        lambda: storage.remove_text(text),
        lambda: storage.keep_thumbnail(text, b"", []),
        lambda: storage.remove_thumbnail(text),
        lambda: storage.keep_passages(text, b""),
        lambda: storage.remove_passages(text),
        lambda: storage.put(text, Artefact.BYTES, iter(never())),
        lambda: name_of(text, Artefact.BYTES),
    ):
        with pytest.raises(ValueError, match="not an id"):
            call()
    staged.discard()
    assert list(storage.ids()) == before == []


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_leads_nowhere(storage: Storage, name: str) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: storage.holds(name),
        lambda: storage.remove_leftover(name, 0.0),
    )
    for call in calls:
        with pytest.raises(ValueError, match="not a name"):
            call()


def test_names_follow_from_the_id_alone() -> None:
    attachment_id = new_uuid()
    folder = hashlib.sha256(attachment_id.encode()).hexdigest()[:3]
    assert name_of(attachment_id, Artefact.BYTES) == f"attachments/{folder}/{attachment_id}.bytes"
    assert partition_of(attachment_id) == int(folder, 16)
    assert {each.value for each in Artefact} == {"json", "extraction", "thumbnail", "passages", "text", "bytes"}


# Walks


def test_every_attachment_is_in_its_partition_and_in_no_other(medium: Medium) -> None:
    storage = medium.storage
    ids = {stored(storage) for _ in range(20)}
    # Of those that take a request each, every hundredth.
    numbers = sorted({*range(0, PARTITIONS, medium.step), *(partition_of(each) for each in ids)})
    assert set(storage.ids()) == ids
    listed = [each for number in numbers for each in storage.listing(number).ids]
    assert sorted(listed) == sorted(ids)
    assert [each for number in numbers for each in storage.listing(number).foreign] == []
    found = [each for number in numbers for each in storage.changes(number, 0.0, ()).records]
    assert sorted(found) == sorted(ids)


def test_a_listing_is_in_order_and_has_whatever_is_there(storage: Storage) -> None:
    ids = list(itertools.islice((each for each in iter(new_xid, None) if partition_of(each) == 7), 3))
    for each in ids:
        put(storage, each, b"")
    (text,) = [storage.stage_text()]
    storage.keep_text(ids[0], {}, text)
    text.close()
    assert storage.listing(7).ids == sorted(ids)
    assert storage.changes(7, 0.0, ids).records == set()
    assert storage.changes(7, 0.0, ids).outcomes == {ids[0]}


def test_a_change_is_told(storage: Storage) -> None:
    """By its partition, and of the ids that are asked for."""
    attachment_id = stored(storage)
    number = partition_of(attachment_id)
    everything = [0.0] * PARTITIONS
    assert storage.changed(everything) == list(range(PARTITIONS))
    steps: tuple[Callable[[], object], ...] = (
        lambda: storage.commit(attachment_id, {"id": attachment_id}),
        lambda: with_text(storage, attachment_id),
        lambda: storage.keep_passages(attachment_id, b"passages"),
        lambda: storage.remove_text(attachment_id),
        lambda: storage.remove(attachment_id),
    )
    for step in steps:
        before = time.time()
        step()
        assert number in storage.changed([before] * PARTITIONS)
        found = storage.changes(number, before, {attachment_id})
        assert found.modified == {attachment_id} & found.records
        assert storage.changes(number, before, ()).modified == set()
    later = time.time() + MARGIN + 1
    assert storage.changed([later] * PARTITIONS) == []
    assert storage.changed([0.0 if each == number else later for each in range(PARTITIONS)]) == [number]


def test_what_did_not_change_is_not_modified(storage: Storage) -> None:
    attachment_id = stored(storage)
    with_text(storage, attachment_id)
    later = time.time() + MARGIN + 1
    found = storage.changes(partition_of(attachment_id), later, {attachment_id})
    assert (found.records, found.outcomes, found.modified) == ({attachment_id}, {attachment_id}, set())


# Leftovers


def test_what_a_living_process_has_staged_is_nobodys_leftover(medium: Medium) -> None:
    storage = medium.storage
    attachment_id = stored(storage)
    staged, text = storage.stage([b"x"], BIG), storage.stage_text()
    text.file.write(b"text")
    nothing_is_left(medium)
    staged.keep(attachment_id)
    storage.keep_text(attachment_id, {}, text)
    staged.discard()
    text.close()
    assert bytes_of(storage, attachment_id) == b"x"
    assert storage.read(attachment_id, Artefact.TEXT) == b"text"


def test_a_leftover_is_removed_when_it_is_old(storage: Storage) -> None:
    attachment_id = new_xid()
    put(storage, attachment_id, b"x")
    with_text(storage, attachment_id)
    for artefact in (Artefact.BYTES, Artefact.TEXT, Artefact.OUTCOME):
        name = name_of(attachment_id, artefact)
        storage.remove_leftover(name, 3600.0)
        assert storage.holds(name)
        storage.remove_leftover(name, 0.0)
        assert not storage.holds(name)
        storage.remove_leftover(name, 0.0)
    assert there(storage, attachment_id) == set()


@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
def test_the_crash_in_the_middle(medium: Medium, steps: int) -> None:
    attachment_id, other = new_xid(), stored(medium.storage, b"other")
    medium.crash(attachment_id, steps)
    storage = medium.another()
    has_bytes, has_record, has_text, has_outcome = [(False,) * 4, *STEPS.values()][steps]
    kept = {
        Artefact.BYTES: has_bytes,
        Artefact.RECORD: has_record,
        Artefact.TEXT: has_text,
        Artefact.OUTCOME: has_outcome,
    }
    for _ in range(2):
        assert there(storage, attachment_id) == {each for each, is_there in kept.items() if is_there}
        assert bytes_of(storage, attachment_id) == (BYTES if has_bytes else None)
        assert storage.record(attachment_id) == (RECORD if has_record else None)
        assert storage.read(attachment_id, Artefact.TEXT) == (TEXT if has_text else None)
        assert storage.outcome(attachment_id) == (OUTCOME if has_outcome else None)
        # Nobody holds what it left, and to remove that changes nothing.
        stale = {each.name for each in storage.strays(0.0)}
        assert all(each.temporary for each in storage.strays(0.0))
        assert {name.rpartition("/")[2] for name in stale} == set(storage.sweep(0.0))
        nothing_is_left(medium)
    assert bytes_of(storage, other) == b"other"
    # And all goes on.
    put(storage, attachment_id, b"again")
    storage.commit(attachment_id, {"again": True})
    assert (bytes_of(storage, attachment_id), storage.record(attachment_id)) == (b"again", {"again": True})
    storage.remove(attachment_id)
    assert there(storage, attachment_id) == set()


# No room


def test_where_there_is_no_room_nothing_is_lost_and_nothing_stays(medium: Medium) -> None:
    storage = medium.storage
    attachment_id = stored(storage, b"bytes")
    with_text(storage, attachment_id, b"text", size=4)
    storage.keep_thumbnail(attachment_id, b"{}\n", [b"picture"])
    storage.keep_passages(attachment_id, b"passages")
    version = storage.version(attachment_id)
    with medium.full(64 * 1024):
        with pytest.raises(StorageFull):
            storage.stage([b"x" * 1000] * 100, BIG)
        with pytest.raises(medium.refusals):
            storage.commit(attachment_id, {"long": "x" * 100_000})
        # Said when it is written, or when it is kept.
        with pytest.raises((OSError, *medium.refusals)):
            with_text(storage, attachment_id, b"x" * 100_000, size=100_000)
        with pytest.raises(medium.refusals):
            storage.keep_thumbnail(attachment_id, b"{}\n", [b"x" * 60_000] * 2)
        with pytest.raises(medium.refusals):
            storage.keep_passages(attachment_id, b"x" * 120_000)
        for each in Artefact:
            with pytest.raises(medium.refusals):
                storage.put(attachment_id, each, [b"x" * 60_000] * 2)
        storage.stage([b"x" * 1000], BIG).discard()
    nothing_is_left(medium)
    assert there(storage, attachment_id) == set(Artefact)
    assert bytes_of(storage, attachment_id) == b"bytes"
    assert (storage.record(attachment_id), storage.version(attachment_id)) == ({"id": attachment_id}, version)
    assert (storage.read(attachment_id, Artefact.TEXT), storage.outcome(attachment_id)) == (b"text", {"size": 4})
    assert storage.read(attachment_id, Artefact.THUMBNAIL) == b"{}\npicture"
    assert storage.read(attachment_id, Artefact.PASSAGES) == b"passages"
    stored(storage, b"x" * 100_000)


def test_a_new_attachment_that_finds_no_room_for_its_record_can_be_undone(medium: Medium) -> None:
    storage = medium.storage
    attachment_id = new_xid()
    put(storage, attachment_id, b"x")
    with medium.full(64 * 1024), pytest.raises(medium.refusals):
        storage.commit(attachment_id, {"long": "x" * 100_000})
    storage.remove(attachment_id)
    assert there(storage, attachment_id) == set()
    nothing_is_left(medium)


def test_room(storage: Storage) -> None:
    assert storage.room() > MIB


# Several at once


def both(*work: Callable[[], object]) -> None:
    """Each of these in a thread of its own, which all begin at once; whatever one raises is raised."""
    ready = threading.Barrier(len(work))

    def begin(each: Callable[[], object]) -> None:
        ready.wait()
        each()

    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(begin, each) for each in work]:
            done.result()


def test_of_two_writers_one_wins_whole(medium: Medium) -> None:
    attachment_id = stored(medium.storage, writer=0, pad="0" * 20_000)
    writing = [True, True]

    def write(writer: int) -> None:
        storage = medium.another()
        for number in range(50):
            put(storage, attachment_id, bytes([writer]) * (10_000 + number))
            storage.commit(attachment_id, {"writer": writer, "pad": str(writer) * (20_000 + number)})
        writing[writer] = False

    def read() -> None:
        storage = medium.another()
        while any(writing):
            record = storage.record(attachment_id)
            assert record is not None
            assert set(record["pad"]) == {str(record["writer"])}
            assert len(record["pad"]) >= 20_000
            content = bytes_of(storage, attachment_id)
            assert content is not None
            assert len(set(content)) == 1 or content == b"bytes"

    both(lambda: write(0), lambda: write(1), read, read)
    record, content = medium.storage.record(attachment_id), bytes_of(medium.storage, attachment_id)
    assert record is not None
    assert content is not None
    assert len(record["pad"]) == 20_049
    assert len(content) == 10_049
    nothing_is_left(medium)


def test_a_reader_beside_a_remover_has_all_or_nothing(medium: Medium) -> None:
    content, storage = os.urandom(300_000), medium.another()
    for _ in range(30 // medium.fewer):
        attachment_id = stored(medium.storage, content)
        with_text(medium.storage, attachment_id, b"x" * 50_000)

        def read(attachment_id: str) -> None:
            for _ in range(10):
                has_record = storage.record(attachment_id) is not None
                text = storage.read(attachment_id, Artefact.TEXT)
                try:
                    got = bytes_of(storage, attachment_id)
                except StorageFailed:
                    # They were removed while they were read.
                    assert not medium.keeps_open
                    got = None
                assert text in (None, b"x" * 50_000)
                # In this order they go: whoever sees the bytes gone sees the record gone, and no sooner.
                assert got == content or (got is None and storage.record(attachment_id) is None)
                assert has_record or storage.record(attachment_id) is None

        read_it, remove_it = partial(read, attachment_id), partial(medium.storage.remove, attachment_id)
        both(read_it, read_it, remove_it)
        assert there(storage, attachment_id) == set()


def test_a_walk_beside_changes_has_all_that_was_there_and_stays(medium: Medium) -> None:
    stay = {stored(medium.storage) for _ in range(100 // medium.fewer)}
    walking = [True]

    def change() -> None:
        storage = medium.another()
        while walking[0]:
            attachment_id = stored(storage)
            storage.commit(attachment_id, {"again": True})
            with_text(storage, attachment_id)
            storage.remove(attachment_id)

    def rewrite() -> None:
        # What is written anew was there before, and is.
        storage = medium.another()
        while walking[0]:
            for each in stay:
                storage.commit(each, {"anew": True})

    def walk() -> None:
        storage = medium.another()
        try:
            for _ in range(5):
                found = list(storage.ids())
                assert len(found) == len(set(found))
                assert stay <= set(found)
                for number in {partition_of(each) for each in stay}:
                    mine = {each for each in stay if partition_of(each) == number}
                    assert mine <= storage.changes(number, 0.0, ()).records
                    assert mine <= set(storage.listing(number).ids)
        finally:
            walking[0] = False

    both(change, rewrite, walk)
    assert set(medium.storage.ids()) == stay
    nothing_is_left(medium)


def test_a_text_that_is_taken_out_again_is_whole_whoever_reads_it(medium: Medium) -> None:
    attachment_id = stored(medium.storage)
    with_text(medium.storage, attachment_id, bytes([0]) * 30_000, of=0)
    writing = [True]

    def write() -> None:
        storage = medium.another()
        for number in range(1, 60):
            with_text(storage, attachment_id, bytes([number]) * 30_000, of=number)
        writing[0] = False

    def read() -> None:
        storage = medium.another()
        while writing[0]:
            outcome, text = storage.outcome(attachment_id), storage.read(attachment_id, Artefact.TEXT)
            assert outcome is not None
            assert text is not None
            assert len(text) == 30_000
            assert len(set(text)) == 1
            # The text comes first: it may be a later one than the outcome says, and never an earlier one.
            assert text[0] >= outcome["of"]

    both(write, read, read)
    nothing_is_left(medium)
