"""Ids: those that each dialect returns, and the one check that a caller's text is an id at all.

An id is the only text of a caller that ever becomes part of a path, so `is_id` allows exactly the three known forms:

* xid, 20 characters of lower-case base32hex: 4 bytes of seconds, then 20 bits of microseconds, so ids sort by creation, and
  44 random bits;
* uuid, canonical and lower-case;
* `f-` and such a uuid.

An id says when it was made and nothing else, because every tenant sees its own. Other implementations of xid
(https://github.com/rs/xid) have the machine, the process and a counter after the seconds: with a counter, anyone who
has two ids knows how many were made between them, by all tenants, and with the process how many processes there are.

Rejected: a counter for each tenant (then two ids of one tenant depend on the process, and reveal it), and a counter
that begins at random with each request (then uniqueness has to be ensured, and it orders nothing).
"""

from __future__ import annotations

import re
import secrets
import time
import uuid

_XID = r"[0-9a-v]{19}[0g]"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = re.compile(rf"{_XID}|(?:f-)?{_UUID}")
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"


#: Random bits of an xid. Only ids of the same microsecond could be equal: one pair in 17 million million is.
_RANDOM_BITS = 44
_MICROSECOND_BITS = 20


def new_xids(count: int) -> list[str]:
    """New xids for the files of one request, in ascending order; the ids of later requests are higher by the microsecond."""
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    moment = (seconds & 0xFFFFFFFF) << _MICROSECOND_BITS | microseconds
    drawn: set[int] = set()
    while len(drawn) < count:
        drawn.add(secrets.randbits(_RANDOM_BITS))
    return [_written(moment << _RANDOM_BITS | each) for each in sorted(drawn)]


def new_xid() -> str:
    """A new xid."""
    return new_xids(1)[0]


def _written(number: int) -> str:
    # 96 bits in 20 characters of 5 bits: the last 4 bits are unused.
    return "".join(_ALPHABET[number << 4 >> shift & 31] for shift in range(95, -1, -5))


def new_uuid() -> str:
    """A new random uuid in canonical form (RFC 9562, version 4)."""
    return str(uuid.uuid4())


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id. Any other text gets the same answer as an id that does not exist."""
    return _ID.fullmatch(text) is not None
