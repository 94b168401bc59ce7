"""How long this machine stood still: for tests of what must not wait, on machines that do at times."""

from __future__ import annotations

import threading
import time

#: Seconds between two looks at the clock; what a look is later than that is a pause.
STEP = 0.02


class Pauses:
    """Counts within its block. `seconds`: what a thread that only sleeps overslept."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pauses", daemon=True)

    def __enter__(self) -> Pauses:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        before = time.monotonic()
        while not self._stop.wait(STEP):
            now = time.monotonic()
            self.seconds += max(0.0, now - before - STEP)
            before = now
