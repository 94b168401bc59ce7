"""The thread that settles what is undecided: at the start, when Elasticsearch is back, and after a process was killed.

Every worker process runs one. Entries are locked one by one, so the processes share the work and never do it twice.
"""

from __future__ import annotations

import logging
import threading

from app.errors import IndexUnavailable, StorageUnavailable
from app.services.store import Store
from app.settings import Settings

log = logging.getLogger(__name__)


class Reconciler:
    """Checks the journal every `reconcile_interval` seconds, which needs one directory listing when it is empty."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._interval = settings.reconcile_interval
        self._grace = settings.grace_time
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current work, and wait for that."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._store.index.look_after_stall()
                decided = self._store.settling.settle()
                if decided:
                    log.info("settled %d journal entries", decided)
                self._store.settling.sweep(self._grace)
            except (IndexUnavailable, StorageUnavailable):
                # Every request and /health report it; here it only means that it is done later.
                pass
            except Exception:
                log.exception("reconciling failed; it goes on")
            if self._stop.wait(self._interval):
                return
