"""What code tries that has taken over a process which reads what strangers wrote, and what is there to be reached."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.app import ROOT

#: What it tries to write outside the store.
LITTER = [Path(folder) / "hostile-of-a-test" for folder in ("/tmp", "/dev/shm", ROOT)]
#: How an attempt ends that is refused.
REFUSED = {"EPERM", "EACCES", "EAGAIN", "EBADF", "EMFILE"}

#: The attempts. Before them, GIVEN, ALLOWED, EVERY and x86 are set, `parent` (a process) and `opened` (a descriptor).
CODE = r"""
import json, os, sys
(data, port, path_socket, abstract, environment) = GIVEN
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*arguments)
    if result < 0: raise OSError(ctypes.get_errno(), "")
    return result
def done(result, *also):
    if result < 0 and ctypes.get_errno() not in also: raise OSError(ctypes.get_errno(), "")
def write(path): os.write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), b"x")
def forked(fork):
    pid = fork()
    if pid == 0: os._exit(0)
    if pid < 0: raise OSError(ctypes.get_errno(), "")
    os.waitpid(pid, 0)
def thread():
    each = threading.Thread(target=lambda: None)
    try: each.start()
    except RuntimeError: raise OSError(errno.EAGAIN, "") from None
    each.join()
def connected(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as client: client.connect(address)
def executed(run):
    try: run()
    except FileNotFoundError: pass
def memory_executed():
    descriptor = os.memfd_create("x"); os.write(descriptor, b"#!/bin/true\n"); os.close(descriptor)
def limits():
    try: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    except ValueError: raise OSError(errno.EPERM, "") from None
tried = {
    "read another's attachment": lambda: open(data + "/attachments/x.bytes").read(),
    "read the tokens": lambda: open(data + "/tokens.json").read(),
    "change the tokens": lambda: write(data + "/tokens.json"),
    "truncate the tokens": lambda: os.truncate(data + "/tokens.json", 1),
    "remove an attachment": lambda: os.unlink(data + "/attachments/y.bytes"),
    "exchange an attachment": lambda: os.rename(data + "/attachments/z.bytes", data + "/attachments/x.bytes"),
    "list the store": lambda: os.listdir(data),
    "see a file": lambda: os.stat(data + "/tokens.json"),
    "see whether a file is there": lambda: done(libc.access((data + "/tokens.json").encode(), 0)),
    "change a mode": lambda: os.chmod(data + "/tokens.json", 0o666),
    "change an owner": lambda: os.chown(data + "/tokens.json", -1, -1),
    "change a time": lambda: os.utime(data + "/tokens.json"),
    "change an attribute": lambda: os.setxattr(data + "/tokens.json", "user.x", b"x"),
    "make a folder": lambda: os.mkdir(data + "/folder"),
    "make a link": lambda: os.symlink("/etc/passwd", data + "/link"),
    "make a second name": lambda: os.link(data + "/tokens.json", data + "/second"),
    "make a pipe with a name": lambda: os.mkfifo(data + "/pipe"),
    "go to another folder": lambda: os.chdir(data),
    "read /etc/passwd": lambda: open("/etc/passwd").read(),
    "read the server's environment": lambda: open("/proc/%d/environ" % parent).read(),
    "read its own environment": lambda: open("/proc/self/environ").read(),
    "read another process": lambda: open("/proc/%d/cmdline" % parent).read(),
    "read what it is given once more": lambda: os.open("/proc/self/fd/0", os.O_RDWR),
    "read its program": lambda: open(sys.argv[0]).read(),
    "write in /tmp": lambda: write("/tmp/hostile-of-a-test"),
    "write in /dev/shm": lambda: write("/dev/shm/hostile-of-a-test"),
    "write in the environment": lambda: write(environment + "/hostile-of-a-test"),
    "write to the document": lambda: os.write(0, b"x"),
    "make a file in memory": memory_executed,
    "memory to execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "an unnamed pipe": lambda: os.close(os.pipe()[0]),
    "IPv4": lambda: connected(socket.AF_INET, ("127.0.0.1", port)),
    "IPv6": lambda: socket.socket(socket.AF_INET6).close(),
    "UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "a socket with a path": lambda: connected(socket.AF_UNIX, path_socket),
    "a socket with a name": lambda: connected(socket.AF_UNIX, "\0" + abstract),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "a pair of sockets": lambda: [each.close() for each in socket.socketpair()],
    "io_uring": lambda: os.close(call(425, 1, ctypes.create_string_buffer(120))),
    "signal the server": lambda: os.kill(parent, 0),
    "signal everybody": lambda: os.kill(-1, 0),
    "signal a thread of the server": lambda: call(234 if x86 else 131, parent, parent, 0),
    "hold the server": lambda: os.close(call(434, parent, 0)),
    "have a signal sent": lambda: fcntl.fcntl(opened, fcntl.F_SETOWN, parent),
    "trace": lambda: done(libc.ptrace(0x4206, parent, 0, 0)),
    "fork": lambda: forked(os.fork),
    "fork by clone": lambda: forked(lambda: libc.syscall(56 if x86 else 220, signal.SIGCHLD, 0, 0, 0, 0)),
    "a thread": thread,
    "execute": lambda: executed(lambda: os.execv("/nonexistent", ["x"])),
    "its own priority": lambda: os.nice(1),
    "another end than its parent's": lambda: done(libc.prctl(1, 0, 0, 0, 0)),
    "a core of it": lambda: done(libc.prctl(4, 1, 0, 0, 0)),
    "limits": limits,
    "a key": lambda: call(248 if x86 else 217, b"user", b"x", b"x", 1, -2),
    "shared memory": lambda: done(libc.shmctl(ctypes_checked(libc.shmget(0, 4096, 0o600)), 0, 0)),
    "another name": lambda: done(libc.prctl(15, b"x", 0, 0, 0)),
}
def ctypes_checked(result):
    done(result)
    return result
found = {}
for name, attempt in tried.items():
    try:
        attempt(); found[name] = "done"
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno, str(error.errno))
# Each call that there may be, also in the numbers of x32: that it is refused is decided before its arguments are looked at.
refused = {}
if EVERY:
    for number in set(range(600)) | ({0x40000000 | each for each in range(600)} if x86 else set()):
        # The two that the kernel itself puts in the way of a traced program (uretprobe, uprobe) end who calls them.
        if number not in ALLOWED | {335, 336}:
            ctypes.set_errno(0)
            libc.syscall(number, -1, -1, -1, -1, -1, -1)
            refused.setdefault(errno.errorcode.get(ctypes.get_errno(), "done"), []).append(number)
