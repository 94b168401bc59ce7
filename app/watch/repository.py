"""One repository's state: branch, origin, and everything that differs from the last commit, untracked files included.

The content is read by git under a private git directory, made anew for each scan: its configuration is ours, its index is a
copy, its objects are a folder of its own with the repository's as an alternate. So no filter, driver, hook or monitor of the
repository is defined at all, whatever its attributes name, and nothing of the repository is written. Of the repository's own
git directory only questions are asked that run nothing and read no content: where it is, which branch, which commit.

What leads out of the workspace (git directory, common directory, objects, alternates, any link among them) makes a
repository a sentence instead of a diff. `core.worktree` has no say: the work tree is the folder that `.git` is in.

Rejected: overriding each dangerous setting by `-c` (a new git brings new ones), and a Git library (what it runs and reads is
its own choice and harder to fence in than a program, whose environment is ours).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from app.watch.program import GitFailed, run
from app.watch.remote import without_credentials
from app.watch.tree import leads_out

#: Longest diff, in bytes, and the seconds that one repository's scan may take.
MAX_DIFF = 3 * 1024**2
MAX_SECONDS = 15.0
_MAX_INDEX = 256 * 1024**2
_MAX_UNTRACKED = 16 * 1024**2

_EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_EMPTY_BLOB = {
    "sha1": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "sha256": "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
}
# The settings of a repository that say how its files are written; none of them names a command.
_KEPT = {"core.autocrlf", "core.eol", "core.filemode", "core.symlinks", "core.ignorecase"}
_WANTED = r"^(core\.(autocrlf|eol|filemode|symlinks|ignorecase)|remote\.origin\.url)$"

OUTSIDE = "This repository is not shown: a part of it lies outside of the workspace."
UNREADABLE = "This repository is not shown: git could not read it."


@dataclass(frozen=True)
class Repository:
    """What is told of a repository; two are equal when there is nothing new to tell."""

    repo_root: str
    branch: str = ""
    remote_origin: str = ""
    unified_diff: str = ""
    #: Whether it was refused for what leads out of the workspace.
    refused: bool = False


@dataclass(frozen=True)
class _Places:
    git: Path
    common: Path
    objects: Path
    index: Path
    format: str


def scan(root: Path, workspace: Path, refused: Collection[str]) -> Repository | None:
    """The state of the repository whose work tree is `root`; None when there is none.

    `refused`: roots of repositories that lead out of the workspace; no submodule is looked into when one is below `root`.
    """
    deadline = time.monotonic() + MAX_SECONDS
    try:
        resolved = run(
            "rev-parse", "--resolve-git-dir", str(root / ".git"), cwd=root, environment={}, deadline=deadline
        )
    except (GitFailed, OSError):
        return None
    try:
        git = Path(os.path.join(root, os.fsdecode(resolved.text.removesuffix(b"\n"))))
        if leads_out(git, workspace):
            return Repository(str(root), unified_diff=OUTSIDE, refused=True)
        places = _places(root, git, deadline)
        if any(leads_out(each, workspace) for each in (places.common, places.objects, places.index.parent)):
            return Repository(str(root), unified_diff=OUTSIDE, refused=True)
        own = {"GIT_DIR": str(git), "GIT_WORK_TREE": str(root)}
        branch = _ask(root, own, deadline, "symbolic-ref", "-q", "--short", "HEAD")
        commit = _ask(root, own, deadline, "rev-parse", "-q", "--verify", "HEAD")
        settings = _settings(root, places.common / "config", deadline)
        origin = without_credentials(settings.pop("remote.origin.url", ""))
        known = Repository(str(root), branch or commit[:12], origin)
        with tempfile.TemporaryDirectory(prefix="watch-") as folder:
            environment = _private(Path(folder), root, places, settings)
            if _alternates_lead_out(root, places, workspace, environment, deadline):
                return Repository(str(root), unified_diff=OUTSIDE, refused=True)
            _add_untracked(root, places, environment, deadline)
            below = any(Path(each).is_relative_to(root) for each in refused)
            diff = _diff(root, commit or _EMPTY_TREE[places.format], environment, deadline, below)
        # Folders may have been exchanged for links while git was at it; then nothing of it is told.
        if root.resolve() != root or any(leads_out(each, workspace) for each in (git, places.common, places.objects)):
            return Repository(str(root), unified_diff=OUTSIDE, refused=True)
        return Repository(known.repo_root, known.branch, known.remote_origin, diff)
    except (GitFailed, OSError, ValueError):
        return Repository(str(root), unified_diff=UNREADABLE)


def _places(root: Path, git: Path, deadline: float) -> _Places:
    answer = run(
        "rev-parse", "--path-format=absolute", "--git-common-dir", "--git-path", "objects", "--git-path", "index",
        "--show-object-format",
        cwd=root, environment={"GIT_DIR": str(git), "GIT_WORK_TREE": str(root)}, deadline=deadline,
    )  # fmt: skip
    common, objects, index, object_format = os.fsdecode(answer.text).rstrip("\n").split("\n")
    if object_format not in _EMPTY_TREE:
        raise ValueError(object_format)
    return _Places(git, Path(common), Path(objects), Path(index), object_format)


def _ask(root: Path, environment: dict[str, str], deadline: float, *question: str) -> str:
    """git's answer in one line; empty when it has none."""
    try:
        return (
            run(*question, cwd=root, environment=environment, deadline=deadline).text.decode(errors="replace").strip()
        )
    except GitFailed:
        return ""


