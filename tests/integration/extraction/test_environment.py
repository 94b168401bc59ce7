"""A document that could not be read because of the machine: it fails with that reason, and is read when it is put right."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pypdfium2_raw  # type: ignore[import-untyped]
import pytest

from app.extraction import control
from app.extraction.kinds import RECOGNIZED, Kind
from app.extraction.recognition_data import recognition_installed
from app.extraction.sandbox import Limits
from tests.integration.extraction.documents import PHRASE, pdf
from tests.integration.extraction.test_server import store_command, wait
from tests.support.app import Server, ServerFactory
from tests.support.namespaces import own_mounts, umount_in

pytestmark = pytest.mark.any_user

(LIBRARY,) = Path(pypdfium2_raw.__file__).parent.glob("libpdfium.so")
#: The library of PDF is as good as missing.
WITHOUT_LIBRARY = [f"mount --bind /dev/null {LIBRARY}"]
WARNING = "documents of the kind pdf can't be read on this machine"


def state(server: Server, attachment_id: str) -> tuple[str, str | None]:
    answer = server.get(f"/attachment/{attachment_id}/status")
    return answer.json()["initial_parsing"], answer.headers.get("Extraction-Reason")


def warnings(server: Server) -> list[str]:
    found: list[str] = server.get("/health").json().get("warnings", [])
    return found


@pytest.mark.parametrize("kind", control.DOCUMENTS)
def test_this_machine_reads_the_document_of_each_kind(kind: Kind) -> None:
    if kind in RECOGNIZED and not recognition_installed():
        pytest.skip("tesseract-data missing")
    assert control.read(kind, Limits(120, 1 << 30, 1 << 20)) is None


def readers(server: Server) -> dict[int, int]:
    """The processes that read documents now, and the worker that each works for."""
    assert server.process is not None
    workers = {str(each) for each in server.worker_pids()}
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            if parent in workers and b"app/extraction/start.py" in (path / "cmdline").read_bytes():
                found[int(path.name)] = int(parent)
    return found


def test_one_process_finds_out_for_all_of_them(start_server: ServerFactory) -> None:
    """And another one goes on when that one is killed."""
    server = start_server(start=False, EXTRACTION="on", WEB_WORKERS="3")
    server.start(wait=False)
    note = server.data / "extraction" / ".controlled"
    wait(lambda: readers(server) != {})
    (first,) = set(readers(server).values())
    os.kill(first, signal.SIGKILL)
    asking: set[int] = set()

    def done() -> bool:
        asking.update(readers(server).values())
        return note.read_bytes() == b"done"

    wait(done)
    assert len(asking - {first}) == 1


@pytest.fixture
def broken(start_server: ServerFactory) -> Server:
    """A server that has failed to read a PDF, and read a text."""
    return start_server(launcher=own_mounts(WITHOUT_LIBRARY), EXTRACTION="on")


def test_it_fails_with_a_reason_of_its_own_and_is_read_after_a_restart(broken: Server) -> None:
    # Said before any document came.
    wait(lambda: warnings(broken) == [WARNING])
    paper, text = broken.upload(("paper.pdf", pdf()), ("note.txt", PHRASE.encode()))
    wait(lambda: state(broken, paper) == ("failed", "environment"))
    wait(lambda: state(broken, text) == ("completed", None))
    assert broken.get("/health").status_code == 200
    assert "can't read documents of the kind pdf" in broken.log.read_text()
    wait(lambda: [hit["_id"] for hit in broken.hits(f"query={PHRASE}")] == [text])
    listed = broken.get("/attachment/_search?_source=id,extraction").json()["hits"]["hits"]
    reasons = {hit["_id"]: hit["_source"]["extraction"].get("reason") for hit in listed}
    assert reasons == {paper: "environment", text: None}
    assert store_command(broken, "verify").returncode == 0
    broken.stop()
    broken.launcher = ()
    broken.start()
    wait(lambda: state(broken, paper) == ("completed", None))
    assert {hit["_id"] for hit in broken.hits(f"query={PHRASE}")} == {paper, text}
    wait(lambda: warnings(broken) == [])
    # When it is drawn as well.
    wait(lambda: not broken.data.joinpath("extraction", paper).exists())


def test_it_is_read_without_a_restart_too(broken: Server) -> None:
    (paper,) = broken.upload(("paper.pdf", pdf()))
    wait(lambda: state(broken, paper) == ("failed", "environment"))
    assert broken.process is not None
    subprocess.run(umount_in(broken.process.pid, str(LIBRARY)), check=True)
    wait(lambda: state(broken, paper) == ("completed", None))
    wait(lambda: warnings(broken) == [])


def test_a_command_ends_where_the_machine_is_the_reason(broken: Server) -> None:
    (paper,) = broken.upload(("paper.pdf", pdf()))
    wait(lambda: state(broken, paper) == ("failed", "environment"))
    broken.stop()
    done = store_command(broken, "extract", "--failed", "--json")
    assert json.loads(done.stdout) == {"queued": 1, "completed": 1, "failed": 0}, done.stderr


def test_what_an_older_version_failed_at_is_taken_up(start_server: ServerFactory) -> None:
    """It said `unreadable` of every PDF on a machine where its library could not be unpacked, and that was final."""
    server = start_server(EXTRACTION="off")
    (paper,) = server.upload(("paper.pdf", pdf()))
    server.stop()
    (record,) = server.data.glob(f"attachments/*/{paper}.json")
    record.with_suffix(".extraction").write_text(
        json.dumps(
            {"format": 1, "state": "failed", "reason": "unreadable", "detail": "ParsingError", "attempts": 1}
            | {"at": "2026-11-20T10:00:00.000000+00:00", "size": 0, "sha256": None, "characters": None, "cut": False}
        )
    )
    server.environment["EXTRACTION"] = "on"
    done = store_command(server, "extract", "--failed", "--json")
    assert json.loads(done.stdout) == {"queued": 1, "completed": 1, "failed": 0}, done.stderr
    server.start()
    assert [hit["_id"] for hit in server.hits(f"query={PHRASE}")] == [paper]
