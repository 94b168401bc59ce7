"""The vectors of one text's passages, as bytes of a file and back; the form is described in docs/adr/0027-passages.md.

A vector is kept in whole numbers from -127 to 127, the largest of which stands for its largest component. Its length is not
kept: what is compared is the angle between two vectors, which has none. So it has a quarter of the size of floats, and
Elasticsearch takes it as it is. What that does to the order of answers has been measured, and is nothing that can be told
from chance.

What a passage says is not kept either, nor on which page it is: that follows from the text and its parts, which are kept
already, by `cutting`.

Whatever is read is checked as a whole before any of it is used: it may be damaged, and lengths in it are not believed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from app.passages.cutting import MOST_PASSAGES

#: The version of the form.
PASSAGES_FORMAT = 1
MOST_DIMENSIONS = 4096
#: Bytes of the first line, with its end, and characters of the name of a model.
MOST_HEADER = 1024
MOST_NAME = 100
#: The largest number in a vector.
LARGEST = 127

_DIGEST_SIZE = hashlib.sha256().digest_size
_OFFSETS = struct.Struct("<II")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(rf"[!-~]{{1,{MOST_NAME}}}")
_VERSION = re.compile(rf"[!-~]{{0,{MOST_NAME}}}")
_KEYS = {"format", "text", "size", "cutter", "model", "version", "dimensions", "passages", "more"}


def quantized(vector: Sequence[float]) -> bytes:
    """A vector in whole numbers, a signed byte each. Raises ValueError for one without a direction."""
    largest = max(map(abs, vector), default=0.0)
    # A NaN may hide behind the largest one.
    if not 0 < largest < math.inf or not all(map(math.isfinite, vector)):
        raise ValueError("a vector without a direction")
    return array("b", (round(each / largest * LARGEST) for each in vector)).tobytes()


@dataclass(frozen=True)
class Kept:
    """The passages of one text. `text`: its SHA-256 in lower-case hex, and `size` its bytes. `cutter`: the version by which
    it was cut. `model`, `version`: which model made the vectors (`version` may be empty), and `dimensions` how many numbers
    each has. `more`: there is text behind the last passage. `places`: bytes of the text before each passage and up to its
    end. `vectors`: those of all passages one after the other, a signed byte for each number."""

    text: str
    size: int
    cutter: int
    model: str
    version: str
    dimensions: int
    more: bool
    places: tuple[tuple[int, int], ...]
    vectors: bytes

    def __post_init__(self) -> None:
        """Raises ValueError for what no text can have."""
        numbers = (self.size, self.cutter, self.dimensions)
        if not all(type(each) is int and 0 <= each < 2**32 for each in numbers) or type(self.more) is not bool:
            raise ValueError("no passages of a text: a number is none, or too large")
        if not (isinstance(self.text, str) and _DIGEST.fullmatch(self.text)):
            raise ValueError("no passages of a text: no SHA-256")
        named = ((self.model, _NAME), (self.version, _VERSION))
        if not all(isinstance(each, str) and form.fullmatch(each) for each, form in named):
            raise ValueError("no passages of a text: no name of a model")
        if not 0 < self.dimensions <= MOST_DIMENSIONS or len(self.places) > MOST_PASSAGES:
            raise ValueError("no passages of a text: more than there may be")
        if any(not 0 <= start < end <= self.size for start, end in self.places):
            raise ValueError("no passages of a text: not within it")
        if any(one[0] >= other[0] or one[1] >= other[1] for one, other in pairwise(self.places)):
            raise ValueError("no passages of a text: not in order")
        if len(self.vectors) != len(self.places) * self.dimensions:
            raise ValueError("no passages of a text: not a vector for each")
        # 0x80 is -128, which stands for nothing.
        if b"\x80" in self.vectors or not all(self.vector(at).strip(b"\0") for at in range(len(self.places))):
            raise ValueError("no passages of a text: a vector without a direction")

    def vector(self, at: int) -> bytes:
        """That of one passage, a signed byte for each number."""
        return self.vectors[at * self.dimensions : (at + 1) * self.dimensions]

    def encoded(self) -> bytes:
        """The content of the file."""
        body = b"".join(_OFFSETS.pack(*each) for each in self.places) + self.vectors
        header = {
            "format": PASSAGES_FORMAT,
            "text": self.text,
            "size": self.size,
            "cutter": self.cutter,
            "model": self.model,
            "version": self.version,
            "dimensions": self.dimensions,
            "passages": len(self.places),
            "more": self.more,
        }
        content = json.dumps(header).encode() + b"\n" + body
        return content + hashlib.sha256(content).digest()


def decoded(content: bytes) -> Kept:
    """The passages in a file's content. Raises ValueError when it is damaged, or of a form that is not known."""
    if hashlib.sha256(content[:-_DIGEST_SIZE]).digest() != content[-_DIGEST_SIZE:]:
        raise ValueError("no passages: another digest than it says")
    line, _, _ = content[:MOST_HEADER].partition(b"\n")
    header = _header(line)
    body = content[len(line) + 1 : -_DIGEST_SIZE]
    count, dimensions = header["passages"], header["dimensions"]
    if not (type(count) is int and 0 <= count <= MOST_PASSAGES):
        raise ValueError("no passages: more than there may be")
    if not (type(dimensions) is int and 0 < dimensions <= MOST_DIMENSIONS):
        raise ValueError("no passages: not so many dimensions")
    if len(body) != count * (_OFFSETS.size + dimensions):
        raise ValueError("no passages: longer or shorter than it says")
    border = count * _OFFSETS.size
    places = tuple(_OFFSETS.iter_unpack(body[:border]))
    told = {each: header[each] for each in ("text", "size", "cutter", "model", "version", "dimensions", "more")}
    return Kept(**told, places=places, vectors=body[border:])


class Made(NamedTuple):
    """Of which text passages are (its SHA-256), by which cutter, and by which model their vectors, as in `Kept`."""

    text: str
    cutter: int
    model: str
    version: str
    dimensions: int


def made(beginning: bytes) -> Made:
    """What the first `MOST_HEADER` bytes of a file say of its passages. Raises ValueError when these are damaged."""
    header = _header(beginning.partition(b"\n")[0])
    return Made(*(header[name] for name in Made._fields))


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("no passages: the first line is no JSON") from None
    if not isinstance(header, dict) or header.get("format") != PASSAGES_FORMAT or type(header["format"]) is not int:
        raise ValueError("no passages, or of a form that this version does not know")
    if header.keys() != _KEYS:
        raise ValueError("no passages: other values than there are")
    return header
