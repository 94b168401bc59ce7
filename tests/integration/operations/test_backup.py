"""A copy of the data folder, made while uploads and deletes go on, is a backup: docs/operations.md."""

from __future__ import annotations

import shutil
import subprocess
import time

from tests.integration.commands.doors import door, lines
from tests.support.app import ServerFactory
from tests.support.seed import seed
from tests.support.traffic import Traffic


def test_what_was_acknowledged_before_the_copy_is_in_it(start_server: ServerFactory) -> None:
    server = start_server()
    seed(server.data, 500)
    restored = start_server(start=False, GRACE_TIME="0.1")
    shutil.rmtree(restored.data)
    with Traffic(server) as traffic:
        while len(traffic.kept) < 8 and not traffic.failed:
            time.sleep(0.05)
        acknowledged, deleted = list(traffic.kept), list(traffic.deleted)
        copy = subprocess.run(["cp", "-a", server.data, restored.data], capture_output=True, text=True)
    assert traffic.failed == []
    # What is deleted or renamed under its eyes is all that it may complain about.
    assert all("No such file" in line for line in copy.stderr.splitlines()), copy.stderr
    assert len(traffic.kept) > len(acknowledged)

    restored.token = server.token
    assert door(restored, "store", "rebuild").returncode == 0
    restored.start()
    restored.await_health()
    for each in acknowledged:
        assert restored.get(f"/attachment/{each}").content == b"b"
    for each in deleted:
        assert restored.get(f"/attachment/{each}").status_code == 404
    result = door(restored, "store", "verify", "--read-data", "--repair", "--yes", "--json")
    *found, summary = lines(result)
    assert summary["summary"]["attachments"] >= 500 + len(acknowledged)
    # Only what came or went during the copy may be half there, and it is named.
    during = (set(traffic.kept) - set(acknowledged)) | (set(traffic.deleted) - set(deleted))
    for finding in found:
        assert finding["id"] is None or finding["id"] in during or finding["code"] == "bytes-without-record", finding
        assert finding["code"] not in ("wrong-digest", "truncated-bytes", "damaged-record"), finding
    for each in during:
        answer = restored.get(f"/attachment/{each}")
        assert answer.status_code in (404, 500) or answer.content in (b"a", b"b")
    left = {hit["_id"] for page in range(2) for hit in restored.hits(f"size=1000&from={page * 1000}")}
    assert set(acknowledged) <= left
