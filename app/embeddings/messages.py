"""What is said between those who want vectors and the process that has the model, over a socket of the machine.

A connection is for one call. Each side sends one frame: four bytes with the length of what follows, the highest first. The
call is a JSON object, `ask` (queries, passages or state), `tenant` and `texts`. The answer begins with a byte: VECTORS, with
how many there are, how many numbers each has, how many tokens were read, and the numbers as 32-bit floats of this machine;
or TOLD, with a JSON object: the state, or `error`.

This module imports nothing of the application, for the process that uses it has none of it.
"""

from __future__ import annotations

import json
import struct
from array import array
from typing import Any

VECTORS, TOLD = b"=", b"."
HEAD = struct.Struct("!I")
_SHAPE = struct.Struct("!HHI")

#: The most texts of one call to the process, and the most bytes of a call: each of their characters at its longest.
TEXTS = 32
MOST_CALL = 1 << 20
#: The most bytes of an answer.
MOST_ANSWER = 1 << 20
#: What `error` says where there are too many calls.
BUSY = "busy"


def frame(content: bytes) -> bytes:
    """`content` with its length before it."""
    return HEAD.pack(len(content)) + content


def call(ask: str, tenant: str = "", texts: list[str] | None = None) -> bytes:
    """The frame of a call."""
    return frame(json.dumps({"ask": ask, "tenant": tenant, "texts": texts or []}, ensure_ascii=False).encode())


def vectors(numbers: bytes, count: int, dimensions: int, tokens: int) -> bytes:
    """The frame of an answer with vectors; `numbers`: all of them, one vector after the other."""
    return frame(VECTORS + _SHAPE.pack(count, dimensions, tokens) + numbers)


def told(content: dict[str, Any]) -> bytes:
    """The frame of any other answer."""
    return frame(TOLD + json.dumps(content).encode())


def read_vectors(answer: bytes, count: int, dimensions: int) -> tuple[list[array[float]], int]:
    """The vectors in an answer, and the tokens. Raises ValueError where it has not `count` of `dimensions`."""
    if answer[:1] != VECTORS or len(answer) != 1 + _SHAPE.size + 4 * count * dimensions:
        raise ValueError("not an answer with so many vectors")
    *shape, tokens = _SHAPE.unpack_from(answer, 1)
    if shape != [count, dimensions]:
        raise ValueError("vectors of another number or another size")
    numbers = array("f", answer[1 + _SHAPE.size :])
    return [numbers[at : at + dimensions] for at in range(0, len(numbers), dimensions)], tokens


def read_told(answer: bytes) -> dict[str, Any]:
    """The object in any other answer. Raises ValueError."""
    if answer[:1] != TOLD:
        raise ValueError("not an answer with an object")
    found = json.loads(answer[1:])
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
