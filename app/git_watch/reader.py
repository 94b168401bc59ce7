"""The process that reads one workspace, started by app/git_watch/scan.py; everything that strangers wrote is read here.

    python -I -S -c BOOTSTRAP FOLDER < ORDER

ORDER is a JSON object. A line of JSON goes to standard output for the folders that were found, and one for each repository.
Before it looks at the workspace it gives up access to the rest of the machine (app.confinement.landlock), for git too: it
keeps the workspace, for reading; git and its libraries; and a folder of its own. Memory, time and sizes are limited.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.confinement.landlock import confine
from app.git_watch.repository import MAX_FILE, MAX_SECONDS, scan
from app.git_watch.tree import survey

_PR_SET_PDEATHSIG = 1
#: Address space beyond the memory, for packs, indexes and other mapped files, which take no memory from others.
_MAPPED = 2 * 1024**3
_OPEN_FILES = 1024


def main() -> None:
    """Execute the order on standard input."""
    order: dict[str, Any] = json.load(sys.stdin)
    _limit(order["memory"])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != order["parent"]:
        sys.exit(1)
    # Nothing of Python is loaded after this.
    tempfile.tempdir = order["private"]
    confine(
        read=[order["descriptor"]],
        execute=order["programs"],
        write=[order["private"], os.devnull],
    )
    os.close(order["descriptor"])
    _read(order["workspace"], order["done"], order["refused"], time.monotonic() + order["seconds"])


def _limit(memory: int) -> None:
    os.nice(10)
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        # For each process; the time limit normally ends them earlier.
        (resource.RLIMIT_CPU, int(MAX_SECONDS) + 1),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_AS, memory + _MAPPED),
        (resource.RLIMIT_FSIZE, MAX_FILE),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))


def _read(workspace: str, done: list[str], refused: list[str], end: float) -> None:
    found = survey(workspace)
    _tell({"folders": found.folders, "repositories": found.repositories})
    for root in found.repositories:
        if root in done:
            continue
        if time.monotonic() > end:
            break
        repository = scan(Path(root), Path(workspace), refused)
        if repository is not None and repository.refused:
            refused.append(root)
        _tell({"root": root, "repository": None if repository is None else asdict(repository)})


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
