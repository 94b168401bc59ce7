"""What a test of this folder may do: compute, in this process. It starts no other one and reaches no address.

The interpreter itself tells: each of these raises an audit event before it happens, whatever library asks for it. A mark on
each test that needs more was rejected: nobody would notice a test that lacks it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

#: What the interpreter calls the start of a process and the use of a network address.
FORBIDDEN = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.system",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.sendto",
        "subprocess.Popen",
    }
)

#: What the test that runs did of it; None while none of this folder's runs.
_done: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in FORBIDDEN and _done is not None:
        _done.append(f"{event}{arguments[:2]}")
        raise RuntimeError(f"a test of tests/unit starts no process and reaches no address: {_done[-1]}")


# There is no way to take it out again, so it outlives this folder's tests, and then only looks.
sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def in_this_process_alone() -> Iterator[None]:
    """Fail the test that does one of these, even when it survives the error that this gives."""
    global _done
    done: list[str] = []
    _done = done
    yield
    _done = None
    if done:
        pytest.fail(f"belongs to another folder of tests: {'; '.join(done)}", pytrace=False)
