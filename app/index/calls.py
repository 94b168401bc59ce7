"""Calls to Elasticsearch, bytes out and bytes in: a node of Elastic's transport, over kept connections that httptools reads.

Elastic's client has one pool of nodes, which every call uses. Most calls use the client's own methods
(`Node.perform_request`). A search through these took four times the processor time of the same bytes over a socket,
which was most of a small request; so the calls that every upload and every search makes use the same nodes without
these methods (`Calls`). A call is one `send`, because otherwise Elasticsearch would wake up for the head alone.

Rejected: the transport's own node over urllib3 (three quarters of a call with the client), connections outside the pool
(a node that one counts as dead is alive for the other), `http.client` (it reads the head of an answer as a mail, in
twelve times the time), and a parser of answers of our own (it would be ours to keep right). docs/performance.md has the
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
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import certifi
import httptools
from elastic_transport import ApiResponseMeta, BaseNode, ConnectionTimeout, HttpHeaders, NodeConfig, NodePool
from elastic_transport import ConnectionError as NodeConnectionError
from elastic_transport._node import NodeApiResponse
from elastic_transport.client_utils import DEFAULT, DefaultType, client_meta_version

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
from app.index.admission import time_left
from app.settings import Settings

#: Bytes that are read from a connection at once, and the most bytes of an answer's head, far more than Elasticsearch sends.
PIECE = 256 * 1024
MAX_HEAD = 64 * 1024
#: Statuses with which a healthy server refuses a request for now; it had no effect. 404: the index is missing.
_REFUSED_FOR_NOW = {403, 408, 429}
#: The answer to a search that Elasticsearch ended at the time limit that came with it.
TIMED_OUT = 504
_FOREVER = 86_400.0
_MOST_BYTES = "max_answer_size"
NOT_TRUSTED = "The certificate of Elasticsearch is not trusted"
NOT_ELASTICSEARCH = "the server at ELASTICSEARCH_URL is not Elasticsearch"


def error_from_status(status: int) -> StoreError:
    """The error that an answer other than success means for the caller."""
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
    """An answer while it is received; the parser calls the methods `on_...`. `most`: the most bytes that it may have.
    `bodiless`: whether it has no body whatever its head says, as the answer to HEAD."""

    def __init__(self, most: int, *, bodiless: bool = False) -> None:
        self._most, self._bodiless = most, bodiless
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
        """Whether the end of the connection ends this answer (RFC 9112, 6.3, 8)."""
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
        # An interim response (100, 103) is not the answer.
        if not self._whole and status >= 200:
            self._headed = True
            self.status = status
            if self._bodiless:
                self._whole = True
                self.stays = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if not self._whole:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self._headed and not self._whole:
            self._whole = True
            self.stays = self._parser.should_keep_alive()


class NotSent(Exception):
    """There is no connection, so nothing was sent to Elasticsearch. The cause is the OSError."""


class Node(BaseNode):
    """One Elasticsearch. Creating it connects to nothing; safe to share between threads."""

    _CLIENT_META_HTTP_CLIENT = ("ht", client_meta_version(httptools.__version__))

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._tls: ssl.SSLContext | None = None
        if config.scheme == "https":
            # Without a bundle: the one that Elastic's client uses.
            self._tls = ssl.create_default_context(cafile=config.ca_certs or certifi.where())
        own = {"host": _authority(config), "accept-encoding": "identity", **config.headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in own.items())
        self._most_idle = config.connections_per_node
        self._most_bytes: int = config._extras[_MOST_BYTES]
        self._idle: list[socket.socket] = []

    def exchange(
        self,
        method: str,
        target: str,
        fields: str,
        body: bytes,
        left: Callable[[], float],
        client: socket.socket | None = None,
    ) -> _Answer:
        """Send a request and return the whole answer to it. The store itself makes `target` and `fields` (lines of the
        head).

        `left` says how many seconds connecting, and then each wait for bytes, may take. `client`: the caller's
        connection; when it ends, the call is ended. Elasticsearch stops a search whose connection is closed.

        Raises NotSent; OSError or HttpParserError when no whole answer came; ClientGone; AnswerTooLarge when the answer has
        more bytes than one may have: it is not read to its end.
        """
        lines = (
            f"{method} {self.path_prefix}{target} HTTP/1.1\r\n{self._head}{fields}Content-Length: {len(body)}\r\n\r\n"
        )
        request = lines.encode() + body
        connection = self._connect(left())
        answer = _Answer(self._most_bytes, bodiless=method == "HEAD")
        try:
            self._limit(connection, left())
            connection.sendall(request)
            answer.read(connection, None if client is None else lambda: _await(connection, client, left))
        except BaseException:
            connection.close()
            self._drop_dead()
            raise
        if not answer.stays or len(self._idle) >= self._most_idle:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        """For Elastic's client: ends within the time that the gate left it, connecting included."""
        asked = request_timeout if isinstance(request_timeout, int | float) else self.config.request_timeout
        end = time.monotonic() + min(asked or _FOREVER, time_left(asked or _FOREVER))
        fields = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        if fields.count("\n") != len(headers or ()):
            raise ValueError("a header has a line end in it")
        began = time.monotonic()
        try:
            answer = self.exchange(method, target, fields, body or b"", lambda: max(0.001, end - time.monotonic()))
        except (NotSent, OSError, httptools.HttpParserError) as error:
            kind = ConnectionTimeout if isinstance(error, TimeoutError | BlockingIOError) else NodeConnectionError
            raise kind(str(error) or type(error).__name__, errors=(error,)) from error
        told = HttpHeaders({name.decode("latin-1"): value.decode("latin-1") for name, value in answer.fields.items()})
        meta = ApiResponseMeta(
            node=self.config,
            duration=time.monotonic() - began,
            http_version="1.1",
            status=answer.status,
            headers=told,
        )
        return NodeApiResponse(meta, answer.content)

    def _connect(self, seconds: float) -> socket.socket:
        """A connection for this call alone. Raises NotSent."""
        with contextlib.suppress(IndexError):
            while True:
                kept = self._idle.pop()
                if not _dropped(kept):
                    return kept
                kept.close()
        made: http.client.HTTPConnection
        if self._tls is None:
            made = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        else:
            made = http.client.HTTPSConnection(self.host, self.port, timeout=seconds, context=self._tls)
        try:
            made.connect()
        except OSError as error:
            raise NotSent(str(error)) from error
        connection: socket.socket = made.sock
        return connection

    def _limit(self, connection: socket.socket, seconds: float) -> None:
        """Limit each wait for bytes to `seconds`. The kernel measures the time, because Python would need another
        system call before each read. TLS tries again when the kernel's time is over, so there Python measures it."""
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
        """Close the idle connections that have ended: when one has, usually all have."""
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


