"""One node of Elasticsearch: a node of Elastic's transport, over kept connections that httptools reads.

A call is one `send`, because otherwise Elasticsearch would wake up for the head alone. `app.index.nodes` chooses the node
of a call, and says what follows when it has no answer.

Rejected: the transport's own node over urllib3 (three quarters of a call with the client), `http.client` (it reads the
head of an answer as a mail, in twelve times the time), and a parser of answers of our own (it would be ours to keep
right). docs/performance.md has the figures.
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
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import certifi
import httptools
from elastic_transport import BaseNode, NodeConfig
from elastic_transport.client_utils import client_meta_version

from app.errors import AnswerTooLarge, ClientGone, IndexUnavailable
from app.index.admission import SLOW
from app.settings import Settings

#: Bytes that are read from a connection at once, and the most bytes of an answer's head, far more than Elasticsearch sends.
PIECE = 256 * 1024
MAX_HEAD = 64 * 1024
_MOST_BYTES = "max_answer_size"
#: Asks a node, without asking others, whether it belongs to a cluster that has a master: one that does not answers pings,
#: but neither writes nor searches in time.
_SERVES = "/_cluster/state/master_node?local=true&filter_path=master_node"
#: What the answer to it then contains.
_MASTER = b'"master_node":"'
#: The part of the time that is left which a node may take for the first byte of an answer, and then for the answer to
#: that question: half of the time is left for another node.
_PATIENCE = 4


class Answer:
    """An answer while it is received; the parser calls the methods `on_...`. `most`: the most bytes that it may have.
    `bodiless`: whether it has no body whatever its head says, as the answer to HEAD."""

    def __init__(self, most: int, *, bodiless: bool = False) -> None:
        self._most, self._bodiless = most, bodiless
        self.status = 0
        #: Whether an earlier attempt, at another node, may have done what was asked, which is a change.
        self.done_before = False
        #: Header fields, their names in lower case.
        self.fields: dict[bytes, bytes] = {}
        self.content = b""
        #: Whether the connection can be used again.
        self.stays = False
        self._pieces: list[bytes] = []
        self._headed = self._whole = False
        self._parser = httptools.HttpResponseParser(self)

    def read(
        self,
        connection: socket.socket,
        wait: Callable[[], None] | None = None,
        late: Callable[[], None] | None = None,
    ) -> None:
        """Read one answer. `wait` is called before each read; `late` once, when a wait is over for the first time, and
        if it returns, waiting goes on. Raises OSError or HttpParserError when no whole answer came, AnswerTooLarge once
        it is too long, and what `wait` and `late` raise."""
        received = 0
        while not self._whole:
            try:
                if wait is not None:
                    wait()
                data = connection.recv(PIECE)
            except (TimeoutError, BlockingIOError):
                if late is None:
                    raise
                late()
                late = None
                continue
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


class NotServing(TimeoutError):
    """No byte of an answer came for a while, and the node does not answer either that it serves. What was asked may have
    been done."""


class Node(BaseNode):
    """One node. Creating it connects to nothing; safe to share between threads."""

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
        #: Where there are other nodes: when each call that is under way was begun.
        self._begun: dict[object, float] = {}
        #: Whether the last call that ended had no answer; and how often the node was left out because of that.
        self.failed = False
        self.failures = 0
        #: Why there was no connection when the node was asked last whether it serves; None if there was one.
        self.refusal: NotSent | None = None

    @property
    def doubtful(self) -> bool:
        """Whether the last call had no answer, or one that is under way has had none for `SLOW` seconds."""
        return self.failed or self._silent(list(self._begun.values()))

    @property
    def burden(self) -> tuple[bool, int]:
        """How little this node is to be preferred for a call. A silent one comes last, and so does one whose last call had
        no answer while it is asked again; of two others, the one with fewer calls under way comes first."""
        begun = list(self._begun.values())
        return bool(begun) and (self.failed or self._silent(begun)), len(begun)

    @staticmethod
    def _silent(begun: list[float]) -> bool:
        return bool(begun) and begun[0] + SLOW <= time.monotonic()

    def serves(self, seconds: float) -> bool:
        """Whether the node says, within so many seconds, that it belongs to a cluster with a master."""
        end = time.monotonic() + seconds
        self.refusal = None
        try:
            with self._under_way():
                fields = "Accept: application/json\r\n"
                answer = self.exchange("GET", _SERVES, fields, b"", lambda: max(0.001, end - time.monotonic()))
        except NotSent as error:
            self.refusal = error
            return False
        except (OSError, httptools.HttpParserError, AnswerTooLarge):
            return False
        if answer.status == 200:
            return _MASTER in answer.content
        # Another refusal, as of a key that may not ask that, is an answer.
        return answer.status < 502

    def exchange(
        self,
        method: str,
        target: str,
        fields: str,
        body: bytes,
        left: Callable[[], float],
        client: socket.socket | None = None,
        *,
        others: bool = False,
    ) -> Answer:
        """Send a request and return the whole answer to it. The store itself makes `target` and `fields` (lines of the
        head).

        `left` says how many seconds connecting, and then each wait for bytes, may take. `client`: the caller's
        connection; when it ends, the call is ended. Elasticsearch stops a search whose connection is closed. `others`:
        whether other nodes can be asked; then the time for connecting is short, and the node is asked whether it serves
        when it lets wait for the answer.

        Raises NotSent; OSError (of it NotServing) or HttpParserError when no whole answer came; ClientGone; AnswerTooLarge
        when the answer has more bytes than one may have: it is not read to its end; what `left` raises, when nothing was
        sent.
        """
        if not others:
            return self._exchange(method, target, fields, body, left, client, others)
        with self._under_way():
            return self._exchange(method, target, fields, body, left, client, others)

    @contextlib.contextmanager
    def _under_way(self) -> Iterator[None]:
        key = object()
        self._begun[key] = time.monotonic()
        try:
            yield
        finally:
            del self._begun[key]

    def _exchange(
        self,
        method: str,
        target: str,
        fields: str,
        body: bytes,
        left: Callable[[], float],
        client: socket.socket | None,
        others: bool,
    ) -> Answer:
        lines = (
            f"{method} {self.path_prefix}{target} HTTP/1.1\r\n{self._head}{fields}Content-Length: {len(body)}\r\n\r\n"
        )
        request = lines.encode() + body
        seconds = left()
        patience = min(SLOW, seconds / _PATIENCE) if others else seconds
        connection = self._connect(patience)
        answer = Answer(self._most_bytes, bodiless=method == "HEAD")
        asked = not others

        def wait() -> None:
            assert client is not None
            _await(connection, client, _rest(left) if asked else patience)

        def late() -> None:
            nonlocal asked
            if not self.serves(patience):
                raise NotServing("no answer, and the node does not say that it serves")
            asked = True
            self._limit(connection, _rest(left))

        try:
            if not others:
                self._limit(connection, left())
            elif len(request) <= PIECE:
                # The kernel takes all of it at once.
                self._limit(connection, patience)
            else:
                self._limit(connection, left() / 2)
            connection.sendall(request)
            if others and len(request) > PIECE:
                self._limit(connection, patience)
            answer.read(connection, None if client is None else wait, late if others else None)
        except BaseException:
            connection.close()
            self._drop_dead()
            raise
        if not answer.stays or len(self._idle) >= self._most_idle:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

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


def _rest(left: Callable[[], float]) -> float:
    """What `left` says once something was sent: a time that is over is then no certain refusal."""
    try:
        return left()
    except IndexUnavailable as error:
        raise TimeoutError("no answer in time") from error


def _await(connection: socket.socket, client: socket.socket, seconds: float) -> None:
    """Wait until there is something to read. Raises ClientGone when `client` ends before, and TimeoutError."""
    if isinstance(connection, ssl.SSLSocket) and connection.pending():
        return
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    with contextlib.suppress(ValueError):
        # Only the end of its connection counts: what the client sends meanwhile is its next request.
        poll.register(client, select.POLLRDHUP)
    ready = dict(poll.poll(seconds * 1000))
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


def node_configs(settings: Settings) -> list[NodeConfig]:
    """The nodes that the settings name, in their order, with the credentials for them."""
    headers = {}
    if settings.elasticsearch_api_key:
        headers["authorization"] = f"ApiKey {settings.elasticsearch_api_key}"
    elif settings.elasticsearch_username and settings.elasticsearch_password:
        pair = f"{settings.elasticsearch_username}:{settings.elasticsearch_password}".encode()
        headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return [
        NodeConfig(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=parts.port or (443 if parts.scheme == "https" else 80),
            path_prefix=parts.path,
            headers=headers,
            connections_per_node=settings.elasticsearch_connections,
            ca_certs=None if settings.elasticsearch_ca_certs is None else str(settings.elasticsearch_ca_certs),
            _extras={_MOST_BYTES: settings.max_answer_size},
        )
        for parts in map(urlsplit, settings.elasticsearch_urls)
    ]
