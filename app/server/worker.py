"""A threaded worker for gunicorn that a few slow clients can't stop, and that does not pass requests between threads.

gunicorn's own threaded worker hands a new connection to a thread at once, which then waits for the head of the request
for as long as the client likes. It closes connections on its only event loop, up to two seconds each. Each request is
passed from the loop to a thread and back by a future, a queue and a pipe. Here every thread waits for the next event of
any connection, in one epoll that gives each event to one thread. That thread receives what has arrived of a head,
serves the request once the head is complete, and gives the connection back. So connections that are idle or closing
need a descriptor and no thread; the oldest of them is closed when there are too many; and a worker whose threads are
all busy accepts no connection, because no thread is free to do it. The main thread closes connections whose time is
over, and `slow_clients` cuts off bodies and responses that are too slow.

A thread waits for a client in one place only: where a route reads a body that is large or comes in chunks, after its
token was checked. Three quarters of the threads may wait there, half of these for one tenant, and tenants take turns
(`app.turns`). The epoll waits for everything else with which a client may be slow: the head, a small body, the end of
an unwanted body, room for a response. The application is asked first about a request whose body has not arrived
(`admits`), and says whose it is. A request that is refused, or whose route reads no body, is answered at once; its
connection is closed, and the rest of the body is dropped within bounds (`ClientConnection.linger`).

Rejected: an event loop for everything (files are read and written by blocking calls); a loop beside the threads, as
gunicorn has it (passing requests took a third of the time of a small one); and leaving it to nginx: one script must not
be able to stop a server that runs without nginx. Rejected: a route that raises where it would wait for its body, and is
run again once that has come (what it did before that would be done twice).
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum
from types import FrameType
from typing import Any

from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from app.server import descriptors
from app.server.connection import NOBODY, PIECE, ClientConnection, Phase, Refused
from app.server.request import Requests
from app.server.security import refusal_response
from app.server.serving import Serving
from app.server.slow_clients import Watch
from app.settings import Settings
from app.turns import Turns

#: Seconds between two checks for connections whose time is over, and between two while the worker stops.
INTERVAL = 1.0
STOPPING_INTERVAL = 0.05

#: Seconds for which a worker leaves a new connection to the others, for each connection that it has: the worker with
#: the fewest accepts it. Above a number of connections they spread by themselves, and no worker waits.
TURN = 0.0002
FEW = 16

#: Seconds that a connection waits for one of the places for requests whose thread waits for the body.
QUEUED_SECONDS = 60.0
#: One of this many possible connections may be closing, and at least `LEAST_CLOSING`; the oldest above that is closed.
CLOSING_SHARE = 4
LEAST_CLOSING = 16

# Each event is given to one thread, and the next one only after that thread has asked for it.
_ONCE = select.EPOLLIN | select.EPOLLONESHOT
_ONCE_WRITABLE = select.EPOLLOUT | select.EPOLLONESHOT
_TOO_LARGE = refusal_response(b"HTTP/1.1 431 Request Header Fields Too Large")
_NO_PLACE = refusal_response(b"HTTP/1.1 503 Service Unavailable")


class Next(Enum):
    """What happens to a connection after a step."""

    #: Its next request.
    REQUEST = 0
    #: Nothing: it was given back, or is gone.
    NOTHING = 1
    CLOSE = 2


def make_attributes(configuration: Config) -> None:
    """Make attributes of gunicorn's settings: it finds each of them through `__getattr__`, some twenty times a request."""
    configuration.__dict__.update(
        {name: each.get() for name, each in configuration.settings.items() if name not in dir(Config)}
    )


