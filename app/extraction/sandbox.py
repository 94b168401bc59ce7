"""Runs one document through a process of its own, within limits; whatever it does, the server gets a verdict.

A process for each document (about 0.2 s of processor time, most of it the library's start) and not a pool: a hostile
document can't reach the next one, and there is nothing to grow old.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, get_args

from app.extraction.kinds import Way
from app.extraction.record import Reason

_CHILD = Path(__file__).with_name("child.py")
_POLL = 0.1
_TOLD = 4096
#: Characters of a detail that are kept.
_DETAIL = 300

# Nothing of the server's own environment, which has keys in it. One thread each, or the memory goes to their stacks.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OMP_THREAD_LIMIT": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
}


@dataclass(frozen=True)
class Limits:
    """`seconds` of wall clock and of processor time, `memory` of address space and `text` of output in bytes."""

    seconds: float
    memory: int
    text: int


@dataclass(frozen=True)
class Verdict:
    """How it went. `reason` None: the text is in the output."""

    reason: Reason | None = None
    detail: str = ""
    cut: bool = False
    characters: int | None = None

    @property
    def final(self) -> bool:
        """Whether another try would end the same way."""
        return self.reason not in ("timeout", "memory", "crashed")


class Stopped(Exception):
    """The server ends; the document is nobody's fault."""


def run(
    way: Way,
    document: BinaryIO,
    output: BinaryIO,
    limits: Limits,
    stopping: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Write the text of `document` to `output`, both open files. Raises Stopped, or OSError when no process starts.

    The process is gone on return, and with it everything that it started.
    """
    # At the end of processor time the kernel kills: a second more for the wall clock to be first where both run out.
    numbers = (limits.text, limits.memory, math.ceil(limits.seconds) + 1, os.getpid())
    with _memory_file("result") as result, _memory_file("errors") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _bootstrap(result), str(_CHILD), way.kind, way.media_type, *map(str, numbers)],
            stdin=document,
            stdout=output,
            stderr=errors,
            cwd="/",
            env=_ENVIRONMENT,
            pass_fds=[result],
            start_new_session=True,
        )
        try:
            ended = _wait(process, limits.seconds, stopping)
        finally:
            # Its group outlives it when it has started something.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        told, said = os.pread(result, _TOLD, 0), os.pread(errors, _TOLD, 0)
    if not ended:
        return Verdict("timeout", f"not done after {limits.seconds:g} s")
    return _verdict(process.returncode, told, said)


def _bootstrap(result: int) -> str:
    # As a program of its own, with the result at the descriptor that it expects.
    return (
        f"import os, runpy, sys; result = {result}; result == 3 or (os.dup2(result, 3), os.close(result)); "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )


@contextlib.contextmanager
def _memory_file(name: str) -> Iterator[int]:
    # Not a pipe: who fills it up gets an error, and nobody has to read along.
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait(process: subprocess.Popen[bytes], seconds: float, stopping: Callable[[], bool]) -> bool:
    """Whether the process ended by itself in time."""
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        if stopping():
            raise Stopped
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(left, _POLL))
            return True


def _verdict(status: int, told: bytes, said: bytes) -> Verdict:
    # A panic of the library is also told as a result; that it ran out of memory is in its last words only.
    if b"memory allocation" in said or b"MemoryError" in said or b"bad_alloc" in said:
        return Verdict("memory")
    if status == -signal.SIGXCPU or status == -signal.SIGKILL:
        return Verdict("timeout", "used up its processor time") if status == -signal.SIGXCPU else Verdict("crashed")
    if status != 0:
        return Verdict("crashed", f"signal {-status}" if status < 0 else f"exit status {status}")
    try:
        content: dict[str, Any] = json.loads(told)
    except ValueError:
        return Verdict("crashed", "no result")
    reason = content.get("reason")
    if reason not in (None, *get_args(Reason)):
        return Verdict("crashed", "no known result")
    detail = "".join(each if each.isprintable() else " " for each in str(content.get("detail", "")))
    characters = content.get("characters")
    return Verdict(
        reason,
        detail[:_DETAIL],
        bool(content.get("cut", False)),
        characters if isinstance(characters, int) else None,
    )
