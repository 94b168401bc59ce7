"""The commands of the page's section are run as they are printed."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess

import pytest

from app.search.language import aggregations, body, fields, queries
from app.search.language.parameters import FORGIVEN, NAMES
from tests.support.app import ROOT, Server

PAGE = (ROOT / "docs" / "search.md").read_text()
SECTION = re.split(r"^## ", PAGE[PAGE.index("## Elasticsearch's own language") + 3 :], flags=re.MULTILINE)[0]


@pytest.mark.needs("curl", "jq")
def test_the_commands(server: Server) -> None:
    token = server.make_token(tenant=f"docs-{secrets.token_hex(4)}")
    server.upload(("Annual Report.pdf", b"x"), ("report 2.txt", b"y"), session="s", token=token)
    commands = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    assert len(commands) >= 5
    for command in commands:
        environment = {**os.environ, "URL": server.url, "TOKEN": token, "no_proxy": "*"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        decoder, at = json.JSONDecoder(), 0
        while at < len(done.stdout.rstrip()):
            at += len(done.stdout[at:]) - len(done.stdout[at:].lstrip())
            answer, at = decoder.raw_decode(done.stdout, at)
            found = [answer, *answer.get("responses", [])]
            totals = [each["hits"]["total"]["value"] for each in found if "hits" in each]
            assert all(totals), (command, answer)


def test_the_page_names_everything_that_may_be_asked() -> None:
    named = set(re.findall(r"`([a-z0-9_.]+)`", SECTION))
    assert set(queries.QUERIES) <= named
    assert set(aggregations.AGGREGATIONS) <= named
    assert set(fields.FIELDS) <= named
    assert set(body.TOP_LEVEL) - {"query", "aggs", "aggregations"} <= named
    # Those of a search, but for what means nothing here.
    assert set(NAMES["search"]) - set(FORGIVEN) - {"error_trace", "format", "search_type"} <= named
