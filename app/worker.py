"""gunicorn's threaded worker, less what lets a few slow clients stop it, and less its ways between threads.

Its own worker hands a new connection to a thread at once, which then waits for the head of the request for as long as the
client likes, and it closes connections on its only event loop, up to two seconds each. Each request of its goes from the
loop to a thread and back by a future, a queue and a pipe. Here every thread waits for whatever connection says something
next, in one epoll that tells each event to one thread; that one takes what has come of a head, serves the request once it
is whole, and gives the connection back. So connections that stay silent, or are closing, cost a descriptor and no thread;
the oldest of them makes room when there are too many; and a worker whose threads are all taken accepts no connection, as
nobody is there to do it. The main thread keeps the time, and `app.http.pace` sees to it that bodies and answers move.

Rejected: an event loop for everything (files are read and written by blocking calls); a loop beside the threads, as
gunicorn has it (a third of the time of a small request went into the handing over); and leaving it to nginx alone: who
runs the server without it must not be stopped by one script.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import socket
import threading
import time
from datetime import datetime
from enum import IntEnum
from types import FrameType
from typing import Any

from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData
from gunicorn.http.wsgi import FileWrapper, create
from gunicorn.workers.gthread import DEFAULT_WORKER_DATA_TIMEOUT, STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from app.answer import Answer
from app.http.pace import Watch
from app.http.security import refusal
from app.incoming import Requests
from app.settings import Settings

#: Bytes that are taken from a connection at once.
PIECE = 64 * 1024
#: Seconds that a closed connection is kept for the client to take the last answer, and bytes that it may still send.
CLOSING_SECONDS = 2.0
CLOSING_SIZE = 1024 * 1024

#: Seconds between two looks at what is over its time, and between two while the worker stops.
INTERVAL = 1.0
STOPPING_INTERVAL = 0.05

#: Seconds that a worker leaves a new connection to the others, for each connection that it has: whoever has fewest takes
#: it. Above so many they spread by themselves, and nobody waits.
TURN = 0.0002
FEW = 16

# Told to one thread, and to nobody again before that says so.
_ONCE = select.EPOLLIN | select.EPOLLONESHOT
_HEAD_END = re.compile(rb"\n\r?\n")
_TOO_LARGE = refusal(b"HTTP/1.1 431 Request Header Fields Too Large")


class Phase(IntEnum):
    """Where a connection stands; the lowest makes room first."""

    ARRIVING = 0
    KEPT = 1
    CLOSING = 2


class _Refused:
    """The socket of what is no request, for gunicorn's answer to it: of that the first line goes out, and no page, which
    would quote the client."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def gettimeout(self) -> float:
        # As of a socket that does not wait: then nothing else is asked of it.
        return 0.0

    def sendall(self, data: bytes) -> None:
        self._sock.send(refusal(data.partition(b"\r\n")[0]), socket.MSG_DONTWAIT)


