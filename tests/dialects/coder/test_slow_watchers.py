"""Watchers that do not read: they are cut when they take nothing for two pings, and never hold more than one message."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import pytest

from app.git_watch import connection
from app.git_watch.connection import WatcherConnection
from app.git_watch.repository import Repository
from app.git_watch.unread import MAX_UNREAD, Unread
from tests.support.loops import run

#: One diff of the largest size; a socket's buffers take far less.
STATE = {"/r": Repository("/r", unified_diff="x" * (3 * 1024**2))}


@contextlib.asynccontextmanager
async def watched(unread: Unread) -> AsyncIterator[tuple[WatcherConnection, socket.socket, list[WatcherConnection]]]:
    """A connection, its client's end, and the list of those that have ended."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    gone: list[WatcherConnection] = []
    made = WatcherConnection(lambda: None, lambda: True, gone.append, unread)
    await asyncio.get_running_loop().connect_accepted_socket(lambda: made, ours)
    try:
        yield made, theirs, gone
    finally:
        theirs.close()
        await until(lambda: bool(gone))


async def until(holds: object) -> None:
    end = time.monotonic() + 60
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PING_INTERVAL", 0.3)


def test_who_reads_nothing_is_cut(quick: None) -> None:
    async def act() -> None:
        async with watched(Unread()) as (made, _, gone):
            made.show("now", STATE)
            await until(lambda: bool(gone))

    run(act())


def test_who_reads_slowly_gets_it_all(quick: None) -> None:
    async def act() -> None:
        async with watched(Unread()) as (made, client, gone):
            made.show("now", STATE)
            got = 0
            began = time.monotonic()
            while got < 3 * 1024**2:
                # No pings are read until then: it takes longer than two of them.
                piece = await asyncio.get_running_loop().sock_recv(client, 128 * 1024)
                assert piece
                got += len(piece)
                await asyncio.sleep(0.1)
            assert not gone
            assert time.monotonic() - began > 2 * 0.3

    run(act())


def test_a_tenants_watchers_hold_a_bounded_amount() -> None:
    async def act() -> None:
        unread = Unread()
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(watched(unread)) for _ in range(20)]
            for made, _, _ in clients:
                made.show("now", STATE)
            sent = [each for each in clients if each[0]._told]
            assert len(sent) == -(-MAX_UNREAD // (3 * 1024**2))
            # Who waits for its turn gets it when another has read.
            for _, client, _ in sent:
                got = 0
                while got < 3 * 1024**2:
                    got += len(await asyncio.get_running_loop().sock_recv(client, 1 << 20))
            await until(lambda: all(each[0]._told for each in clients))

    run(act())
