"""Answers of Elasticsearch as they may come over a socket: whole, in pieces, without an end, with more behind them."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import AnswerTooLarge, IndexOutcomeUnknown, IndexUnavailable, WrongIndex
from app.index.calls import Calls
from app.index.connection import Connection, index_errors
from app.index.node import MAX_HEAD
from app.settings import Settings
from tests.support.calls import calls_to

HEAD = b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\n"
WHOLE = HEAD + b"content-length: 2\r\n\r\n{}"


class Node:
    """Answers each request with the next of `answers`, each a sequence of pieces; closes after one that ends with None."""

    def __init__(self) -> None:
        self.answers: list[list[bytes | None]] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            # Who has read enough may be gone before the last piece.
            with contextlib.suppress(ConnectionError), connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while connection.recv(65536):
                    pieces = self.answers.pop(0)
                    for piece in pieces:
                        if piece is not None:
                            connection.sendall(piece)
                    if pieces[-1] is None:
                        break


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.listener.close()


def settings_for(listener: socket.socket, data: Path) -> Settings:
    """Those of a store whose node is at the other end."""
    return Settings(data=data, elasticsearch_url=f"http://127.0.0.1:{listener.getsockname()[1]}")


@pytest.fixture
def calls(node: Node, tmp_path: Path) -> Iterator[Calls]:
    made = calls_to(settings_for(node.listener, tmp_path))
    yield made
    made.close()


def ask(calls: Calls) -> bytes:
    return calls.ask("/", b"{}", "application/json", "application/json", None, lambda: 60.0).content


SAME: dict[str, list[bytes | None]] = {
    "at once": [WHOLE],
    "a byte at a time": [WHOLE[n : n + 1] for n in range(len(WHOLE))],
    "in chunks": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n"],
    "until the end of the connection": [HEAD + b"\r\n{", b"}", None],
    "after an interim answer": [b"HTTP/1.1 100 Continue\r\n\r\n", WHOLE],
    "before the connection closes": [HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", None],
}


@pytest.mark.parametrize("form", SAME)
def test_whole_answers(node: Node, calls: Calls, form: str) -> None:
    node.answers = [SAME[form], [WHOLE]]
    assert ask(calls) == b"{}"
    assert ask(calls) == b"{}"
    assert node.connections == (2 if None in SAME[form] else 1)


BROKEN: dict[str, list[bytes | None]] = {
    "nothing": [None],
    "half a head": [HEAD, None],
    "half a body": [HEAD + b"content-length: 5\r\n\r\n{}", None],
    "half the chunks": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}", None],
    "no HTTP": [b"SSH-2.0-OpenSSH_9.2\r\n", None],
    "a length that is none": [HEAD + b"content-length: two\r\n\r\n{}", None],
    "two lengths": [HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", None],
    "a head without end": [HEAD + b"x: " + b"y" * MAX_HEAD, None],
}


@pytest.mark.parametrize("form", BROKEN)
def test_broken_answers(node: Node, calls: Calls, form: str) -> None:
    """Nobody knows what became of it, and the connection is not used again."""
    node.answers = [BROKEN[form], [WHOLE]]
    with pytest.raises(IndexOutcomeUnknown):
        ask(calls)
    assert ask(calls) == b"{}"
    assert node.connections == 2


def test_more_than_was_asked_for(node: Node, calls: Calls) -> None:
    """What follows an answer is nobody's: it is not given to the next request."""
    other = WHOLE.replace(b"{}", b"[]")
    node.answers = [[WHOLE + other, None], [WHOLE]]
    assert ask(calls) == b"{}"
    assert ask(calls) == b"{}"
    assert node.connections == 2


def test_the_status_and_the_product(node: Node, calls: Calls) -> None:
    node.answers = [[WHOLE.replace(b"200 OK", b"404 Not Found")], [WHOLE.replace(b"elastic-product", b"other")]]
    with pytest.raises(IndexUnavailable):
        ask(calls)
    with pytest.raises(WrongIndex):
        ask(calls)
    assert node.connections == 1


def test_a_node_that_falls_silent(node: Node, calls: Calls) -> None:
    """Each wait for bytes ends; nobody knows what became of it, and the connection is not used again."""
    for silent in (HEAD, WHOLE[:-1]):
        node.answers = [[silent]]
        with pytest.raises(IndexOutcomeUnknown):
            calls.ask("/", b"{}", "application/json", "application/json", None, lambda: 0.2)
    node.answers = [[WHOLE]]
    assert ask(calls) == b"{}"
    assert node.connections == 3


def test_a_node_that_takes_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = calls_to(settings_for(listener, tmp_path))
        with pytest.raises(IndexOutcomeUnknown):
            made.ask("/", bytes(64 << 20), "application/json", "application/json", None, lambda: 0.2)
        made.close()


@pytest.mark.parametrize("length", ["content-length: 1000000000", "transfer-encoding: chunked"])
def test_an_answer_of_too_many_bytes_is_not_read_to_its_end(node: Node, tmp_path: Path, length: str) -> None:
    most = 1 << 20
    calls = calls_to(dataclasses.replace(settings_for(node.listener, tmp_path), max_answer_size=most))
    piece = b"%X\r\n%b\r\n" % (1 << 16, bytes(1 << 16))
    node.answers = [[HEAD + length.encode() + b"\r\n\r\n", *[piece] * 10_000, None]]
    with pytest.raises(AnswerTooLarge, match="1048576"):
        ask(calls)
    # As many as are allowed are none too many.
    body = bytes(most)
    node.answers = [[HEAD + b"content-length: %d\r\n\r\n" % most + body]]
    assert ask(calls) == body
    calls.close()


@pytest.fixture
def client(node: Node, tmp_path: Path) -> Iterator[Connection]:
    """Elastic's client and the calls without it, over one pool."""
    made = Connection(settings_for(node.listener, tmp_path))
    yield made
    made.close()


def test_the_client_and_the_calls_without_it_share_connections(node: Node, client: Connection) -> None:
    told = HEAD + b"content-type: application/json\r\ncontent-length: 11\r\n\r\n" + b'{"count":3}'
    # That to HEAD says the length of a body that does not come.
    node.answers = [[told.partition(b"{")[0]], [told], [WHOLE], [told]]
    assert client.client.indices.exists(index="any").body is True
    assert client.client.count(index="any")["count"] == 3
    assert client.undecoded("/_search", {}) == b"{}"
    assert client.client.count(index="any")["count"] == 3
    assert node.connections == 1


def test_what_the_client_raises_says_whether_it_was_asked(node: Node, client: Connection, tmp_path: Path) -> None:
    node.answers = [[HEAD, None], [b"no HTTP", None]]
    for _ in range(2):
        with pytest.raises(IndexOutcomeUnknown), index_errors():
            client.client.info()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    nobody = Connection(Settings(data=tmp_path, elasticsearch_url=url))
    with pytest.raises(IndexUnavailable) as raised, index_errors():
        nobody.client.info()
    assert not isinstance(raised.value, IndexOutcomeUnknown)
    nobody.close()


def test_no_header_has_a_line_end_in_it(node: Node, client: Connection) -> None:
    with pytest.raises(ValueError, match="line end"):
        client.client.options(opaque_id="a\r\nX-Other: b").info()
    assert node.connections == 0
