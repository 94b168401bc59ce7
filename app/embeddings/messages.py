"""The protocol between the workers and the model's process, over a Unix socket.

A connection serves one call. Each side sends one frame: the length of the content in four bytes (big-endian), then the
content. A call is a JSON object with `ask` (queries, passages or state), `tenant` and `texts`. The first byte of an
answer says what follows:

- VECTORS: the number of vectors, the dimensions of each, the number of tokens, then the vectors as 32-bit floats in the
  machine's own byte order;
- TOLD: a JSON object, which is the state or has `error`.

This module imports nothing of the application, because the model's process has hardly any of it.
"""

from __future__ import annotations

import json
import struct
from array import array
from typing import Any

VECTORS, TOLD = b"=", b"."
HEAD = struct.Struct("!I")
_SHAPE = struct.Struct("!HHI")

#: The most texts of one call to the process, and the most bytes of a call, enough for texts of the longest characters.
TEXTS = 32
MOST_CALL = 1 << 20
#: The most bytes of an answer.
MOST_ANSWER = 1 << 20
#: The value of `error` if too many calls are waiting.
BUSY = "busy"


def frame(content: bytes) -> bytes:
    """`content` with its length in front."""
    return HEAD.pack(len(content)) + content


def call(ask: str, tenant: str = "", texts: list[str] | None = None) -> bytes:
    """The frame of a call."""
    return frame(json.dumps({"ask": ask, "tenant": tenant, "texts": texts or []}, ensure_ascii=False).encode())


def vectors(numbers: bytes, count: int, dimensions: int, tokens: int) -> bytes:
    """The frame of an answer with vectors. `numbers`: 32-bit floats, one vector after the other."""
    return frame(VECTORS + _SHAPE.pack(count, dimensions, tokens) + numbers)


def told(content: dict[str, Any]) -> bytes:
    """The frame of any other answer."""
    return frame(TOLD + json.dumps(content).encode())


def read_vectors(answer: bytes, count: int, dimensions: int) -> tuple[list[array[float]], int]:
    """The vectors in an answer, and the number of tokens. Raises ValueError if the answer does not have `count` vectors
    of `dimensions` numbers."""
    if answer[:1] != VECTORS or len(answer) != 1 + _SHAPE.size + 4 * count * dimensions:
        raise ValueError("not an answer with so many vectors")
    *shape, tokens = _SHAPE.unpack_from(answer, 1)
    if shape != [count, dimensions]:
        raise ValueError("vectors of another number or another size")
    numbers = array("f", answer[1 + _SHAPE.size :])
    return [numbers[at : at + dimensions] for at in range(0, len(numbers), dimensions)], tokens


def read_told(answer: bytes) -> dict[str, Any]:
    """The object in any other answer. Raises ValueError if there is none."""
    if answer[:1] != TOLD:
        raise ValueError("not an answer with an object")
    found = json.loads(answer[1:])
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
