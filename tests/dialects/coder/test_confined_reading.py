"""Workspaces that change while they are read, hold their reader up, or have it take more than there is.

A named pipe where git reads a file holds it at a known place: nothing here is met by luck.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.git_watch.repository import UNREADABLE, scan
from app.git_watch.scan import Scan
from tests.dialects.coder.watching import git, repository
from tests.support.pauses import Pauses

pytestmark = pytest.mark.needs("git", "landlock")

MEMORY = 512 * 1024**2
SECRET = "SECRET OF THE NEIGHBOUR\n"
_RENAME_EXCHANGE, _AT_FDCWD = 2, -100


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Another's repository: a secret in its last commit, another one in its folder."""
    made = repository(tmp_path.resolve() / "outside", committed="COMMITTED " + SECRET)
    (made / "file").write_text(SECRET)
    return made


def told(workspace: Path, memory: int = MEMORY) -> dict[str, str]:
    """The diffs of a workspace's repositories, by the names of their folders."""
    found = Scan(workspace, lambda: workspace, memory)
    while not found.turn():
        pass
    return {Path(root).name: each.unified_diff for root, each in found.repositories.items()}


def told_unconfined(workspace: Path) -> dict[str, str]:
    """The same in this process, which the kernel does not confine."""
    found = {root.name: scan(root, workspace, ()) for root in workspace.iterdir()}
    return {name: each.unified_diff for name, each in found.items() if each is not None}


@contextlib.contextmanager
def at(pipe: Path, act: Callable[[], None]) -> Iterator[list[bool]]:
    """Make a pipe; when somebody opens it to read, `act` once and let them go on. Yields whether that was so."""
    os.mkfifo(pipe)
    acted: list[bool] = []
    ended = threading.Event()

    def hold() -> None:
        while not ended.is_set():
            try:
                descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                time.sleep(0.005)
                continue
            if not acted:
                act()
                acted.append(True)
            os.close(descriptor)
            time.sleep(0.005)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield acted
    finally:
        ended.set()
        thread.join()


def exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.renameat2(_AT_FDCWD, bytes(one), _AT_FDCWD, bytes(other), _RENAME_EXCHANGE) == 0


