"""What a workspace consists of: its repositories, and the folders in which a change may matter. Links are not followed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

#: Folders that are watched at most; changes in the rest are found by the scan that comes anyway.
MAX_FOLDERS = 20_000
MAX_REPOSITORIES = 100

# Within a git directory: they change all the time, and never without something else changing too.
_UNWATCHED = {"objects", "logs", "hooks", "lfs"}


@dataclass
class Survey:
    """`repositories` are work trees, the deepest first; `folders` those to watch."""

    repositories: list[Path] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def survey(workspace: Path) -> Survey:
    """Look at all of `workspace`; what can't be read is passed over."""
    found = Survey()
    waiting = [(str(workspace), False)]
    while waiting and len(found.folders) < MAX_FOLDERS:
        folder, within_git = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError:
            continue
        found.folders.append(folder)
        for entry in listed:
            is_git = entry.name == ".git" and not within_git
            if is_git:
                found.repositories.append(Path(folder))
            if entry.is_dir(follow_symlinks=False) and not (within_git and entry.name in _UNWATCHED):
                waiting.append((entry.path, within_git or is_git))
    found.repositories.sort(key=lambda path: (-len(path.parts), path))
    del found.repositories[MAX_REPOSITORIES:]
    return found


def leads_out(folder: Path, workspace: Path) -> bool:
    """Whether `folder`, or any link below it, leads out of `workspace`."""
    if not _inside(folder, workspace):
        return True
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        if not _inside(Path(entry.path), workspace):
                            return True
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            return True
    return False


def _inside(path: Path, workspace: Path) -> bool:
    try:
        return path.resolve().is_relative_to(workspace)
    except (OSError, RuntimeError):
        return False
