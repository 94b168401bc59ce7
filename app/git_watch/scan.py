"""One turn at a workspace: the process that reads it (app/git_watch/reader.py) is started, given its order, and ended.

Each turn has one process, confined to the workspace, rather than one for each call of git or one for everything:
Python's own reading is confined too, the process is started once for all calls of git, and whatever a workspace did to
the process is gone before the next one. A turn ends after `SECONDS`, once the current repository is done; the next turn
goes on after that one. The output of the process is not trusted: it has read what strangers wrote.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from app.git_watch import program, repository, tree
from app.git_watch.plain import open_folder
from app.git_watch.repository import UNREADABLE, Repository

#: Seconds after which a turn begins no further repository.
SECONDS = 5.0
#: The most bytes of all diffs of a workspace together; a diff beyond that is reported as too large.
MAX_DIFFS = 32 * 1024**2
# The most bytes that the process may print: folders and diffs, up to six bytes for each character.
_MAX_SAID = 6 * (tree.MAX_NAMES + MAX_DIFFS)
# Seconds that the process may take to start and to end.
_GRACE = 10.0
_POLL = 0.1
_PIECE = 1 << 20

_ROOT = str(Path(__file__).parents[2])
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from app.git_watch.reader import main; main()"
_ENVIRONMENT = {"PATH": os.defpath, "HOME": "/nonexistent", "LANG": "C.UTF-8"}


#: The real folder of a workspace, determined for each turn; None when there is none any more.
Locate = Callable[[], Path | None]


class ScanFailed(Exception):
    """The workspace could not be scanned, or nobody watches it any more."""


@dataclass
class Scan:
    """A scan of a whole workspace, in as many turns as it takes.

    `folder` is what `locate` returned; it returns another folder, or None, when the workspace is gone. `memory` is the
    most memory that git may take, in bytes.
    """

    folder: Path
    locate: Locate
    memory: int
    folders: list[str] = field(default_factory=list)
    _found: dict[str, Repository | None] = field(default_factory=dict)
    _left: list[str] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def repositories(self) -> dict[str, Repository]:
        """The repositories that were found, by their roots."""
        return {root: each for root, each in self._found.items() if each is not None}

    def stop(self) -> None:
        """End the current turn, from another thread: it raises ScanFailed."""
        self._stopped.set()

    def turn(self) -> bool:
        """Scan for a while; returns whether the scan is complete. Raises ScanFailed, or OSError when no process starts."""
        try:
            if self.locate() != self.folder:
                raise FileNotFoundError(self.folder)
            descriptor = open_folder(self.folder)
        except OSError:
            self.folders, self._found = [], {}
            return True
        try:
            with _private_folder() as private, _order(self._ordered(descriptor, private)) as order:
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, _ROOT],
                    stdin=order,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=_ENVIRONMENT,
                    pass_fds=[descriptor],
                    start_new_session=True,
                )
                try:
                    surveyed = self._listen(process)
                finally:
                    # git may outlive it.
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)
                    status = process.wait()
                    assert process.stdout is not None
                    process.stdout.close()
        finally:
            os.close(descriptor)
        if self._stopped.is_set():
            raise ScanFailed("stopped")
        if not surveyed:
            raise ScanFailed(f"the process ended with {status}")
        if status != 0 and self._left:
            # Whatever this workspace did to the process, it affects only this scan.
            root = self._left.pop(0)
            self._found[root] = Repository(root, unified_diff=UNREADABLE)
        return not self._left

    def _ordered(self, descriptor: int, private: str) -> dict[str, Any]:
        git = program.installed()
        libraries = program.libraries()
        return {
            "workspace": str(self.folder),
            "descriptor": descriptor,
            "private": private,
            "programs": [git, *libraries] if git else [],
            "memory": self.memory,
            "seconds": SECONDS,
            "parent": os.getpid(),
            "done": list(self._found),
            "refused": [root for root, each in self._found.items() if each is not None and each.refused],
        }

    def _listen(self, process: subprocess.Popen[bytes]) -> bool:
        """Read the output of the process until it ends or its time is over. Returns whether it found the
        repositories."""
        assert process.stdout is not None
        end = time.monotonic() + _GRACE + tree.MAX_SECONDS + SECONDS + repository.MAX_SECONDS
        surveyed = False
        for line in _lines(process.stdout, end, self._stopped):
            try:
                said = json.loads(line)
                if surveyed:
                    self._repository(said)
                else:
                    self._survey(said)
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise ScanFailed(f"the process said what it can't say: {type(error).__name__}") from None
            surveyed = True
        return surveyed

    def _survey(self, said: dict[str, Any]) -> None:
        inside = f"{self.folder}/"
        folders, roots = said["folders"], said["repositories"]
        if not all(f"{each}/".startswith(inside) and "/../" not in f"{each}/" for each in [*folders, *roots]):
            raise ValueError("a folder elsewhere")
        self.folders = list(folders[: tree.MAX_FOLDERS])
        roots = list(dict.fromkeys(roots))[: tree.MAX_REPOSITORIES]
        self._found = {root: self._found[root] for root in roots if root in self._found}
        self._left = [root for root in roots if root not in self._found]

    def _repository(self, said: dict[str, Any]) -> None:
        root, told = said["root"], said["repository"]
        # The process reports them in the order of its first line.
        if not self._left or root != self._left[0]:
            raise ValueError("another repository")
        del self._left[0]
        self._found[root] = None if told is None else self._within(_repository_of(root, told))

    def _within(self, told: Repository) -> Repository:
        # In characters, of which there are never more than bytes.
        length = len(told.unified_diff)
        others = sum(len(each.unified_diff) for each in self._found.values() if each is not None)
        if length > repository.MAX_DIFF or others + length > MAX_DIFFS:
            size = len(told.unified_diff.encode(errors="surrogatepass"))
            return Repository(told.repo_root, told.branch, told.remote_origin, repository.too_large(size))
        return told


def _repository_of(root: str, told: dict[str, Any]) -> Repository:
    branch, origin, diff = texts = [told[name] for name in ("branch", "remote_origin", "unified_diff")]
    if not all(isinstance(each, str) for each in texts):
        raise TypeError(root)
    return Repository(root, branch, origin, diff, bool(told["refused"]))


def _lines(stream: IO[bytes], end: float, stopped: threading.Event) -> Iterator[bytes]:
    """Whole lines, as they arrive. Ends at the stream's end, at `end` (of time.monotonic()), or when there are too many
    bytes."""
    kept = bytearray()
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while time.monotonic() < end and size <= _MAX_SAID and not stopped.is_set():
            if not selector.select(_POLL):
                continue
            piece = os.read(stream.fileno(), _PIECE)
            if not piece:
                return
            size += len(piece)
            kept += piece
            while (line := kept.partition(b"\n"))[1]:
                yield bytes(line[0])
                kept = line[2]


@contextlib.contextmanager
def _private_folder() -> Iterator[str]:
    made = tempfile.mkdtemp(prefix="watch-")
    try:
        yield os.path.realpath(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def _order(content: dict[str, Any]) -> Iterator[int]:
    # Not a pipe: the process does not have to wait for a reader.
    descriptor = os.memfd_create("order")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(json.dumps(content).encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
