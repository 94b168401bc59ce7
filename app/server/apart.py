"""Work of gunicorn's master in a process of its own, because what it uses must not be used before a fork.

The client of an object store does not survive one (`app.storage.bucket`): were it used in the master, each worker would
wait forever. Rejected: to check nothing at the start when there is an object store (a wrong bucket would be found by the
first upload), and to preload nothing (each worker would take 100 MiB of its own).
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from app.errors import StoreError

_REFUSED = 3


def apart(work: Callable[[], None]) -> None:
    """Do `work` in a process that is forked for it, and wait for its end. Raises StoreError, with the message of the one
    that `work` raised; what else it raises is printed."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.close(reader)
            try:
                work()
                status = 0
            except StoreError as error:
                cause = f" ({error.__cause__})" if isinstance(error.__cause__, OSError) else ""
                # A pipe takes that much at once.
                os.write(writer, f"{error}{cause}".encode(errors="replace")[:4096])
                status = _REFUSED
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        sentence = pipe.read().decode(errors="replace")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise StoreError(sentence or f"the checks before the start ended with {status}")
