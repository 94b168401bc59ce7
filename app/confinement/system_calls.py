"""Restricts the system calls of a process that needs only memory, time and its open files. This uses Linux's seccomp.

It lists the calls that are allowed, not those that are denied: every other call, also one of a later kernel, fails with
an error. So the process can't open, name or stat a file, create a socket, start a process or thread, send a signal
except to itself, or raise a limit. A refused call does not kill the process: for libraries, the kernel just lacks it.

This module imports nothing of the application, because the process that uses it does not have it. Sources: Linux's
Documentation/userspace-api/seccomp_filter.rst; include/uapi/linux/{seccomp,filter,audit}.h; the tables of calls in
arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.

Rejected: libseccomp, which has bindings (pyseccomp) and no wheel with the library itself: it would be one more system
package, for a filter with as many instructions as there are calls in the list.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Collection
from typing import NamedTuple

#: Calls without which a library can't even work on data in memory, by their numbers on x86_64 and on aarch64, which
#: lacks some of them.
_ALLOWED: dict[str, tuple[int, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "writev": (20, 66),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "poll": (7, None),
    "ppoll": (271, 73),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "epoll_pwait2": (441, 441),
    "epoll_ctl": (233, 21),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getrusage": (98, 165),
    "getrandom": (318, 278),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "tgkill": (234, 131),
    "exit": (60, 93),
    "exit_group": (231, 94),
}

#: Calls that a process may have besides, which names them: to take connections of a socket that it was given, and to send
#: without waiting on one. Both have no address in them that leads anywhere: a socket that is connected takes none.
FURTHER: dict[str, tuple[int, int | None]] = {"accept4": (288, 242), "sendto": (44, 206)}

#: The errors of other calls, where EPERM would be misunderstood. A library does without a thread that can't be started
#: now (EAGAIN). Recognition checks before each picture whether its data, which it has loaded, is still there: that call
#: succeeds without a check (no error).
_ANSWERED: dict[str, tuple[int, int | None, int]] = {
    "clone": (56, 220, errno.EAGAIN),
    "clone3": (435, 435, errno.EAGAIN),
    "statx": (332, 291, 0),
}


class _Machine(NamedTuple):
    """`audit`: the kernel's number for the architecture (AUDIT_ARCH_*). `seccomp`: the number of that call. `column`:
    its column in the table."""

    audit: int
    seccomp: int
    column: int


# Only 64-bit and little-endian ones. The calls of 32-bit programs have another architecture number, and those of x32
# have other call numbers: neither is on the list.
_MACHINES = {"x86_64": _Machine(0xC000003E, 317, 0), "aarch64": _Machine(0xC00000B7, 277, 1)}

_SET_MODE_FILTER, _GET_ACTION_AVAIL, _ALL_THREADS = 1, 2, 1
_PR_SET_NO_NEW_PRIVS = 38
_ERRNO, _ALLOW = 0x00050000, 0x7FFF0000
_PROT_EXEC = 4

# Instructions, and the offsets of the call's number, the architecture and the arguments.
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 32
Instruction = tuple[int, int, int, int]
_REFUSE: Instruction = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
_PERMIT: Instruction = (_RETURN, 0, 0, _ALLOW)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def missing() -> tuple[str, ...]:
    """What a process that confined itself could still do, as a sentence each. Changes nothing."""
    machine = _here()
    if machine is None:
        return (f"system calls are not confined: their numbers on {os.uname().machine} are not known",)
    action = ctypes.c_uint32(_ERRNO)
    if _libc().syscall(machine.seccomp, _GET_ACTION_AVAIL, 0, ctypes.byref(action)) != 0:
        return ("system calls are not confined: the kernel has no seccomp, or it is switched off",)
    return ()


def confine(further: Collection[str] = ()) -> None:
    """Restrict this process, with all its threads, to the calls on the list and those of FURTHER with these names. Does
    nothing if `missing` returns anything. Raises OSError."""
    machine = _here()
    if machine is None or missing():
        return
    libc = _libc()
    instructions = b"".join(struct.pack("=HBBI", *each) for each in _program(machine, os.getpid(), further))
    program = _Program(len(instructions) // 8, instructions)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    # More than zero is the id of a thread that already has a filter of its own; no thread of this process has one.
    if libc.syscall(machine.seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _program(machine: _Machine, pid: int, further: Collection[str] = ()) -> list[Instruction]:
    found: list[Instruction] = [(_LOAD, 0, 0, _MACHINE), (_EQUAL, 1, 0, machine.audit), _REFUSE, (_LOAD, 0, 0, _NUMBER)]
    for name, numbers in (_ALLOWED | {name: FURTHER[name] for name in further}).items():
        found += _when(numbers[machine.column], _condition(name, pid))
    for *answered, error in _ANSWERED.values():
        found += _when(answered[machine.column], [(_RETURN, 0, 0, _ERRNO | error)])
    return [*found, _REFUSE]


def _when(number: int | None, then: list[Instruction]) -> list[Instruction]:
    """`then` if it is the call with this number, otherwise what follows it."""
    return [] if number is None else [(_EQUAL, 0, len(then), number), *then]


def _condition(name: str, pid: int) -> list[Instruction]:
    """The instructions that decide about the call `name`. Only the lower half of an argument is checked, because the
    kernel uses no more."""
    if name in ("mmap", "mprotect"):
        # Written memory can't be made executable.
        return [(_LOAD, 0, 0, _THIRD_ARGUMENT), (_ANY_BIT, 0, 1, _PROT_EXEC), _REFUSE, _PERMIT]
    if name == "tgkill":
        # Only to itself: this is how a program aborts.
        return [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 0, 1, pid), _PERMIT, _REFUSE]
    return [_PERMIT]


def _here() -> _Machine | None:
    known = sys.byteorder == "little" and sys.maxsize > 1 << 32
    return _MACHINES.get(os.uname().machine) if known else None


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
