"""strace on a running worker: to see its system calls, and to make single ones fail as a failing device would."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.app import Server


@contextlib.contextmanager
def traced(server: Server, output: Path, *options: str) -> Iterator[None]:
    """Within it the one worker of `server` is traced into `output`, all threads, with the paths of descriptors."""
    (pid,) = server.worker_pids()
    with output.with_suffix(".said").open("wb") as said:
        process = subprocess.Popen(
            ["strace", "-f", "-y", "-s", "120", "-o", str(output), *options, "-p", str(pid)], stderr=said
        )
    try:
        deadline = time.monotonic() + 30
        while b"attached" not in output.with_suffix(".said").read_bytes():
            assert process.poll() is None, output.with_suffix(".said").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # Said for the process once all of its threads are attached; a moment for strace to go on to wait.
        time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
