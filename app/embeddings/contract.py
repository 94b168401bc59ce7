"""The interface to vectors of texts for the rest of the application: `Embeddings`, its values, bounds and errors.

The errors are in `app.errors`. TextRefused, TextTooLong and TooManyTexts are the caller's fault, and the same call
always fails. EmbeddingsUnavailable is temporary: a search goes on with words alone. EmbeddingsOff is a kind of it.

A vector is an `array` of 32-bit floats and not an array of numpy, whose import alone costs a worker process 10 MB
(docs/performance.md).
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from app.errors import EmbeddingsUnavailable, TextRefused, TextTooLong, TooManyTexts

#: 32-bit floats. Its Euclidean length is one.
Vector: TypeAlias = "array[float]"
#: What texts are for. Queries are served before passages.
Kind = Literal["queries", "passages"]

#: The most characters of a text, both as it is and in Unicode's form NFKC, which is what a model reads; NFKC can turn
#: one character into eighteen. A longer text would keep queries waiting for too long (docs/adr/0026-embeddings.md).
MOST_CHARACTERS = 2048
#: The most texts of one call.
MOST_TEXTS: Mapping[Kind, int] = {"queries": 8, "passages": 128}


@dataclass(frozen=True)
class ModelId:
    """The model that made a vector. Vectors can be compared only if all three values are equal. `version` is empty if
    the server does not tell it. `dimensions`: the count of numbers in a vector."""

    name: str
    version: str
    dimensions: int


@dataclass(frozen=True)
class Embedded:
    """The vectors of texts, in the order of the texts. `tokens`: how many the model read; None if the server does not
    tell it."""

    model: ModelId
    vectors: list[Vector]
    tokens: int | None = None


@dataclass(frozen=True)
class State:
    """`missing`: a sentence for people that says why there are no vectors now; None if there are. `waiting`: the number
    of waiting calls of each kind, if it is known. `model`: the model that makes them, if it is known without asking."""

    missing: str | None = None
    waiting: Mapping[Kind, int] = field(default_factory=dict)
    model: ModelId | None = None


class Embeddings(Protocol):
    """Makes vectors. Thread-safe."""

    def model(self) -> ModelId:
        """The model that makes the vectors. Raises EmbeddingsUnavailable if it is not known yet."""

    def reads(self, text: str) -> bool:
        """Whether the model knows the script of `text`. In any other script its vectors mean nothing."""

    def queries(self, texts: Sequence[str], tenant: str) -> Embedded:
        """The vectors of texts to search for, within EMBEDDINGS_QUERY_TIMEOUT. `tenant`: tenants take turns, and this
        call counts as one of this tenant. Raises EmbeddingsUnavailable, TextRefused, TextTooLong, TooManyTexts."""

    def passages(self, texts: Sequence[str], tenant: str) -> Embedded:
        """The vectors of texts to be found, within EMBEDDINGS_TIMEOUT. Queries that come meanwhile are served first.
        Otherwise like `queries`."""

    def state(self) -> State | None:
        """The present state, without waiting; None if EMBEDDINGS is off."""


def check(texts: Sequence[str], kind: Kind) -> None:
    """Raises TextRefused, TextTooLong or TooManyTexts if `texts` may not be sent to a model."""
    if len(texts) > MOST_TEXTS[kind]:
        raise TooManyTexts(MOST_TEXTS[kind])
    for text in texts:
        if not text:
            raise TextRefused("a text is empty")
        # The first test bounds the cost of the second.
        if len(text) > MOST_CHARACTERS or len(unicodedata.normalize("NFKC", text)) > MOST_CHARACTERS:
            raise TextTooLong(MOST_CHARACTERS)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise TextRefused("a text has half of a surrogate pair in it") from None


def unit(vector: Vector) -> Vector:
    """`vector` scaled to the length one. Raises EmbeddingsUnavailable if its length is 0 or not finite."""
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        raise EmbeddingsUnavailable("The model answered a vector that has no direction")
    return vector if abs(length - 1) < 1e-5 else array("f", (each / length for each in vector))
