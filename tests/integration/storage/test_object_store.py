"""The product on an object store: what clients see is what they see on a folder; and when it does not answer, what needs it
is refused in time and all else goes on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from app.errors import StorageUnavailable
from app.ids import new_xid
from app.opening import open_store
from app.services.extracting import Extractor
from app.services.outcomes import INTERRUPTIONS
from app.services.uploads import Draft
from app.settings import Settings
from app.storage.contract import Artefact
from app.storage.objects import Objects
from tests.integration.commands.doors import door, findings, lines
from tests.support.app import Server, ServerFactory, delete_index, unique_index
from tests.support.breaking import Fault, Proxy
from tests.support.pauses import Pauses
from tests.support.s3 import Gateway, new_prefix, running_gateway

pytestmark = pytest.mark.needs("versitygw")

MIB = 1 << 20
#: STORAGE_TIMEOUT of the server whose object store stands still, in seconds.
TIMEOUT = 2.0


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Gateway]:
    """A server that a test may stop."""
    with running_gateway(tmp_path / "alone") as running:
        yield running


def objects_of(gateway: Gateway, prefix: str) -> set[str]:
    folder = gateway.objects(prefix)
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


def await_hits(server: Server, query: str, number: int) -> None:
    deadline = time.monotonic() + 120
    while len(server.hits(query)) != number:
        assert time.monotonic() < deadline, server.hits(query)
        time.sleep(0.1)


def test_the_life_of_attachments(s3: Gateway, start_server: ServerFactory) -> None:
    prefix = new_prefix()
    server = start_server(EXTRACTION="on", WEB_WORKERS="2", **s3.settings(prefix))
    large = os.urandom(6 * MIB)
    small, big = server.upload(("Offer Ä.txt", b"the quick brown fox"), ("big.bin", large), session="s1")
    assert {hit["_id"] for hit in server.hits("session=s1")} == {small, big}
    await_hits(server, "query=brown", 1)
    # Nothing of it is in the data folder.
    assert server.stored_files() == []
    for path, content in ((small, b"the quick brown fox"), (big, large)):
        got = server.get(f"/attachment/{path}")
        assert (got.status_code, got.content) == (200, content)
        head = server.request("HEAD", f"/attachment/{path}")
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(content)))
        assert head.headers["ETag"] == got.headers["ETag"]
        assert not {each.lower() for each in got.headers} & {"x-amz-request-id", "location", "x-accel-redirect"}
        again = server.get(f"/attachment/{path}", headers={"If-None-Match": got.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        for begin, end in ((0, 0), (5, 9), (len(content) - 3, len(content) + 9), (len(content) // 2, len(content) - 1)):
            part = server.get(f"/attachment/{path}", headers={"Range": f"bytes={begin}-{end}"})
            assert (part.status_code, part.content) == (206, content[begin : end + 1])
        assert server.get(f"/attachment/{path}", headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    assert server.get(f"/attachment/{small}/text").content == b"the quick brown fox"
    (empty,) = server.upload(("empty", b""))
    assert server.get(f"/attachment/{empty}").content == b""

    assert server.delete(f"/attachment/{big}").status_code == 200
    for _ in range(8):
        # Whichever worker is asked.
        assert requests.get(f"{server.url}/attachment/{big}", headers=server.headers(), timeout=60).status_code == 404
    assert not any(big in each for each in objects_of(s3, prefix))
    assert server.get(f"/attachment/{new_prefix()}").status_code == 404

    server.stop()
    server.start()
    assert server.get(f"/attachment/{small}").content == b"the quick brown fox"
    await_hits(server, "query=brown", 1)
    assert findings(server, "--read-data") == (0, [])
    result = door(server, "store", "rebuild", "--json")
    assert result.returncode == 0, result.stderr
    assert lines(result)[0]["documents"] == 2
    await_hits(server, "query=brown", 1)


def test_a_killed_server_goes_on_where_it_was(s3: Gateway, start_server: ServerFactory) -> None:
    prefix = new_prefix()
    server = start_server(**s3.settings(prefix))
    with ThreadPoolExecutor(4) as pool:
        told = [pool.submit(_uploaded, server, n) for n in range(40)]
        while sum(each.done() for each in told) < 10:
            time.sleep(0.01)
        server.kill()
        # Those who wait for an answer are cut off, and those who come later are served.
        server.start()
        acknowledged = [each.result() for each in told]
    kept = [each for each in acknowledged if each is not None]
    assert len(kept) >= 10
    for each in kept:
        assert server.get(f"/attachment/{each}").content == b"x" * 1000
    deadline = time.monotonic() + 60
    while any((server.data / "journal").glob("*.upload")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert findings(server) == (0, [])


def _uploaded(server: Server, number: int) -> str | None:
    try:
        return server.upload((f"f{number}", b"x" * 1000))[0]
    except (requests.RequestException, AssertionError):
        return None


def _timed(server: Server, method: str, path: str, **options: Any) -> tuple[int, float]:
    began = time.monotonic()
    answer = server.request(method, path, **options)
    return answer.status_code, time.monotonic() - began


def test_an_object_store_that_stands_still(alone: Gateway, start_server: ServerFactory) -> None:
    threads = 8
    server = start_server(
        WEB_WORKERS="1", WEB_THREADS=str(threads), STORAGE_TIMEOUT=str(TIMEOUT), **alone.settings(new_prefix())
    )
    (kept,) = server.upload(("kept", b"kept"), session="s1")
    files = [("files", ("b", b"b"))]
    with Pauses() as pauses, ThreadPoolExecutor(30) as pool, alone.standing_still():
        waiting = [pool.submit(_timed, server, "GET", f"/attachment/{kept}") for _ in range(15)]
        waiting += [pool.submit(_timed, server, "POST", "/attachment/_upload", files=files) for _ in range(15)]
        searches = []
        while not all(each.done() for each in waiting):
            searches.append(_timed(server, "GET", "/attachment/_search?session=s1"))
        answers = [each.result() for each in waiting]
        again = [_timed(server, "GET", f"/attachment/{kept}") for _ in range(10)]
        again += [_timed(server, "POST", "/attachment/_upload", files=files) for _ in range(10)]
        told = server.get(f"/attachment/{kept}")
        assert told.json()["error"]["reason"] == "The storage is not available"
        assert told.headers["Retry-After"] == "5"
        assert server.get("/health").status_code == 503
        # Nothing of it is begun.
        assert server.delete(f"/attachment/{kept}").status_code == 503
    assert {status for status, _ in answers} == {503}
    assert max(took for _, took in answers) < 3 * TIMEOUT + 2 + pauses.seconds
    # While all threads may still find out, and from then on.
    assert searches
    assert {status for status, _ in searches} == {200}
    assert {status for status, _ in again} == {503}
    assert sum(took for _, took in again) < 10 + pauses.seconds
    server.await_health()
    # The uploads are undone, and new ones are taken.
    (new,) = server.upload(("new", b"new"))
    assert (server.get(f"/attachment/{new}").content, server.get(f"/attachment/{kept}").content) == (b"new", b"kept")
    deadline = time.monotonic() + 60
    while any(each.suffix not in (".spare", ".new") for each in (server.data / "journal").iterdir()):
        assert time.monotonic() < deadline, list((server.data / "journal").iterdir())
        time.sleep(0.1)
    assert {hit["_id"] for hit in server.hits()} == {kept, new}
    assert findings(server) == (0, [])


def test_it_starts_while_the_object_store_is_away(alone: Gateway, start_server: ServerFactory) -> None:
    settings = alone.settings(new_prefix())
    server = start_server(STORAGE_TIMEOUT="1", **settings)
    (kept,) = server.upload(("kept", b"kept"))
    server.stop()
    with alone.standing_still():
        server.start()
        assert server.get("/health").status_code == 503
        assert server.get(f"/attachment/{kept}").status_code == 503
        assert server.get("/attachment/_search").status_code == 200
    # Each worker finds out by itself.
    deadline = time.monotonic() + 60
    while [server.get(f"/attachment/{kept}").content for _ in range(8)] != [b"kept"] * 8:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_it_does_not_start_on_the_objects_of_another_store(s3: Gateway, start_server: ServerFactory) -> None:
    settings = s3.settings(new_prefix())
    start_server(**settings)
    other = start_server(start=False, **settings)
    with pytest.raises(RuntimeError, match="belongs to another store"):
        other.start()


def test_an_object_store_that_is_away_again_and_again_is_no_failure_of_a_document(
    s3: Gateway, tmp_path: Path, elasticsearch_url: str
) -> None:
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(s3.url))
        environ = {**s3.settings(new_prefix()), "STORAGE_ENDPOINT": proxy.url, "STORAGE_TIMEOUT": "1"}
        environ |= {"DATA": str(tmp_path / "data"), "INDEX": unique_index(), "ELASTICSEARCH_URL": elasticsearch_url}
        environ |= {"ELASTICSEARCH_TIMEOUT": "30", "EMBEDDINGS": "off", "DISK_RESERVE": "0"}
        settings = Settings.from_environ(environ)
        stack.callback(delete_index, elasticsearch_url, settings.index)
        store = open_store(settings)
        stack.callback(store.index.close)
        staged = store.uploads.stage([b"heliotrope"], MIB)
        stack.callback(staged.discard)
        (attachment,) = store.uploads.upload([Draft(new_xid(), "a.txt", staged, "default", "test", "coco")])
        worker = Extractor(store, settings)
        storage = store.storage
        assert isinstance(storage, Objects)
        proxy.fault = Fault(f"{attachment.id}.text", reset_request=True)
        for _ in range(INTERRUPTIONS + 1):
            with pytest.raises(StorageUnavailable):
                worker.work()
            deadline = time.monotonic() + 60
            while storage.bucket.patience.away:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        proxy.fault = None
        worker.work()
        extraction = store.records.extraction(attachment.id)
        assert extraction is not None
        assert (extraction.state, extraction.reason) == ("completed", None)
        assert storage.read(attachment.id, Artefact.TEXT) == b"heliotrope"
