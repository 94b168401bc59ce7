"""The rules for all sources of vectors: texts are checked, calls are counted, time is limited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.embeddings.contract import Embedded, Kind, ModelId, State, check
from app.errors import EmbeddingsUnavailable
from app.telemetry import measures


class Source(Protocol):
    """A source of vectors."""

    def model(self) -> ModelId:
        """As `Embeddings.model`."""

    def reads(self, text: str) -> bool:
        """As `Embeddings.reads`."""

    def embed(self, kind: Kind, texts: Sequence[str], tenant: str, seconds: float) -> Embedded:
        """The vectors of `texts`, within `seconds`. There is at least one text, and all have been checked. Raises
        EmbeddingsUnavailable."""

    def state(self) -> State:
        """As `Embeddings.state`."""


class Checked:
    """Implements `app.embeddings.contract.Embeddings` on top of a source. The time-outs are in seconds."""

    def __init__(self, source: Source, query_seconds: float, passage_seconds: float) -> None:
        self._source = source
        self._seconds: dict[Kind, float] = {"queries": query_seconds, "passages": passage_seconds}

    def model(self) -> ModelId:
        return self._source.model()

    def reads(self, text: str) -> bool:
        return self._source.reads(text)

    def queries(self, texts: Sequence[str], tenant: str) -> Embedded:
        return self._embed("queries", texts, tenant)

    def passages(self, texts: Sequence[str], tenant: str) -> Embedded:
        return self._embed("passages", texts, tenant)

    def state(self) -> State:
        return self._source.state()

    def _embed(self, kind: Kind, texts: Sequence[str], tenant: str) -> Embedded:
        check(texts, kind)
        if not texts:
            return Embedded(self.model(), [], 0)
        try:
            with measures.step("embed_query" if kind == "queries" else "embed_passages"):
                found = self._source.embed(kind, texts, tenant, self._seconds[kind])
        except EmbeddingsUnavailable:
            measures.embedded(kind, "unavailable", len(texts))
            raise
        measures.embedded(kind, "completed", len(texts))
        return found
