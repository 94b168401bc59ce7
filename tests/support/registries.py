"""Commands that fetch from package registries, which stall or refuse for moments: such a command is tried again.

What is tested is what comes after it, so a registry's bad minute is not a failure of the product.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

#: Seconds before each further try.
PAUSES = (5, 20)


def fetch(command: Sequence[str], seconds: float, cwd: Path | None = None) -> None:
    """Run `command`, at most `seconds` for each try. AssertionError, with the end of what it printed, when each failed."""
    failures = []
    for pause in (0, *PAUSES):
        time.sleep(pause)
        try:
            done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as error:
            failures.append(str(error))
            continue
        if done.returncode == 0:
            return
        failures.append(done.stderr[-4000:] or done.stdout[-4000:])
    raise AssertionError("\n\n".join(failures))


def install_npm_packages(folder: Path, seconds: float = 150) -> None:
    """Install what `folder`/package.json names, running none of its scripts."""
    fetch(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"], seconds, folder)