class Calls:
    """Calls without Elastic's client, to the nodes of its pool."""

    def __init__(self, pool: NodePool) -> None:
        self._pool = pool

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
        """Send `body` and return the bytes of a successful answer. The store itself makes `path` and the types; `left`
        and `client` as in `Node.exchange`.

        Raises IndexUnavailable or IndexRejected when it certainly had no effect, IndexOutcomeUnknown when nobody knows,
        WrongIndex when something else answered, ClientGone, AnswerTooLarge. `refused` turns an answer other than success
        into another error.
        """
        fields = f"Accept: {accept}\r\nContent-Type: {media_type}\r\n"
        if opaque_id is not None:
            fields += f"X-Opaque-Id: {opaque_id}\r\n"
        node: Any = self._pool.get()
        try:
            answer = node.exchange(method, path, fields, body, left, client)
        except NotSent as error:
            self._pool.mark_dead(node)
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise IndexUnavailable(NOT_TRUSTED) from error
            raise IndexUnavailable() from error
        except (OSError, httptools.HttpParserError) as error:
            self._pool.mark_dead(node)
            raise IndexOutcomeUnknown() from error
        self._pool.mark_live(node)
        if not 200 <= answer.status < 300:
            raise refused(answer.status, answer.content)
        if answer.fields.get(b"x-elastic-product") != b"Elasticsearch":
            raise WrongIndex(NOT_ELASTICSEARCH)
        content: bytes = answer.content
        return content

    def close(self) -> None:
        for each in self._pool.all():
            each.close()


def _await(connection: socket.socket, client: socket.socket, left: Callable[[], float]) -> None:
    """Wait until there is something to read. Raises ClientGone when `client` ends before, and TimeoutError."""
    if isinstance(connection, ssl.SSLSocket) and connection.pending():
        return
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    with contextlib.suppress(ValueError):
        # Only the end of its connection counts: what the client sends meanwhile is its next request.
        poll.register(client, select.POLLRDHUP)
    ready = dict(poll.poll(left() * 1000))
    if not ready:
        raise TimeoutError("no answer in time")
    if connection.fileno() not in ready:
        raise ClientGone()


def _dropped(connection: socket.socket) -> bool:
    """Whether the other side has closed the connection: no request is under way, so anything to read can only be the
    end."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _authority(config: NodeConfig) -> str:
    """Host and port as in a URL: an IPv6 address is in brackets."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{host}:{config.port}"


def node_config(settings: Settings) -> NodeConfig:
    """The node that the settings name, with the credentials for it."""
    parts = urlsplit(settings.elasticsearch_url)
    headers = {}
    if settings.elasticsearch_api_key:
        headers["authorization"] = f"ApiKey {settings.elasticsearch_api_key}"
    elif settings.elasticsearch_username and settings.elasticsearch_password:
        pair = f"{settings.elasticsearch_username}:{settings.elasticsearch_password}".encode()
        headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return NodeConfig(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or (443 if parts.scheme == "https" else 80),
        path_prefix=parts.path,
        headers=headers,
        connections_per_node=settings.elasticsearch_connections,
        ca_certs=None if settings.elasticsearch_ca_certs is None else str(settings.elasticsearch_ca_certs),
        _extras={_MOST_BYTES: settings.max_answer_size},
    )
