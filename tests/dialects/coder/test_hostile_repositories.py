"""Repositories made to run something or to show what lies outside of their workspace: they do neither.

Each is looked at as every watcher's scan does, by a process that the kernel confines, and once more without it, by the check
alone. tests/dialects/coder/test_watch.py has it behind the WebSocket.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.confinement import landlock
from app.git_watch.remote import without_credentials
from app.git_watch.repository import OUTSIDE, Repository, scan
from app.git_watch.scan import Scan
from tests.dialects.coder.watching import git, repository

pytestmark = pytest.mark.needs("git")

MEMORY = 512 * 1024**2
SECRET = "SECRET OF THE NEIGHBOUR\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A repository that is none of the workspace's business, with a change."""
    made = repository(tmp_path.resolve() / "outside", secret="committed secret\n")
    (made / "secret").write_text(SECRET)
    (made / "file").write_text(SECRET)
    return made


@pytest.fixture
def repo(workspace: Path) -> Path:
    """A repository with a staged, an unstaged and an untracked change."""
    made = repository(workspace / "repo", a="a\n", b="b\n")
    (made / "a").write_text("staged\n")
    git(made, "add", "a")
    (made / "b").write_text("unstaged\n")
    (made / "c").write_text("untracked\n")
    return made


Look = Callable[..., Repository | None]


def confined(root: Path, workspace: Path, *_: str) -> Repository | None:
    """What a watcher of the workspace is told."""
    found = Scan(workspace, lambda: workspace, MEMORY)
    while not found.turn():
        pass
    return found.repositories.get(str(root))


def by_the_check_alone(root: Path, workspace: Path, *refused: str) -> Repository | None:
    return scan(root, workspace, refused)


def seen(found: Repository | None) -> Repository:
    assert found is not None
    return found


@pytest.fixture(params=[confined, by_the_check_alone], ids=["confined", "unconfined"])
def look(request: pytest.FixtureRequest) -> Look:
    if request.param is confined and landlock.offered().missing:
        pytest.skip("landlock missing")
    made: Look = request.param
    return made


def fingerprint(folder: Path) -> dict[str, str]:
    """Everything in a folder, with digest and time."""
    return {
        str(
            path
        ): f"{path.lstat().st_mtime_ns} {hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ''}"
        for path in sorted(folder.rglob("*"))
    }


def commands(repo: Path, marker: Path) -> None:
    """Set every trap that a configuration knows: each would write the marker."""
    trap = repo.parent / "trap.sh"
    trap.write_text(f"#!/bin/sh\necho run >> {marker}\ncat 2>/dev/null\n")
    trap.chmod(0o755)
    for name in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "core.askPass",
        "core.alternateRefsCommand",
        "diff.external",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.worse.process",
        "diff.evil.textconv",
        "diff.worse.command",
        "pager.diff",
        "credential.helper",
        "gpg.program",
        "remote.origin.uploadpack",
        "trace2.eventTarget",
    ):
        git(repo, "config", name, str(trap))
    for name, value in (
        ("filter.evil.required", "true"),
        ("diff.evil.cachetextconv", "true"),
        ("alias.diff", f"!{trap}"),
        ("alias.rev-parse", f"!{trap}"),
        ("protocol.allow", "always"),
        ("protocol.ext.allow", "always"),
        ("remote.origin.url", f"ext::{trap}"),
        ("remote.origin.promisor", "true"),
        ("extensions.partialClone", "origin"),
        ("core.hooksPath", str(repo / "hooks")),
    ):
        git(repo, "config", name, value)
    attributes = "a filter=evil diff=evil\nb filter=worse diff=worse\n* filter=evil\nc diff=evil\n"
    (repo / ".gitattributes").write_text(attributes)
    (repo / ".git" / "info" / "attributes").write_text(attributes)
    for folder in (repo / "hooks", repo / ".git" / "hooks"):
        folder.mkdir(exist_ok=True)
        for hook in ("post-index-change", "fsmonitor-watchman", "pre-commit", "reference-transaction", "post-checkout"):
            shutil.copy(trap, folder / hook)


