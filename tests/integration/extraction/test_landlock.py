"""What a process can still do once it has confined itself: each tried from inside, beside the same without."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.confinement import landlock
from app.confinement.landlock import Landlock

pytestmark = pytest.mark.any_user

#: The kernel's own error for what is denied, and what a scope or a right denies as not permitted.
DENIED = ("EACCES", "EPERM")

PROGRAM = r"""
import errno, importlib.util, json, os, signal, socket, subprocess, sys
place, here, version, confined = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "confined"
tcp, abstract = json.loads(sys.argv[5])
spec = importlib.util.spec_from_file_location("landlock", place)
module = importlib.util.module_from_spec(spec); sys.modules["landlock"] = module; spec.loader.exec_module(module)
if version < 99:
    module.offered = lambda: module.Landlock(version)
def abstract_socket():
    with socket.socket(socket.AF_UNIX) as client: client.connect("\0" + abstract)
def loopback(port):
    with socket.socket() as client: client.connect(("127.0.0.1", port))
def listening():
    with socket.socket() as server: server.bind(("127.0.0.1", 0))
def read(path): open(path, "rb").read(1)
def write(path): os.write(os.open(path, os.O_WRONLY | os.O_CREAT), b"x")
def executed(program): subprocess.run([program, here + "/read/file"], check=True, capture_output=True)
tried = {
    "read": lambda: read("read/file"),
    "listed": lambda: os.listdir("read"),
    "write": lambda: write("write/new"),
    "folder": lambda: os.mkdir("write/folder"),
    "execute": lambda: executed("/usr/bin/cat"),
    "read elsewhere": lambda: read("elsewhere/file"),
    "listed elsewhere": lambda: os.listdir("elsewhere"),
    "read through a link": lambda: read("read/link/file"),
    "read through /proc": lambda: read(f"/proc/self/root{here}/elsewhere/file"),
    "read a process": lambda: read("/proc/self/environ"),
    "read upwards": lambda: read("read/../elsewhere/file"),
    "write where one may read": lambda: write("read/file"),
    "write elsewhere": lambda: write("elsewhere/new"),
    "truncate": lambda: os.truncate("read/file", 0),
    "remove": lambda: os.unlink("read/other"),
    "pipe": lambda: os.mkfifo("write/pipe"),
    "symbolic link": lambda: os.symlink("/etc/passwd", "write/symlink"),
    "hard link": lambda: os.link("elsewhere/file", "write/hardlink"),
    "moved in": lambda: os.rename("elsewhere/other", "write/moved"),
    "execute another": lambda: executed("/usr/bin/head"),
    "execute what was written": lambda: executed(here + "/write/program"),
    "connect": lambda: loopback(tcp),
    "bind": listening,
    "abstract socket": abstract_socket,
    "signal": lambda: os.kill(os.getppid(), 0),
}
os.chdir(here)
if confined:
    libraries = [each for each in ("/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache") if os.path.exists(each)]
    module.confine(read=["read"], execute=["/usr/bin/cat", *libraries], write=["write"])
found = {}
for name, attempt in tried.items():
    try:
        attempt(); found[name] = "done"
    except OSError as error:
        found[name] = errno.errorcode[error.errno]
print(json.dumps(found))
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for folder in ("read", "write", "elsewhere"):
        (tmp_path / folder).mkdir()
        for name in ("file", "other"):
            (tmp_path / folder / name).write_text("content\n")
    (tmp_path / "read" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "write" / "program").write_bytes(Path("/usr/bin/cat").read_bytes())
    (tmp_path / "write" / "program").chmod(0o755)
    return tmp_path


def tried(here: Path, confined: bool, version: int = 99) -> dict[str, str]:
    """What each attempt ended in: `done`, or the name of the error."""
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as abstract:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        name = f"attachment-store-{os.getpid()}-{here}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        arguments = [str(here), str(version), "confined" if confined else "free"]
        ended = subprocess.run(
            [sys.executable, "-I", "-c", PROGRAM, landlock.__file__, *arguments,
             json.dumps([tcp.getsockname()[1], name])],
            capture_output=True, text=True, check=False, start_new_session=True,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found: dict[str, str] = json.loads(ended.stdout)
    return found


ALLOWED = ("read", "listed", "write", "folder", "execute")


@pytest.mark.needs("landlock")
def test_nothing_is_left_but_what_was_given(here: Path) -> None:
    found = tried(here, confined=True)
    assert {name: found.pop(name) for name in ALLOWED} == dict.fromkeys(ALLOWED, "done")
    # A link between folders is told as one between file systems.
    assert found.pop("hard link") in (*DENIED, "EXDEV")
    assert found.pop("moved in") in (*DENIED, "EXDEV")
    assert {name: end for name, end in found.items() if end not in DENIED} == {}


def test_all_of_it_can_be_done_without(here: Path) -> None:
    """Or the attempts would show nothing."""
    assert set(tried(here, confined=False).values()) == {"done"}


@pytest.mark.needs("landlock")
@pytest.mark.parametrize("version", range(1, 8))
def test_an_older_landlock_denies_what_it_knows(here: Path, version: int) -> None:
    found = tried(here, confined=True, version=version)
    done = {name for name, end in found.items() if end == "done"}
    assert done >= set(ALLOWED)
    since = {"truncate": 3, "connect": 4, "bind": 4, "abstract socket": 6, "signal": 6}
    assert done - set(ALLOWED) == {name for name, first in since.items() if version < first}


def test_without_landlock_everything_is_as_before(here: Path) -> None:
    assert set(tried(here, confined=True, version=0).values()) == {"done"}


def test_what_is_missing_has_a_sentence() -> None:
    assert Landlock(7).missing == Landlock(6).missing == ()
    assert Landlock(5).missing == ("signals are not confined: Landlock has version 5, and 6 is needed",)
    assert [each.partition(" ")[0] for each in Landlock(2).missing] == ["files", "TCP", "signals"]
    assert Landlock(0).missing[0] == "files are not confined: the kernel has no Landlock, or it is switched off"


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """In a process of its own, as privileges are given up before."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); import landlock; landlock.confine(read=[sys.argv[2]])"
    folder = str(Path(landlock.__file__).parent)
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program, folder, str(tmp_path / "none")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if landlock.offered().version:
        assert "FileNotFoundError" in ended.stderr
    else:
        assert ended.returncode == 0
