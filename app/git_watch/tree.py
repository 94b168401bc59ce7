"""The structure of a workspace: its repositories, and the folders in which a change may matter. Links are not followed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

#: The most folders that are watched; the next regular scan finds changes in the others.
MAX_FOLDERS = 20_000
MAX_REPOSITORIES = 100
#: The most characters of the names of these folders together, and seconds for finding them.
MAX_NAMES = 16 * 1024**2
MAX_SECONDS = 15.0

# Within a git directory: these change all the time, and never without something else changing too.
_UNWATCHED = {"objects", "logs", "hooks", "lfs"}


@dataclass
class Survey:
    """`repositories`: work trees, the deepest first; `folders`: those to watch."""

    repositories: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def survey(workspace: str) -> Survey:
    """Walk through `workspace`; what can't be read, or not be reached within `MAX_SECONDS`, is left out."""
    deadline = time.monotonic() + MAX_SECONDS
    found = Survey()
    waiting = [(workspace, False)]
    names = 0
    while waiting and len(found.folders) < MAX_FOLDERS and names < MAX_NAMES and time.monotonic() < deadline:
        folder, within_git = waiting.pop()
        below = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    is_git = entry.name == ".git" and not within_git
                    if is_git:
                        found.repositories.append(folder)
                    if entry.is_dir(follow_symlinks=False) and not (within_git and entry.name in _UNWATCHED):
                        below.append((entry.path, within_git or is_git))
                    if time.monotonic() > deadline:
                        break
        except OSError:
            continue
        found.folders.append(folder)
        names += len(folder)
        waiting += sorted(below, reverse=True)
    found.repositories.sort(key=lambda path: (-path.count("/"), path))
    del found.repositories[MAX_REPOSITORIES:]
    return found


def lead_out(folders: Iterable[Path], workspace: Path) -> bool:
    """Whether any of `folders`, or any link below them, leads out of `workspace`."""
    known: list[Path] = []
    for folder in folders:
        place = folder.resolve()
        if not any(place.is_relative_to(each) for each in known):
            if _leads_out(place, workspace):
                return True
            known.append(place)
    return False


def _leads_out(folder: Path, workspace: Path) -> bool:
    if not inside(folder, workspace):
        return True
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        if not inside(Path(entry.path), workspace):
                            return True
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            return True
    return False


def inside(path: Path, workspace: Path) -> bool:
    """Whether `path` is in `workspace` once all links are followed."""
    try:
        return path.resolve().is_relative_to(workspace)
    except (OSError, RuntimeError):
        return False
