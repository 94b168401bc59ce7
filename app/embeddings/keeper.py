"""Keeps the model's process running: one process for each store on a machine, however many workers the store has.

Every worker process has a keeper, which is a thread. One keeper gets the slot of the coordination. It starts the
process, writes into the slot where the process listens, and restarts it, at growing intervals, whenever it has ended.
When that worker ends, the kernel ends the process and frees the slot, and another keeper takes it.

The process looks at its socket between two pieces of work, each about a tenth of a second. If it answers nothing for
`HANGS` seconds, the keeper ends it.

The socket lies in a folder in memory (/dev/shm) that only this user can enter, and not in the data folder: the path of
a data folder may be too long for a socket, and a socket makes no sense in a copy of the data. The next keeper removes
the folder that a killed one has left.
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

from app.confinement.environment import ENVIRONMENT
from app.coordination.contract import WorkSlot, WorkSlots
from app.embeddings import messages
from app.embeddings.builtin import ask
from app.errors import EmbeddingsUnavailable, StoreError
from app.telemetry import measures

log = logging.getLogger(__name__)

#: Bytes of address space: three times what the process uses when the model is loaded.
MEMORY = 640 * 1024 * 1024
#: Seconds between two attempts to get the slot.
LOOK = 1.0
#: Seconds within which the process has to be ready. It usually takes two.
READY = 120.0
#: Seconds between two questions for its state; and seconds without an answer after which it is ended.
BEAT, HANGS = 5.0, 30.0
#: Seconds before a restart: the first pause, and the longest. A process that ran for `SETTLED` seconds resets the
#: pause.
FIRST_PAUSE, LONGEST_PAUSE, SETTLED = 0.5, 60.0, 60.0
#: Seconds after which a keeper notices that it is to stop.
_STOPS = 0.5
_DETAIL = 300

_CHILD = Path(__file__).with_name("start.py")
_IN_MEMORY = Path("/dev/shm")
# One thread, whichever library numpy was built with.
_ENVIRONMENT = {
    **ENVIRONMENT,
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"),
}


class Keeper:
    """The keeper of one worker process. `slots`: has one slot, for the model's process. `store`: the id of the
    store."""

    def __init__(self, slots: WorkSlots, store: str) -> None:
        self._slots = slots
        self._prefix = f"attachment-store-embeddings-{store}-"
        self._stop = threading.Event()
        # The kernel ends the model's process when the thread that started it ends. This thread lasts as long as the
        # worker.
        self._thread = threading.Thread(target=self._run, name="embeddings", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the process, if this keeper has started it, and wait for its end."""
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
        """A folder that only this user can enter. It removes the folders of killed keepers; no living one has a folder,
        as this keeper has the slot."""
        home = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        for old in home.glob(f"{self._prefix}*"):
            shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=self._prefix, dir=home))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _one(self, slot: WorkSlot, path: Path) -> None:
        """Start a process, and look after it until it has ended."""
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
            # From here on only the process keeps the socket open, so nobody can connect once it has ended.
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
        """Wait until the process has ended, or has to be ended. Returns whether it ever was ready."""
        assert process.stdout is not None
        told = select.poll()
        told.register(process.stdout, select.POLLIN)
        ready, answered = False, time.monotonic()
        while not self._stop.is_set():
            # The process writes one byte when it is ready. When it ends, the pipe is closed.
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
    """The last line of a traceback, which says what happened, in printable characters."""
    line = said.rpartition("\n")[2]
    return "".join(each if each.isprintable() else " " for each in line)[:_DETAIL]
