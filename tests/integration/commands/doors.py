"""The doors in scripts/, run as people run them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests.support.app import ROOT, Server


def door(server: Server, *words: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `scripts/<first word> <rest>` with the settings of `server`; `timeout`: seconds."""
    name, *arguments = words
    return subprocess.run(
        [str(ROOT / "scripts" / name), *arguments],
        env={**os.environ, **server.environment, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def lines(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The JSON lines that a door printed."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def findings(server: Server, *options: str) -> tuple[int, list[tuple[str, str | None]]]:
    """Exit code, and code and place of each finding of `scripts/store verify --json`."""
    result = door(server, "store", "verify", "--json", *options)
    printed = lines(result)
    assert printed, result.stderr
    assert "summary" in printed[-1], result.stdout
    return result.returncode, sorted((each["code"], each["path"] or each["id"]) for each in printed[:-1])
