"""File events of many workspaces on one thread and one notifier: the system limits notifiers, and there may be many
watchers.

Folders are watched one by one, not recursively: the notifier's own recursion follows links to anywhere.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles._rust_notify import RustNotify

log = logging.getLogger(__name__)

_DEBOUNCE_MS = 150
_STEP_MS = 50
_LOOK_MS = 5_000


class FileEvents:
    """Calls `changed(key)`, in its own thread, when something happens in the folders of that key."""

    def __init__(self, changed: Callable[[Path], None]) -> None:
        self._changed = changed
        self._folders: dict[Path, frozenset[str]] = {}
        self._lock = threading.Lock()
        self._again = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="file-events", daemon=True)
        self._thread.start()

    def watch(self, key: Path, folders: Iterable[str]) -> None:
        """Watch these folders for `key`, instead of earlier ones; without folders, `key` is no longer watched."""
        wanted = frozenset(folders)
        with self._lock:
            if self._folders.get(key, frozenset()) == wanted:
                return
            if wanted:
                self._folders[key] = wanted
            else:
                self._folders.pop(key, None)
        self._again.set()

    def close(self) -> None:
        """End the thread; does not wait for it."""
        self._ended = True
        self._again.set()

    def _run(self) -> None:
        watched: dict[Path, frozenset[str]] = {}
        while not self._ended:
            self._again.clear()
            with self._lock:
                wanted = dict(self._folders)
            notifier = self._notifier(wanted)
            # Something may have happened in new folders before they were watched.
            for key in [key for key, folders in wanted.items() if watched.get(key) != folders]:
                self._changed(key)
            watched = wanted
            if notifier is None:
                self._again.wait()
                continue
            with notifier:
                self._follow(notifier, wanted)

    def _notifier(self, wanted: dict[Path, frozenset[str]]) -> RustNotify | None:
        folders = sorted(folder for folder in frozenset().union(*wanted.values()) if os.path.isdir(folder))
        if not folders:
            return None
        try:
            return RustNotify(folders, False, False, 0, False, True)
        except FileNotFoundError:
            # A folder was just removed; the scan that this causes finds out which.
            return None
        except (OSError, RuntimeError) as error:
            log.warning("no file events (%s): changes are found by the regular scans only", type(error).__name__)
            return None

    def _follow(self, notifier: RustNotify, wanted: dict[Path, frozenset[str]]) -> None:
        while not self._again.is_set():
            changes = notifier.watch(_DEBOUNCE_MS, _STEP_MS, _LOOK_MS, self._again)
            if not isinstance(changes, set):
                continue
            places = {path for _, path in changes} | {os.path.dirname(path) for _, path in changes}
            for key, folders in wanted.items():
                if not folders.isdisjoint(places):
                    self._changed(key)
