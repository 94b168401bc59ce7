"""No vectors, for EMBEDDINGS=off."""

from __future__ import annotations

from collections.abc import Sequence

from app.embeddings.contract import Embedded, ModelId
from app.errors import EmbeddingsOff


class Off:
    """Implements `app.embeddings.contract.Embeddings` without a model: each call raises EmbeddingsOff."""

    def model(self) -> ModelId:
        raise EmbeddingsOff()

    def reads(self, text: str) -> bool:
        return False

    def queries(self, texts: Sequence[str], tenant: str) -> Embedded:
        raise EmbeddingsOff()

    def passages(self, texts: Sequence[str], tenant: str) -> Embedded:
        raise EmbeddingsOff()

    def state(self) -> None:
        return None