class Connection(TConn):  # type: ignore[misc]
    """A client's connection. It is either in `Worker.waiting`, or one thread has it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sock.setblocking(True)
        self.descriptor: int = self.sock.fileno()
        self.phase = Phase.ARRIVING
        #: When it is closed if nothing comes, by the monotonic clock.
        self.timeout = 0.0
        #: What came of the next request's head, and perhaps more.
        self.head = bytearray()
        #: Bytes that the client may still send while it is closing.
        self.left = CLOSING_SIZE

    def enter(self, phase: Phase, seconds: float) -> None:
        """Be in `phase` for at most `seconds`."""
        self.phase = phase
        self.timeout = time.monotonic() + seconds

    def received(self) -> bytes | None:
        """What is there; empty at the end or when it is broken, None when there is nothing now."""
        try:
            return bytes(self.sock.recv(PIECE, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def whole_head(self, data: bytes) -> re.Match[bytes] | None:
        """Add `data` to the head; where the head ends, None while it does not."""
        searched = max(0, len(self.head) - 2)
        self.head += data
        return _HEAD_END.search(self.head, searched)


class Worker(ThreadWorker):  # type: ignore[misc]
    """`worker_class` of app.server. TLS ends before it, in a proxy."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: All that are open, by descriptor.
        self.connections: dict[int, Connection] = {}
        #: Those that no thread has. Whoever removes one from here, which only one can, has it.
        self.waiting: set[Connection] = set()

    def limit(self, settings: Settings) -> None:
        """Take from `settings` how many, how slow and how large clients may be. Called once, before `init_process`."""
        self.head_seconds = settings.head_timeout
        self.head_size = settings.max_head_size
        self.most_connections = settings.max_connections
        self.watch = Watch(settings.min_transfer_rate, settings.transfer_window)

    def init_process(self) -> None:
        # As attributes: gunicorn looks each of its settings up by a fall-back, some twenty times a request.
        self.cfg.__dict__.update(
            {name: each.get() for name, each in self.cfg.settings.items() if name not in dir(Config)}
        )
        self.ready = select.epoll()
        self.watch.start()
        super().init_process()

    # The main thread: keeps time

    def run(self) -> None:
        self.listeners = {each.fileno(): each for each in self.sockets}
        for descriptor, listener in self.listeners.items():
            listener.setblocking(False)
            self.ready.register(descriptor, _ONCE)
        for number in range(self.cfg.threads):
            threading.Thread(target=self._serve, name=f"requests-{number}", daemon=True).start()
        while self.alive and self.is_parent_alive():
            self.notify()
            self._sleep(INTERVAL)
            self._close_overdue()
        self._stop()

    def _stop(self) -> None:
        """Accept nothing more, and let what is under way come to its end."""
        self.alive = False
        for descriptor in self.listeners:
            self.ready.unregister(descriptor)
        for conn in list(self.waiting):
            if conn.phase is Phase.KEPT:
                # A request may be on its way already; it is answered with `Connection: close`.
                conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        end = time.monotonic() + self.cfg.graceful_timeout
        while self.connections and time.monotonic() < end:
            self.notify()
            self._close_overdue()
            self._sleep(STOPPING_INTERVAL)
        for each in self.sockets:
            each.close()

    def _sleep(self, seconds: float) -> None:
        """Until a signal comes, at most so long."""
        if select.select([self.PIPE[0]], [], [], seconds)[0]:
            os.read(self.PIPE[0], PIECE)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # The signal's byte in the pipe ends the sleep.
        self.alive = False

    def _close_overdue(self) -> None:
        """Close what is over its time; a worker that stops waits for no head of which nothing has come."""
        now = time.monotonic()
        for conn in list(self.waiting):
            unwanted = not self.alive and conn.phase is Phase.ARRIVING and not conn.head
            if (conn.timeout <= now or unwanted) and self._claim(conn):
                self._drop(conn)

    def _claim(self, conn: Connection) -> bool:
        """Whether the caller has this connection from here on, alone."""
        try:
            self.waiting.remove(conn)
        except KeyError:
            return False
        return True

    # The threads: wait for a connection to say something, and do what it wants

    def _serve(self) -> None:
        while True:
            for descriptor, _ in self.ready.poll(maxevents=1):
                listener = self.listeners.get(descriptor)
                conn = self._accept(listener) if listener is not None else self.connections.get(descriptor)
                # Else it was closed since, and its number may be another's by now.
                if conn is not None and (listener is not None or self._claim(conn)):
                    try:
                        self._go_on(conn)
                    except Exception:
                        self.log.exception("A connection failed")
                        self._drop(conn)

    def _accept(self, listener: socket.socket) -> Connection | None:
        conn = None
        held = len(self.connections)
        if 0 < held <= FEW and self.cfg.workers > 1:
            time.sleep(held * TURN)
        try:
            client, address = listener.accept()
            conn = Connection(self.cfg, client, address, listener.getsockname())
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                self.log.exception("A connection could not be accepted")
        else:
            self.connections[conn.descriptor] = conn
            self.ready.register(conn.descriptor, select.EPOLLONESHOT)
            conn.enter(Phase.ARRIVING, self.head_seconds)
            if len(self.connections) > self.most_connections:
                self._make_room()
        with contextlib.suppress(OSError, ValueError):
            # Unless the worker stops and has closed it.
            self.ready.modify(listener, _ONCE)
        return conn

    def _make_room(self) -> None:
        """Close the connection that has been silent longest."""
        while self.waiting:
            idle = min(list(self.waiting), key=lambda conn: (conn.phase, conn.timeout), default=None)
            if idle is not None and self._claim(idle):
                self._drop(idle)
                return

    def _wait(self, conn: Connection) -> None:
        """Give it back until something comes."""
        self.waiting.add(conn)
        try:
            self.ready.modify(conn.descriptor, _ONCE)
        except OSError:
            # It was taken over, as that of a watcher is.
            if self._claim(conn):
                self._drop(conn)

    def _go_on(self, conn: Connection) -> None:
        data = conn.received()
        if data is None:
            self._wait(conn)
        elif conn.phase is Phase.CLOSING:
            conn.left -= len(data)
            if not data or conn.left <= 0:
                self._drop(conn)
            else:
                self._wait(conn)
        else:
            if conn.phase is Phase.KEPT:
                conn.enter(Phase.ARRIVING, self.head_seconds)
            self._collect(conn, data)

    def _collect(self, conn: Connection, data: bytes) -> None:
        """Serve the requests whose heads are whole; wait for the rest of one that is not."""
        while True:
            whole = conn.whole_head(data)
            if (whole.end() if whole else len(conn.head)) > self.head_size:
                with contextlib.suppress(OSError):
                    conn.sock.send(_TOO_LARGE, socket.MSG_DONTWAIT)
                break
            if not whole:
                if not data:
                    break
                self._wait(conn)
                return
            if not self.handle(conn):
                break
            # Of the next request, if the client did not wait for the answer.
            data = conn.parser.unreader.take_buffered()
            if not data:
                conn.enter(Phase.KEPT, self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER)
                self._wait(conn)
                return
            conn.enter(Phase.ARRIVING, self.head_seconds)
        self._half_close(conn)

    def handle(self, conn: Connection) -> bool:
        """gunicorn's own for HTTP/1 without TLS: serve the request whose head is whole; whether the connection can be used
        again. Each of its looks at what else a connection might be, and each time-out that it sets, would cost a call."""
        if conn.parser is None:
            conn.parser = Requests(self.cfg, conn.sock, conn.client)
        unreader = conn.parser.unreader
        unreader.unread(bytes(conn.head))
        conn.head = bytearray()
        request = None
        unreader.transfer = self.watch.begin(conn.sock)
        try:
            request = next(conn.parser)
            if not self.handle_request(request, conn):
                return False
            # What the application left of the body; a client that stalls it must not keep this thread.
            return bool(conn.parser.finish_body(time.monotonic() + DEFAULT_WORKER_DATA_TIMEOUT))
        except (NoMoreData, StopIteration) as error:
            self.log.debug("The connection ended: %s", type(error).__name__)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                self.log.exception("Socket error processing request.")
        except Exception as error:
            self.handle_error(request, _Refused(conn.sock), conn.client, error)
        finally:
            self.watch.end(unreader.transfer)
            unreader.transfer = None
        return False

    def handle_request(self, request: Any, conn: Connection) -> bool:
        """gunicorn's own with `Answer`, and without the hooks and restarts that app.server does not ask for; whether the
        connection can be used again."""
        answer = None
        began = datetime.now()
        try:
            answer, environ = create(request, conn.sock, conn.client, conn.server, self.cfg, response_class=Answer)
            environ["wsgi.multithread"] = True
            if not self.alive:
                answer.force_close()
            body = self.wsgi(environ, answer.start_response)
            try:
                if isinstance(body, FileWrapper):
                    answer.write_file(body)
                else:
                    for piece in body:
                        answer.write(piece)
                answer.close()
            finally:
                self.log.access(answer, request, environ, datetime.now() - began)
                if hasattr(body, "close"):
                    body.close()
        except OSError:
            raise
        except Exception:
            if answer is None or not answer.begun:
                raise
            # An error in the middle of an answer would be taken for a part of it.
            self.log.exception("Error handling request")
            return False
        return not answer.should_close()

    # Leaving

    def _half_close(self, conn: Connection) -> None:
        """Say that nothing more comes, and close once the client has taken it (RFC 9112, 9.6)."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
            return
        conn.enter(Phase.CLOSING, CLOSING_SECONDS)
        self._wait(conn)

    def _drop(self, conn: Connection) -> None:
        # Before it is closed: then its number is another's at once.
        self.connections.pop(conn.descriptor, None)
        conn.close()
