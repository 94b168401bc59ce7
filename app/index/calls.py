"""POST to Elasticsearch on the hot paths: search and bulk, bytes out and bytes in.

A search through Elastic's client cost four times the processor time of the same bytes over a socket, which was most of a
small request; so the calls that every upload and every search makes go this way, and all others through the client.
Connections are kept; a call is one `send`, because otherwise Elasticsearch would wake up for the head alone. httptools reads
the answers.

Rejected: urllib3 alone (three quarters of a call with the client), `http.client` (it reads the head of an answer as a mail,
in twelve times the time), and a parser of answers of our own (it would be ours to keep right). docs/performance.md has the
figures.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import select
import socket
import ssl
import struct
from collections.abc import Callable
from urllib.parse import urlsplit

import certifi
import httptools

from app.errors import (
    AnswerTooLarge,
    ClientGone,
    IndexOutcomeUnknown,
    IndexRejected,
    IndexUnavailable,
    SearchTimedOut,
    StoreError,
    WrongIndex,
)
from app.settings import Settings

#: Bytes that are read from a connection at once, and the most bytes of an answer's head, far more than Elasticsearch sends.
PIECE = 256 * 1024
MAX_HEAD = 64 * 1024
#: Answers of a server that is fine but will not do it now; the request had no effect. 404: the index is missing.
_REFUSED_FOR_NOW = {403, 408, 429}
#: The answer to a search that Elasticsearch ended at the time limit that came with it.
TIMED_OUT = 504
NOT_TRUSTED = "The certificate of Elasticsearch is not trusted"
NOT_ELASTICSEARCH = "the server at ELASTICSEARCH_URL is not Elasticsearch"


def error_from_status(status: int) -> StoreError:
    """What an answer other than success means for the caller."""
    if status == 404:
        return IndexUnavailable("The index is missing")
    if status == 401:
        return IndexUnavailable("Elasticsearch does not accept the user and password, or the API key")
    if status in _REFUSED_FOR_NOW:
        return IndexUnavailable()
    if status == TIMED_OUT:
        return SearchTimedOut()
    return IndexOutcomeUnknown() if status >= 500 else IndexRejected()


class _Answer:
    """An answer as it comes in; the parser calls the methods `on_...`. `most`: bytes that it may have."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.status = 0
        #: Header fields, their names in lower case.
        self.fields: dict[bytes, bytes] = {}
        self.content = b""
        #: Whether the connection can be used again.
        self.stays = False
        self._pieces: list[bytes] = []
        self._headed = self._whole = False
        self._parser = httptools.HttpResponseParser(self)

    def read(self, connection: socket.socket, wait: Callable[[], None] | None = None) -> None:
        """Read one answer. `wait` is called before each read. Raises OSError or HttpParserError when no whole answer
        came, AnswerTooLarge once it is too long, and what `wait` raises."""
        received = 0
        while not self._whole:
            if wait is not None:
                wait()
            data = connection.recv(PIECE)
            if not data:
                if not self._ends_with_connection():
                    raise ConnectionAbortedError("the answer is not whole")
                break
            self._parser.feed_data(data)
            received += len(data)
            if not self._headed and received > MAX_HEAD:
                raise httptools.HttpParserError("the head of the answer is too long")
            if received > self._most + MAX_HEAD:
                raise AnswerTooLarge(self._most)
        self.content = b"".join(self._pieces)

    def _ends_with_connection(self) -> bool:
        """Whether the end of the connection is how the length of this answer is told (RFC 9112, 6.3, 8)."""
        return self._headed and self.fields.keys().isdisjoint((b"content-length", b"transfer-encoding"))

    def on_message_begin(self) -> None:
        if self._whole:
            # Nobody asked for a second one.
            self.stays = False
        else:
            self.fields.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._whole:
            self.fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        # What comes before the answer (100, 103) is not an answer.
        if not self._whole and status >= 200:
            self._headed = True
            self.status = status

    def on_body(self, data: bytes) -> None:
        if not self._whole:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self._headed and not self._whole:
            self._whole = True
            self.stays = self._parser.should_keep_alive()


