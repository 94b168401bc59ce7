"""The pages say what is: every code of a finding, and examples that run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from app.upkeep.repair import ACTIONS
from app.upkeep.verify import CODES
from tests.support.app import ROOT, ServerFactory


def test_every_code_is_documented_with_its_repair() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| ([a-z -]+) \|$", (ROOT / "docs/commands.md").read_text(), re.MULTILINE)
    assert dict(rows) == {code: ACTIONS.get(code, "-") for code in CODES}


@pytest.mark.needs("jq", "sha256sum")
def test_examples_of_the_format_run(start_server: ServerFactory) -> None:
    server = start_server()
    one, _ = server.upload(("one.txt", b"one"), ("two.txt", b"two"))
    examples = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/format.md").read_text(), re.DOTALL)

    def run(example: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ID": one}
        return subprocess.run(["sh", "-c", example], cwd=server.data, env=environment, capture_output=True, text=True)

    where, name, check = examples
    path = Path(server.data) / run(where).stdout.strip()
    assert path.read_bytes() == b"one"
    assert run(name).stdout == "one.txt\n"
    assert run(check).returncode == 0
    path.write_bytes(b"eno")
    assert run(check).returncode != 0
