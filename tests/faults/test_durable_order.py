"""What is acknowledged was synced before, step by step: seen from outside, in the system calls of a real worker.

No killed process shows a missing fsync, as the kernel keeps what it was told. This does; tests/faults/test_power_cut.py
shows what it is good for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.tracing import traced
from tests.support.app import Server, running_server

pytestmark = pytest.mark.needs("strace")

CALLS = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,sendto,sendmsg"

#: What a line of the trace means, the first that matches; the paths in it are those of the data folder.
EVENTS = (
    (r"fsync\(\d+<D/incoming/\w+>", "sync file"),
    (r"fsync\(\d+<D/journal/\w+\.new>", "sync entry"),
    (r"fsync\(\d+<D/journal>", "sync journal"),
    (r"fsync\(\d+<D/attachments/\w{3}>", "sync folder"),
    (r'rename\("D/journal/\w+\.(new|spare)", "D/journal/\w+\.(upload|delete)"', "name entry"),
    (r'rename\("D/incoming/\w+", "D/attachments/\w{3}/\w+\.bytes"', "name bytes"),
    (r'rename\("D/incoming/\w+", "D/attachments/\w{3}/\w+\.json"', "name record"),
    (r'unlink\("D/journal/', "remove entry"),
    (r'rename\("D/journal/\w+\.upload", "D/journal/\w+\.spare"', "remove entry"),
    (r'unlink\("D/attachments/\w{3}/\w+\.json"', "remove record"),
    (r'unlink\("D/attachments/\w{3}/\w+\.bytes"', "remove bytes"),
    (r'send\w+\(.*"(PUT|POST) /[^ ]*_bulk', "bulk"),
    (r'send\w+\(.*"HTTP/1\.1 200', "answer"),
)

ENTRY = ["sync entry", "name entry", "sync journal"]
RECORD = ["sync file", "name record", "sync folder"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """One worker, and a reconciler that stays out of the trace."""
    folder = tmp_path_factory.mktemp("order")
    with running_server(folder, elasticsearch_url, WEB_WORKERS="1", RECONCILE_INTERVAL="3600") as running:
        running.upload(("first", b"first"))
        yield running


def events(trace: Path, data: Path) -> list[str]:
    """The steps in a trace, in their order."""
    found = []
    for line in trace.read_text().splitlines():
        text = line.replace(str(data), "D")
        found += [name for pattern, name in EVENTS if re.search(pattern, text)][:1]
    return found


def test_upload_of_one_file(server: Server, tmp_path: Path) -> None:
    """The record is the commit point, so the journal entry need not be durable; its folder's sync is for both names."""
    with traced(server, tmp_path / "trace", "-e", f"trace={CALLS}"):
        server.upload(("a", b"a"))
    expected = ["sync file", "name entry", "name bytes", *RECORD, "bulk", "remove entry", "answer"]
    assert events(tmp_path / "trace", server.data) == expected


def test_upload_of_two_files(server: Server, tmp_path: Path) -> None:
    """Its entry is durable while it decides, and durably gone before anybody could delete one of the files: back after
    a power cut, it would say that the other one is half an upload."""
    with traced(server, tmp_path / "trace", "-e", f"trace={CALLS}"):
        server.upload(("a", b"a"), ("b", b"b"))
    expected = ["sync file", "sync file", *ENTRY, *["name bytes"] * 2, *RECORD * 2]
    expected += ["bulk", "remove entry", "sync journal", "answer"]
    assert events(tmp_path / "trace", server.data) == expected


def test_delete(server: Server, tmp_path: Path) -> None:
    (attachment,) = server.upload(("a", b"a"))
    with traced(server, tmp_path / "trace", "-e", f"trace={CALLS}"):
        assert server.delete(f"/attachment/{attachment}").status_code == 200
    expected = [*ENTRY, "bulk", "remove record", "remove bytes", "sync folder", "remove entry", "answer"]
    assert events(tmp_path / "trace", server.data) == expected
