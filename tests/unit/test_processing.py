"""What one request may do: counted, within its time, and while its client is there."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from app import processing
from app.errors import ClientGone, TooLate, TooMuchWork
from app.processing import LOOK, MOST_STEPS, Processing


@pytest.fixture(autouse=True)
def _none_afterwards() -> Iterator[None]:
    yield
    processing.begin(None)


def test_so_many_steps_and_no_more() -> None:
    processing.begin(Processing(lambda: False))
    for _ in range(MOST_STEPS // LOOK):
        processing.spend(LOOK)
    with pytest.raises(TooMuchWork):
        processing.spend(LOOK)


def test_another_request_has_its_own() -> None:
    for _ in range(2):
        processing.begin(Processing(lambda: False))
        processing.spend(MOST_STEPS)


def test_without_a_request_nothing_is_counted() -> None:
    processing.spend(MOST_STEPS + LOOK)
    with processing.within(0.0):
        processing.spend(LOOK)


def test_within_its_time() -> None:
    processing.begin(Processing(lambda: False))
    with processing.within(60.0):
        processing.spend(LOOK)
        with processing.within(0.0), pytest.raises(TooLate):
            processing.spend(LOOK)
        processing.spend(LOOK)
    processing.spend(LOOK)


def test_while_the_client_is_there() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        begun = Processing(lambda: processing.gone({"gunicorn.socket": ours}))
        begun.spend(LOOK)
        theirs.send(b"the next request")
        begun.spend(LOOK)
        # It is not taken from whoever reads it.
        assert ours.recv(100) == b"the next request"
        theirs.close()
        with pytest.raises(ClientGone):
            begun.spend(LOOK)


def test_a_connection_that_nobody_knows_is_there() -> None:
    assert not processing.gone({})
