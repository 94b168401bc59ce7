"""Which header fields of a response the server sends, and which it refuses to."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName

from app.server.request import Requests
from app.server.response import BufferedResponse
from app.server.slow_clients import Transfer

SOUND = [("Content-Type", "text/plain"), ("X-One", " a\t")]


@pytest.fixture
def answer() -> Iterator[BufferedResponse]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        configuration = Config()
        requests = Requests(configuration, ours, ("127.0.0.1", 1))
        requests.unreader.transfer = Transfer(ours)
        requests.unreader.unread(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield BufferedResponse(next(requests), ours, configuration)


def test_fields_are_kept_in_their_order_without_blanks_around_them(answer: BufferedResponse) -> None:
    answer.process_headers([*SOUND, ("Content-Length", "7"), ("ETag", '"\xe9"')])
    assert answer.headers == [
        ("Content-Type", "text/plain"),
        ("X-One", "a"),
        ("Content-Length", "7"),
        ("ETag", '"\xe9"'),
    ]
    assert answer.response_length == 7


@pytest.mark.parametrize("value", ["a\r\nX-Two: b", "a\n", "a\r", "\0", "a\x7f", "\u0100", "\n"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_value_with_other_characters_is_refused_wherever_it_is(
    answer: BufferedResponse, value: str, place: int
) -> None:
    fields = [*SOUND]
    fields.insert(place, ("X-Bad", value))
    with pytest.raises(InvalidResponseHeader):
        answer.process_headers(fields)
    assert all(value not in sent for field in answer.headers for sent in field)


@pytest.mark.parametrize("value", [None, 7, b"bytes"])
def test_a_value_that_is_no_text_is_refused(answer: BufferedResponse, value: object) -> None:
    with pytest.raises(TypeError):
        answer.process_headers([*SOUND, ("X-Bad", value)])  # type: ignore[list-item]


@pytest.mark.parametrize("name", ["", "X Bad", "X-Bad:", "X-Bad\r\nX-Two", "X-\xe9"])
def test_a_name_with_other_characters_is_refused(answer: BufferedResponse, name: str) -> None:
    with pytest.raises(InvalidResponseHeaderName):
        answer.process_headers([*SOUND, (name, "a")])


def test_fields_of_the_connection_are_the_servers_own(answer: BufferedResponse) -> None:
    answer.process_headers([*SOUND, ("Connection", "close"), ("Transfer-Encoding", "chunked"), ("Date", "today")])
    assert [name for name, _ in answer.headers] == ["Content-Type", "X-One"]
