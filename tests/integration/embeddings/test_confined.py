"""What a text can do that has taken over the process with the model: the same attempts as in the reader of documents."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.confinement import system_calls
from app.embeddings import keeper
from tests.support.attempts import CODE, LITTER, REFUSED, Around, surroundings

#: The owner of the store's files without any privilege: with another name, as the one who runs the tests may be root.
ORDINARY = ("unshare", "--user", "--map-user=1234", "--map-group=1234")
APP = Path(keeper.__file__).parents[1]
_IMPORTS = "import ctypes, errno, fcntl, mmap, resource, select, signal, socket, struct, threading, time\n"


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Around]:
    with surroundings(tmp_path) as made:
        yield made


def program(folder: Path, code: str, *, free: bool) -> Path:
    """The process's program in `folder`, with its modules, so that `code` is executed instead of the first call; `free`:
    without having given anything up."""
    for room in (APP, APP / "confinement", APP / "embeddings"):
        (folder / room.relative_to(APP)).mkdir(parents=True)
        for path in room.glob("*.py"):
            shutil.copyfile(path, folder / path.relative_to(APP))
    path = folder / "embeddings" / "child.py"
    text = path.read_text()
    replaced = [
        ("from __future__ import annotations\n", f"from __future__ import annotations\n{_IMPORTS}"),
        ("    server.run()\n", f"    exec({code!r}, globals())\n"),
        *([("    give_up(\n", "    (lambda *_, **__: None)(\n")] if free else []),
    ]
    for old, new in replaced:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    return path.with_name("start.py")


def tried(around: Around, folder: Path, launcher: tuple[str, ...], *, free: bool = False) -> dict[str, Any]:
    """What the code found out."""
    column = ("x86_64", "aarch64").index(os.uname().machine)
    allowed = {each[column] for each in (system_calls._ALLOWED | system_calls.FURTHER).values()}
    code = f"GIVEN, ALLOWED, EVERY, x86 = {around.given()}, {allowed}, {not free}, {column == 0}\n"
    code += f"parent, opened = int(sys.argv[3]), int(sys.argv[1])\n{CODE}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder.parent / "s"))
        start = program(folder, code, free=free)
        # As the keeper starts it. What stands before it takes its own place.
        arguments = [str(listener.fileno()), str(keeper.MEMORY), str(os.getpid())]
        done = subprocess.run(
            [*launcher, sys.executable, "-I", "-B", str(start), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/",
            env=keeper._ENVIRONMENT,
            pass_fds=[listener.fileno()],
            start_new_session=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout[:1] == b"r"
    found: dict[str, Any] = json.loads(done.stdout[1:])
    return found


@pytest.mark.parametrize("launcher", [(), ORDINARY], ids=["self", "ordinary"])
@pytest.mark.needs("landlock", "seccomp")
def test_nothing_can_be_done(around: Around, tmp_path: Path, launcher: tuple[str, ...]) -> None:
    told = tried(around, tmp_path / "program", launcher)
    # Its standard input is /dev/null, which takes everything and keeps nothing.
    assert {name for name, end in told["found"].items() if end not in REFUSED} <= {"write to the document"}
    assert told["seen"] == 0
    answered = {each[0 if os.uname().machine == "x86_64" else 1] for each in system_calls._ANSWERED.values()}
    refused = {error: set(numbers) - answered for error, numbers in told["refused"].items()}
    assert {error for error, numbers in refused.items() if numbers} == {"EPERM"}
    # Of what can be read at a place: nothing of the machine but the empty standard input.
    assert told["descriptors"] <= 1
    assert [each for each in LITTER if each.exists()] == []
    assert (around.data / "tokens.json").read_text() == "{}"


def test_it_can_be_done_without(around: Around, tmp_path: Path) -> None:
    """Or the attempts would show nothing."""
    told = tried(around, tmp_path / "program", ORDINARY, free=True)
    done = {name for name, end in told["found"].items() if end == "done"}
    assert {"read the tokens", "IPv4", "a socket with a path", "fork", "execute", "a thread", "write in /tmp"} <= done
    assert told["seen"] > 0
