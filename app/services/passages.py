"""Makes the passages of a text and their vectors, and the fields that an attachment's document gets from them.

A text is cut while its vectors are made, so that only places and vectors are held in memory, however long the text is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from app.embeddings.contract import Embeddings, ModelId
from app.errors import EmbeddingsUnavailable
from app.extraction.parts import Part
from app.extraction.sandbox import Stopped
from app.model.schema import existing
from app.passages import cutting
from app.passages.cutting import CUTTER, MOST_BYTES, MOST_PASSAGES
from app.passages.keeping import Kept, quantized

#: How many texts one call for vectors has. The model reads them in a second or two, so the server does not take long to
#: stop.
BATCH = 32

PASSAGES, MODEL = existing("passages", "passages_model")

#: Seconds between two checks whether an upload or delete is under way; and after how many seconds without one the work
#: goes on.
LOOK, QUIET = 0.02, 0.2
#: How long uploads and deletes are waited for: so many times as long as the last work took, and at most so many
#: seconds.
TIMES, MOST = 3.0, 2.0

#: A model: its name, its version and its dimensions, None if these are not known.
Maker = tuple[str, str, int | None]


def label(name: str, version: str) -> str:
    """The value of the index field that names the model. Only vectors with the same label can be compared."""
    return f"{name} {version}".strip()


def other_vectors(index: int, model: int) -> str:
    """A sentence for the person who runs the store. `index`: how many numbers the vectors of the index have. `model`:
    how many those of the model have."""
    return (
        f"the vectors of the index have {index} numbers and those of the model {model}: texts are found by their words "
        "alone until `scripts/index migrate` has been run"
    )


def by(kept: Kept, model: ModelId) -> bool:
    """Whether `kept` has vectors of `model`, and passages as the present `CUTTER` cuts them."""
    made = (kept.model, kept.version, kept.dimensions, kept.cutter)
    return made == (model.name, model.version, model.dimensions, CUTTER)


class GivingWay:
    """Lets uploads and deletes go first, between two calls for vectors: a model, and the refresh of what it made, take
    processor time that somebody waits for. While uploads or deletes are under way, vectors are made during a quarter of
    the time, so that this goes on however many uploads there are. Calling it means to rest; it returns whether to stop.

    Rejected: a lower priority alone (Elasticsearch, which indexes the vectors, has the same priority as for uploads); a
    fixed rate (it would slow down an idle machine, too).
    """

    def __init__(self, under_way: Callable[[], bool], stopping: Callable[[], bool]) -> None:
        """`under_way`: returns whether an upload or delete is under way, in any process. `stopping`: returns whether to
        stop."""
        self._under_way, self._stopping = under_way, stopping
        self._since = time.monotonic()

    def __call__(self) -> bool:
        seen, now = -math.inf, time.monotonic()
        end = now + min(MOST, TIMES * (now - self._since))
        while not self._stopping():
            now = time.monotonic()
            if self._under_way():
                seen = now
            if now - seen >= QUIET or now >= end:
                self._since = now
                return False
            time.sleep(LOOK)
        return True


def made(
    embeddings: Embeddings,
    text: bytes,
    digest: str,
    parts: Sequence[Part],
    tenant: str,
    stopping: Callable[[], bool],
) -> Kept:
    """The passages of `text`, whose SHA-256 in hex is `digest`. Raises EmbeddingsUnavailable; Stopped if `stopping()`
    is true; ValueError if `parts` are not those of the text, or if such vectors can't be kept."""
    model = embeddings.model()
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
    """What the `_source` of a document tells of its passages: the model's label."""
    return {MODEL: label(kept.model, kept.version)}


def fields_of(kept: Kept) -> dict[str, Any]:
    """The fields that a document gets from its passages, whether the index has them or not
    (`app.index.documents.Write.fitting`). A vector is written in hexadecimal, which takes a quarter of the space of its
    numbers."""
    vectors = [{"vector": kept.vector(at).hex()} for at in range(len(kept.places))]
    return {**model_of(kept), **({PASSAGES: vectors} if vectors else {})}
