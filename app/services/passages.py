"""The passages of a text: cut, given vectors, and as they are in the document of their attachment.

A text is cut as its vectors are asked for, so that nothing but offsets and bytes is held, whatever its length.
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

#: Texts of one call for vectors: as many as the model reads in a second or two, so that stopping does not take long.
BATCH = 32

PASSAGES, MODEL, _VECTOR = existing("passages", "passages_model", "passages.vector")
#: How many numbers a vector in the index has.
(DIMENSIONS,) = (int(each.options["dims"]) for each in FIELDS if each.name == _VECTOR)


class WrongDimensions(ValueError):
    """The model's vectors are not of the size that the index has."""


def label(name: str, version: str) -> str:
    """A model in one word of the index: vectors of two can't be compared."""
    return f"{name} {version}".strip()


def by(kept: Kept, model: ModelId) -> bool:
    """Whether these vectors are of that model, and the passages what would be cut today."""
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
    """The passages of `text`, whose SHA-256 is `digest`. Raises EmbeddingsUnavailable; Stopped when `stopping` says so;
    WrongDimensions; ValueError when the parts are not those of the text."""
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
    """What the `_source` of a document has of its passages; nothing where the index can't have their vectors."""
    return {MODEL: label(kept.model, kept.version)} if kept.dimensions == DIMENSIONS else {}


def fields_of(kept: Kept) -> dict[str, Any]:
    """The fields of a document that has these passages. A vector is in hexadecimal: a quarter of what its numbers take."""
    if kept.dimensions != DIMENSIONS:
        return {}
    vectors = [{"vector": kept.vector(at).hex()} for at in range(len(kept.places))]
    return {**model_of(kept), **({PASSAGES: vectors} if vectors else {})}
