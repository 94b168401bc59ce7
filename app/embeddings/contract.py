"""What every other room knows of vectors of texts: `Embeddings`, its values, bounds and errors.

The errors are in `app.errors`: TextRefused, TextTooLong and TooManyTexts are the caller's fault and hold for ever;
EmbeddingsUnavailable is nobody's, and whoever searches goes on with words alone. EmbeddingsOff is one of these.

A vector is an array of 32-bit floats and not one of numpy's, whose import alone costs a worker process 10 MB
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

#: 32-bit floats; of length one.
Vector: TypeAlias = "array[float]"
#: What a text is for. Queries go before passages.
Kind = Literal["queries", "passages"]

#: The most characters of a text, as it is and in Unicode's form NFKC, which is what a model reads: one letter there can be
#: eighteen. With more, one text would keep queries waiting for too long (docs/adr/0026-embeddings.md).
MOST_CHARACTERS = 2048
#: The most texts of one call.
MOST_TEXTS: Mapping[Kind, int] = {"queries": 8, "passages": 128}


@dataclass(frozen=True)
class ModelId:
    """Which model made a vector: vectors of two that differ in any of these can't be compared. `version` is empty where the
    server does not tell."""

    name: str
    version: str
    dimensions: int


@dataclass(frozen=True)
class Embedded:
    """The vectors of texts, in their order. `tokens`: how many the model read; None where the server does not tell."""

    model: ModelId
    vectors: list[Vector]
    tokens: int | None = None


@dataclass(frozen=True)
class State:
    """`missing`: why no vectors can be had now, for people; None when they can. `waiting`: calls, by kind, where it is known
    here. `model`: which one makes them, where that is known without asking."""

    missing: str | None = None
    waiting: Mapping[Kind, int] = field(default_factory=dict)
    model: ModelId | None = None


class Embeddings(Protocol):
    """Makes vectors. For any number of threads."""

    def model(self) -> ModelId:
        """Which model makes them. Raises EmbeddingsUnavailable where that is not known yet."""

    def queries(self, texts: Sequence[str], tenant: str) -> Embedded:
        """The vectors of what is searched for, within EMBEDDINGS_QUERY_TIMEOUT. `tenant`: whose turn it takes. Raises
        EmbeddingsUnavailable, TextRefused, TextTooLong, TooManyTexts."""

    def passages(self, texts: Sequence[str], tenant: str) -> Embedded:
        """The vectors of what is to be found, within EMBEDDINGS_TIMEOUT, after all queries that come meanwhile. As
        `queries` otherwise."""

    def state(self) -> State | None:
        """How it is now, at once; None where there are no embeddings."""


def check(texts: Sequence[str], kind: Kind) -> None:
    """Raises TextRefused, TextTooLong or TooManyTexts for what no model is asked for."""
    if len(texts) > MOST_TEXTS[kind]:
        raise TooManyTexts(MOST_TEXTS[kind])
    for text in texts:
        if not text:
            raise TextRefused("a text is empty")
        # The first look bounds what the second one costs.
        if len(text) > MOST_CHARACTERS or len(unicodedata.normalize("NFKC", text)) > MOST_CHARACTERS:
            raise TextTooLong(MOST_CHARACTERS)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise TextRefused("a text has half of a surrogate pair in it") from None


def unit(vector: Vector) -> Vector:
    """`vector` with the length one. Raises EmbeddingsUnavailable where it has none, or is not of numbers."""
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        raise EmbeddingsUnavailable("The model answered a vector that has no direction")
    return vector if abs(length - 1) < 1e-5 else array("f", (each / length for each in vector))
