"""A machine without Landlock: the server says so, git watch works behind its second wall, or nothing starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import requests

from tests.dialects.coder.client import chat
from tests.dialects.coder.watching import repository, watching
from tests.support import without_calls
from tests.support.app import ServerFactory

LAUNCHER = (sys.executable, without_calls.__file__, "landlock_create_ruleset")


@pytest.mark.needs("git")
def test_it_is_said_and_git_watch_works(start_server: ServerFactory, tmp_path: Path) -> None:
    root = tmp_path.resolve() / "workspaces"
    repo = repository(root / "default" / "w" / "repo")
    (repo / "readme").write_text("second\n")
    server = start_server(WORKSPACE_ROOT=str(root), launcher=LAUNCHER)
    told = server.get("/health").json()
    assert told["warnings"][0] == "files are not confined: the kernel has no Landlock, or it is switched off"
    assert "files are not confined" in server.log.read_text()
    with watching(server, str(chat(server, workspace="w")["id"])) as client:
        client.until(lambda: "+second" in client.diff(repo))


@pytest.mark.parametrize("reads", ["WORKSPACE_ROOT", "EXTRACTION"])
def test_a_server_that_requires_it_does_not_start(start_server: ServerFactory, tmp_path: Path, reads: str) -> None:
    settings = {"WORKSPACE_ROOT": str(tmp_path), "EXTRACTION": "on"}
    with pytest.raises(RuntimeError) as caught:
        start_server(CONFINEMENT="required", launcher=LAUNCHER, **{reads: settings[reads]})
    assert "CONFINEMENT: is required, but files are not confined" in str(caught.value)


def test_a_server_that_reads_nothing_of_strangers_has_nothing_to_say(start_server: ServerFactory) -> None:
    server = start_server(CONFINEMENT="required", launcher=LAUNCHER)
    assert "warnings" not in server.get("/health").json()


@pytest.mark.needs("landlock")
def test_where_all_is_confined_health_says_what_it_always_did(start_server: ServerFactory, tmp_path: Path) -> None:
    server = start_server(CONFINEMENT="required", WORKSPACE_ROOT=str(tmp_path))
    assert set(requests.get(f"{server.url}/health", timeout=60).json()) == {"status"}
