"""Encodes the vectors of a text's passages as the bytes of a file, and decodes them. docs/adr/0027-passages.md
describes the format.

A vector is kept as whole numbers from -127 to 127, scaled so that its largest component becomes 127 or -127. Its length
is lost, which makes no difference: only the angle between two vectors is compared. So it takes a quarter of the size of
floats, and Elasticsearch takes it as it is. The effect on the order of answers was measured: it can't be told from
chance.

The text and the page of a passage are not kept. They follow, by `cutting`, from the text and its parts, which are kept
already.

A file may be damaged. So it is checked as a whole before any part of it is used, and no length in it is trusted.
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

#: The version of the format.
PASSAGES_FORMAT = 1
MOST_DIMENSIONS = 4096
#: The most bytes of the first line, including its end, and the most characters in the name of a model.
MOST_HEADER = 1024
MOST_NAME = 100
#: The largest absolute value in a vector.
LARGEST = 127

_OFFSETS = struct.Struct("<II")
#: Bytes of a file in which all of its places are.
MOST_BEGINNING = MOST_HEADER + MOST_PASSAGES * _OFFSETS.size

_DIGEST_SIZE = hashlib.sha256().digest_size
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(rf"[!-~]{{1,{MOST_NAME}}}")
_VERSION = re.compile(rf"[!-~]{{0,{MOST_NAME}}}")
_KEYS = {"format", "text", "size", "cutter", "model", "version", "dimensions", "passages", "more"}


def quantized(vector: Sequence[float]) -> bytes:
    """`vector` in whole numbers, a signed byte each. Raises ValueError if it is zero or has a number that is not
    finite."""
    largest = max(map(abs, vector), default=0.0)
    # `max` may overlook a NaN.
    if not 0 < largest < math.inf or not all(map(math.isfinite, vector)):
        raise ValueError("a vector without a direction")
    return array("b", (round(each / largest * LARGEST) for each in vector)).tobytes()


@dataclass(frozen=True)
class Kept:
    """The passages of one text.

    `text`: the SHA-256 of the text in lower-case hex. `size`: the bytes of the text. `cutter`: the `CUTTER` that cut
    it. `model`, `version`: the model that made the vectors (`version` may be empty). `dimensions`: how many numbers a
    vector has. `more`: there is text behind the last passage. `places`: the start and the end of each passage, in bytes
    of the text. `vectors`: the vectors of all passages, one after the other, a signed byte for each number.
    """

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
        """Raises ValueError if these can't be the passages of any text."""
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
        _check_places(self.places, self.size)
        if len(self.vectors) != len(self.places) * self.dimensions:
            raise ValueError("no passages of a text: not a vector for each")
        # 0x80 is -128, which no vector has.
        if b"\x80" in self.vectors or not all(self.vector(at).strip(b"\0") for at in range(len(self.places))):
            raise ValueError("no passages of a text: a vector without a direction")

    def vector(self, at: int) -> bytes:
        """The vector of the passage number `at`, a signed byte for each number."""
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
    """The passages in the content of a file. Raises ValueError if it is damaged or of an unknown format."""
    if hashlib.sha256(content[:-_DIGEST_SIZE]).digest() != content[-_DIGEST_SIZE:]:
        raise ValueError("no passages: another digest than it says")
    line, _, _ = content[:MOST_HEADER].partition(b"\n")
    header = _header(line)
    body = content[len(line) + 1 : -_DIGEST_SIZE]
    count, dimensions = _count(header), header["dimensions"]
    if not (type(dimensions) is int and 0 < dimensions <= MOST_DIMENSIONS):
        raise ValueError("no passages: not so many dimensions")
    if len(body) != count * (_OFFSETS.size + dimensions):
        raise ValueError("no passages: longer or shorter than it says")
    border = count * _OFFSETS.size
    places = tuple(_OFFSETS.iter_unpack(body[:border]))
    told = {each: header[each] for each in ("text", "size", "cutter", "model", "version", "dimensions", "more")}
    return Kept(**told, places=places, vectors=body[border:])


class Beginning(NamedTuple):
    """What the beginning of a file says, as in `Kept`."""

    text: str
    model: str
    version: str
    places: tuple[tuple[int, int], ...]


def beginning_of(content: bytes) -> Beginning:
    """What the first `MOST_BEGINNING` bytes of a file say. They are checked as far as that goes without the vectors and the
    digest behind them: what is damaged names other places of the same text. Raises ValueError."""
    line, _, body = content.partition(b"\n")
    header = _header(line[:MOST_HEADER])
    border = _count(header) * _OFFSETS.size
    if len(body) < border or type(header["size"]) is not int:
        raise ValueError("no passages: shorter than it says")
    places = tuple(_OFFSETS.iter_unpack(body[:border]))
    _check_places(places, header["size"])
    return Beginning(str(header["text"]), str(header["model"]), str(header["version"]), places)


def _check_places(places: Sequence[tuple[int, int]], size: int) -> None:
    """Raises ValueError where no passages of a text of `size` bytes can be."""
    if any(not 0 <= start < end <= size for start, end in places):
        raise ValueError("no passages of a text: not within it")
    if any(one[0] >= other[0] or one[1] >= other[1] for one, other in pairwise(places)):
        raise ValueError("no passages of a text: not in order")


def _count(header: dict[str, Any]) -> int:
    count = header["passages"]
    if type(count) is not int or not 0 <= count <= MOST_PASSAGES:
        raise ValueError("no passages: more than there may be")
    return count


class Made(NamedTuple):
    """The SHA-256 of the text of some passages, their cutter, and the model of their vectors, as in `Kept`."""

    text: str
    cutter: int
    model: str
    version: str
    dimensions: int


def made(beginning: bytes) -> Made:
    """What the first `MOST_HEADER` bytes of a file say of its passages. Raises ValueError if these are damaged."""
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
