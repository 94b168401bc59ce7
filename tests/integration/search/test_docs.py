"""docs/search.md: every line runs, prints what it says, and every parameter has one."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from app.search.facets import FACETS
from app.search.params import PARAMETERS, SORT_FIELDS, SOURCE_FIELDS
from tests.support.app import ROOT, Server

PAGE = (ROOT / "docs/search.md").read_text().partition("## Elasticsearch's own language")[0]
EXAMPLES = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.needs("jq")
def test_the_lines_print_what_the_page_says(library: Server, tmp_path: Path) -> None:
    token = library.make_token(tenant="docs")
    environment = {**os.environ, "URL": library.url, "TOKEN": token}
    for number, example in enumerate(EXAMPLES):
        command, _, expected = example.rpartition("\n# ")
        ran = subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (ran.returncode, ran.stdout) == (0, expected), f"{command}\n{ran.stderr}"
        if number == 0:
            wait(library, token)


def wait(server: Server, token: str) -> None:
    """Until the texts of all files are searchable."""
    deadline = time.monotonic() + 120
    ids = [hit["_id"] for hit in server.hits(token=token)]
    while "pending" in server.post("/attachment/_status", json={"attachments": ids}, token=token).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_parameter_has_a_line_and_every_value_is_named() -> None:
    lines = " ".join(EXAMPLES)
    assert {name for name in PARAMETERS if not re.search(rf"[ '\"]{name}=", lines)} == set()
    named = set(re.findall(r"`([a-z_0-9]+)`", PAGE))
    assert {*FACETS, *SORT_FIELDS, *SOURCE_FIELDS} <= named
