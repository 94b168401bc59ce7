"""Workspaces: the folders whose git changes can be followed, each tenant's under a folder of its own.

`<WORKSPACE_ROOT>/<tenant>/<workspace of the chat>`. Links are followed before anything is decided, and a path that
leads out of the tenant's folder is not a workspace. This is decided again each time a workspace is read, because
folders change.
"""

from __future__ import annotations

from pathlib import Path


class NoWorkspace(Exception):
    """There is no such folder within the tenant's. The message is for the caller."""


def resolve(root: Path | None, tenant: str, workspace: str) -> Path:
    """The real folder of `workspace`, a relative path, for `tenant`. Raises NoWorkspace."""
    if root is None:
        raise NoWorkspace("Workspaces are not enabled on this server.")
    if not workspace or workspace.startswith("/") or "\0" in workspace or len(workspace) > 1024:
        raise NoWorkspace("The workspace must be a relative path.")
    if tenant in ("", ".", "..") or "/" in tenant or "\0" in tenant:
        raise NoWorkspace("The workspace does not exist.")
    try:
        home = root.resolve(strict=True) / tenant
        if home.is_symlink():
            # The path could be another tenant's folder under a second name.
            raise NoWorkspace("The workspace does not exist.")
        folder = (home / workspace).resolve(strict=True)
    except (OSError, RuntimeError, UnicodeError):
        raise NoWorkspace("The workspace does not exist.") from None
    if not folder.is_relative_to(home) or not folder.is_dir():
        # The caller must not learn whether something exists outside.
        raise NoWorkspace("The workspace does not exist.")
    return folder
