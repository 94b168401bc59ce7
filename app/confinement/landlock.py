"""Confines a process that reads strangers' files: the kernel lets it use only what it is given. This uses Linux's
Landlock.

A process confines itself, once it has what it needs, and can't undo that; processes that it starts are confined too.
The kernel checks where a file is at the moment it is opened, so no link, however it is exchanged, leads anywhere else.
Landlock does not restrict stat, UDP, or sockets that have a path.

This module imports nothing of the application, because the processes that use it do not have it. Source: Linux's
Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h, up to version 7 of its interface (Linux
6.15).
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

# The same on every architecture that has Landlock.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION, _RULE_PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_REG, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15
#: The rights that can be allowed on a file that is not a folder.
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_READ = _READ_FILE | _READ_DIR
# No links, devices, pipes or sockets can be created, and no written file can be executed.
_WRITE = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _REMOVE_FILE | _REMOVE_DIR | _REFER

# Rights on files, on TCP (bind and connect) and scopes (abstract sockets, signals), each from the version that brought them.
_FILES = ((1, (1 << 13) - 1), (2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))
_TCP = ((4, 0b11),)
_SCOPES = ((6, 0b11),)


#: A path, or an open descriptor.
Place = str | int


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class Landlock(NamedTuple):
    """What this machine's Landlock can do; `version` 0: there is none, or it is switched off."""

    version: int

    @property
    def missing(self) -> tuple[str, ...]:
        """What a process that confined itself could still do, as a sentence each."""
        found = []
        if self.version < 1:
            found.append("files are not confined: the kernel has no Landlock, or it is switched off")
        elif self.version < 3:
            found.append(f"files may be truncated: Landlock has version {self.version}, and 3 is needed")
        if self.version < 4:
            found.append(f"TCP is not confined: Landlock has version {self.version}, and 4 is needed")
        if self.version < 6:
            found.append(f"signals are not confined: Landlock has version {self.version}, and 6 is needed")
        return tuple(found)

    def files(self) -> int:
        """All rights on files that it knows."""
        return self._all(_FILES)

    def ruleset(self) -> tuple[_Ruleset, int]:
        """Everything that this version knows, to be denied, and its size in bytes: a kernel accepts no more than it
        knows."""
        size = 24 if self.version >= 6 else 16 if self.version >= 4 else 8
        return _Ruleset(self.files(), self._all(_TCP), self._all(_SCOPES)), size

    def _all(self, rights: tuple[tuple[int, int], ...]) -> int:
        return sum(each for since, each in rights if since <= self.version)


def offered() -> Landlock:
    """What this machine's kernel offers. Changes nothing."""
    return Landlock(max(0, _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)))


def confine(read: Iterable[Place] = (), execute: Iterable[Place] = (), write: Iterable[Place] = ()) -> Landlock:
    """Leave this process only these files and folders (with everything below), no TCP, no abstract sockets and no
    signals to others, as far as `offered` has that. `execute` can be read too, and so can `write`. A path that somebody
    could exchange must be given as a descriptor.

    For a process with one thread: its other threads would not be confined. Open files stay open. Raises OSError, also
    for a missing path; then only future privileges are given up.
    """
    libc, landlock = _libc(), offered()
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if landlock.version < 1:
        return landlock
    denied, size = landlock.ruleset()
    ruleset = _checked(libc.syscall(_CREATE_RULESET, ctypes.byref(denied), ctypes.c_size_t(size), 0))
    try:
        for places, rights in ((read, _READ), (execute, _READ | _EXECUTE), (write, _WRITE)):
            for place in places:
                _allow(libc, ruleset, place, rights & landlock.files())
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return landlock


def _allow(libc: ctypes.CDLL, ruleset: int, place: Place, rights: int) -> None:
    descriptor = os.dup(place) if isinstance(place, int) else os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        rule = _PathBeneath(rights, descriptor)
        _checked(libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(descriptor)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
