"""Workspaces: the folders whose git changes can be followed, each tenant's under a folder of its own.

`<WORKSPACE_ROOT>/<tenant>/<workspace of the chat>`. Links are followed before anything is decided, and what leads out of the
tenant's folder is no workspace; it is decided anew each time a workspace is looked at, for folders change.
"""

from __future__ import annotations

from pathlib import Path


class NoWorkspace(Exception):
    """There is no such folder within the tenant's. The message is for the caller."""


def resolve(root: Path | None, tenant: str, workspace: str) -> Path:
    """The real folder that `workspace`, a relative path, is for `tenant`. Raises NoWorkspace."""
    if root is None:
        raise NoWorkspace("Workspaces are not enabled on this server.")
    if not workspace or workspace.startswith("/") or "\0" in workspace or len(workspace) > 1024:
        raise NoWorkspace("The workspace must be a relative path.")
    if tenant in ("", ".", "..") or "/" in tenant or "\0" in tenant:
        raise NoWorkspace("The workspace does not exist.")
    try:
        home = root.resolve(strict=True) / tenant
        if home.is_symlink():
            # It could be another tenant's folder under a second name.
            raise NoWorkspace("The workspace does not exist.")
        folder = (home / workspace).resolve(strict=True)
    except (OSError, RuntimeError, UnicodeError):
        raise NoWorkspace("The workspace does not exist.") from None
    if not folder.is_relative_to(home) or not folder.is_dir():
        # Whether something is there, outside, is nobody's business here.
        raise NoWorkspace("The workspace does not exist.")
    return folder
