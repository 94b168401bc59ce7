"""Every step on the disk fails once: a real small file system that is full, read-only, or lacks a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import (
    assert_all_or_none,
    assert_nothing_leaks,
    await_settled,
    held,
    mounted,
    remount,
    take_room,
    undecided,
)
from tests.support.app import Server, running_server

SIZE = 24 * 1024 * 1024
PAGE = 4096

pytestmark = pytest.mark.needs("root")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    with mounted("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", on=folder):
        yield folder


@pytest.fixture(scope="module")
def server(disk: Path, elasticsearch_url: str) -> Iterator[Server]:
    """A server with all its data on a small disk of its own."""
    with running_server(disk, elasticsearch_url, WEB_WORKERS="1", GRACE_TIME="1") as running:
        yield running


@pytest.fixture
def ballast(disk: Path) -> Iterator[Path]:
    """A file that takes what room the test wants to be taken."""
    path = disk / "ballast"
    yield path
    path.unlink(missing_ok=True)


def test_full_disk_at_every_step(server: Server, ballast: Path) -> None:
    """With one more page free each time, an upload gets one step further, until it is through."""
    (kept,) = server.upload(("kept", b"kept"))
    before = held(server)
    statuses = []
    for pages in range(16):
        take_room(ballast, pages)
        session = f"full{pages}"
        files = [("files", ("a", b"a" * PAGE)), ("files", ("b", b"b" * PAGE))]
        answer = server.post(f"/chat/{session}/_upload", files=files)
        statuses.append(answer.status_code)
        assert answer.status_code in (200, 507), answer.text
        assert assert_all_or_none(server, session, 2) == (2 if answer.ok else 0)
        assert undecided(server) == []
        assert server.get(f"/attachment/{kept}").content == b"kept"
        if answer.ok:
            break
    assert statuses[0] == 507
    assert statuses[-1] == 200
    # Not only the first step failed: the bytes of the second file, the records, the journal entry did too.
    assert len(statuses) > 4
    assert_nothing_leaks(server, before)


def test_delete_on_a_full_disk(server: Server, ballast: Path) -> None:
    """A delete is said before it is done, so on a disk without a byte it is refused, and nothing has changed."""
    (attachment,) = server.upload(("a", b"aa"), session="fulldel")
    take_room(ballast, 0)
    answer = server.delete(f"/attachment/{attachment}")
    assert answer.status_code == 507
    assert len(server.hits("session=fulldel")) == 1
    assert server.get(f"/attachment/{attachment}").content == b"aa"
    ballast.unlink()
    assert server.delete(f"/attachment/{attachment}").status_code == 200
    assert_all_or_none(server, "fulldel", 1)


def test_health_names_a_full_disk(server: Server, ballast: Path) -> None:
    take_room(ballast, 0)
    answer = server.get("/health")
    assert answer.status_code == 503
    assert "space" in answer.text


def test_reserve_refuses_before_the_disk_is_full(disk: Path, elasticsearch_url: str, ballast: Path) -> None:
    reserve = 64 * PAGE
    with running_server(disk, elasticsearch_url, WEB_WORKERS="1", DISK_RESERVE=str(reserve)) as server:
        take_room(ballast, 70)
        assert server.post("/attachment/_upload", files=[("files", ("a", b"a" * 8 * PAGE))]).status_code == 507
        assert server.post("/attachment/_upload", files=[("files", ("a", b"a"))]).status_code == 200
        take_room(ballast, 60)
        assert server.post("/attachment/_upload", files=[("files", ("a", b"a"))]).status_code == 507
        assert undecided(server) == []


@pytest.mark.parametrize("name", ["attachments", "incoming", "journal"])
def test_read_only_folder(server: Server, name: str) -> None:
    """A folder that turns read-only under the server, as a file system does after an I/O error."""
    session = f"ro-{name}"
    (attachment,) = server.upload(("a", b"aa"), session=session)
    folder = server.data / name
    with mounted("--bind", str(folder), on=folder):
        remount(folder, "ro,bind")
        answer = server.post(f"/chat/{session}/_upload", files=[("files", ("b", b"b")), ("files", ("c", b"c"))])
        assert answer.status_code == 500, answer.text
        assert server.get(f"/attachment/{attachment}").content == b"aa"
        deleted = server.delete(f"/attachment/{attachment}")
        if name == "incoming":
            assert deleted.status_code == 200
        elif name == "journal":
            # It could not be said, so it was not begun.
            assert deleted.status_code == 500
            assert len(server.hits(f"session={session}")) == 1
        else:
            # It is out of the index; the bytes go as soon as they can.
            assert deleted.status_code == 500
            assert server.hits(f"session={session}") == []
    await_settled(server)
    assert assert_all_or_none(server, session, 1) == (1 if name == "journal" else 0)


def test_read_only_disk(server: Server, disk: Path) -> None:
    (attachment,) = server.upload(("a", b"aa"), session="rodisk")
    with mounted("--bind", str(server.data), on=server.data):
        remount(server.data, "ro,bind")
        answer = server.post("/chat/rodisk/_upload", files=[("files", ("b", b"b"))])
        assert answer.status_code == 500, answer.text
        assert server.get("/health").status_code == 503
        assert server.get(f"/attachment/{attachment}").content == b"aa"
        assert len(server.hits("session=rodisk")) == 1
        assert server.delete(f"/attachment/{attachment}").status_code == 500
    await_settled(server)
    assert assert_all_or_none(server, "rodisk", 1) == 1


@pytest.mark.parametrize("name", ["incoming", "journal", "attachments"])
def test_missing_folder(server: Server, name: str) -> None:
    session = f"missing-{name}"
    (attachment,) = server.upload(("a", b"aa"), session=session)
    folder = server.data / name
    aside = folder.with_name(f"{name}.aside")
    folder.rename(aside)
    try:
        answer = server.post(f"/chat/{session}/_upload", files=[("files", ("b", b"b")), ("files", ("c", b"c"))])
        assert answer.status_code == 500, answer.text
        assert "/" not in answer.json()["error"]["reason"]
    finally:
        aside.rename(folder)
    await_settled(server)
    assert assert_all_or_none(server, session, 1) == 1
    assert server.get(f"/attachment/{attachment}").content == b"aa"
