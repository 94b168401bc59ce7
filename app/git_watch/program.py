"""Runs the git program on untrusted repositories: no system or user configuration, no network, bounded.

A repository's own configuration is the dangerous part (filters, drivers, hooks, monitors are commands). It never takes
effect: app.git_watch.repository gives git a private git directory instead. The switches here are a second defence.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CPUCLOCK_SCHED = 2
_libc = ctypes.CDLL(None)

_ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    # git writes nothing in the repository, not even to refresh its index.
    "GIT_OPTIONAL_LOCKS": "0",
    # No transport at all; this overrides every `protocol.*` that a repository configures.
    "GIT_ALLOW_PROTOCOL": ":",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_PAGER": "cat",
}
_OPTIONS = (
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never",
    # One thread, because the limit of processes counts threads too.
    "-c", "core.preloadIndex=false", "-c", "index.threads=1", "-c", "pack.threads=1",
    # Packs are mapped, by default without a limit.
    "-c", "core.packedGitWindowSize=32m", "-c", "core.packedGitLimit=256m",
    # A file of this many bytes or more is not loaded for comparison, but shown as binary.
    "-c", "core.bigFileThreshold=32m",
)  # fmt: skip
_PIECE = 256 * 1024
#: Seconds for which git may neither print anything nor use the processor; after that it is assumed to wait for
#: something, such as a named pipe.
MAX_WAIT = 3.0
_LOOK = 0.5


class GitFailed(Exception):
    """git was missing, took too long, or did not end normally."""


class GitRefused(GitFailed):
    """git ended with a non-zero status, which is its answer."""


@dataclass(frozen=True)
class Output:
    """The output of git: `text` is at most as long as was asked for, `size` counts all of it, in bytes."""

    text: bytes
    size: int


def run(
    *arguments: str, cwd: Path, environment: Mapping[str, str], deadline: float, keep: int = 1 << 20, stdin: bytes = b""
) -> Output:
    """Run git until `deadline` (of time.monotonic()). Raises GitFailed when it does not end normally.

    For a process with one thread, such as app.git_watch.reader: Python runs between fork and exec.
    """
    program = installed()
    if program is None:
        raise GitFailed("git is not installed")
    with tempfile.TemporaryFile() if stdin else contextlib.nullcontext(subprocess.DEVNULL) as given:
        if not isinstance(given, int):
            given.write(stdin)
            given.seek(0)
        process = subprocess.Popen(
            [program, *_OPTIONS, *arguments],
            cwd=cwd,
            env={**_ENVIRONMENT, **environment},
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=_give_up,
        )
    try:
        output = _read(process, deadline, keep)
        status = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise GitFailed("git took too long") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
    if status < 0:
        raise GitFailed(f"git was ended by signal {-status}")
    if status != 0:
        raise GitRefused(f"git ended with {status}")
    return output


@functools.cache
def installed() -> str | None:
    """The absolute path of git; None where there is none."""
    found = shutil.which("git", path=os.defpath)
    return os.path.realpath(found) if found else None


def _give_up() -> None:
    # git may start no process and no thread, and ends with the process that started it.
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _read(process: subprocess.Popen[bytes], deadline: float, keep: int) -> Output:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    kept = bytearray()
    size = 0
    used, since = -1.0, time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise GitFailed("git took too long")
            if not selector.select(min(_LOOK, deadline - now)):
                if (until_now := _processor_time(process.pid)) != used:
                    used, since = until_now, now
                elif now - since >= MAX_WAIT:
                    raise GitFailed("git waits for something that does not come")
                continue
            piece = os.read(descriptor, _PIECE)
            if not piece:
                return Output(bytes(kept), size)
            used, since = -1.0, now
            size += len(piece)
            kept += piece[: max(0, keep - len(kept))]


def _processor_time(pid: int) -> float:
    """Seconds of processor time that a child has used. Source: clock_getcpuclockid(3), which Python lacks."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


@functools.cache
def libraries() -> tuple[str, ...]:
    """The libraries that git loads at its start, and the loader, as absolute paths; folders when that can't be
    determined.

    Source: ld.so(8), LD_TRACE_LOADED_OBJECTS, which glibc's loader knows and others ignore.
    """
    program = installed()
    if program is None:
        return ()
    environment = {**_ENVIRONMENT, "LD_TRACE_LOADED_OBJECTS": "1"}
    told = subprocess.run([program], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout
    found = re.findall(rb"^\s(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", told, re.MULTILINE)
    candidates = [os.fsdecode(each) for each in found] or ["/lib", "/lib64", "/usr/lib", "/usr/lib64"]
    return tuple(each for each in (*candidates, "/etc/ld.so.cache") if os.path.exists(each))