def folder_for_link(workspace: Path, outside: Path) -> tuple[Path, Callable[[], None]]:
    """A folder of the work tree becomes a link to another's folder after git has listed it."""
    repo = repository(workspace / "repo", first="one\n")
    for name in ("a", "z"):
        (repo / name).mkdir()
        (repo / name / "file").write_text("mine\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "second")
    for name in ("a", "z"):
        (repo / name / "file").write_text("mine, and changed\n")
    link = workspace.parent / "link"
    link.symlink_to(outside)
    return repo / "a" / ".gitattributes", lambda: exchange(repo / "z", link)


def alternates(workspace: Path, outside: Path) -> tuple[Path, Callable[[], None]]:
    """The objects of another's repository are named after it was looked where they are; the commit is known."""
    repo = repository(workspace / "repo", first="one\n")
    (repo / ".git" / "HEAD").write_text(git(outside, "rev-parse", "HEAD"))
    (repo / "d").mkdir()
    (repo / "d" / "mine").write_text("mine\n")
    named = repo / ".git" / "objects" / "info" / "alternates"
    named.parent.mkdir(exist_ok=True)
    return repo / "d" / ".gitignore", lambda: void(named.write_text(f"{outside / '.git' / 'objects'}\n"))


def objects_for_link(workspace: Path, outside: Path) -> tuple[Path, Callable[[], None]]:
    """The folder of objects becomes a link to another's, and a folder again would be one before the last look."""
    pipe, _ = alternates(workspace, outside)
    link = workspace.parent / "link"
    link.symlink_to(outside / ".git" / "objects")
    return pipe, lambda: exchange(workspace / "repo" / ".git" / "objects", link)


TRICKS = [folder_for_link, alternates, objects_for_link]


@pytest.mark.parametrize("trick", TRICKS)
def test_what_is_exchanged_while_git_reads_leads_nowhere(
    trick: Callable[[Path, Path], tuple[Path, Callable[[], None]]], workspace: Path, outside: Path
) -> None:
    pipe, act = trick(workspace, outside)
    with at(pipe, act) as acted:
        found = told(workspace)
    assert acted
    assert "SECRET" not in str(found)


@pytest.mark.parametrize("trick", [folder_for_link, alternates])
def test_without_the_kernel_it_would(
    trick: Callable[[Path, Path], tuple[Path, Callable[[], None]]], workspace: Path, outside: Path
) -> None:
    """The trick is real: what looks afterwards sees neither."""
    pipe, act = trick(workspace, outside)
    with at(pipe, act):
        assert "SECRET" in str(told_unconfined(workspace))


def test_a_workspace_that_becomes_a_link_while_its_reader_starts(workspace: Path, outside: Path) -> None:
    """Between the look where it is and the moment it is opened: it is not found, and not what the link leads to."""
    repository(outside / "inner")
    (outside / "inner" / "readme").write_text(SECRET)
    link = workspace.parent / "link"
    link.symlink_to(outside)

    def locate() -> Path:
        exchange(workspace, link)
        return workspace

    found = Scan(workspace, locate, MEMORY)
    assert found.turn()
    assert found.repositories == {}
    assert found.folders == []


PIPES = (
    ".git", ".git/HEAD", ".git/index", ".git/config", ".git/commondir", ".git/packed-refs", ".git/refs/heads/main",
    ".git/info/exclude", ".git/objects/info/alternates", ".git/sharedindex.1", ".gitignore", ".gitattributes", "readme",
)  # fmt: skip


@pytest.mark.parametrize("place", PIPES)
def test_no_pipe_holds_anybody_up(place: str, workspace: Path) -> None:
    """git waits at some of them, for as long as it may wait, which is far less than it may work."""
    repo = repository(workspace / "repo", readme="first\n", other="first\n")
    quiet = repository(workspace / "quiet")
    (quiet / "readme").write_text("second\n")
    (repo / "other").write_text("second\n")
    pipe = repo / place
    if place == ".git":
        pipe.rename(repo / "moved")
    if place == ".git/packed-refs":
        git(repo, "pack-refs", "--all")
    pipe.parent.mkdir(exist_ok=True)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with Pauses() as pauses:
        began = time.monotonic()
        found = told(workspace)
        took = time.monotonic() - began
    assert "+second" in found["quiet"]
    # It is no repository, or one that can't be read.
    assert found.get("repo", UNREADABLE) == UNREADABLE
    assert took - pauses.seconds < 12


def test_git_may_take_no_more_memory_than_it_has(workspace: Path) -> None:
    """A commit of a hundred million files, in a few kilobytes."""
    repo = repository(workspace / "repo")
    (workspace / "quiet").mkdir()
    blob = git(repo, "rev-parse", "HEAD:readme").strip()
    (repo / "listed").write_text("".join(f"100644 blob {blob}\tf{number}\n" for number in range(10)))
    tree = _tree(repo)
    for _ in range(7):
        (repo / "listed").write_text("".join(f"040000 tree {tree}\td{number}\n" for number in range(10)))
        tree = _tree(repo)
    (repo / ".git" / "HEAD").write_text(git(repo, "commit-tree", tree, "-m", "large"))
    program = (
        "import pathlib, resource, sys; from app.git_watch.scan import Scan\n"
        "folder = pathlib.Path(sys.argv[1]); found = Scan(folder, lambda: folder, 96 << 20); assert found.turn()\n"
        "print(found.repositories[str(folder / 'repo')].unified_diff)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(workspace)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert ended[0] == UNREADABLE
    # In KiB. What is mapped of files and libraries comes to the limit.
    assert int(ended[1]) < 160 * 1024


def _tree(repo: Path) -> str:
    with (repo / "listed").open() as listed:
        return subprocess.run(
            ["git", "mktree"], cwd=repo, stdin=listed, capture_output=True, text=True, check=True
        ).stdout.strip()


@contextlib.contextmanager
def held(workspace: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A scan of a process of its own, and the git of it, which waits at a pipe."""
    repo = repository(workspace / "repo")
    os.mkfifo(repo / ".gitignore")
    (repo / "untracked").write_text("x\n")
    program = (
        "import pathlib, sys; from app.git_watch import program; from app.git_watch.scan import Scan\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "while True: Scan(folder, lambda: folder, 512 << 20).turn()"
    )
    scanning = subprocess.Popen([sys.executable, "-c", program, str(workspace)])
    try:
        yield scanning, waiting(repo)
    finally:
        scanning.kill()
        scanning.wait()


def waiting(repo: Path) -> int:
    """The git that waits at the pipe: the one that lists what is ignored, when it is still there after a while."""
    end = time.monotonic() + 60
    seen: dict[int, float] = {}
    while time.monotonic() < end:
        for pid in readers(repo):
            with contextlib.suppress(OSError):
                lists = b"ls-files" in Path(f"/proc/{pid}/cmdline").read_bytes()
                if lists and time.monotonic() - seen.setdefault(pid, time.monotonic()) > 0.3:
                    return pid
        time.sleep(0.02)
    raise AssertionError("nobody waits at the pipe")


def readers(folder: Path) -> list[int]:
    """The processes that work in `folder`."""
    found = []
    for each in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            if os.readlink(f"/proc/{int(each)}/cwd") == str(folder):
                found.append(int(each))
    return found


def await_nobody(folder: Path) -> None:
    """Until nobody works in `folder`: what was killed ends when the machine lets it."""
    end = time.monotonic() + 60
    while readers(folder) and time.monotonic() < end:
        time.sleep(0.02)
    assert readers(folder) == []


def test_git_is_limited_and_started_by_nobody_privileged(workspace: Path) -> None:
    with held(workspace) as (_, pid):
        limits = dict(re.findall(r"^(Max .+?)  +(\S+)", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE))
        status = Path(f"/proc/{pid}/status").read_text()
    assert limits["Max processes"] == "0"
    assert limits["Max data size"] == str(512 * 1024**2)
    for name in ("Max address space", "Max file size", "Max cpu time", "Max core file size", "Max open files"):
        assert limits[name] != "unlimited"
    assert "NoNewPrivs:\t1" in status
    assert "Threads:\t1\n" in status


def test_git_ends_with_whoever_wanted_to_know(workspace: Path) -> None:
    with held(workspace) as (scanning, _):
        scanning.send_signal(signal.SIGKILL)
        scanning.wait()
        await_nobody(workspace / "repo")


def test_a_scan_that_nobody_wants_any_more_ends(workspace: Path) -> None:
    repo = repository(workspace / "repo")
    os.mkfifo(repo / ".gitignore")
    found = Scan(workspace, lambda: workspace, MEMORY)
    ended: list[type[BaseException]] = []

    def turn() -> None:
        try:
            found.turn()
        except Exception as error:
            ended.append(type(error))

    thread = threading.Thread(target=turn)
    thread.start()
    waiting(repo)
    found.stop()
    thread.join(60)
    assert [each.__name__ for each in ended] == ["ScanFailed"]
    await_nobody(repo)


def test_a_workspace_of_many_slow_repositories_takes_several_turns(workspace: Path) -> None:
    for number in range(4):
        os.mkfifo(repository(workspace / f"slow{number}") / ".gitignore")
    repository(workspace / "a" / "deep")
    found = Scan(workspace, lambda: workspace, MEMORY)
    turns = 1
    while not found.turn():
        turns += 1
    assert turns > 1
    assert sorted(Path(root).name for root in found.repositories) == ["deep", *(f"slow{number}" for number in range(4))]


def void(_: object) -> None:
    """Leave it."""
