"""The pages say what is: every code of a finding, and examples that run."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import requests

from app.upkeep.repair import ACTIONS
from app.upkeep.verify import CODES
from tests.integration.extraction.documents import picture
from tests.support.app import ROOT, ServerFactory


def test_every_code_is_documented_with_its_repair() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| ([a-z -]+) \|$", (ROOT / "docs/commands.md").read_text(), re.MULTILINE)
    assert dict(rows) == {code: ACTIONS.get(code, "-") for code in CODES}


@pytest.mark.needs("jq", "sha256sum")
def test_examples_of_the_format_run(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on")
    one, _, scan = server.upload(("one.txt", b"one"), ("two.txt", b"two"), ("scan.png", picture()))
    examples = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/format.md").read_text(), re.DOTALL)

    def run(example: str, attachment_id: str = one) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ID": attachment_id}
        return subprocess.run(["sh", "-c", example], cwd=server.data, env=environment, capture_output=True, text=True)

    preview, where, name, check = examples
    (folder,) = {each.parent for each in Path(server.data).glob(f"attachments/*/{scan}.json")}
    deadline = time.monotonic() + 120
    while not (folder / f"{scan}.thumbnail").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert run(preview, scan).returncode == 0
    shown = requests.get(
        f"{server.url}/attachment/{scan}/thumbnail?size=640", headers={"X-API-TOKEN": server.token}, timeout=60
    )
    assert (Path(server.data) / "preview.webp").read_bytes() == shown.content
    (Path(server.data) / "preview.webp").unlink()
    path = Path(server.data) / run(where).stdout.strip()
    assert path.read_bytes() == b"one"
    assert run(name).stdout == "one.txt\n"
    assert run(check).returncode == 0
    path.write_bytes(b"eno")
    assert run(check).returncode != 0
