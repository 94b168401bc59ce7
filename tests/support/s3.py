"""A real S3 server on this machine: versitygw, over a folder. docs/testing.md says how to get it."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.storage.bucket import Where
from tests.support.ports import reserved_port
from tests.support.tools import command

READY_SECONDS = 60.0
ACCESS_KEY, SECRET_KEY = "test-key", "test-secret"
BUCKET = "attachments-test"


@dataclass
class Gateway:
    """A running server. `folder`: where its buckets are, as folders, and their objects, as files."""

    folder: Path
    url: str
    process: subprocess.Popen[bytes]

    def objects(self, prefix: str) -> Path:
        """The folder of the objects under a prefix."""
        return self.folder / BUCKET / prefix

    def where(self, prefix: str, **options: float) -> Where:
        return Where(
            f"s3://{BUCKET}/{prefix}",
            timeout=options.get("timeout", 20.0),
            at_once=int(options.get("at_once", 16)),
            endpoint=self.url,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
        )

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Within it the server does nothing, and its connections stay open."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            # On a busy machine some of its threads run on for a moment.
            while any(_state(each) != "T" for each in Path(f"/proc/{self.process.pid}/task").iterdir()):
                time.sleep(0.01)
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def settings(self, prefix: str) -> dict[str, str]:
        """The settings of a server whose attachments are under this prefix."""
        return {
            "STORAGE": f"s3://{BUCKET}/{prefix}",
            "STORAGE_ENDPOINT": self.url,
            "STORAGE_ACCESS_KEY": ACCESS_KEY,
            "STORAGE_SECRET_KEY": SECRET_KEY,
        }


def _state(task: Path) -> str:
    """The state of a thread, as proc(5) has it."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


def new_prefix() -> str:
    return f"test/{secrets.token_hex(6)}"


@contextlib.contextmanager
def running_gateway(folder: Path, *more: str, scheme: str = "http") -> Iterator[Gateway]:
    """The server, with one bucket, once it listens. `more`: options of it."""
    binary = command("versitygw")
    assert binary is not None
    buckets, beside = folder / "buckets", folder / "attributes"
    for each in (buckets / BUCKET, beside):
        each.mkdir(parents=True)
    with reserved_port() as port, (folder / "versitygw.log").open("wb") as log:
        arguments = ["--port", f"127.0.0.1:{port}", "--quiet", *more]
        process = subprocess.Popen(
            [binary, *arguments, "posix", "--sidecar", str(beside), str(buckets)],
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY},
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + READY_SECONDS
            while True:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((folder / "versitygw.log").read_text())
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.02)
            yield Gateway(buckets, f"{scheme}://127.0.0.1:{port}", process)
        finally:
            process.kill()
            process.wait(60)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server that the whole run shares: tests have a prefix each."""
    with running_gateway(tmp_path_factory.mktemp("s3")) as running:
        yield running
