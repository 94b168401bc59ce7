"""A disk that fails: single system calls of a real worker with an I/O error, and a real device that takes no more.

Device-mapper, which has a target for this, is not in every kernel; what is used here needs strace, and a loop device.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import assert_all_or_none, await_settled, mounted, take_room
from tests.faults.tracing import traced
from tests.support.app import Server, running_server

MIB = 1024 * 1024

#: More than any of the calls is made in one upload of two files.
MOST = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """One thread for requests, as strace counts the calls of each thread for itself."""
    folder = tmp_path_factory.mktemp("failing")
    with running_server(
        folder, elasticsearch_url, WEB_WORKERS="1", WEB_THREADS="1", GRACE_TIME="1", RECONCILE_INTERVAL="0.5"
    ) as running:
        running.upload(("first", b"first"))
        yield running


@pytest.mark.needs("strace")
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_upload_with_an_io_error_at_every_call(server: Server, tmp_path: Path, call: str) -> None:
    statuses = []
    for number in range(1, MOST):
        session = f"io-{call}{number}"
        fault = f"inject={call}:error=EIO:when={number}"
        with traced(server, tmp_path / "trace", "-e", f"trace={call}", "-e", fault):
            answer = server.post(f"/chat/{session}/_upload", files=[("files", ("a", b"a")), ("files", ("b", b"b"))])
        injected = "INJECTED" in (tmp_path / "trace").read_text()
        statuses.append(answer.status_code)
        assert answer.status_code in (200, 500), answer.text
        await_settled(server)
        assert assert_all_or_none(server, session, 2) == (2 if answer.ok else 0)
        if not injected:
            break
    else:
        pytest.fail("there is always one call more")
    # The last of them is after the commit point: the entry is gone, and a look at the journal is all that was lost.
    assert statuses[:-2] == [500] * (len(statuses) - 2)
    assert statuses[-1] == 200
    assert len(statuses) > 4


@pytest.mark.needs("strace")
@pytest.mark.parametrize("call", ["fsync", "rename", "unlink"])
def test_delete_with_an_io_error_at_every_call(server: Server, tmp_path: Path, call: str) -> None:
    for number in range(1, MOST):
        session = f"iodel-{call}{number}"
        (attachment,) = server.upload(("a", b"a"), session=session)
        fault = f"inject={call}:error=EIO:when={number}"
        with traced(server, tmp_path / "trace", "-e", f"trace={call}", "-e", fault):
            answer = server.delete(f"/attachment/{attachment}")
        injected = "INJECTED" in (tmp_path / "trace").read_text()
        assert answer.status_code in (200, 500), answer.text
        await_settled(server)
        found = assert_all_or_none(server, session, 1)
        assert server.get(f"/attachment/{attachment}").status_code == (200 if found else 404)
        assert not (answer.ok and found)
        if not injected:
            assert answer.ok
            assert number > 1
            break
    else:
        pytest.fail("there is always one call more")


@pytest.mark.needs("root")
def test_a_device_that_takes_no_more(tmp_path: Path, elasticsearch_url: str) -> None:
    """A file system on a device whose medium is used up: its writes fail only when they are synced."""
    medium, disk = tmp_path / "medium", tmp_path / "disk"
    medium.mkdir()
    disk.mkdir()
    image, ballast = medium / "image", medium / "ballast"
    with mounted("-t", "tmpfs", "-o", f"size={96 * MIB}", "tmpfs", on=medium):
        with image.open("wb") as file:
            file.truncate(256 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-N", "16384", str(image)], check=True)
        with (
            mounted("-o", "loop", str(image), on=disk),
            running_server(disk, elasticsearch_url, WEB_WORKERS="1", GRACE_TIME="1") as server,
        ):
            (kept,) = server.upload(("kept", b"kept" * 1000))
            subprocess.run(["sync", "--file-system", str(disk)], check=True)
            take_room(ballast)
            answer = server.post("/chat/dead/_upload", files=[("files", ("a", bytes(16 * MIB)))])
            # Kernels that know why the device refused say ENOSPC at the fsync, others EIO.
            assert answer.status_code in (500, 507), answer.text
            assert server.hits("session=dead") == []
            assert server.get(f"/attachment/{kept}").content == b"kept" * 1000
            ballast.unlink()
            # The device takes writes again; what the file system made of it meanwhile is its own matter.
            workers = server.worker_pids()
            server.kill()
            while any(Path(f"/proc/{pid}").exists() for pid in workers):
                time.sleep(0.05)
            subprocess.run(["umount", str(disk)], check=True)
            subprocess.run(["e2fsck", "-fy", str(image)], check=False, capture_output=True)
            subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)
            server.start()
            await_settled(server)
            assert server.get(f"/attachment/{kept}").content == b"kept" * 1000
            assert assert_all_or_none(server, "dead", 1) == 0
            assert server.upload(("b", bytes(16 * MIB)), session="dead")
