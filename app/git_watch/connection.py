"""One watcher's WebSocket after its handshake: frames in and out, pings, and the states that it was sent so far.

Protocol: RFC 6455, by the sans-I/O implementation of websockets; messages as in Coder's git watch.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from app.git_watch.repository import Repository
from app.git_watch.unread import Unread

#: Seconds between pings; a client that does not answer two of them, or does not read for that long, counts as gone.
PING_INTERVAL = 15.0
#: The longest message of a client, in bytes.
MAX_MESSAGE = 64 * 1024
#: Seconds that a client has to answer a close.
CLOSE_SECONDS = 2.0

_UNKNOWN = {"type": "error", "message": "unknown message type"}


class WatcherConnection(asyncio.Protocol):
    """`refresh` is called when the client asks for a refresh; `allowed` returns whether the watcher may still watch;
    `gone` is called when the connection has ended."""

    def __init__(
        self,
        refresh: Callable[[], None],
        allowed: Callable[[], bool],
        gone: Callable[[WatcherConnection], None],
        unread: Unread,
    ) -> None:
        self._unread = unread
        self._refresh = refresh
        self._allowed = allowed
        self._gone = gone
        self._protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=MAX_MESSAGE)
        self._message = bytearray()
        # Digests, because a state itself contains whole diffs.
        self._told: dict[str, bytes] = {}
        self._latest: tuple[str, Mapping[str, Repository]] | None = None
        self._paused = False
        self._unanswered = 0
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(PING_INTERVAL, self._ping)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._events()

    def eof_received(self) -> bool:
        self._protocol.receive_eof()
        self._events()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        self._unread.release(self)
        self._gone(self)

    def pause_writing(self) -> None:
        # A client that does not read gets no more answers to its messages either.
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._unanswered = 0
        self._unread.release(self)
        if self._transport is not None:
            self._transport.resume_reading()
        self._tell()

    # Called by the watchers

    def show(self, scanned_at: str, repositories: Mapping[str, Repository]) -> None:
        """Send what is new since the last call; while the client does not read, only the latest state is kept."""
        self._latest = (scanned_at, repositories)
        self._tell()

    def close(self, code: CloseCode) -> None:
        """Begin the closing handshake; the connection ends `CLOSE_SECONDS` later at the latest."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code)
            self._flush()
        if self._transport is not None:
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    def _tell(self) -> None:
        if self._latest is None or self._paused or self._protocol.state is not State.OPEN:
            return
        if not self._unread.admits(self, self._tell):
            return
        if not self._allowed():
            self.close(CloseCode.POLICY_VIOLATION)
            return
        scanned_at, repositories = self._latest
        self._latest = None
        changes: list[dict[str, Any]] = [
            {
                "repo_root": each.repo_root,
                "branch": each.branch,
                "remote_origin": each.remote_origin,
                "unified_diff": each.unified_diff,
            }
            for root, each in repositories.items()
            if self._told.get(root) != each.digest
        ]
        changes += [{"repo_root": root, "removed": True} for root in self._told if root not in repositories]
        self._told = {root: each.digest for root, each in repositories.items()}
        if changes:
            self._send({"type": "changes", "scanned_at": scanned_at, "repositories": changes})

    def _send(self, message: dict[str, Any]) -> None:
        if self._protocol.state is State.OPEN:
            content = json.dumps(message, separators=(",", ":")).encode()
            self._protocol.send_text(content)
            self._flush()
            if self._paused:
                self._unread.hold(self, len(content))

    def _ping(self) -> None:
        if self._transport is None:
            return
        self._timer = asyncio.get_running_loop().call_later(PING_INTERVAL, self._ping)
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            # The client reads, if slowly.
            self._unanswered = 0
        self._unsent = unsent
        if self._unanswered >= 2:
            self._transport.abort()
        elif not self._allowed():
            self.close(CloseCode.POLICY_VIOLATION)
        elif self._protocol.state is State.OPEN:
            self._unanswered += 1
            if not self._paused:
                self._protocol.send_ping(b"")
                self._flush()

    def _events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event)
        self._flush()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._unanswered = 0
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._message += frame.data
        if frame.fin:
            message, self._message = bytes(self._message), bytearray()
            if _is_refresh(message):
                self._refresh()
            else:
                self._send(_UNKNOWN)

    def _flush(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()
        if self._protocol.close_expected():
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, transport.abort)


def _is_refresh(message: bytes) -> bool:
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("type") == "refresh"
