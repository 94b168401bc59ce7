"""One repository's state: branch, origin, and everything that differs from the last commit, untracked files included.

git reads it with a private git directory, which is made for each scan: this module writes its configuration; HEAD, the
refs that it names and the index are copies; its objects are a folder of its own with the repository's as an alternate.
So no filter, driver, hook, monitor or included file of the repository is defined, whatever its attributes name, and git
writes nothing in the repository.

For a repository that leads out of the workspace (by its git directory, common directory, objects, alternates, or any
link among them) there is a message instead of a diff. `core.worktree` has no effect: the work tree is the folder that
`.git` is in. This is the second defence: app.git_watch.reader runs all of it in a process for which the kernel opens
nothing outside the workspace.

Rejected: overriding each dangerous setting by `-c` (a new git brings new ones), and a Git library (it chooses itself what it
runs and reads, and is harder to confine than a program whose environment is ours).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from app.git_watch.plain import copy, text_of
from app.git_watch.program import GitFailed, GitRefused, run
from app.git_watch.remote import without_credentials
from app.git_watch.tree import inside, lead_out

#: The longest diff in bytes, and the seconds that one repository's scan may take.
MAX_DIFF = 3 * 1024**2
MAX_SECONDS = 15.0
_MAX_INDEX = 256 * 1024**2
#: The most bytes of a file that is written meanwhile: a new index, with the untracked files.
MAX_FILE = 2 * _MAX_INDEX
_MAX_UNTRACKED = 16 * 1024**2
#: The most bytes of a file that names a path, and of a file of settings or patterns.
_MAX_POINTER = 4096
_MAX_SETTINGS = 1024**2
#: The most bytes of a file of refs, and the most refs of which each names another.
_MAX_REFS = 64 * 1024**2
_MAX_STEPS = 5

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
_WANTED = (
    r"^(core\.(autocrlf|eol|filemode|symlinks|ignorecase)|extensions\.(objectformat|refstorage)|remote\.origin\.url)$"
)
#: The name of the copy of the repository's own settings; git does not look for this name.
_THEIRS = "theirs"
_REF = re.compile(r"ref:\s*(refs/.+)")
_HEAD = re.compile(r"ref:\s*refs/|[0-9a-f]{40}")

OUTSIDE = "This repository is not shown: a part of it lies outside of the workspace."
UNREADABLE = "This repository is not shown: git could not read it."


@dataclass(frozen=True)
class Repository:
    """The state of a repository as watchers are sent it; two are equal when there is nothing new to send."""

    repo_root: str
    branch: str = ""
    remote_origin: str = ""
    unified_diff: str = ""
    #: Whether it was refused because it leads out of the workspace.
    refused: bool = False

    @functools.cached_property
    def digest(self) -> bytes:
        """A digest that is the same for equal states, and for no others."""
        told = (self.repo_root, self.branch, self.remote_origin, self.unified_diff)
        return hashlib.sha256("\0".join(told).encode(errors="surrogatepass")).digest()


@dataclass(frozen=True)
class _Places:
    """The directories of a repository: `git` belongs to the work tree, `common` to all its work trees."""

    git: Path
    common: Path

    @property
    def objects(self) -> Path:
        return self.common / "objects"

    def are_within(self, workspace: Path) -> bool:
        """Whether neither the directories nor any link in them lead out of `workspace`."""
        return not lead_out([self.git, self.common, self.objects, self.common / "refs"], workspace)


def scan(root: Path, workspace: Path, refused: Collection[str]) -> Repository | None:
    """The state of the repository whose work tree is `root`; None when there is none.

    `refused`: roots of repositories that lead out of the workspace; no submodule is looked into when one is below `root`.
    """
    deadline = time.monotonic() + MAX_SECONDS
    outside = Repository(str(root), unified_diff=OUTSIDE, refused=True)
    try:
        places = _places(root, workspace)
        head = None if places is None else _head(places)
    except (OSError, ValueError):
        return None
    if places is not None and head is None:
        return None
    if places is None or not places.are_within(workspace):
        return outside
    assert head is not None
    try:
        with tempfile.TemporaryDirectory(prefix="watch-") as folder:
            environment = _private(Path(folder), root, places, head)
            settings = _settings(root, Path(folder), environment, deadline)
            object_format = settings.pop("extensions.objectformat", "sha1")
            _configure(Path(folder), object_format, environment, settings)
            branch = _ask(root, environment, deadline, "symbolic-ref", "-q", "--short", "HEAD")
            commit = _ask(root, environment, deadline, "rev-parse", "-q", "--verify", "HEAD")
            origin = without_credentials(settings.get("remote.origin.url", ""))
            if _alternates_lead_out(root, places, workspace, environment, deadline):
                return outside
            _add_untracked(root, object_format, environment, deadline)
            below = any(Path(each).is_relative_to(root) for each in refused)
            diff = _diff(root, commit or _EMPTY_TREE[object_format], environment, deadline, below)
        # Folders may have been replaced by links while git read them; then nothing is returned.
        if root.resolve() != root or _places(root, workspace) != places or not places.are_within(workspace):
            return outside
        return Repository(str(root), branch or commit[:12], origin, diff)
    except (GitFailed, OSError, ValueError):
        return Repository(str(root), unified_diff=UNREADABLE)


def _places(root: Path, workspace: Path) -> _Places | None:
    """The directories of the repository; None when they are not in the workspace.

    Source: gitrepository-layout(5). Raises ValueError or OSError when there is no repository.
    """
    git = root / ".git"
    if git.is_symlink() or git.is_dir():
        git = git.resolve()
    else:
        git = root / text_of(git, _MAX_POINTER).removeprefix("gitdir:").strip()
    if not inside(git, workspace):
        return None
    common = git
    if os.path.lexists(git / "commondir"):
        common = git / text_of(git / "commondir", _MAX_POINTER).strip()
    return _Places(git, common) if inside(common, workspace) else None


def _head(places: _Places) -> str | None:
    """The content of HEAD; None where there is no repository. Source: git's is_git_directory and validate_headref.

    Raises ValueError or OSError when it is malformed or can't be read.
    """
    if not (places.objects.is_dir() and (places.common / "refs").is_dir()):
        return None
    head = places.git / "HEAD"
    # Old versions of git made HEAD a link.
    text = f"ref: {os.readlink(head)}" if head.is_symlink() else text_of(head, _MAX_POINTER)
    return text if _HEAD.match(text) else None


def _ask(root: Path, environment: dict[str, str], deadline: float, *question: str) -> str:
    """git's answer in one line; empty when there is none."""
    try:
        return (
            run(*question, cwd=root, environment=environment, deadline=deadline).text.decode(errors="replace").strip()
        )
    except GitRefused:
        return ""


