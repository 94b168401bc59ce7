"""The official JavaScript client, of both versions whose media types are spoken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.app import Server
from tests.support.registries import install_npm_packages

CLIENT = Path(__file__).parent / "client"
NODE_SECONDS = 120

# A registry may stall, and is asked again.
pytestmark = [pytest.mark.needs("node", "npm"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clients and the program."""
    folder = tmp_path_factory.mktemp("elasticsearch-client")
    for each in CLIENT.iterdir():
        shutil.copy(each, folder)
    install_npm_packages(folder)
    return folder


@pytest.mark.parametrize("version", ["client8", "client9"])
def test_searches_and_walks(server: Server, packages: Path, version: str) -> None:
    token = server.make_token(tenant=f"javascript-{version}")
    ids = server.upload(*((f"report {number}.txt", b"x") for number in range(5)), session="s", token=token)
    server.upload(("report of another.txt", b"x"), token=server.make_token(tenant="another"))
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        ["node", "walk.js", version, server.url, token],
        cwd=packages,
        env=environment,
        capture_output=True,
        text=True,
        timeout=NODE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert sorted(seen.pop("walked")) == sorted(ids)
    assert sorted(seen.pop("found")) == [["coco_attachment", f"report {number}.txt"] for number in range(5)]
    assert seen == {
        "ping": True,
        "tagline": "You Know, for Search",
        "count": 5,
        "buckets": [{"key": "s", "doc_count": 5}],
        "several": [5, 5],
        "refused": [True, 400, "illegal_argument_exception"],
        "unknown": [True, 404, "index_not_found_exception"],
        "helped": 5,
        "helpedSeveral": [1, 2, 3],
        "scrolled": [True, 400, "illegal_argument_exception"],
        "stranger": [True, 401, "security_exception"],
        "closed": 1,
        "gone": [True, 404, "search_context_missing_exception"],
    }
