"""Vectors of a server that speaks OpenAI's API: `POST <EMBEDDINGS>/embeddings` (Ollama, vLLM, TEI, this store itself).

Sources: OpenAI's API reference, "Create embeddings"; RFC 9110, 10.2.3 (Retry-After).

The server is believed as far as its answer has the form: as many vectors as texts, each with its index, of finite numbers,
and of as many as the first one ever had. How large an answer may be follows from what was asked. No redirect is followed:
it would carry texts and the key elsewhere.

A request that the server may do later (429, 408, 5xx, no connection) is sent again at growing intervals, or when the server
says, as long as the caller waits; until then others who would not wait so long are refused at once. A vector can be made
twice without harm.

Rejected: urllib3's own repetition, which sleeps for as long as a server says; the `openai` package (pydantic and httpx in
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

#: The most numbers of a vector, and the most bytes of one as JSON, with what is around it.
MOST_DIMENSIONS = 8192
BYTES_A_NUMBER = 32
MOST_AROUND = 64 * 1024
#: How often a request is sent at most, and seconds before the second time.
TRIES, FIRST_PAUSE = 5, 0.5
#: Seconds that a server may ask for at most: who asks for more is asked again then.
LONGEST_PAUSE = 300.0
#: What a model is asked for to learn how many numbers its vectors have.
FIRST = "text"

_PIECE = 256 * 1024
_LATER = {408, 425, 429, 500, 502, 503, 504}


class _Later(Exception):
    """The server may do it later. `seconds`: after how many, where it says."""

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
        #: Why the last request failed, and until when the server wants none.
        self._missing: str | None = None
        self._until = 0.0

    def model(self) -> ModelId:
        return self._model or self.embed("passages", [FIRST], "", self._seconds).model

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
        """The vectors of one request, and its tokens. Raises EmbeddingsUnavailable."""
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
        """Wait for a moment of the monotonic clock. Raises EmbeddingsUnavailable where it comes after `end`."""
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
        """The bytes of a successful answer. Raises _Later, EmbeddingsUnavailable."""
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
                # Whole, the connection is kept; otherwise it can't be used again.
                answer.close() if answer.length_remaining else answer.release_conn()
        except urllib3.exceptions.NewConnectionError as error:
            # For urllib3 it is a time-out, too.
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
    """The body, by `end` and of at most `most` bytes. Raises EmbeddingsUnavailable, and what urllib3 raises."""
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
    """Seconds that the server asks to wait; None where it does not say, or by a date."""
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
    """The vectors in an answer to `count` texts, in the order of these, and the tokens. Raises EmbeddingsUnavailable for
    anything else."""
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
