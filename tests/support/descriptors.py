"""What this process has open, of one thing alone: other threads open and close files as they like, and so does the
garbage collector."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def _links() -> list[str]:
    found = []
    for each in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{each}"))
    return found


def below(folder: Path) -> list[str]:
    """The files in `folder` that this process has open, once for each time."""
    return sorted(each for each in _links() if each.startswith(f"{folder}/") or each == str(folder))


def sockets() -> set[str]:
    """The sockets of this process."""
    return {each for each in _links() if each.startswith("socket:")}


def of_others(port: int) -> set[str]:
    """The sockets of this machine that are connected, or listen, and have nothing to do with `port`.

    One that the other side has reset belongs to nobody any more, and is not among them.
    """
    suffix = f":{port:04X}"
    found = set()
    for table, column in (("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9), ("unix", 6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if table == "unix" or not (fields[1].endswith(suffix) or fields[2].endswith(suffix)):
                found.add(f"socket:[{fields[column]}]")
    return found
