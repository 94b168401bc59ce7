"""A door run on a terminal, as a person sees it: `door` in doors.py runs it on pipes, as a script does."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import termios
import time
from dataclasses import dataclass

from tests.support.app import ROOT, Server

#: Seconds until a door has said what is waited for, on a busy machine.
PATIENCE = 120.0


@dataclass(frozen=True)
class Seen:
    """How it ended; what stood on the terminal, and what went to the pipe that was stdout."""

    code: int
    screen: str
    stdout: str


def on_terminal(server: Server, *words: str, answer: str | None = None, **environment: str) -> Seen:
    """Run `scripts/<first word> <rest>` with stdin and stderr on a terminal; type `answer` when it asks."""
    name, *arguments = words
    ours, theirs = pty.openpty()
    # A new one has no width, and nothing is drawn on that.
    termios.tcsetwinsize(theirs, (24, 80))
    try:
        with subprocess.Popen(
            [str(ROOT / "scripts" / name), *arguments],
            env={**os.environ, **server.environment, "TERM": "xterm", **environment},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            screen = b""
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                if select.select([ours], [], [], 0.1)[0]:
                    # The terminal of a process that ended reads as an error.
                    with contextlib.suppress(OSError):
                        screen += os.read(ours, 65536)
                        if answer is not None and b"to do it: " in screen:
                            os.write(ours, f"{answer}\n".encode())
                            answer = None
                        continue
                if process.poll() is not None:
                    break
            else:
                process.kill()
                raise TimeoutError(screen.decode(errors="replace"))
            assert process.stdout is not None
            return Seen(process.wait(), screen.decode(errors="replace"), process.stdout.read())
    finally:
        os.close(ours)
