"""What the suite of the coordination contract is run over. Whatever comes next is one class more here."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from app.coordination.contract import Coordination
from app.coordination.local import Local
from tests.faults.conftest import mounted, remount
from tests.support.descriptors import below

ROOT = Path(__file__).parents[2]

# What a process does before its own code, and the system's calls at one of which it is killed.
_BEGIN = """
import contextlib, os, signal, sys
from pathlib import Path
from app.coordination.local import Local
coordination = Local(Path(sys.argv[1]))
def killed():
    os.kill(os.getpid(), signal.SIGKILL)
"""
_COUNTED = """
left = int(sys.argv[2])
def counted(call):
    def counting(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            killed()
        return call(*arguments, **named)
    return counting
for name in ("open", "write", "pwrite", "ftruncate", "fsync", "rename", "unlink", "utime", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
"""


class Process:
    """A process of its own on the same store, which goes on when it is told to."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def hear(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def go_on(self) -> None:
        """Let it read a line."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """What is left of it ends too: it hears nothing any more."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def end(self) -> int:
        """Let it come to its end; its exit code."""
        self._process.communicate(timeout=120)
        return self._process.returncode


class OnOneMachine:
    """A data folder, and processes of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.coordination: Coordination = self.another()

    def another(self) -> Coordination:
        """What another process would have of the same store."""
        return Local(self.folder)

    @contextlib.contextmanager
    def process(self, code: str) -> Iterator[Process]:
        """A process that runs `code`, in which `coordination` is its own; killed at the end of the block."""
        process = Process([sys.executable, "-c", _BEGIN + code, str(self.folder)])
        try:
            yield process
        finally:
            process.kill()
            process.close()

    def killed_in(self, code: str, calls: int) -> bool:
        """Have a process run `code` as far as so many calls of the system; whether it was killed before its end."""
        command = [sys.executable, "-c", _BEGIN + _COUNTED + code, str(self.folder), str(calls)]
        status = subprocess.run(command, cwd=ROOT, check=False, timeout=120).returncode
        assert status in (0, -9)
        return status == -9

    def damage(self, name: str) -> None:
        """Have what lies under a name that was told be unreadable."""
        path = self.folder / name
        path.unlink()
        path.mkdir()

    def intrude(self, name: str) -> None:
        """Put something there that is not of the store."""
        (self.folder / name).touch()

    def room(self) -> int:
        """Bytes that all of it takes."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def held(self) -> int:
        """How many things this process holds of the medium: descriptors."""
        return len(below(self.folder))

    @contextlib.contextmanager
    def full(self, size: int = 0) -> Iterator[None]:
        """Within it nothing larger than `size` bytes can be written."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Within it nothing can be written. Needs root."""
        with mounted("--bind", str(self.folder), on=self.folder):
            remount(self.folder, "ro,bind")
            yield

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """Within it the medium is not there."""
        aside = self.folder.with_name("aside")
        os.rename(self.folder, aside)
        try:
            yield
        finally:
            os.rename(aside, self.folder)


class OnDevice(OnOneMachine):
    """The same on a device of its own, whose power can be cut. Needs root."""

    def __init__(self, folder: Path) -> None:
        self._image = folder.with_name("image")
        self._disk = folder.with_name("disk")
        self._stack = contextlib.ExitStack()
        with self._image.open("wb") as file:
            file.truncate(8 * 1024 * 1024)
        subprocess.run(["mkfs.ext4", "-q", str(self._image)], check=True)
        self._disk.mkdir()
        # Nothing is written by the clock, only by fsync.
        self._stack.enter_context(mounted("-o", "loop,commit=600,noatime", str(self._image), on=self._disk))
        super().__init__(self._disk / "data")
        self.sync()

    def sync(self) -> None:
        """Have all that is there be durable."""
        subprocess.run(["sync", "--file-system", str(self._disk)], check=True)

    @contextlib.contextmanager
    def after_power_cut(self) -> Iterator[Coordination]:
        """What there would be had the power gone just now: a copy of the device, without what only the kernel knew."""
        copy, after = self._image.with_name("copy"), self._image.with_name("after")
        shutil.copyfile(self._image, copy)
        after.mkdir(exist_ok=True)
        with mounted("-o", "loop", str(copy), on=after):
            yield Local(after / "data")

    def close(self) -> None:
        self._stack.close()


COORDINATIONS = {"local": OnOneMachine}
#: Those that have something to lose with the power.
WITH_POWER = {"local": OnDevice}
