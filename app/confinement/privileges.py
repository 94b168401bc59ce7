"""What a process gives up, once it has loaded all it needs, before it looks at what strangers wrote: everything but memory,
processor time and what is open.

This module imports nothing of the application but its two walls, for the processes that use it have none of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Collection, Iterable

from app.confinement import landlock, system_calls

_NOBODY = 65534
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
#: Descriptors that a process may have while its last libraries are loaded.
_LOADING = 64


def give_up(
    parent: int,
    memory: int,
    *,
    seconds: int | None = None,
    written: int = 0,
    nicer: int = 10,
    read: Iterable[str] = (),
    last: Callable[[], object] = lambda: None,
    descriptors: int = 0,
    calls: Collection[str] = (),
) -> None:
    """Take this process's rights away for good; it ends with the thread of `parent` that started it.

    `memory`: bytes of address space. `seconds`: of processor time; None: any. `written`: the most bytes of a file. `nicer`:
    how much less it is worth to the kernel than its parent. `read`: folders that `last` needs. `last` is called when the
    network is gone, files are confined and the user has changed, but before system calls are confined: what it loads and the
    threads that it starts are all that this process has from then on. `descriptors`: the number from which on none can be
    opened. `calls`: system calls that it may make besides those that every such process may
    (`app.confinement.system_calls.FURTHER`).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    root = os.geteuid() == 0
    # A further defence, where one of the two is allowed.
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    os.nice(nicer)
    if root:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # After the change of the user, which clears it.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    most = max(_LOADING, descriptors)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # Each thread has rights of its own.
    landlock.confine(read=read)
    last()
    # No further descriptor, process or thread; where the kernel can't confine system calls, these limits remain.
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    system_calls.confine(calls)
