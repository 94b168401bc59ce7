"""What the suite of the storage contract is run over. Whatever comes next is one class more here, and in MEDIA."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from app.errors import StorageFailed, StorageFull
from app.storage.contract import Storage
from app.storage.filesystem import Filesystem
from app.storage.memory import Memory
from app.storage.objects import Objects
from tests.contracts.life import STORE_ID, life
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, Gateway, new_prefix

ROOT = Path(__file__).parents[2]


class OnFilesystem:
    """A folder; processes that are killed; and a limit that the kernel sets to the size of files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.storage: Storage = self.another()

    #: What is raised where there is no room.
    refusals: tuple[type[StorageFull | StorageFailed], ...] = (StorageFull,)
    #: Whether large bytes that are open stay readable when they are removed or replaced.
    keeps_open = True
    #: Of so many partitions one is looked at, where a test looks at all.
    step = 1
    #: By how much fewer times races are repeated: where a step takes a request, each has more chances.
    fewer = 1

    def another(self) -> Storage:
        """What another process would have of the same storage."""
        return Filesystem(self._folder)

    def crash(self, attachment_id: str, steps: int) -> None:
        """Have a process do so many steps of a life, and kill it in the middle of the next one."""
        command = [sys.executable, "-m", "tests.contracts.life", str(self._folder), attachment_id, str(steps)]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9

    @contextlib.contextmanager
    def full(self, size: int) -> Iterator[None]:
        """Within it nothing larger than `size` bytes can be written."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


class OnS3:
    """A prefix of a bucket; processes that are killed; and a limit to the size of files, here and of the object store's."""

    #: An object store without room says that something failed in it.
    refusals: tuple[type[StorageFull | StorageFailed], ...] = (StorageFull, StorageFailed)
    keeps_open = False
    step = 100
    fewer = 4

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self._folder = folder
        self._gateway = gateway
        self._prefix = new_prefix()
        self.storage: Storage = self.another()

    def another(self) -> Storage:
        return Objects(self._gateway.where(self._prefix), self._folder, STORE_ID)

    def crash(self, attachment_id: str, steps: int) -> None:
        where = self._gateway.where(self._prefix)
        command = [sys.executable, "-m", "tests.contracts.life", str(self._folder), attachment_id, str(steps)]
        command += [where.url, self._gateway.url, ACCESS_KEY, SECRET_KEY]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9

    @contextlib.contextmanager
    def full(self, size: int) -> Iterator[None]:
        pids = (os.getpid(), self._gateway.process.pid)
        before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]
        for pid, (_, hard) in zip(pids, before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            for pid, limits in zip(pids, before, strict=True):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


class InMemory:
    """One object. To be killed is to lose what only the killed one had."""

    refusals: tuple[type[StorageFull | StorageFailed], ...] = (StorageFull,)
    keeps_open = True
    step = 1
    fewer = 1

    def __init__(self, folder: Path) -> None:
        self._memory = Memory()
        self.storage: Storage = self._memory

    def another(self) -> Storage:
        return self._memory

    def crash(self, attachment_id: str, steps: int) -> None:
        for _ in islice(life(self._memory, attachment_id), steps):
            pass

    @contextlib.contextmanager
    def full(self, size: int) -> Iterator[None]:
        before = self._memory.capacity
        self._memory.capacity = before - self._memory.room() + size
        try:
            yield
        finally:
            self._memory.capacity = before


Medium = OnFilesystem | InMemory | OnS3
MEDIA = [
    "filesystem",
    "memory",
    pytest.param("s3", marks=pytest.mark.needs("versitygw")),
]


def made(name: str, folder: Path, request: pytest.FixtureRequest) -> Medium:
    """The medium of this name, empty, with what it keeps on this machine in `folder`."""
    if name == "filesystem":
        return OnFilesystem(folder)
    return InMemory(folder) if name == "memory" else OnS3(folder, request.getfixturevalue("s3"))
