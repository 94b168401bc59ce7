"""What the suite of the storage contract is run over. Whatever comes next is one class more here, and in MEDIA."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from app.storage.contract import Storage
from app.storage.filesystem import Filesystem
from app.storage.memory import Memory
from tests.contracts.life import life

ROOT = Path(__file__).parents[2]


class OnFilesystem:
    """A folder; processes that are killed; and a limit that the kernel sets to the size of files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.storage: Storage = self.another()

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


class InMemory:
    """One object. To be killed is to lose what only the killed one had."""

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


Medium = OnFilesystem | InMemory
MEDIA: dict[str, type[OnFilesystem] | type[InMemory]] = {"filesystem": OnFilesystem, "memory": InMemory}
