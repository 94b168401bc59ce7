"""The meaning of a query: a vector, by which the nearest passages are found.

A model makes a vector of any text. The vectors of texts without a meaning (`qwzxv plomtig`, most order numbers) are
near each other, and near those of price tables. A threshold for the nearness of passages that kept these away would
keep most right answers away too. So a query whose vector is near such texts counts as one without a meaning, and is
searched for by its words alone. A question in plain words is far from them, and what is slightly near it may answer it.
Of a query in between, a few words or many made-up ones, only what is nearer counts (docs/adr/0027-passages.md has the
figures).
"""

from __future__ import annotations

import math
import operator
import unicodedata
from array import array
from collections.abc import Callable

from app.embeddings.contract import MOST_CHARACTERS, Embedded, Embeddings, ModelId, Vector
from app.errors import EmbeddingsUnavailable, TextRefused, TextTooLong
from app.passages.keeping import quantized
from app.search.query import Meaning
from app.services.passages import label

#: Texts without a meaning, of neighbouring keys on keyboards; as many as one call may have. A query in any language is
#: compared with the mean of their vectors.
NOISE = ("asdf jklö", "wxqz vbnm", "pqowie zmxn", "hjkl uiop", "ячсм ъхзж", "zxcvb", "đßxq", "kjhgf mnb")
#: A query whose cosine to these is more than this share of what makes it one without a meaning is no plain question, and
#: a passage is near it from so many times the cosine on.
PLAIN, STRICTER = 0.2, 1.5


class Meanings:
    """Makes the meanings of queries. Thread-safe. `least`: the least cosine of a passage that is near a plain question.
    `noise`: the least cosine of a query that is near texts without a meaning. `comparable`: whether the index can compare
    its vectors with one of these dimensions."""

    def __init__(self, embeddings: Embeddings, least: float, noise: float, comparable: Callable[[int], bool]) -> None:
        self._embeddings, self._least, self._noise, self._comparable = embeddings, least, noise, comparable
        self._middle: tuple[ModelId, Vector] | None = None

    def of(self, text: str, tenant: str) -> Meaning | None:
        """The meaning of `text`; None if it has none, if there is no vector for it now or in time, or if the index can't be
        asked for it. Raises what `comparable` raises."""
        text = unicodedata.normalize("NFKC", text)[:MOST_CHARACTERS].strip()
        if not self._embeddings.reads(text):
            return None
        try:
            found = self._embeddings.queries([text], tenant)
            middle = self._of_noise(found, tenant)
        except (EmbeddingsUnavailable, TextRefused, TextTooLong):
            return None
        (vector,) = found.vectors
        noise = sum(map(operator.mul, vector, middle))
        if noise >= self._noise or not self._comparable(found.model.dimensions):
            return None
        least = self._least if noise < PLAIN * self._noise else min(1.0, STRICTER * self._least)
        return Meaning(quantized(vector).hex(), label(found.model.name, found.model.version), least)

    def model(self) -> ModelId | None:
        """Which model makes vectors; None if the index can't compare its own with them. Raises EmbeddingsUnavailable while
        nobody knows, and what `comparable` raises."""
        found = self._embeddings.model()
        return found if self._comparable(found.dimensions) else None

    def _of_noise(self, found: Embedded, tenant: str) -> Vector:
        """The mean of the vectors of `NOISE`, scaled to the length one; made once for each model. Raises
        EmbeddingsUnavailable."""
        if self._middle is None or self._middle[0] != found.model:
            noise = self._embeddings.queries(NOISE, tenant)
            total = [math.fsum(numbers) for numbers in zip(*noise.vectors, strict=True)]
            length = math.hypot(*total) or 1.0
            self._middle = noise.model, array("f", (each / length for each in total))
        return self._middle[1]
