"""Vectors from a server with OpenAI's API: `POST <EMBEDDINGS>/embeddings` (Ollama, vLLM, TEI, LiteLLM, this store).

Sources: OpenAI's API reference, "Create embeddings"; RFC 9110, 10.2.3 (Retry-After).

An answer is checked: it has to have one vector for each text, with the index of the text, and every vector has to have
finite numbers, as many as the first vector ever had. The size of the request bounds the size of the answer. Redirects
are not followed, as they would carry texts and the key to another server.

If the server may answer later (429, 408, 5xx, no connection), the request is sent again at growing intervals, or after
the time that the server asks for, as long as the caller waits. Meanwhile, callers that would not wait so long are
refused at once. Making a vector twice does no harm.

Rejected: urllib3's own retries, which sleep for as long as a server says; the `openai` package (pydantic and httpx in
each worker process, for one request).
"""

from __future__ import annotations

import json
import math
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import certifi
import urllib3

from app import processing
from app.embeddings.contract import Embedded, Kind, ModelId, State, Vector, unit
from app.errors import EmbeddingsUnavailable
from app.settings import Settings

#: The most numbers of a vector, the most bytes of a number as JSON, and the most bytes of the rest of an answer.
MOST_DIMENSIONS = 8192
BYTES_A_NUMBER = 32
MOST_AROUND = 64 * 1024
#: How often a request is sent at most, and the seconds before the second time.
TRIES, FIRST_PAUSE = 5, 0.5
#: A server that asks for a longer pause, in seconds, is asked again after this one.
LONGEST_PAUSE = 300.0
#: A text that is sent to learn how many numbers the vectors have.
FIRST = "text"

_PIECE = 256 * 1024
_LATER = {408, 425, 429, 500, 502, 503, 504}


class _Later(Exception):
    """The server may answer later. `seconds`: the pause that it asks for; None if it does not say."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Remote:
    """A source for `app.embeddings.checked.Checked`. Making it connects to nothing."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"{settings.embeddings}/embeddings"
        self._name = settings.embeddings_model or ""
        self._batch = settings.embeddings_batch
        self._seconds = settings.embeddings_timeout
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if (key := settings.embeddings_secret) is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        authorities = settings.embeddings_ca_certs or certifi.where()
        self._pool = urllib3.PoolManager(1, maxsize=settings.web_threads, retries=False, ca_certs=str(authorities))
        self._model: ModelId | None = None
        #: Why the last request failed (None: it did not), and the moment until which the server wants no request.
        self._missing: str | None = None
        self._until = 0.0

    def model(self) -> ModelId:
        return self._model or self.embed("passages", [FIRST], "", self._seconds).model

    def reads(self, text: str) -> bool:
        # Nobody says what it has learned.
        return True

    def embed(self, kind: Kind, texts: Sequence[str], tenant: str, seconds: float) -> Embedded:
        end = time.monotonic() + seconds
        vectors: list[Vector] = []
        tokens: int | None = 0
        for at in range(0, len(texts), self._batch):
            piece = texts[at : at + self._batch]
            found, read = self._some(piece, end)
            processing.spend(len(piece))
            vectors += found
            tokens = None if tokens is None or read is None else tokens + read
        assert self._model is not None
        return Embedded(self._model, vectors, tokens)

    def state(self) -> State:
        return State(self._missing, model=self._model)

    def _some(self, texts: Sequence[str], end: float) -> tuple[list[Vector], int | None]:
        """The vectors for one request, and its number of tokens. Raises EmbeddingsUnavailable."""
        asked = {"model": self._name, "input": list(texts), "encoding_format": "float"}
        body = json.dumps(asked, ensure_ascii=False).encode()
        pause = FIRST_PAUSE
        for left in reversed(range(TRIES)):
            self._await(self._until, end)
            try:
                content = self._sent(body, end, len(texts) * MOST_DIMENSIONS * BYTES_A_NUMBER + MOST_AROUND)
            except _Later as error:
                self._missing = str(error)
                seconds = min(pause if error.seconds is None else error.seconds, LONGEST_PAUSE)
                if error.seconds is not None:
                    self._until = time.monotonic() + seconds
                if not left:
                    raise EmbeddingsUnavailable(self._missing) from error
                self._await(time.monotonic() + seconds, end)
                pause *= 2
            except EmbeddingsUnavailable as error:
                self._missing = str(error)
                raise
            else:
                try:
                    found, tokens = read(content, len(texts))
                    self._learn(len(found[0]))
                except EmbeddingsUnavailable as error:
                    self._missing = str(error)
                    raise
                self._missing = None
                return found, tokens
        raise AssertionError("unreachable")

    def _await(self, moment: float, end: float) -> None:
        """Wait for `moment` of the monotonic clock. Raises EmbeddingsUnavailable at once if it is not before `end`."""
        seconds = moment - time.monotonic()
        if seconds > 0:
            if moment >= end:
                raise EmbeddingsUnavailable(self._missing, retry_after=math.ceil(seconds))
            time.sleep(seconds)

    def _learn(self, dimensions: int) -> None:
        if self._model is None:
            self._model = ModelId(self._name, "", dimensions)
        elif self._model.dimensions != dimensions:
            raise EmbeddingsUnavailable("The server of EMBEDDINGS answers with vectors of another size than before")

    def _sent(self, body: bytes, end: float, most: int) -> bytes:
        """The bytes of a successful answer, at most `most`, by `end`. Raises _Later, EmbeddingsUnavailable."""
        left = end - time.monotonic()
        if left <= 0:
            raise EmbeddingsUnavailable("The server of EMBEDDINGS did not answer in time")
        try:
            answer = self._pool.urlopen(
                "POST",
                self._url,
                body=body,
                headers=self._headers,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(total=left),
                preload_content=False,
                decode_content=False,
            )
            try:
                content = _read_to_end(answer, end, most)
            finally:
                # The connection can be used again only if the whole answer was read.
                answer.close() if answer.length_remaining else answer.release_conn()
        except urllib3.exceptions.NewConnectionError as error:
            # This comes first, because urllib3 counts it among its time-outs.
            raise _Later("The server of EMBEDDINGS can't be reached") from error
        except urllib3.exceptions.TimeoutError as error:
            raise EmbeddingsUnavailable("The server of EMBEDDINGS did not answer in time") from error
        except urllib3.exceptions.SSLError as error:
            raise EmbeddingsUnavailable("The certificate of the server of EMBEDDINGS is not trusted") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _Later("The server of EMBEDDINGS can't be reached") from error
        if answer.status == 200:
            return content
        if answer.status in _LATER:
            raise _Later(f"The server of EMBEDDINGS answers {answer.status}", retry_after(answer.headers))
        raise EmbeddingsUnavailable(_refused(answer.status))


