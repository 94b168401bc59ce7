"""SIGTERM ends `scripts/serve`, whatever Python does at that moment, and does not disturb the end that it began."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_PROGRAM = """
import os, signal, sys, time
from app.commands.serve import Stopped, raising_stopped

number = int(sys.argv[1])

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), number)
        # The handler runs here, where its exception is dropped.
        for _ in range(1000):
            pass

try:
    with raising_stopped():
        try:
            if sys.argv[2] == "dropped":
                Finalized()
            else:
                os.kill(os.getpid(), number)
            time.sleep(60)
            print("never")
        finally:
            # The orderly end takes longer than the time after which the signal is raised again.
            for _ in range(4):
                os.kill(os.getpid(), number)
                time.sleep(0.3)
            print("in order")
except Stopped:
    print("stopped")
time.sleep(0.7)
print("nothing more")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("where", ["raised", "dropped"])
def test_a_signal_stops_it_once(number: int, where: str) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(int(number)), where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "in order\nstopped\nnothing more\n"
    # That Python says what it dropped shows that this was the case.
    assert ("Exception ignored in" in done.stderr) == (where == "dropped")
