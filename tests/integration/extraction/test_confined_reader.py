"""What a document can do that has taken over the process which reads it: everything is tried from inside, as whoever runs
the tests, as an ordinary user who owns the store, and where the kernel offers less."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from app.confinement import system_calls
from app.extraction.kinds import GIVERS, RECOGNIZED, Kind
from app.extraction.recognition_data import recognition_installed
from tests.support.app import ROOT
from tests.support.attempts import CODE, LITTER, REFUSED, Around, surroundings

pytestmark = pytest.mark.any_user

CALLS = ROOT / "tests" / "support" / "without_calls.py"
#: The owner of the store's files without any privilege: with another name, as the one who runs the tests may be root.
ORDINARY = ["unshare", "--user", "--map-user=1234", "--map-group=1234"]
#: As container engines do for whoever is not root.
NO_NAMESPACES = [sys.executable, str(CALLS), "unshare"]
#: Where recognition is not installed, no document of that kind is read.
KINDS = [each for each in get_args(Kind) if each not in RECOGNIZED or recognition_installed()]


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Around]:
    with surroundings(tmp_path) as made:
        yield made


def tried(
    around: Around, tmp_path: Path, launcher: list[str], kind: str = "text", *, free: bool = False, every: bool = False
) -> dict[str, Any]:
    """What the code found out. `every`: each system call is tried too."""
    if launcher and shutil.which(launcher[0]) is None:
        pytest.skip(f"{launcher[0]} missing")
    command = [*launcher, sys.executable, "-P", "-m", "tests.integration.extraction.hostile", str(tmp_path / "program")]
    environment = {"PATH": os.environ["PATH"], "KIND": kind, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return found_by([*command, "free" if free else "confined"], around, every=every, environment=environment)


def found_by(command: list[str], around: Around, *, every: bool, environment: dict[str, str]) -> dict[str, Any]:
    """What the code finds out where `command` runs tests.integration.extraction.hostile."""
    column = ("x86_64", "aarch64").index(os.uname().machine)
    allowed = {numbers[column] for numbers in system_calls._ALLOWED.values()}
    given = f"GIVEN, ALLOWED, EVERY, x86 = {around.given()}, {allowed}, {every}, {column == 0}"
    code = f"{given}\nparent, opened = int(sys.argv[6]), int(sys.argv[7])\n{CODE}"
    ended = subprocess.run(
        command, input=code, capture_output=True, text=True, check=False, timeout=300, env=environment, cwd=ROOT
    )
    assert ended.returncode == 0, ended.stderr
    reason, detail, wrote = json.loads(ended.stdout)
    assert reason is None, (reason, detail)
    found: dict[str, Any] = json.loads(wrote)
    return found


def check_that_nothing_was_done(around: Around, told: dict[str, Any], kind: str = "text") -> None:
    assert {name: end for name, end in told["found"].items() if end not in REFUSED} == {}
    # The document, its text, its errors, what it tells of itself, and where there may be any the files inside of it.
    assert told["descriptors"] == 4 + (kind in GIVERS)
    assert (around.data / "tokens.json").read_text() == "{}"
    assert sorted(each.name for each in around.data.iterdir()) == ["attachments", "tokens.json"]
    assert [each for each in LITTER if each.exists()] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("launcher", [[], ORDINARY, [*ORDINARY, *NO_NAMESPACES]], ids=["self", "ordinary", "contained"])
@pytest.mark.needs("landlock", "seccomp")
def test_nothing_can_be_done(around: Around, tmp_path: Path, launcher: list[str], kind: str) -> None:
    told = tried(around, tmp_path, launcher, kind, every=True)
    check_that_nothing_was_done(around, told, kind)
    answered = {each[:-1][0 if os.uname().machine == "x86_64" else 1] for each in system_calls._ANSWERED.values()}
    refused = {error: set(numbers) - answered for error, numbers in told["refused"].items()}
    assert {error for error, numbers in refused.items() if numbers} == {"EPERM"}
    assert told["seen"] == 0


def test_it_can_be_done_without(around: Around, tmp_path: Path) -> None:
    """Or the attempts would show nothing. Most of it by whoever owns the store and has no privilege."""
    told = tried(around, tmp_path, ORDINARY, free=True)
    never = {"write to the document", "change an owner"}
    assert {name: end for name, end in told["found"].items() if end != "done"}.keys() <= never | {"change an attribute"}
    assert told["seen"] > 0


#: What each wall alone leaves: of files, only what is told without opening them.
TOLD = {
    "see a file", "see whether a file is there", "go to another folder", "change a mode", "change an owner",
    "change a time", "change an attribute",
}  # fmt: skip


@pytest.mark.needs("landlock")
def test_without_seccomp_files_and_network_are_out_of_reach(around: Around, tmp_path: Path) -> None:
    told = tried(around, tmp_path, [*ORDINARY, sys.executable, str(CALLS), "seccomp"])
    done = {name for name, end in told["found"].items() if end == "done"}
    own = {"memory to execute", "its own priority", "another end than its parent's", "a core of it", "limits"}
    own |= {"another name", "execute", "a key", "shared memory", "have a signal sent"}
    # It reaches nobody; the kernel says so only where one process is meant.
    own |= {"signal everybody"}
    # The limit of processes holds for everybody but the user that the kernel calls root, whatever it is called here.
    own |= {"fork", "fork by clone", "a thread"}
    assert done <= TOLD | own
    assert "execute" in done


@pytest.mark.needs("seccomp")
def test_without_landlock_nothing_can_be_done_all_the_same(around: Around, tmp_path: Path) -> None:
    launcher = [*ORDINARY, sys.executable, str(CALLS), "landlock_create_ruleset,unshare"]
    check_that_nothing_was_done(around, tried(around, tmp_path, launcher))


def test_what_is_missing_is_told() -> None:
    program = (
        "from app.confinement import landlock, system_calls\n"
        "print(system_calls.missing(), landlock.offered().missing[:1])"
    )
    done = subprocess.run(
        [sys.executable, str(CALLS), "seccomp,landlock_create_ruleset", sys.executable, "-c", program],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert "system calls are not confined" in done.stdout
    assert "files are not confined" in done.stdout


def test_a_thread_more_in_this_process_is_confined_too() -> None:
    """Threads that a library started before are under the same list."""
    program = (
        "import threading, os, sys; from app.confinement import system_calls; go, end = threading.Event(), []\n"
        "def run():\n go.wait()\n try: open('/etc/passwd')\n except OSError as error: end.append(error.errno)\n"
        "each = threading.Thread(target=run); each.start(); system_calls.confine(); go.set(); each.join()\n"
        "os.write(1, b'%d' % end[0])\nos._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert (done.stdout == "1") == (not system_calls.missing())
