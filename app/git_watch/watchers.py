"""All watchers of one process: their sockets on one event loop in one thread, and the scans of their workspaces.

A hundred idle watchers need a hundred sockets and no thread. Watchers of the same workspace share its scans.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from websockets.frames import CloseCode

from app.git_watch.connection import CLOSE_SECONDS, WatcherConnection
from app.git_watch.events import FileEvents
from app.git_watch.places import Place, Places
from app.git_watch.repository import Repository
from app.git_watch.scan import Locate, Scan, ScanFailed
from app.git_watch.turns import AwaitedTurns
from app.git_watch.unread import Unread

log = logging.getLogger(__name__)

#: Seconds after which a workspace is scanned in any case, and the least seconds between two scans.
MAX_PAUSE = 30.0
MIN_PAUSE = 1.0
#: Workspaces that one process scans at once, and how many of them one tenant may have: whatever its repositories do, another
#: tenant finds a place, and no single workspace can take all places of its tenant.
_SCANS = 3
_SCANS_OF_ONE = 2


@dataclass
class _Workspace:
    """A workspace while somebody watches it."""

    tenant: str
    locate: Locate
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[WatcherConnection] = field(default_factory=set)
    state: tuple[str, Mapping[str, Repository]] | None = None
    task: asyncio.Task[None] | None = None


class Watchers:
    """The watchers of one process. Nothing starts until the first watcher comes, so it may be created before a fork."""

    def __init__(self, memory: int, places: Places) -> None:
        self.places = places
        self._memory = memory
        self._lock = threading.Lock()
        self._unread: dict[str, Unread] = {}
        self._turns = AwaitedTurns(_SCANS, _SCANS_OF_ONE)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._events: FileEvents | None = None
        self._workspaces: dict[Path, _Workspace] = {}
        self._closing = False

    def add(
        self, connected: socket.socket, place: Place, folder: Path, locate: Locate, allowed: Callable[[], bool]
    ) -> None:
        """Take over a socket whose handshake is done, and its place. `folder`: what `locate` returns now."""
        with self._lock:
            if self._closing:
                connected.close()
                place.give_back()
                return
            loop = self._loop or self._start()
        asyncio.run_coroutine_threadsafe(self._add(connected, place, folder, locate, allowed), loop)

    def close(self) -> None:
        """Tell all watchers that the server is going away, and wait a few seconds for their sockets to end."""
        with self._lock:
            self._closing = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or self._pool is None or self._events is None:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._close_all(), loop).result(CLOSE_SECONDS + 2)
        self._events.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_SECONDS)

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.new_event_loop()
        self._pool = ThreadPoolExecutor(_SCANS, "git-scan")
        self._events = FileEvents(lambda folder: self._from_outside(loop, folder))
        self._thread = threading.Thread(target=loop.run_forever, name="watchers", daemon=True)
        self._thread.start()
        return loop

    def _from_outside(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._wake, folder)

    # In the loop's thread

    def _wake(self, folder: Path) -> None:
        if folder in self._workspaces:
            self._workspaces[folder].wake.set()

    async def _add(
        self, connected: socket.socket, place: Place, folder: Path, locate: Locate, allowed: Callable[[], bool]
    ) -> None:
        workspace = self._workspaces.get(folder)
        if workspace is None:
            workspace = self._workspaces[folder] = _Workspace(place.tenant, locate)
        unread = self._unread.setdefault(place.tenant, Unread())
        connection = WatcherConnection(
            workspace.wake.set, allowed, lambda gone: self._gone(folder, gone, place), unread
        )
        workspace.connections.add(connection)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, connected)
        except OSError:
            connected.close()
            self._gone(folder, connection, place)
            return
        if workspace.state is not None:
            connection.show(*workspace.state)
        workspace.wake.set()
        if workspace.task is None and workspace.connections:
            workspace.task = asyncio.get_running_loop().create_task(self._follow(folder, workspace))

    def _gone(self, folder: Path, connection: WatcherConnection, place: Place) -> None:
        place.give_back()
        workspace = self._workspaces.get(folder)
        if workspace is None:
            return
        workspace.connections.discard(connection)
        if not workspace.connections:
            del self._workspaces[folder]
            if workspace.task is not None:
                workspace.task.cancel()
            if self._events is not None:
                self._events.watch(folder, ())

    async def _follow(self, folder: Path, workspace: _Workspace) -> None:
        """Scan whenever something changed or a scan was requested, and after `MAX_PAUSE` at the latest; forever."""
        last = -MAX_PAUSE
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(workspace.wake.wait(), max(0.0, last + MAX_PAUSE - time.monotonic()))
            await asyncio.sleep(max(0.0, last + MIN_PAUSE - time.monotonic()))
            workspace.wake.clear()
            last = time.monotonic()
            scan = Scan(folder, workspace.locate, self._memory)
            try:
                while not await self._turn(workspace.tenant, scan):
                    pass
            except (ScanFailed, OSError) as error:
                log.error("a workspace could not be scanned: %s", error)
                continue
            if self._events is not None and workspace.connections:
                self._events.watch(folder, scan.folders)
            workspace.state = (_now(), scan.repositories)
            for connection in list(workspace.connections):
                connection.show(*workspace.state)

    async def _turn(self, tenant: str, scan: Scan) -> bool:
        """One turn of `scan`, when it is its tenant's turn. Returns whether it was the last."""
        # The place is free once the process has ended, not when this task is cancelled.
        give_back = await self._turns.take(tenant)
        loop = asyncio.get_running_loop()
        assert self._pool is not None

        def ended(_: Future[bool]) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(give_back)

        turn = self._pool.submit(scan.turn)
        turn.add_done_callback(ended)
        try:
            return await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            scan.stop()
            raise

    async def _close_all(self) -> None:
        for workspace in list(self._workspaces.values()):
            for connection in list(workspace.connections):
                connection.close(CloseCode.GOING_AWAY)
        end = time.monotonic() + CLOSE_SECONDS + 1
        while self._workspaces and time.monotonic() < end:
            await asyncio.sleep(0.02)


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