def _settings(root: Path, folder: Path, environment: dict[str, str], deadline: float) -> dict[str, str]:
    """The few settings that are adopted from the copied file; files that it includes are not read."""
    found: dict[str, str] = {}
    question = ("config", "--file", str(folder / _THEIRS), "--no-includes", "-z", "--get-regexp", _WANTED)
    with contextlib.suppress(GitRefused):
        for each in run(*question, cwd=root, environment=environment, deadline=deadline).text.split(b"\0"):
            name, _, value = each.decode(errors="replace").partition("\n")
            if name:
                found[name] = value
    return found


def _private(folder: Path, root: Path, places: _Places, head: str) -> dict[str, str]:
    """Create a private git directory in `folder`. Returns the environment in which git uses it."""
    for each in ("objects", "info", "refs", "reftable"):
        (folder / each).mkdir()
    (folder / "HEAD").write_bytes(os.fsencode(head))
    _copy_ref(folder, places.common, head)
    left = _MAX_INDEX
    for index in [places.git / "index", *places.git.glob("sharedindex.*")]:
        left -= copy(index, folder / index.name, left)
    copy(places.common / "info" / "exclude", folder / "info" / "exclude", _MAX_SETTINGS)
    copy(places.common / "config", folder / _THEIRS, _MAX_SETTINGS)
    quoted = str(places.objects).replace("\\", "\\\\").replace('"', '\\"')
    return {
        "GIT_DIR": str(folder),
        "GIT_WORK_TREE": str(root),
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
        "HOME": str(folder),
    }


def _copy_ref(folder: Path, common: Path, head: str) -> None:
    """Copy the refs that lead from `head` to its commit. Raises ValueError for a malformed name."""
    for table in (common / "reftable").glob("*"):
        copy(table, folder / "reftable" / table.name, _MAX_REFS)
    for _ in range(_MAX_STEPS):
        named = _REF.fullmatch(head.strip())
        if named is None:
            return
        name = Path(named[1])
        if ".." in name.parts:
            raise ValueError(named[1])
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (common / name).is_dir() or not copy(common / name, folder / name, _MAX_POINTER):
            copy(common / "packed-refs", folder / "packed-refs", _MAX_REFS)
            return
        head = text_of(folder / name, _MAX_POINTER)


def _configure(folder: Path, object_format: str, environment: dict[str, str], settings: dict[str, str]) -> None:
    """Apply the settings that are adopted. Raises ValueError for objects of an unknown format."""
    if object_format not in _EMPTY_TREE:
        raise ValueError(object_format)
    lines = ["[core]", "repositoryformatversion = 1", "bare = false", "[extensions]", f"objectformat = {object_format}"]
    if settings.get("extensions.refstorage") == "reftable":
        lines.append("refstorage = reftable")
    (folder / "config").write_text("\n".join(lines) + "\n")
    kept = [(name, value) for name, value in settings.items() if name in _KEPT]
    for number, (name, value) in enumerate(kept):
        environment[f"GIT_CONFIG_KEY_{number}"] = name
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    environment["GIT_CONFIG_COUNT"] = str(len(kept))


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
    return any(each.startswith('"') or lead_out([Path(root, each)], workspace) for each in found)


def _add_untracked(root: Path, object_format: str, environment: dict[str, str], deadline: float) -> None:
    """Add the untracked files to the copied index as empty ones, so that the diff shows them as new files."""
    question = ("ls-files", "-z", "--others", "--exclude-standard")
    listed = run(*question, cwd=root, environment=environment, deadline=deadline, keep=_MAX_UNTRACKED)
    if listed.size > _MAX_UNTRACKED:
        raise ValueError("too many untracked files")
    # A nested repository is listed with a slash at the end; it is scanned on its own.
    paths = [path for path in listed.text.split(b"\0") if path and not path.endswith(b"/")]
    if paths:
        entry = f"100644 {_EMPTY_BLOB[object_format]}\t".encode()
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
        return too_large(found.size)
    return found.text.decode(errors="replace")


def too_large(size: int) -> str:
    """The message instead of a diff of `size` bytes."""
    return f"Total diff too large to show. Size: {size / 1024**2:.1f} MiB ({size} bytes)."
