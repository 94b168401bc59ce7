"""gunicorn's threaded worker, less what lets a few slow clients stop it.

Its own worker hands a new connection to a thread at once, which then waits for the head of the request for as long as the
client likes, and it closes connections on its only event loop, up to two seconds each. Here the event loop collects the
head, so that a thread gets whole heads only; connections that stay silent cost a descriptor and no thread, and the oldest
of them makes room when there are too many; closing waits in the event loop too; and `app.http.pace` sees to it that
bodies and answers move. A worker whose threads are all taken accepts no connection, so that another worker takes it.

Rejected: an event loop for everything (files are read and written by blocking calls), and leaving it to nginx alone:
who runs the server without it must not be stopped by one script.
"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import time
from collections import deque
from functools import partial
from typing import Any

from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.http.pace import Transfer, Watch
from app.settings import Settings

#: Bytes that are taken from a connection at once.
PIECE = 64 * 1024
#: Seconds that a closed connection is kept for the client to take the last answer, and bytes that it may still send.
CLOSING_SECONDS = 2.0
CLOSING_SIZE = 1024 * 1024

_HEAD_END = re.compile(rb"\n\r?\n")
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Unreader(SocketUnreader):  # type: ignore[misc]
    """Tells the watch when the thread waits for the client, and what came."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.transfer: Transfer | None = None

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes | bytearray:
        """Bytes of a body go straight into what is returned: gunicorn's own way copies each of them several times."""
        if size is None or size <= 0:
            return bytes(super().read(size, read_ahead))
        held = self.take_buffered()
        if len(held) >= size:
            self.unread(held[size:])
            return bytes(held[:size])
        data = bytearray(size)
        data[: len(held)] = held
        count = len(held)
        with memoryview(data) as view:
            while count < size:
                received = self._receive_into(view[count:])
                if not received:
                    break
                count += received
        del data[count:]
        return data

    def _receive_into(self, view: memoryview) -> int:
        transfer = self.transfer
        if transfer is None:
            return int(self.sock.recv_into(view))
        transfer.waiting = True
        try:
            count = int(self.sock.recv_into(view))
        finally:
            transfer.waiting = False
        transfer.received += count
        return count

    def chunk(self, size_hint: int | None = None) -> bytes:
        if self.transfer is None:
            return bytes(super().chunk(size_hint))
        self.transfer.waiting = True
        try:
            data = bytes(super().chunk(size_hint))
        finally:
            self.transfer.waiting = False
        self.transfer.received += len(data)
        return data


class Worker(ThreadWorker):  # type: ignore[misc]
    """`worker_class` of app.server. TLS ends before it, in a proxy."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.closing_conns: deque[TConn] = deque()
        #: Requests that have a thread or wait for one.
        self.requests = 0

    def limit(self, settings: Settings) -> None:
        """Take from `settings` how many, how slow and how large clients may be. Called once, before `init_process`."""
        self.head_seconds = settings.head_timeout
        self.head_size = settings.max_head_size
        self.most_connections = settings.max_connections
        self.watch = Watch(settings.min_transfer_rate, settings.transfer_window)

    def init_process(self) -> None:
        self.watch.start()
        super().init_process()

    # Arriving

    def accept(self, listener: Any) -> None:
        if not self._accepting:
            # Told together with the request that took the last thread.
            return
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        if self.nr_conns > self.most_connections:
            self._make_room()
        conn = TConn(self.cfg, client, address, listener.getsockname())
        self._collect(conn)
        # Most heads have come already: the next connection is not accepted for a thread that this request takes.
        self._read_head(conn, client)

    def on_client_socket_readable(self, conn: TConn, client: Any) -> None:
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._collect(conn)
        self._read_head(conn, client)

    def _collect(self, conn: TConn) -> None:
        """Wait for the head of a request."""
        conn.head = bytearray()
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.head_seconds
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, 1, partial(self._read_head, conn))

    def _read_head(self, conn: TConn, client: Any) -> None:
        try:
            data = client.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        searched = max(0, len(conn.head) - 2)
        conn.head += data
        whole = _HEAD_END.search(conn.head, searched)
        within = (whole.end() if whole else len(conn.head)) <= self.head_size
        if data and not whole and within:
            return
        self.pending_conns.remove(conn)
        self.poller.unregister(client)
        if whole and within:
            self.enqueue_req(conn)
            return
        if data:
            with contextlib.suppress(OSError):
                client.send(_TOO_LARGE)
        self._half_close(conn)

    def _make_room(self) -> None:
        """Close the connection that has been silent longest."""
        for idle in (self.pending_conns, self.keepalived_conns, self.closing_conns):
            if idle:
                self._drop(idle.popleft())
                return

    # Being served

    def enqueue_req(self, conn: TConn) -> None:
        self.requests += 1
        if self.requests >= self.cfg.threads:
            # The loop of gunicorn accepts again once one is finished.
            self.set_accept_enabled(False)
        super().enqueue_req(conn)

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled and self.requests < self.cfg.threads)

    def handle(self, conn: TConn) -> Any:
        if not conn.initialized:
            conn.init()
            conn.parser.unreader = _Unreader(conn.sock)
        unreader = conn.parser.unreader
        unreader.unread(bytes(conn.head))
        conn.head = bytearray()
        unreader.transfer = self.watch.begin(conn.sock)
        try:
            return super().handle(conn)
        finally:
            self.watch.end(unreader.transfer)
            unreader.transfer = None

    def finish_request(self, conn: TConn, done: Any) -> None:
        self.requests -= 1
        keep = not done.cancelled() and done.exception() is None and done.result()
        if keep:
            super().finish_request(conn, done)
        else:
            self._half_close(conn)

    # Leaving

    def _half_close(self, conn: TConn) -> None:
        """Say that nothing more comes, and close once the client has taken it (RFC 9112, 9.6)."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            conn.left = CLOSING_SIZE
            conn.timeout = time.monotonic() + CLOSING_SECONDS
            self.poller.register(conn.sock, 1, partial(self._read_rest, conn))
        except (OSError, ValueError, KeyError):
            self._drop(conn)
        else:
            self.closing_conns.append(conn)

    def _read_rest(self, conn: TConn, client: Any) -> None:
        try:
            data = client.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        conn.left -= len(data)
        if not data or conn.left <= 0:
            self.closing_conns.remove(conn)
            self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        with contextlib.suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Close what is over its time; a worker that stops waits for no head of which nothing has come."""
        now = time.monotonic()
        while self.pending_conns and (self.pending_conns[0].timeout <= now or self._unwanted(self.pending_conns[0])):
            self._drop(self.pending_conns.popleft())
        while self.closing_conns and self.closing_conns[0].timeout <= now:
            self._drop(self.closing_conns.popleft())

    def _unwanted(self, conn: TConn) -> bool:
        return not self.alive and not conn.head

    def is_parent_alive(self) -> bool:
        # Without this an orphan goes on to serve the connections that it has kept open, for as long as they are used.
        found = bool(super().is_parent_alive())
        if not found:
            self.alive = False
        return found
