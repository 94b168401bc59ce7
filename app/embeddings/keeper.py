"""Keeps the process that has the model: one for a store on a machine, whichever of its worker processes starts it.

Every worker process has a keeper, a thread. The one that gets the slot of the coordination starts the process, says in the
slot where it listens, and starts it again, at growing intervals, when it has ended; when that worker ends, the kernel ends
the process and frees the slot, and another keeper takes it. A process that has stopped (it answers nothing for `HANGS`
seconds, while it looks at its socket between two pieces of work of a tenth of a second) is ended.

Its socket lies in a folder of its own in memory, which only this user can enter: the path of a data folder may be longer
than that of a socket may be, and a socket that somebody copies with the data means nothing. The next keeper removes what a
killed one has left there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from app.coordination.contract import WorkSlot, WorkSlots
from app.embeddings import messages
from app.embeddings.builtin import ask
from app.errors import EmbeddingsUnavailable, StoreError
from app.telemetry import measures

log = logging.getLogger(__name__)

#: Bytes of address space: three times what it has once the model is loaded.
MEMORY = 640 * 1024 * 1024
#: Seconds between two tries to get the slot.
LOOK = 1.0
#: Seconds within which the process is ready; it takes two.
READY = 120.0
#: Seconds between two questions how it is; and after how many without an answer it is ended.
BEAT, HANGS = 5.0, 30.0
#: Seconds until it is started again: at first, at most, and after how many it counts as one that runs.
FIRST_PAUSE, LONGEST_PAUSE, SETTLED = 0.5, 60.0, 60.0
#: Seconds after which it is seen that this keeper is to stop.
_STOPS = 0.5
_DETAIL = 300

_CHILD = Path(__file__).with_name("start.py")
_IN_MEMORY = Path("/dev/shm")
# Nothing of the server's own environment, which contains keys. One thread, whatever numpy was built with.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"),
}


class Keeper:
    """That of one worker process. `slots`: the one slot of the process; `store`: the id of the store."""

    def __init__(self, slots: WorkSlots, store: str) -> None:
        self._slots = slots
        self._prefix = f"attachment-store-embeddings-{store}-"
        self._stop = threading.Event()
        # The kernel ends what a thread has started when that thread ends: this one lasts as long as the worker.
        self._thread = threading.Thread(target=self._run, name="embeddings", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the process, if it is this one's, and wait for that."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._slots.free() as slot:
                    if slot is not None:
                        self._keep(slot)
            except (StoreError, OSError) as error:
                log.warning("the model can't be started: %s", error)
            except Exception:
                log.exception("keeping the model failed; it goes on")
            self._stop.wait(LOOK)

    def _keep(self, slot: WorkSlot) -> None:
        pause = FIRST_PAUSE
        with self._folder() as folder:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    self._one(slot, folder / "socket")
                finally:
                    slot.say({})
                pause = FIRST_PAUSE if time.monotonic() - began > SETTLED else min(2 * pause, LONGEST_PAUSE)
                self._stop.wait(pause)

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder that only this user can enter. Those of killed keepers are removed: nobody else has the slot."""
        home = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        for old in home.glob(f"{self._prefix}*"):
            shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=self._prefix, dir=home))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _one(self, slot: WorkSlot, path: Path) -> None:
        """Start a process, and see to it until it has ended."""
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener, os.fdopen(os.memfd_create("errors"), "w+b") as errors:
            listener.bind(str(path))
            path.chmod(0o600)
            process = subprocess.Popen(
                # Isolated: it imports only from the interpreter's environment, and writes no bytecode.
                [sys.executable, "-I", "-B", str(_CHILD), str(listener.fileno()), str(MEMORY), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd="/",
                env=_ENVIRONMENT,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
            # Its own alone keeps the socket open: nobody can connect to one that has ended.
            listener.close()
            with process:
                try:
                    ready = self._follow(process, slot, path)
                finally:
                    process.kill()
                process.wait()
            if not self._stop.is_set():
                said = os.pread(errors.fileno(), 1 << 16, 0).decode(errors="replace").strip()
                how = "has ended" if ready else "could not be started"
                log.warning("the model %s (status %s): %s", how, process.returncode, _last_line(said))

    def _follow(self, process: subprocess.Popen[bytes], slot: WorkSlot, path: Path) -> bool:
        """Wait for the end of a process, or until it has to be ended; whether it was ready."""
        assert process.stdout is not None
        told = select.poll()
        told.register(process.stdout, select.POLLIN)
        ready, answered = False, time.monotonic()
        while not self._stop.is_set():
            # It writes once, when it is ready, and its end closes the pipe.
            if told.poll(1000 * _STOPS):
                if not os.read(process.stdout.fileno(), 1):
                    break
                ready, answered = True, time.monotonic()
                slot.say({"socket": str(path), "process": process.pid})
                measures.embedding_process_started()
                log.info("the model is ready (process %d)", process.pid)
            now = time.monotonic()
            if not ready:
                if now - answered > READY:
                    break
            elif now - answered > BEAT:
                with contextlib.suppress(EmbeddingsUnavailable):
                    ask(str(path), messages.call("state"), now + BEAT)
                    answered = time.monotonic()
                if time.monotonic() - answered > HANGS:
                    log.warning("the model answers nothing")
                    break
        return ready


def _last_line(said: str) -> str:
    """The last line of a traceback: what happened, without where."""
    line = said.rpartition("\n")[2]
    return "".join(each if each.isprintable() else " " for each in line)[:_DETAIL]
