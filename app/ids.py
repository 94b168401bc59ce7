"""Ids: what each dialect hands out, and the one check that a caller's text is an id at all.

An id is the only text of a caller that ever becomes part of a path, so `is_id` allows exactly the three known forms:

* xid, 20 characters of lower-case base32hex: 4 bytes of time, 5 of process, 3 of counter, so ids sort by creation;
* uuid, canonical and lower-case;
* `f-` and such a uuid.
"""

from __future__ import annotations

import itertools
import os
import re
import time
import uuid

_XID = r"[0-9a-v]{19}[0g]"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = re.compile(rf"{_XID}|(?:f-)?{_UUID}")
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"


class _XidSource:
    """Process part and counter, drawn anew in every process: two forks never share them."""

    def __init__(self) -> None:
        self.process = os.urandom(5)
        # `next` on a count is atomic in CPython, so threads need no lock.
        self.counter = itertools.count(int.from_bytes(os.urandom(3), "big"))


_source = _XidSource()


def _reseed() -> None:
    global _source
    _source = _XidSource()


os.register_at_fork(after_in_child=_reseed)


def new_xid() -> str:
    """A new xid (https://github.com/rs/xid): unique across threads and processes, sortable by the second."""
    counter = next(_source.counter) & 0xFFFFFF
    raw = int(time.time()).to_bytes(4, "big") + _source.process + counter.to_bytes(3, "big")
    number = int.from_bytes(raw, "big") << 4
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(95, -1, -5))


def new_uuid() -> str:
    """A new random uuid in canonical form (RFC 9562, version 4)."""
    return str(uuid.uuid4())


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id. Everything else is answered like an id that nobody has."""
    return _ID.fullmatch(text) is not None
