"""An event loop without descriptors, for a library that only has asynchronous functions.

Python's own loops wait for sockets and are woken up by a pair of them: with `socketpair`, then `sendto` and `recvfrom`,
which the process that reads documents may not call (`app.confinement.system_calls`). Only the results of the library's
threads are waited for here, so a queue is enough.

It implements the part of a loop that such a library uses: no timers (`call_later`), no sockets, no processes.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

Value = TypeVar("Value")


class Loop:
    """Runs callbacks in the thread that calls `run_until_complete`."""

    def __init__(self, meanwhile: Callable[[], Coroutine[Any, Any, object]], seconds: float) -> None:
        """`meanwhile` is started whenever nothing has happened for `seconds`."""
        self._ready: queue.SimpleQueue[asyncio.Handle] = queue.SimpleQueue()
        self._meanwhile, self._seconds = meanwhile, seconds
        #: Tasks that nothing else refers to would be collected.
        self._others: list[asyncio.Task[object]] = []
        # The library uses nothing else of a loop: any other call fails.
        self._as_loop = cast(asyncio.AbstractEventLoop, self)

    def run_until_complete(self, future: Coroutine[Any, Any, Value]) -> Value:
        """The result of the coroutine, or its error."""
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

    #: The queue is safe for threads.
    call_soon_threadsafe = call_soon

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_loop)

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ignore errors of callbacks and of results that nothing awaits."""