def _read_to_end(answer: urllib3.BaseHTTPResponse, end: float, most: int) -> bytes:
    """The body of `answer`. Raises EmbeddingsUnavailable if it has more than `most` bytes or lasts beyond `end`, and
    what urllib3 raises."""
    pieces, size = [], 0
    while piece := answer.read1(_PIECE):
        size += len(piece)
        if size > most:
            raise EmbeddingsUnavailable("The server of EMBEDDINGS answers more than was asked for")
        if time.monotonic() > end:
            raise EmbeddingsUnavailable("The server of EMBEDDINGS did not answer in time")
        pieces.append(piece)
    return b"".join(pieces)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the server asks to wait; None if it does not, or if it gives a date."""
    value = headers.get("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _refused(status: int) -> str:
    if status in (401, 403):
        return "The server of EMBEDDINGS does not accept the key"
    if status == 404:
        return "The server of EMBEDDINGS has no such model, or is none"
    if 300 <= status < 400:
        return f"The server of EMBEDDINGS answers with a redirect ({status}), which is not followed"
    return f"The server of EMBEDDINGS refuses the request ({status})"


def read(content: bytes, count: int) -> tuple[list[Vector], int | None]:
    """The vectors in an answer to `count` texts, in the order of the texts, and the number of tokens (None: not told).
    Raises EmbeddingsUnavailable if the answer is anything else."""
    try:
        answer: Any = json.loads(content)
        found = {each["index"]: array("f", each["embedding"]) for each in answer["data"]}
        if len(answer["data"]) != count or set(found) != set(range(count)):
            raise ValueError("other vectors than were asked for")
        vectors = [found[index] for index in range(count)]
        sizes = {len(each) for each in vectors}
        if len(sizes) != 1 or not 0 < min(sizes) <= MOST_DIMENSIONS:
            raise ValueError("vectors of several sizes, or too large")
        usage = answer.get("usage")
        tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, AttributeError) as error:
        raise EmbeddingsUnavailable("The server of EMBEDDINGS gave no vectors") from error
    return [unit(each) for each in vectors], tokens if type(tokens) is int and tokens >= 0 else None