class Calls:
    """Kept connections to one Elasticsearch. Creating it connects to nothing; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.elasticsearch_url)
        self._host, self._port, self._prefix = parts.hostname or "", parts.port, parts.path
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            # Without a bundle: the one that Elastic's client takes.
            self._tls = ssl.create_default_context(cafile=str(settings.elasticsearch_ca_certs or certifi.where()))
        self._head = f"Host: {parts.netloc}\r\nAccept-Encoding: identity\r\n{_authorization(settings)}"
        self._most_idle = settings.elasticsearch_connections
        self._most_bytes = settings.max_answer_size
        self._idle: list[socket.socket] = []

    def ask(
        self,
        path: str,
        body: bytes,
        media_type: str,
        accept: str,
        opaque_id: str | None,
        left: Callable[[], float],
        *,
        method: str = "POST",
        refused: Callable[[int, bytes], StoreError] = lambda status, _: error_from_status(status),
        client: socket.socket | None = None,
    ) -> bytes:
        """Send `body` and return the bytes of a successful answer. `path` and the types are the store's own text.

        `left` says how many seconds connecting, and then each wait for bytes, may take. `client`: the caller's connection;
        when it ends, the call is given up. Elasticsearch stops a search whose connection is closed.

        Raises IndexUnavailable or IndexRejected when it certainly had no effect, IndexOutcomeUnknown when nobody knows,
        WrongIndex when something else answered, ClientGone, AnswerTooLarge when the answer has more bytes than one may have:
        it is not read to its end. `refused` turns an answer other than success into another error.
        """
        lines = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._head}"
        lines += f"Accept: {accept}\r\nContent-Type: {media_type}\r\n"
        if opaque_id is not None:
            lines += f"X-Opaque-Id: {opaque_id}\r\n"
        request = f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
        connection = self._connect(left())
        answer = _Answer(self._most_bytes)
        try:
            self._limit(connection, left())
            connection.sendall(request)
            answer.read(connection, None if client is None else lambda: _await(connection, client, left))
        except BaseException as error:
            connection.close()
            self._drop_dead()
            if isinstance(error, OSError | httptools.HttpParserError):
                raise IndexOutcomeUnknown() from error
            raise
        if not answer.stays or len(self._idle) >= self._most_idle:
            connection.close()
        else:
            self._idle.append(connection)
        if not 200 <= answer.status < 300:
            raise refused(answer.status, answer.content)
        if answer.fields.get(b"x-elastic-product") != b"Elasticsearch":
            raise WrongIndex(NOT_ELASTICSEARCH)
        return answer.content

    def _connect(self, seconds: float) -> socket.socket:
        """A connection that nobody else uses. Raises IndexUnavailable: nothing was sent then."""
        with contextlib.suppress(IndexError):
            while True:
                kept = self._idle.pop()
                if not _dropped(kept):
                    return kept
                kept.close()
        made: http.client.HTTPConnection
        if self._tls is None:
            made = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        else:
            made = http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=self._tls)
        try:
            made.connect()
        except ssl.SSLCertVerificationError as error:
            raise IndexUnavailable(NOT_TRUSTED) from error
        except OSError as error:
            raise IndexUnavailable() from error
        connection: socket.socket = made.sock
        return connection

    def _limit(self, connection: socket.socket, seconds: float) -> None:
        """Let each wait for bytes take at most so long. The kernel counts, because Python would make one system call more
        before each read. TLS goes on trying when the kernel gives up, so there Python counts."""
        if self._tls is not None:
            connection.settimeout(seconds)
            return
        if connection.gettimeout() is not None:
            connection.settimeout(None)
        whole, part = divmod(max(1, int(seconds * 1_000_000)), 1_000_000)
        span = struct.pack("ll", whole, part)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)

    def _drop_dead(self) -> None:
        """Close the kept connections that have ended: when one has, mostly all have."""
        alive = []
        with contextlib.suppress(IndexError):
            while True:
                kept = self._idle.pop()
                if _dropped(kept):
                    kept.close()
                else:
                    alive.append(kept)
        self._idle += reversed(alive)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _await(connection: socket.socket, client: socket.socket, left: Callable[[], float]) -> None:
    """Wait until there is something to read. Raises ClientGone when `client` ends before, and TimeoutError."""
    if isinstance(connection, ssl.SSLSocket) and connection.pending():
        return
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    with contextlib.suppress(ValueError):
        # Only its end counts: what the client sends meanwhile is its next request.
        poll.register(client, select.POLLRDHUP)
    ready = dict(poll.poll(left() * 1000))
    if not ready:
        raise TimeoutError("no answer in time")
    if connection.fileno() not in ready:
        raise ClientGone()


def _dropped(connection: socket.socket) -> bool:
    """Whether the other side has closed: nothing was asked, so anything to read can only be the end."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _authorization(settings: Settings) -> str:
    if settings.elasticsearch_api_key:
        return f"Authorization: ApiKey {settings.elasticsearch_api_key}\r\n"
    if settings.elasticsearch_username and settings.elasticsearch_password:
        pair = f"{settings.elasticsearch_username}:{settings.elasticsearch_password}".encode()
        return f"Authorization: Basic {base64.b64encode(pair).decode()}\r\n"
    return ""
