"""The library that has nothing but asynchronous functions, and threads that it lets go."""

from __future__ import annotations

import asyncio
import threading

import pytest

from app.extraction.readers import document
from app.extraction.readers.loop import Loop
from app.extraction.readers.reader import Options, Unreadable
from app.extraction.samples import sample


async def nothing() -> None:
    pass


def test_the_loop_waits_for_threads() -> None:
    loop = Loop(nothing, 10)

    async def told() -> str:
        future = asyncio.get_running_loop().create_future()
        threading.Timer(0.05, lambda: loop.call_soon_threadsafe(future.set_result, "told")).start()
        found = await future
        assert isinstance(found, str)
        return found

    # A test before may have left one that runs: that of a browser's driver.
    before = asyncio._get_running_loop()
    assert loop.run_until_complete(told()) == "told"
    assert asyncio._get_running_loop() is before


def test_a_loop_that_runs_is_there_again() -> None:
    async def within() -> None:
        outer = asyncio.get_running_loop()
        Loop(nothing, 10).run_until_complete(nothing())
        assert asyncio.get_running_loop() is outer

    Loop(nothing, 10).run_until_complete(within())


def test_meanwhile_something_is_done() -> None:
    counted: list[None] = []

    async def more() -> None:
        counted.append(None)
        if len(counted) == 3:
            future.set_result(None)

    loop = Loop(more, 0.01)
    future = loop.create_future()

    async def waits() -> None:
        await future

    loop.run_until_complete(waits())
    assert len(counted) == 3


def test_what_is_raised_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("so")

    with pytest.raises(ValueError, match="so"):
        Loop(nothing, 10).run_until_complete(fails())


@pytest.mark.parametrize(
    ("media_type", "content", "reason"),
    [
        ("application/x-hwp", b"\xd0\xcf\x11\xe0 and no more", "damaged"),
        ("application/x-nobody-reads-it", b"words", "unsupported"),
    ],
)
def test_why_it_is_not_read(media_type: str, content: bytes, reason: str) -> None:
    document.load(Options(1000, 1000))
    with pytest.raises(Unreadable) as raised:
        list(document.read(content, media_type))
    assert raised.value.reason == reason


def test_its_sample_is_read_after_an_error() -> None:
    document.load(Options(1000, 1000))
    with pytest.raises(Unreadable):
        list(document.read(b"", "application/x-hwp"))
    media_type, content = sample("document")
    assert list(document.read(content, media_type)) == ["control"]
