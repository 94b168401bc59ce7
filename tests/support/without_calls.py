"""Runs a command as on a machine whose kernel lacks some calls: `python without_calls.py NAME[,NAME...] COMMAND...`

Older kernels and container engines do the same: the call is answered with ENOSYS, here by a filter of system calls that the
command and all it starts keep. Source: Linux's Documentation/userspace-api/seccomp_filter.rst.
"""

import ctypes
import errno
import os
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
#: On x86_64 and on aarch64.
_NUMBERS = {
    "landlock_create_ruleset": (444, 444),
    "seccomp": (317, 277),
    "unshare": (272, 97),
    "pidfd_open": (434, 434),
}


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]


if __name__ == "__main__":
    column = ("x86_64", "aarch64").index(os.uname().machine)
    program = [(_LOAD, 0, 0, 0)]
    for name in sys.argv[1].split(","):
        program += [(_EQUAL, 0, 1, _NUMBERS[name][column]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    program.append((_RETURN, 0, 0, _ALLOW))
    libc = ctypes.CDLL(None, use_errno=True)
    given = _Filter(len(program), b"".join(struct.pack("=HBBI", *each) for each in program))
    for call in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(given))):
        if libc.prctl(*call) != 0:
            sys.exit(os.strerror(ctypes.get_errno()))
    os.execvp(sys.argv[2], sys.argv[2:])