descriptors = []
for each in range(1024):
    try: os.pread(each, 1, 0); descriptors.append(each)
    except OSError: pass
seen = ctypes.create_string_buffer(256)
libc.statx(-100, (data + "/tokens.json").encode(), 0, 0xfff, seen)
told = {"found": found, "refused": refused, "descriptors": len(descriptors), "seen": sum(seen.raw)}
os.write(1, json.dumps(told).encode())
"""


@dataclass(frozen=True)
class Around:
    """What is there to be reached: a store, and a server that listens."""

    data: Path
    port: int
    path_socket: str
    abstract: str

    def given(self) -> str:
        return repr((str(self.data), self.port, self.path_socket, self.abstract, str(ROOT)))


@contextlib.contextmanager
def surroundings(tmp_path: Path) -> Iterator[Around]:
    """All of it, with what the attempts may leave behind removed at the end."""
    data = tmp_path / "data"
    (data / "attachments").mkdir(parents=True)
    for name in ("x", "y", "z"):
        (data / "attachments" / f"{name}.bytes").write_text("secret of another")
    (data / "tokens.json").write_text("{}")
    (data / "tokens.json").chmod(0o600)
    with contextlib.ExitStack() as stack:
        tcp, path, unnamed = (
            stack.enter_context(socket.socket(each)) for each in (socket.AF_INET, *2 * [socket.AF_UNIX])
        )
        # Short, as the path of a socket must be.
        folder = Path("/tmp") if len(str(tmp_path)) > 90 else tmp_path
        place = folder / f"reader-{os.getpid()}.sock"
        abstract = f"attachment-store-{os.getpid()}-{tmp_path.name}"
        tcp.bind(("127.0.0.1", 0))
        path.bind(str(place))
        stack.callback(place.unlink)
        unnamed.bind(f"\0{abstract}")
        for listener in (tcp, path, unnamed):
            listener.listen()
        yield Around(data, tcp.getsockname()[1], str(place), abstract)
    for each in LITTER:
        each.unlink(missing_ok=True)
