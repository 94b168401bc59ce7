"""Thumbnails of a picture."""

from __future__ import annotations

from collections.abc import Iterator

from app.extraction.readers import drawing
from app.extraction.readers.reader import Options, Piece


def load(options: Options) -> None:
    drawing.load()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    yield from drawing.of_picture(content)
