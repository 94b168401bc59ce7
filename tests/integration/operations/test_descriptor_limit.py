"""The limit of descriptors, which a server raises for itself."""

from __future__ import annotations

import resource
import subprocess
import sys


def test_a_server_takes_what_the_system_allows() -> None:
    """In a process of its own: a limit that was raised stays."""
    program = (
        "import resource; from app.server import descriptors; from app.settings import Settings\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2000))\n"
        "found = descriptors.raise_limit(Settings())\n"
        "print(found.there, resource.getrlimit(resource.RLIMIT_NOFILE), found == descriptors.in_force(Settings()))"
    )
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 2000
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "2000 (2000, 2000) True\n"
