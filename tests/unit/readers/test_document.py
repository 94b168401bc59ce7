"""The library that has nothing but asynchronous functions, and threads that it lets go."""

from __future__ import annotations

import asyncio
import subprocess
import sys
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


#: As a document whose first part takes longer than the library's idle threads stay; there can't be new ones then.
SLOW = """
import asyncio, os, resource, threading
from app import systemcalls
from app.extraction.readers import document, loop
from app.extraction.readers.reader import Options
from app.extraction.samples import sample
document.load(Options(1000, 1000))
list(document.read(sample("document")[1], "application/rtf"))
extract, go = document.native().extract, threading.Event()
class Slow:
    def __getattr__(self, name): return getattr(library, name)
    async def extract(self, input, config):
        if not begun:
            begun.append(None)
            future = asyncio.get_running_loop().create_future()
            later.append((asyncio.get_running_loop(), future))
            go.set()
            await future
        return await extract(input=input, config=config)
library, begun, later = document.native(), [], []
def wake():
    go.wait()
    threading.Event().wait(12)
    later[0][0].call_soon_threadsafe(later[0][1].set_result, None)
threading.Thread(target=wake, daemon=True).start()
document.native = Slow
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
systemcalls.confine()
os.write(1, repr(list(document.read(rb"{\\rtf1 late}", "application/rtf"))).encode())
os._exit(0)
"""


def test_a_document_that_takes_long_does_not_hang() -> None:
    environment = {"TOKIO_WORKER_THREADS": "2", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert done.stdout == "['late']", done.stderr


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
