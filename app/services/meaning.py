"""What a query means: its vector, by which the nearest passages are found.

A model gives a vector to any text, and texts that say nothing (`qwzxv plomtig`, most numbers of orders) lie near each
other, and near tables of prices: no least nearness of a passage keeps these away without most answers. So a query that
lies near such texts has no meaning here, and is looked for by its words alone (docs/adr/0027-passages.md has the figures).
"""

from __future__ import annotations

import math
import operator
import unicodedata
from array import array

from app.embeddings.contract import MOST_CHARACTERS, Embedded, Embeddings, ModelId, Vector
from app.errors import EmbeddingsUnavailable, TextRefused, TextTooLong
from app.passages.keeping import quantized
from app.search.query import Meaning
from app.services.passages import DIMENSIONS, label

#: Texts that say nothing, of neighbouring keys; no more than one call may have. Their middle is what a query is compared
#: with, whatever its language.
NOISE = ("asdf jklö", "wxqz vbnm", "pqowie zmxn", "hjkl uiop", "ячсм ъхзж", "zxcvb", "đßxq", "kjhgf mnb")


class Meanings:
    """Of queries. For any number of threads. `least`: the cosine from which on a passage is near a query; `noise`: that from
    which on a query is near texts that say nothing."""

    def __init__(self, embeddings: Embeddings, least: float, noise: float) -> None:
        self._embeddings, self._least, self._noise = embeddings, least, noise
        self._middle: tuple[ModelId, Vector] | None = None

    def of(self, text: str, tenant: str) -> Meaning | None:
        """What `text` means; None where it says nothing, where that can't be had now, or not in time."""
        text = unicodedata.normalize("NFKC", text)[:MOST_CHARACTERS].strip()
        try:
            found = self._embeddings.queries([text], tenant)
            middle = self._of_noise(found, tenant)
        except (EmbeddingsUnavailable, TextRefused, TextTooLong):
            return None
        (vector,) = found.vectors
        if found.model.dimensions != DIMENSIONS or sum(map(operator.mul, vector, middle)) >= self._noise:
            return None
        return Meaning(quantized(vector).hex(), label(found.model.name, found.model.version), self._least)

    def model(self) -> str | None:
        """Which model makes vectors, as documents name it; None where the index has no place for its. Raises
        EmbeddingsUnavailable while nobody knows."""
        found = self._embeddings.model()
        return label(found.name, found.version) if found.dimensions == DIMENSIONS else None

    def _of_noise(self, found: Embedded, tenant: str) -> Vector:
        """The middle of texts that say nothing, of length one, made once for a model. Raises EmbeddingsUnavailable."""
        if self._middle is None or self._middle[0] != found.model:
            noise = self._embeddings.queries(NOISE, tenant)
            total = [math.fsum(numbers) for numbers in zip(*noise.vectors, strict=True)]
            length = math.hypot(*total) or 1.0
            self._middle = noise.model, array("f", (each / length for each in total))
        return self._middle[1]
