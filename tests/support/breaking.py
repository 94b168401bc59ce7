"""A TCP proxy between the server and a real Elasticsearch, which breaks connections in the ways that networks do.

The engine behind it stays real: what the proxy changes is whether and when bytes get through.

    with Proxy(elasticsearch_url) as proxy:
        server = start_server(elasticsearch_url=proxy.url)
        proxy.fault = Fault("_bulk", cut_answer_at=20)
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.support.ports import reserved_port

#: Bytes that are passed on at once.
PIECE = 64 * 1024


@dataclass
class Fault:
    """What happens to the requests whose first line contains `path`, and that contain `text`; the others pass.

    `reset_request`: the connection is reset before Elasticsearch sees anything of it.
    `reset_after`: Elasticsearch does the work and answers, and the connection is reset before a byte of it comes through.
    `cut_answer_at`: so many bytes of the answer come through, then a reset.
    `hold_request`: seconds that the request is kept back.
    `hold_until` / `hold_answer_until`: the request, or the answer to it, is kept back until this is set; `through` is set
    when Elasticsearch has answered it.
    `replace_answer`: what comes instead of a real answer, as (status line, body): for what no node can be brought to say.
    `replace_after`: and Elasticsearch does the work all the same.
    `times`: how many requests are hit.
    """

    path: str = ""
    text: bytes = b""
    reset_request: bool = False
    reset_after: bool = False
    cut_answer_at: int | None = None
    hold_request: float = 0.0
    hold_until: threading.Event | None = None
    hold_answer_until: threading.Event | None = None
    replace_answer: tuple[str, bytes] | None = None
    replace_after: bool = False
    times: int = 1_000_000
    hit: int = field(default=0, init=False)
    through: threading.Event = field(default_factory=threading.Event, init=False)
    _counting: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def matches(self, request: bytes) -> bool:
        if self.path.encode() not in request.split(b"\r\n", 1)[0] or self.text not in request:
            return False
        with self._counting:
            hit = self.hit < self.times
            self.hit += hit
        return hit


class Proxy:
    """Listens on a port of its own, which stays the same while it refuses and accepts again."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.fault: Fault | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        # While it refuses, too, the port is nobody else's.
        self._ports = contextlib.ExitStack()
        self.port = self._ports.enter_context(reserved_port())
        self.accept()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._ports.close()

    def refuse(self) -> None:
        """Refuse connections from now on, and reset those that are there."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                _reset(each)
            self._open.clear()

    def reset(self, peers: set[tuple[str, int]]) -> None:
        """Reset the connections from these addresses, and let all others be."""
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    if each.getpeername() in peers:
                        _reset(each)

    def accept(self) -> None:
        """Accept connections again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        """One connection: requests and answers in turn, as a client without pipelining sends them."""
        try:
            node = socket.create_connection(self._target, timeout=60)
        except OSError:
            _reset(client)
            return
        with self._lock:
            self._open |= {client, node}
        with contextlib.suppress(OSError), client, node:
            while request := _message(client):
                self._exchange(client, node, request)
        with self._lock:
            self._open -= {client, node}

    def _exchange(self, client: socket.socket, node: socket.socket, request: bytes) -> None:
        fault = self.fault
        if fault is None or not fault.matches(request):
            node.sendall(request)
            client.sendall(_answer(node, request))
            return
        if fault.reset_request:
            _reset(client)
            raise ConnectionResetError
        if fault.replace_answer is not None:
            if fault.replace_after:
                node.sendall(request)
                _answer(node, request)
            status, body = fault.replace_answer
            head = f"HTTP/1.1 {status}\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            return
        time.sleep(fault.hold_request)
        if fault.hold_until is not None:
            fault.hold_until.wait()
        node.sendall(request)
        answer = _answer(node, request)
        fault.through.set()
        if fault.hold_answer_until is not None:
            fault.hold_answer_until.wait()
        if fault.reset_after:
            answer = b""
        elif fault.cut_answer_at is not None:
            answer = answer[: fault.cut_answer_at]
        else:
            client.sendall(answer)
            return
        client.sendall(answer)
        # So that what was sent arrives before the reset that would overtake it.
        time.sleep(0.05)
        _reset(client)
        raise ConnectionResetError


def _reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def _piece(connection: socket.socket) -> bytes:
    """Some bytes of a message that has begun."""
    piece = connection.recv(PIECE)
    if not piece:
        raise ConnectionResetError
    return piece


def _answer(connection: socket.socket, request: bytes) -> bytes:
    """The answer to a request."""
    return _message(connection, with_body=not request.startswith(b"HEAD "))


def _message(connection: socket.socket, *, with_body: bool = True) -> bytes:
    """One HTTP message with its body, if it has one; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(PIECE)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    if not with_body:
        return data
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        while not body.endswith(b"0\r\n\r\n"):
            body += _piece(connection)
    else:
        length = int(fields.get(b"content-length", b"0"))
        while len(body) < length:
            body += _piece(connection)
    return head + b"\r\n\r\n" + body
