"""Downloads: conditions and ranges (RFC 9110, sections 13 and 14), by the kernel where gunicorn can."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import pytest

from tests.dialects.coco import wire
from tests.support.app import Server

CONTENT = bytes(range(256)) * 4
SIZE = len(CONTENT)
LARGE = 24 << 20
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'


@pytest.fixture(scope="module")
def path(server: Server) -> str:
    (attachment_id,) = server.upload(("range.bin", CONTENT), session="ranges")
    return f"/attachment/{attachment_id}"


@pytest.fixture(scope="module")
def empty(server: Server) -> str:
    (attachment_id,) = server.upload(("empty.bin", b""), session="ranges")
    return f"/attachment/{attachment_id}"


def test_whole(server: Server, path: str) -> None:
    answer = server.get(path)
    assert answer.content == CONTENT
    assert answer.headers["ETag"] == ETAG
    assert answer.headers["Accept-Ranges"] == "bytes"
    modified = parsedate_to_datetime(answer.headers["Last-Modified"])
    assert timedelta(0) <= datetime.now(UTC) - modified < timedelta(hours=1)
    head = server.request("HEAD", path)
    assert head.content == b""
    for name in ("Content-Length", "ETag", "Last-Modified", "Content-Type", "Content-Disposition", "Accept-Ranges"):
        assert head.headers[name] == answer.headers[name]


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-9", 0, 10),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        ("bytes=-100", SIZE - 100, SIZE),
        ("bytes=-99999", 0, SIZE),
        ("bytes=0-", 0, SIZE),
        (f"bytes=0-{SIZE - 1}", 0, SIZE),
        ("bytes=1000-999999", 1000, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        ("Bytes=0-0", 0, 1),
    ],
)
def test_one_range(server: Server, path: str, value: str, start: int, stop: int) -> None:
    answer = server.get(path, headers={"Range": value})
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:stop]
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(stop - start)
    assert answer.headers["ETag"] == ETAG


@pytest.mark.parametrize("value", [f"bytes={SIZE}-", "bytes=99999-", "bytes=99999-100000"])
def test_unsatisfiable(server: Server, path: str, value: str) -> None:
    answer = server.get(path, headers={"Range": value})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
    assert answer.content == b""


@pytest.mark.parametrize(
    "value",
    [
        "bytes=0-1,5-6",
        "bytes=5-4",
        "bytes=a-b",
        "bytes",
        "bytes=",
        "lines=0-1",
        "bytes=--1",
        "bytes=-0",
        "0-1",
        "bytes=1",
    ],
)
def test_answered_whole(server: Server, path: str, value: str) -> None:
    answer = server.get(path, headers={"Range": value})
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert "Content-Range" not in answer.headers


def test_a_head_has_no_range(server: Server, path: str) -> None:
    answer = server.request("HEAD", path, headers={"Range": "bytes=0-0"})
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(SIZE))


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-"])
def test_ranges_of_no_bytes(server: Server, empty: str, value: str) -> None:
    answer = server.get(empty, headers={"Range": value})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */0"


def last_modified(server: Server, path: str, seconds: int = 0) -> str:
    moment = parsedate_to_datetime(server.request("HEAD", path).headers["Last-Modified"])
    return format_datetime(moment + timedelta(seconds=seconds), usegmt=True)


def test_if_range(server: Server, path: str) -> None:
    def status(condition: str) -> int:
        return server.get(path, headers={"Range": "bytes=0-0", "If-Range": condition}).status_code

    assert status(ETAG) == 206
    assert status(last_modified(server, path)) == 206
    assert status(f"W/{ETAG}") == 200
    assert status('"other"') == 200
    assert status(last_modified(server, path, -1)) == 200
    assert status(last_modified(server, path, 1)) == 200
    assert status("nonsense") == 200
    # Out of reach, but of another version: what there is now is sent whole.
    answer = server.get(path, headers={"Range": "bytes=99999-", "If-Range": '"other"'})
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("value", [ETAG, f"W/{ETAG}", "*", f'"other", {ETAG}'])
def test_if_none_match(server: Server, path: str, method: str, value: str) -> None:
    answer = server.request(method, path, headers={"If-None-Match": value, "Range": "bytes=0-0"})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == ETAG


def test_if_none_match_of_another_version(server: Server, path: str) -> None:
    # The entity tag goes before the date.
    headers = {"If-None-Match": '"other"', "If-Modified-Since": last_modified(server, path)}
    assert server.get(path, headers=headers).status_code == 200


def test_if_modified_since(server: Server, path: str) -> None:
    def status(seconds: int) -> int:
        return server.get(path, headers={"If-Modified-Since": last_modified(server, path, seconds)}).status_code

    assert (status(-1), status(0), status(3600)) == (200, 304, 304)
    assert server.get(path, headers={"If-Modified-Since": "nonsense"}).status_code == 200


def test_if_match(server: Server, path: str) -> None:
    def status(**headers: str) -> int:
        return server.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()}).status_code

    assert status(If_Match=ETAG) == 200
    assert status(If_Match="*") == 200
    assert status(If_Match='"other"') == 412
    assert status(If_Match=f"W/{ETAG}") == 412
    assert status(If_Match='"other"', If_None_Match=ETAG) == 412
    assert status(If_Unmodified_Since=last_modified(server, path)) == 200
    assert status(If_Unmodified_Since=last_modified(server, path, -1)) == 412


@pytest.fixture(scope="module")
def large(server: Server) -> Iterator[str]:
    (attachment_id,) = server.upload(("large.bin", os.urandom(LARGE)), session="ranges")
    yield f"/attachment/{attachment_id}"
    server.delete(f"/attachment/{attachment_id}")


def counted(server: Server, name: str) -> int:
    """A counter of /proc/<pid>/io over all workers."""
    counters = [Path(f"/proc/{pid}/io").read_text() for pid in server.worker_pids()]
    return sum(int(re.findall(rf"^{name}: (\d+)$", counter, re.MULTILINE)[0]) for counter in counters)


def test_the_kernel_sends_the_file(server: Server, large: str) -> None:
    # `wchar` counts what write(2) and sendfile(2) wrote, but not send(2): it grows by the file only with sendfile.
    before = counted(server, "wchar")
    answer = server.get(large)
    assert len(answer.content) == LARGE
    # The last of it is counted when the call has returned, which may be after it was read here.
    wire.eventually(lambda: counted(server, "wchar") - before >= LARGE)
    before = counted(server, "wchar")
    answer = server.get(large, headers={"Range": f"bytes=1-{LARGE // 2}"})
    assert len(answer.content) == LARGE // 2
    wire.eventually(lambda: counted(server, "wchar") - before >= LARGE // 2)
    assert counted(server, "wchar") - before < LARGE


def test_a_reader_that_leaves_keeps_nothing_open(server: Server, large: str) -> None:
    name = f"{large.rpartition('/')[2]}.bytes"
    with wire.connect(server) as connection:
        connection.sendall(wire.head(server, "GET", large))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert name in open_files(server)
    wire.eventually(lambda: name not in open_files(server))


def open_files(server: Server) -> set[str]:
    found = set()
    for pid in server.worker_pids():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.add(Path(os.readlink(descriptor)).name)
    return found
