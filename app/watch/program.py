"""The git program, run on repositories that nobody trusts: no system or user configuration, no network, bounded.

A repository's own configuration is the dangerous part (filters, drivers, hooks, monitors are commands). It is never in force
where content is read: app.watch.repository gives git a private git directory instead. What is switched off here is so for
the few questions that are asked of the repository's own git directory.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    # Nothing of the repository is written, not even to refresh its index.
    "GIT_OPTIONAL_LOCKS": "0",
    # No transport at all; it beats every `protocol.*` that a repository configures.
    "GIT_ALLOW_PROTOCOL": ":",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_PAGER": "cat",
}
_OPTIONS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never")
#: Bytes from which a file is not loaded to be compared, but shown as binary.
_BIG_FILE = ("-c", "core.bigFileThreshold=32m")
_PIECE = 256 * 1024


class GitFailed(Exception):
    """git refused, was missing, or took too long."""


@dataclass(frozen=True)
class Output:
    """What git printed: `text` is at most as much as was asked to be kept, `size` counts all of it, in bytes."""

    text: bytes
    size: int


def run(
    *arguments: str, cwd: Path, environment: Mapping[str, str], deadline: float, keep: int = 1 << 20, stdin: bytes = b""
) -> Output:
    """Run git until `deadline` (of time.monotonic()). Raises GitFailed when it ends in any way but well."""
    program = shutil.which("git", path=os.defpath)
    if program is None:
        raise GitFailed("git is not installed")
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        process = subprocess.Popen(
            [program, *_OPTIONS, *_BIG_FILE, *arguments],
            cwd=cwd,
            env={**_ENVIRONMENT, **environment},
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
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
    if status != 0:
        raise GitFailed(f"git ended with {status}")
    return output


def _read(process: subprocess.Popen[bytes], deadline: float, keep: int) -> Output:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    kept = bytearray()
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise GitFailed("git took too long")
            piece = os.read(descriptor, _PIECE)
            if not piece:
                return Output(bytes(kept), size)
            size += len(piece)
            kept += piece[: max(0, keep - len(kept))]
