"""Makes the passages of a text and their vectors, and the fields that an attachment's document has of them.

A text is cut while its vectors are made, so that only places and vectors are held in memory, however long the text is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app.embeddings.contract import Embeddings, ModelId
from app.errors import EmbeddingsUnavailable
from app.extraction.parts import Part
from app.extraction.sandbox import Stopped
from app.model.schema import FIELDS, existing
from app.passages import cutting
from app.passages.cutting import CUTTER, MOST_BYTES, MOST_PASSAGES
from app.passages.keeping import Kept, quantized

#: The texts of one call for vectors. The model reads them in a second or two, so the server does not take long to stop.
BATCH = 32

PASSAGES, MODEL, _VECTOR = existing("passages", "passages_model", "passages.vector")
#: The dimensions of a vector in the index.
(DIMENSIONS,) = (int(each.options["dims"]) for each in FIELDS if each.name == _VECTOR)


class WrongDimensions(ValueError):
    """The model's vectors do not have the dimensions that the index needs."""


def label(name: str, version: str) -> str:
    """The value of the index field that names the model. Only vectors with the same label can be compared."""
    return f"{name} {version}".strip()


def by(kept: Kept, model: ModelId) -> bool:
    """Whether `kept` has vectors of `model`, and passages as the present `CUTTER` cuts them."""
    made = (kept.model, kept.version, kept.dimensions, kept.cutter)
    return made == (model.name, model.version, model.dimensions, CUTTER)


def made(
    embeddings: Embeddings,
    text: bytes,
    digest: str,
    parts: Sequence[Part],
    tenant: str,
    stopping: Callable[[], bool],
) -> Kept:
    """The passages of `text`, whose SHA-256 in hex is `digest`. Raises EmbeddingsUnavailable, WrongDimensions, Stopped
    if `stopping()` is true, and ValueError if `parts` are not those of the text."""
    model = embeddings.model()
    if model.dimensions != DIMENSIONS:
        raise WrongDimensions(f"the model [{model.name}] has vectors of {model.dimensions} numbers, not {DIMENSIONS}")
    places: list[tuple[int, int]] = []
    vectors = bytearray()
    texts: list[str] = []

    def embed() -> None:
        if stopping():
            raise Stopped
        found = embeddings.passages(texts, tenant)
        if found.model != model:
            raise EmbeddingsUnavailable("The model has changed meanwhile")
        for each in found.vectors:
            vectors.extend(quantized(each))
        texts.clear()

    more = len(text) > MOST_BYTES
    for each in cutting.passages(text, parts):
        if len(places) == MOST_PASSAGES:
            more = True
            break
        places.append((each.start, each.end))
        texts.append(each.text)
        if len(texts) == BATCH:
            embed()
    if texts:
        embed()
    return Kept(
        digest,
        len(text),
        CUTTER,
        model.name,
        model.version,
        model.dimensions,
        more,
        tuple(places),
        bytes(vectors),
    )


def model_of(kept: Kept) -> dict[str, Any]:
    """What the `_source` of a document has of its passages: the model's label; empty if their vectors do not fit the
    index."""
    return {MODEL: label(kept.model, kept.version)} if kept.dimensions == DIMENSIONS else {}


def fields_of(kept: Kept) -> dict[str, Any]:
    """The fields that a document gets from its passages; empty if their vectors do not fit the index. A vector is
    written in hexadecimal, a quarter of what its numbers would take."""
    if kept.dimensions != DIMENSIONS:
        return {}
    vectors = [{"vector": kept.vector(at).hex()} for at in range(len(kept.places))]
    return {**model_of(kept), **({PASSAGES: vectors} if vectors else {})}