def _settings(root: Path, config: Path, deadline: float) -> dict[str, str]:
    """The few settings that are taken over, read as a file: nothing that it includes is."""
    found: dict[str, str] = {}
    with contextlib.suppress(GitFailed):
        question = ("config", "--file", str(config), "--no-includes", "-z", "--get-regexp", _WANTED)
        for each in run(*question, cwd=root, environment={}, deadline=deadline).text.split(b"\0"):
            name, _, value = each.decode(errors="replace").partition("\n")
            if name:
                found[name] = value
    return found


def _private(folder: Path, root: Path, places: _Places, settings: dict[str, str]) -> dict[str, str]:
    """Make a git directory of our own in `folder`; the environment in which git uses it."""
    for each in ("refs", "objects", "info"):
        (folder / each).mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/none\n")
    lines = ["[core]", "repositoryformatversion = 1", "bare = false", "[extensions]", f"objectformat = {places.format}"]
    (folder / "config").write_text("\n".join(lines) + "\n")
    for index in [places.index, *places.index.parent.glob("sharedindex.*")]:
        _copy(index, folder / index.name, _MAX_INDEX)
    _copy(places.common / "info" / "exclude", folder / "info" / "exclude", 1 << 20)
    quoted = str(places.objects).replace("\\", "\\\\").replace('"', '\\"')
    environment = {
        "GIT_DIR": str(folder),
        "GIT_WORK_TREE": str(root),
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
        "HOME": str(folder),
    }
    kept = [(name, value) for name, value in settings.items() if name in _KEPT]
    for number, (name, value) in enumerate(kept):
        environment[f"GIT_CONFIG_KEY_{number}"] = name
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    environment["GIT_CONFIG_COUNT"] = str(len(kept))
    return environment


def _copy(source: Path, target: Path, limit: int) -> None:
    """Copy a regular file, with its time: git compares the index's with those of the files in it."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with open(descriptor, "rb") as file, target.open("wb") as copy:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            raise ValueError(source.name)
        shutil.copyfileobj(file, copy)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def _alternates_lead_out(
    root: Path, places: _Places, workspace: Path, environment: dict[str, str], deadline: float
) -> bool:
    if not os.path.lexists(places.objects / "info" / "alternates"):
        return False
    # git's own list, with the alternates of alternates.
    looking = {**environment, "GIT_OBJECT_DIRECTORY": str(places.objects)}
    del looking["GIT_ALTERNATE_OBJECT_DIRECTORIES"]
    answer = os.fsdecode(run("count-objects", "-v", cwd=root, environment=looking, deadline=deadline).text)
    found = [line.removeprefix("alternate: ") for line in answer.splitlines() if line.startswith("alternate: ")]
    return any(each.startswith('"') or leads_out(Path(root, each), workspace) for each in found)


def _add_untracked(root: Path, places: _Places, environment: dict[str, str], deadline: float) -> None:
    """Name the untracked files in the copied index, as empty: so they are new files of the diff."""
    question = ("ls-files", "-z", "--others", "--exclude-standard")
    listed = run(*question, cwd=root, environment=environment, deadline=deadline, keep=_MAX_UNTRACKED)
    if listed.size > _MAX_UNTRACKED:
        raise ValueError("too many untracked files")
    # A repository below is listed with a slash; it is scanned on its own.
    paths = [path for path in listed.text.split(b"\0") if path and not path.endswith(b"/")]
    if paths:
        entry = f"100644 {_EMPTY_BLOB[places.format]}\t".encode()
        run(
            "update-index", "-z", "--replace", "--index-info",
            cwd=root, environment=environment, deadline=deadline, stdin=b"".join(entry + path + b"\0" for path in paths),
        )  # fmt: skip


def _diff(root: Path, base: str, environment: dict[str, str], deadline: float, leave_submodules: bool) -> str:
    found = run(
        "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--submodule=short",
        f"--ignore-submodules={'all' if leave_submodules else 'dirty'}", "--src-prefix=a/", "--dst-prefix=b/", base, "--",
        cwd=root, environment=environment, deadline=deadline, keep=MAX_DIFF,
    )  # fmt: skip
    if found.size > MAX_DIFF:
        return f"Total diff too large to show. Size: {found.size / 1024**2:.1f} MiB ({found.size} bytes)."
    return found.text.decode(errors="replace")