def test_no_command_of_a_repository_runs(look: Look, repo: Path, workspace: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    commands(repo, marker)
    # Its time differs from the index's, so git must look into it.
    os.utime(repo / "a", (1, 1))
    before = fingerprint(repo)
    found = seen(look(repo, workspace))
    assert not marker.exists()
    assert fingerprint(repo) == before
    for line in ("+staged", "+unstaged", "+untracked"):
        assert line in found.unified_diff
    assert found.remote_origin == ""
    # The traps are real: git itself falls into them.
    with contextlib.suppress(AssertionError):
        git(repo, "diff", "HEAD")
    assert marker.exists()


def test_no_command_of_a_missing_object_runs(look: Look, repo: Path, workspace: Path, tmp_path: Path) -> None:
    commands(repo, tmp_path / "marker")
    shutil.rmtree(repo / ".git" / "objects")
    (repo / ".git" / "objects").mkdir()
    assert "not shown" in seen(look(repo, workspace)).unified_diff
    assert not (tmp_path / "marker").exists()


def test_nothing_is_written(look: Look, repo: Path, workspace: Path) -> None:
    before = fingerprint(repo)
    found = seen(look(repo, workspace))
    assert fingerprint(repo) == before
    assert found.unified_diff.count("diff --git") == 3


def test_a_work_tree_set_elsewhere_has_no_say(look: Look, repo: Path, workspace: Path, outside: Path) -> None:
    git(repo, "config", "core.worktree", str(outside))
    found = seen(look(repo, workspace))
    assert "+untracked" in found.unified_diff
    assert "SECRET" not in found.unified_diff


def with_git_file(repo: Path, outside: Path) -> None:
    shutil.rmtree(repo / ".git")
    (repo / ".git").write_text(f"gitdir: {outside / '.git'}\n")


def with_git_link(repo: Path, outside: Path) -> None:
    shutil.rmtree(repo / ".git")
    (repo / ".git").symlink_to(outside / ".git")


def with_common_folder(repo: Path, outside: Path) -> None:
    (repo / ".git" / "commondir").write_text(str(outside / ".git"))


def with_alternates(repo: Path, outside: Path) -> None:
    (repo / ".git" / "objects" / "info" / "alternates").write_text(f"{outside / '.git' / 'objects'}\n")


def with_alternates_of_alternates(repo: Path, outside: Path) -> None:
    middle = repo / "middle"
    (middle / "info").mkdir(parents=True)
    (middle / "info" / "alternates").write_text(f"{outside / '.git' / 'objects'}\n")
    (repo / ".git" / "objects" / "info" / "alternates").write_text(f"{middle}\n")


def with_objects_link(repo: Path, outside: Path) -> None:
    shutil.rmtree(repo / ".git" / "objects")
    (repo / ".git" / "objects").symlink_to(outside / ".git" / "objects")


def with_one_object_link(repo: Path, outside: Path) -> None:
    blob = git(outside, "rev-parse", "HEAD:secret").strip()
    target = repo / ".git" / "objects" / blob[:2]
    target.mkdir(exist_ok=True)
    (target / blob[2:]).symlink_to(outside / ".git" / "objects" / blob[:2] / blob[2:])
    git(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},stolen")


def with_index_link(repo: Path, outside: Path) -> None:
    (repo / ".git" / "index").unlink()
    (repo / ".git" / "index").symlink_to(outside / ".git" / "index")


@pytest.mark.parametrize(
    "trick",
    [
        with_git_file,
        with_git_link,
        with_common_folder,
        with_alternates,
        with_alternates_of_alternates,
        with_objects_link,
        with_one_object_link,
        with_index_link,
    ],
)
def test_what_leads_out_is_a_sentence(
    look: Look, trick: Callable[[Path, Path], None], repo: Path, workspace: Path, outside: Path
) -> None:
    trick(repo, outside)
    assert look(repo, workspace) == Repository(str(repo), unified_diff=OUTSIDE, refused=True)


def test_included_settings_and_files_behind_links_stay_outside(
    look: Look, repo: Path, workspace: Path, outside: Path
) -> None:
    (outside / "config").write_text(f'[remote "origin"]\n\turl = https://example.com/{SECRET.split()[0]}\n')
    git(repo, "config", "include.path", str(outside / "config"))
    (repo / "d").mkdir()
    (repo / "d" / "file").write_text("mine\n")
    git(repo, "add", "d")
    shutil.rmtree(repo / "d")
    (repo / "d").symlink_to(outside)
    (repo / "a").unlink()
    (repo / "a").symlink_to(outside / "secret")
    found = seen(look(repo, workspace))
    assert "+staged" not in found.unified_diff
    assert f"+{outside / 'secret'}" in found.unified_diff
    assert "SECRET" not in str(found)
    assert "committed secret" not in str(found)


def test_a_submodule_that_leads_out_is_not_looked_into(look: Look, repo: Path, workspace: Path, outside: Path) -> None:
    commit = git(outside, "rev-parse", "HEAD").strip()
    sub = repo / "sub"
    sub.mkdir()
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    (sub / ".git").write_text(f"gitdir: {outside / '.git'}\n")
    below = seen(look(sub, workspace))
    assert below.unified_diff == OUTSIDE
    found = seen(look(repo, workspace, below.repo_root))
    assert commit not in found.unified_diff
    assert "SECRET" not in found.unified_diff
    assert "+unstaged" in found.unified_diff


def test_a_submodules_commands_do_not_run(look: Look, repo: Path, workspace: Path, tmp_path: Path) -> None:
    sub = repository(repo / "sub", a="a\n", b="b\n")
    git(repo, "add", "sub")
    commands(sub, tmp_path / "marker")
    (sub / "a").write_text("changed\n")
    assert "+Subproject commit" in seen(look(repo, workspace)).unified_diff
    assert "+changed" in seen(look(sub, workspace)).unified_diff
    assert not (tmp_path / "marker").exists()


def test_alternates_within_the_workspace_are_used(look: Look, repo: Path, workspace: Path) -> None:
    git(workspace, "clone", "-q", "--shared", str(repo), "clone")
    (workspace / "clone" / "a").write_text("changed\n")
    assert "+changed" in seen(look(workspace / "clone", workspace)).unified_diff


def test_a_head_elsewhere_makes_no_repository(look: Look, repo: Path, workspace: Path, outside: Path) -> None:
    (repo / ".git" / "HEAD").unlink()
    (repo / ".git" / "HEAD").symlink_to(outside / ".git" / "HEAD")
    assert look(repo, workspace) is None


def test_no_repository(look: Look, workspace: Path) -> None:
    (workspace / ".git").mkdir()
    assert look(workspace, workspace) is None


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://user:pass@example.com/a.git", "https://example.com/a.git"),
        ("https://token@example.com:8443/a.git", "https://example.com:8443/a.git"),
        ("https://example.com/a.git?private_token=x#y", "https://example.com/a.git"),
        ("https://example.com/@scope/a.git", "https://example.com/@scope/a.git"),
        ("https://user:p@ss@example.com/a.git", "https://example.com/a.git"),
        ("https://user:12/3@example.com/a.git", ""),
        ("https://user:pa/ss@example.com/a.git", ""),
        ("https://us/er:pass@example.com/a.git", ""),
        ("ssh://git@example.com:22/a.git", "ssh://git@example.com:22/a.git"),
        ("ssh://git:pass@example.com/a.git", "ssh://example.com/a.git"),
        ("https://[::1]:80/a.git", "https://[::1]:80/a.git"),
        ("git@example.com:team/a.git", "git@example.com:team/a.git"),
        ("user:pass@example.com:a.git", "example.com:a.git"),
        ("foo::https://user:pass@example.com/a", "foo::https://example.com/a"),
        ("ext::sh -c secret", ""),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("", ""),
    ],
)
def test_remotes_without_credentials(address: str, told: str) -> None:
    assert without_credentials(address) == told
