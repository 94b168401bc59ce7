"""The client of every measurement: ready bytes out, whole answers in, over connections that stay open.

It does as little as an HTTP client can, and the same for the store, nginx and Elasticsearch: what is measured is then the
server and not the client. One process and no threads: many connections share one epoll.

Rejected: wrk (can't read answers to HEAD, nor send bodies that differ), and Python's own clients (they cost more than
the servers).
"""

from __future__ import annotations

import os
import select
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import urlsplit

_PIECE = 1 << 20
#: So that a request is handed to the kernel at once, also beside others.
_SEND_BUFFER = 1 << 20
#: Seconds without any answer after which a measurement has failed.
_PATIENCE = 60.0
#: Bytes of an answer that are kept for who wants to read it.
_KEPT = 4096
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class WrongAnswer(Exception):
    """The server said something else than success."""


@dataclass
class Sample:
    """What one measurement found: `rate` is in acts (or bytes, where a line says so) a second. `processor`: seconds of the
    processor that an act took, by the process that took them."""

    rate: float
    seconds: list[float] = field(default_factory=list)
    processor: dict[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Seconds of one act."""
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        """Seconds that 99 of 100 acts stayed below."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]

    @property
    def cost(self) -> float:
        """Seconds of the processor that an act took of all processes."""
        return sum(self.processor.values())


class Connection:
    """One connection, with at most one request under way."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 80), _PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._buffer = bytearray(_PIECE)
        self._view = memoryview(self._buffer)
        self._head = 0
        self._left = -1
        self._bodiless = self._chunked = self._keeps = False
        self.begun = 0.0
        self.answer = b""

    def send(self, request: bytes) -> None:
        self._bodiless = request.startswith(b"HEAD ")
        self._chunked = False
        self._head, self._left = 0, -1
        self.begun = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take what is there, waiting for something; whether the answer is whole. Raises WrongAnswer."""
        if self._left > 0:
            count = self._took(self.socket.recv_into(self._view))
            self._left -= count
            if self._keeps:
                self.answer += bytes(self._view[:count])
            return self._left == 0
        self._head += self._took(self.socket.recv_into(self._view[self._head :]))
        if self._chunked:
            return self._buffer.endswith(_LAST_CHUNK, 0, self._head)
        end = self._buffer.find(b"\r\n\r\n", 0, self._head)
        if end < 0:
            return False
        head = bytes(self._view[:end]).lower()
        if not head.startswith(b"http/1.1 2"):
            raise WrongAnswer(bytes(self._view[: self._head])[:500])
        if b"transfer-encoding: chunked" in head and not self._bodiless:
            # Elasticsearch's JSON: what ends a chunked body is nowhere in it.
            self._chunked = True
            return self._buffer.endswith(_LAST_CHUNK, 0, self._head)
        _, found, after = head.partition(b"content-length:")
        length = int(after.split(b"\r\n", 1)[0]) if found and not self._bodiless else 0
        self._keeps = length <= _KEPT
        self.answer = bytes(self._view[end + 4 : self._head]) if self._keeps else b""
        self._left = length - (self._head - end - 4)
        return self._left == 0

    def exchange(self, request: bytes) -> float:
        """Send `request`, take the whole answer; the seconds of it."""
        self.send(request)
        while not self.receive():
            pass
        return time.perf_counter() - self.begun

    def exchange_file(self, head: bytes, file: BinaryIO, tail: bytes = b"") -> float:
        """The same with a body from a file, by sendfile: hardly any work for the client."""
        size = os.fstat(file.fileno()).st_size
        # A time limit would make `sendfile` say that it can't send just now.
        self.socket.settimeout(None)
        self.send(head)
        sent = 0
        while sent < size:
            sent += os.sendfile(self.socket.fileno(), file.fileno(), sent, size - sent)
        self.socket.sendall(tail)
        while not self.receive():
            pass
        return time.perf_counter() - self.begun

    def _took(self, count: int) -> int:
        if not count:
            raise WrongAnswer(b"the connection was closed")
        return count

    def close(self) -> None:
        self.socket.close()


def drive(url: str, request: Callable[[], bytes], clients: int, seconds: float, least: int = 3) -> Sample:
    """What `clients` at once, each with one request after the other, get through in `seconds`, and at least `least`."""
    connections = [Connection(url) for _ in range(clients)]
    try:
        return _one(connections[0], request, seconds, least) if clients == 1 else _many(connections, request, seconds)
    finally:
        for each in connections:
            each.close()


def _one(connection: Connection, request: Callable[[], bytes], seconds: float, least: int) -> Sample:
    # The first request of a connection pays for its place in the server.
    connection.exchange(request())
    taken: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(taken) < least:
        taken.append(connection.exchange(request()))
    return Sample(len(taken) / (time.perf_counter() - began), taken)


def _many(connections: list[Connection], request: Callable[[], bytes], seconds: float) -> Sample:
    for each in connections:
        each.send(request())
    taken: list[float] = []
    with select.epoll() as poll:
        by_number = {each.socket.fileno(): each for each in connections}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        busy, began, end = len(connections), time.perf_counter(), 0.0
        while busy:
            ready = poll.poll(_PATIENCE)
            if not ready:
                raise WrongAnswer(b"no answer")
            for number, _ in ready:
                connection = by_number[number]
                if not connection.receive():
                    continue
                now = time.perf_counter()
                taken.append(now - connection.begun)
                if now - began < seconds:
                    connection.send(request())
                else:
                    busy -= 1
                    end = now
    return Sample(len(taken) / (end - began), taken)
