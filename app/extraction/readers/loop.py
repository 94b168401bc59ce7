"""An event loop without descriptors, for a library that has nothing but asynchronous functions.

Python's own loops wait for sockets, and wake up by a pair of them: `socketpair` to be made, `sendto` and `recvfrom` from
then on, which the process that reads documents may not call (`app.systemcalls`). All that is waited for here is what the
library's threads have done, so a queue is enough.

It has what such a library uses of a loop: no time (`call_later`), no socket, no process.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

Value = TypeVar("Value")


class Loop:
    """Runs what is called soon, in the thread that calls `run_until_complete`."""

    def __init__(self, meanwhile: Callable[[], Coroutine[Any, Any, object]], seconds: float) -> None:
        """`meanwhile` is begun each time that nothing has happened for so many seconds."""
        self._ready: queue.SimpleQueue[asyncio.Handle] = queue.SimpleQueue()
        self._meanwhile, self._seconds = meanwhile, seconds
        #: A task that nobody holds may be thrown away.
        self._others: list[asyncio.Task[object]] = []
        # Of the rest of a loop nothing is used: what is asked for it fails.
        self._as_loop = cast(asyncio.AbstractEventLoop, self)

    def run_until_complete(self, future: Coroutine[Any, Any, Value]) -> Value:
        """What it returns. Raises what it raises."""
        task = asyncio.Task(future, loop=self._as_loop)
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self._as_loop)
        try:
            while not task.done():
                try:
                    handle = self._ready.get(timeout=self._seconds)
                except queue.Empty:
                    self._others.append(asyncio.Task(self._meanwhile(), loop=self._as_loop))
                    continue
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(before)
        return task.result()

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._as_loop, context)
        self._ready.put(handle)
        return handle

    #: The queue is made for threads.
    call_soon_threadsafe = call_soon

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_loop)

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """That a callback raised, or that nobody asked for a result: nobody here has a use for it."""
