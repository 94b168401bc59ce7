"""The doors when nobody listens, nobody can answer, or somebody stops them: a sentence, and a code that means just that."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

import pytest
import requests

from tests.integration.commands.doors import door
from tests.support.app import ROOT, Server, ServerFactory

LISTS = (("token", "list"), ("index", "status"), ("store", "verify", "--json"))


def run(server: Server, *words: str, stdout: int | IO[str], closing: str = "") -> subprocess.CompletedProcess[str]:
    """Run `scripts/<first word> <rest>`; `closing` is a redirection of bash that closes one of its streams."""
    name, *arguments = words
    return subprocess.run(
        ["bash", "-c", f'exec "$@" {closing}', "bash", str(ROOT / "scripts" / name), *arguments],
        env={**os.environ, **server.environment, "GRACE_TIME": "1"},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("words", LISTS)
def test_nobody_takes_what_is_said(server: Server, words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = run(server, *words, stdout=writing)
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (3, "Broken pipe\n")


def test_what_is_said_finds_no_room(server: Server) -> None:
    with Path("/dev/full").open("w") as full:
        result = run(server, "token", "list", stdout=full)
    assert (result.returncode, result.stderr) == (3, "No space left on device\n")


def test_streams_that_are_closed(server: Server) -> None:
    for closing in ("<&-", ">&-", "2>&-"):
        result = run(server, "token", "list", stdout=subprocess.PIPE, closing=closing)
        assert (result.returncode, result.stderr) == (0, ""), closing
        assert ("all\t" in result.stdout) is (closing != ">&-")
    left = server.data / "incoming" / ("0" * 32)
    left.touch()
    # Older than a door believes in here, and younger than the server sweeps.
    os.utime(left, (time.time() - 60,) * 2)
    try:
        result = run(server, "store", "verify", "--repair", "--json", stdout=subprocess.PIPE, closing="<&-")
        assert result.returncode == 1
        assert result.stderr.endswith("Nothing was done: say --yes to do it.\n")
        assert left.exists()
    finally:
        left.unlink()


@pytest.mark.parametrize("data", ["x" * 300, "no/such/folder", "/dev/null"])
@pytest.mark.parametrize("words", LISTS)
def test_folders_that_are_none(server: Server, words: tuple[str, ...], data: str) -> None:
    result = door(server, *words, "--data", data)
    assert (result.returncode, result.stdout) == (3, "")
    assert len(result.stderr.splitlines()) == 1
    assert data in result.stderr


def test_interrupted(start_server: ServerFactory) -> None:
    """Ctrl-C while a rebuild waits for its moment: nothing has changed, and the next run takes it up."""
    server = start_server()
    (attachment_id,) = server.upload(("a.txt", b"a"))
    generations = f"{server.elasticsearch_url}/{server.index}-*"
    with (server.data / ".work.lock").open("r+b") as work:
        # A change that does not end: nobody is alone.
        fcntl.flock(work, fcntl.LOCK_SH)
        with subprocess.Popen(
            # Started in the background, as by a script, all of this would ignore SIGINT.
            ["env", "--default-signal=INT", str(ROOT / "scripts" / "store"), "rebuild", "--json"],
            env={**os.environ, **server.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as rebuild:
            deadline = time.monotonic() + 60
            while len(requests.get(generations, timeout=60).json()) < 2:
                assert time.monotonic() < deadline, rebuild.poll()
                time.sleep(0.05)
            rebuild.send_signal(signal.SIGINT)
            output = rebuild.communicate(timeout=60)
    assert (rebuild.returncode, *output) == (130, "", "")
    assert [hit["_id"] for hit in server.hits()] == [attachment_id]
    assert door(server, "store", "rebuild", "--remove-old").returncode == 0
    assert [hit["_id"] for hit in server.hits()] == [attachment_id]
    assert len(requests.get(generations, timeout=60).json()) == 1
