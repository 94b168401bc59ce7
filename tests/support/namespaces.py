"""Commands that see a file system of their own: what they mount or cover there nobody else sees."""

from __future__ import annotations

import os
import shutil

import pytest

#: For whom is not root, a user namespace in which it may mount.
_UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]


def own_mounts(mounts: list[str]) -> tuple[str, ...]:
    """What to put before a command so that it runs where `mounts` (lines of shell, such as `mount -t tmpfs tmpfs /tmp`) were
    carried out. The command takes the place of what starts it: its process id is the same."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare missing")
    return (*_UNSHARE, "sh", "-ec", "\n".join([*mounts, 'exec "$@"']), "sh")


def umount_in(pid: int, path: str) -> list[str]:
    """The command that takes the mount on `path` away again where the process `pid` sees it."""
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    return ["nsenter", "--target", str(pid), *user, "--mount", "umount", path]