class Worker(ThreadWorker):  # type: ignore[misc]
    """`worker_class` of `config`. TLS ends before it, in a proxy."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: All that are open, by descriptor.
        self.connections: dict[int, ClientConnection] = {}
        #: Those that no thread has. The thread that removes one from here, which only one can, has it.
        self.waiting: set[ClientConnection] = set()
        #: Those that are closing, the oldest first.
        self.closing: dict[ClientConnection, None] = {}

    def limit(self, settings: Settings) -> None:
        """Read from `settings` how many and how slow clients may be, and how large their requests. Called once, before
        `init_process`."""
        self.head_seconds = settings.head_timeout
        self.head_size = settings.max_head_size
        self.most_connections = descriptors.in_force(settings).connections
        self.most_closing = max(LEAST_CLOSING, self.most_connections // CLOSING_SHARE)
        self.watch = Watch(settings.min_transfer_rate, settings.transfer_window)
        # Never all threads, and never all of several places for one tenant, however slowly it sends.
        places = max(1, settings.web_threads * 3 // 4)
        #: Those whose thread may wait for a body.
        self.senders: Turns[ClientConnection] = Turns(places, max(1, places // 2))

    def init_process(self) -> None:
        make_attributes(self.cfg)
        self.ready = select.epoll()
        self.watch.start()
        super().init_process()

    # The main thread: closes what is overdue

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
        """Accept no more connections, and finish the requests that are under way."""
        self.alive = False
        for descriptor in self.listeners:
            self.ready.unregister(descriptor)
        for conn in list(self.waiting):
            if conn.phase is Phase.KEPT:
                # A request may have been sent already; it is answered with `Connection: close`.
                conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        end = time.monotonic() + self.cfg.graceful_timeout
        while self.connections and time.monotonic() < end:
            self.notify()
            self._close_overdue()
            self._sleep(STOPPING_INTERVAL)
        for each in self.sockets:
            each.close()

    def _sleep(self, seconds: float) -> None:
        """Sleep until a signal comes, for at most `seconds`."""
        if select.select([self.PIPE[0]], [], [], seconds)[0]:
            os.read(self.PIPE[0], PIECE)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # The signal's byte in the pipe ends the sleep.
        self.alive = False

    def _close_overdue(self) -> None:
        """Close connections whose time is over; a worker that stops does not wait for a head of which nothing has
        arrived."""
        now = time.monotonic()
        for conn in list(self.waiting):
            unwanted = not self.alive and conn.phase is Phase.ARRIVING and not conn.head
            if (conn.timeout <= now or unwanted) and self._claim(conn):
                if conn.phase is Phase.QUEUED:
                    self._give_up_queued(conn)
                else:
                    self._drop(conn)

    def _claim(self, conn: ClientConnection) -> bool:
        """Take this connection; returns whether the caller now has it, alone."""
        try:
            self.waiting.remove(conn)
        except KeyError:
            return False
        return True

    # The threads: wait for an event of a connection, and handle it

    def _serve(self) -> None:
        while True:
            for descriptor, _ in self.ready.poll(maxevents=1):
                listener = self.listeners.get(descriptor)
                conn = self._accept(listener) if listener is not None else self.connections.get(descriptor)
                # Otherwise it was closed since, and its descriptor may belong to another one by now.
                if conn is not None and (listener is not None or self._claim(conn)):
                    try:
                        self._go_on(conn)
                    except Exception:
                        self.log.exception("A connection failed")
                        self._drop(conn)

    def _accept(self, listener: socket.socket) -> ClientConnection | None:
        conn = None
        held = len(self.connections)
        if 0 < held <= FEW and self.cfg.workers > 1:
            time.sleep(held * TURN)
        try:
            client, address = listener.accept()
            conn = ClientConnection(self.cfg, client, address, listener.getsockname())
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
            # Unless the stopping worker has closed it.
            self.ready.modify(listener, _ONCE)
        return conn

    def _make_room(self) -> None:
        """Close one connection: of the phase that has most, of the tenant that has most of these, the one that has been
        in it longest. So a client that opens many of a kind makes room with its own."""
        while idle := [(conn.phase, conn.tenant, conn) for conn in list(self.waiting)]:
            ((most, _),) = Counter(phase for phase, _, _ in idle).most_common(1)
            ((whose, _),) = Counter(tenant for phase, tenant, _ in idle if phase is most).most_common(1)
            oldest = min((conn for *kind, conn in idle if kind == [most, whose]), key=lambda conn: conn.since)
            if self._claim(oldest):
                self._drop(oldest)
                return

    def _wait(self, conn: ClientConnection) -> None:
        """Give it back until bytes arrive, or the client accepts more."""
        wanted = _ONCE_WRITABLE if conn.phase is Phase.SENDING else _ONCE
        self.waiting.add(conn)
        self._wake(conn, wanted)

    def _wake(self, conn: ClientConnection, wanted: int) -> None:
        try:
            self.ready.modify(conn.descriptor, wanted)
        except OSError:
            # It was taken over, for example by a watcher.
            if self._claim(conn):
                self._drop(conn)

    def _go_on(self, conn: ClientConnection) -> None:
        match conn.phase:
            case Phase.ARRIVING | Phase.KEPT:
                data = conn.received()
                if data is None:
                    self._wait(conn)
                    return
                if conn.phase is Phase.KEPT:
                    conn.enter(Phase.ARRIVING, self.head_seconds)
                self._follow(conn, self._arrive(conn, data))
            case Phase.SENDING:
                self._follow(conn, self._try(conn, self._send))
            case Phase.QUEUED:
                self._follow(conn, self._try(conn, self._answer))
            case Phase.COLLECTING:
                self._follow(conn, self._try(conn, self._gather))
            case Phase.CLOSING:
                self._drain(conn)

    def _follow(self, conn: ClientConnection, step: Next) -> None:
        """Do what follows from a step, and serve the next requests whose heads are complete."""
        while step is Next.REQUEST:
            # Bytes of the next request, if the client did not wait for the answer.
            data = conn.parser.unreader.take_buffered()
            if not data:
                conn.enter(Phase.KEPT, self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER)
                self._wait(conn)
                return
            conn.enter(Phase.ARRIVING, self.head_seconds)
            step = self._arrive(conn, data)
        if step is Next.CLOSE:
            self._leave(conn)

    def _arrive(self, conn: ClientConnection, data: bytes) -> Next:
        """More of a head has arrived: serve its request once it is complete."""
        whole = conn.whole_head(data)
        if (whole.end() if whole else len(conn.head)) > self.head_size:
            self._refuse(conn, _TOO_LARGE)
            return Next.CLOSE
        if not whole:
            if not data:
                return Next.CLOSE
            self._wait(conn)
            return Next.NOTHING
        return self._try(conn, self._begin)

    # One request

    def _try(self, conn: ClientConnection, step: Callable[[ClientConnection], Next]) -> Next:
        """Take a step with a request; if the step fails, it is the connection's last."""
        try:
            return step(conn)
        except (NoMoreData, StopIteration) as error:
            self.log.debug("The connection ended: %s", type(error).__name__)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                self.log.exception("Socket error processing request.")
        except Exception as error:
            if conn.serving is not None and conn.serving.answer.begun:
                # An error in the middle of a response would be taken for a part of it.
                self.log.exception("Error handling request")
            else:
                self.handle_error(conn.request, Refused(conn.sock), conn.client, error)
        self._end(conn)
        return Next.CLOSE

    def _begin(self, conn: ClientConnection) -> Next:
        """The head of a request is complete."""
        if conn.parser is None:
            conn.parser = Requests(self.cfg, conn.sock, conn.client)
        unreader = conn.parser.unreader
        unreader.unread(bytes(conn.head))
        conn.head = bytearray()
        conn.request = None
        unreader.transfer = conn.transfer = self.watch.begin(conn.sock)
        conn.request = request = next(conn.parser)
        if request.bodiless or request.gather():
            return self._answer(conn)
        conn.serving = Serving(request, conn.sock, conn.client, conn.server, self.cfg)
        tenant = self.wsgi.admits(dict(conn.serving.environ))
        if tenant is None:
            return self._answer(conn)
        conn.tenant = tenant
        if request.small:
            unreader.tell_to_go_on()
            conn.transfer.waiting = True
            conn.enter(Phase.COLLECTING)
            self._wait(conn)
            return Next.NOTHING
        conn.enter(Phase.QUEUED, QUEUED_SECONDS)
        self.waiting.add(conn)
        if not self.senders.take(tenant, conn):
            return Next.NOTHING
        if not self._claim(conn):
            # It was closed to make room meanwhile.
            self._give_place_back(tenant)
            return Next.NOTHING
        conn.has_place = True
        return self._answer(conn)

    def _gather(self, conn: ClientConnection) -> Next:
        """More of a small body has arrived."""
        assert conn.request is not None
        assert conn.transfer is not None
        if not conn.request.gather():
            self._wait(conn)
            return Next.NOTHING
        conn.transfer.waiting = False
        return self._answer(conn)

    def _answer(self, conn: ClientConnection) -> Next:
        """Let the application answer the request, and begin to send."""
        assert conn.request is not None
        if conn.serving is None:
            conn.serving = Serving(conn.request, conn.sock, conn.client, conn.server, self.cfg)
        if not self.alive:
            conn.serving.answer.force_close()
        if conn.has_place:
            conn.parser.unreader.wait_for(conn.request.length, lambda: self._leave_place(conn))
        try:
            conn.serving.begin(self.wsgi)
        finally:
            self._leave_place(conn)
        return self._send(conn)

    def _send(self, conn: ClientConnection) -> Next:
        """Send what the client accepts."""
        assert conn.serving is not None
        if not conn.serving.send():
            conn.enter(Phase.SENDING)
            self._wait(conn)
            return Next.NOTHING
        keep = not conn.serving.answer.should_close()
        self._end(conn)
        return Next.REQUEST if keep else Next.CLOSE

    def _end(self, conn: ClientConnection) -> None:
        """The current request is over, however it ended."""
        serving, conn.serving = conn.serving, None
        transfer, conn.transfer = conn.transfer, None
        conn.tenant = NOBODY
        try:
            if serving is not None:
                serving.end(self.log)
        finally:
            if transfer is not None:
                self.watch.end(transfer)

    def _leave_place(self, conn: ClientConnection) -> None:
        """Its body is here, or is not read any more."""
        if conn.has_place:
            conn.has_place = conn.parser.unreader.patient = False
            self._give_place_back(conn.tenant)

    def _give_up_queued(self, conn: ClientConnection) -> None:
        self.senders.leave(conn.tenant, conn)
        self._refuse(conn, _NO_PLACE)
        self._leave_place(conn)
        self._end(conn)
        self._leave(conn)

    def _give_place_back(self, tenant: str) -> None:
        """Give the place to the next connection that waits for one."""
        while (following := self.senders.give_back(tenant)) is not None:
            tenant, conn = following
            if self._claim(conn):
                conn.has_place = True
                self.waiting.add(conn)
                # Its event comes at once, because there is room for a response.
                self._wake(conn, _ONCE_WRITABLE)
                return

    # Closing

    def _refuse(self, conn: ClientConnection, answer: bytes) -> None:
        with contextlib.suppress(OSError):
            conn.sock.send(answer, socket.MSG_DONTWAIT)

    def _leave(self, conn: ClientConnection) -> None:
        """Close it once the client has received the response."""
        try:
            conn.linger()
        except OSError:
            self._drop(conn)
            return
        self.closing[conn] = None
        if len(self.closing) > self.most_closing:
            self._drop_oldest_closing()
        self._wait(conn)

    def _drop_oldest_closing(self) -> None:
        with contextlib.suppress(StopIteration, RuntimeError):
            oldest = next(iter(self.closing))
            if self._claim(oldest):
                self._drop(oldest)

    def _drain(self, conn: ClientConnection) -> None:
        """Unwanted bytes have arrived."""
        data = conn.received()
        with contextlib.suppress(OSError):
            if data is None or conn.dropped(data):
                self._wait(conn)
                return
        self._drop(conn)

    def _drop(self, conn: ClientConnection) -> None:
        self.closing.pop(conn, None)
        # Before it is closed: afterwards its descriptor may belong to another one at once.
        self.connections.pop(conn.descriptor, None)
        self.senders.leave(conn.tenant, conn)
        self._leave_place(conn)
        try:
            self._end(conn)
        except Exception:
            self.log.exception("A request could not be ended")
        conn.close()
