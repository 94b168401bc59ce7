"""How often an address may fail to sign in.

A token is 256 random bits, so guessing is hopeless at any rate; the limit keeps a script from making noise and work. It
counts failures alone and for each address, so that nobody can shut others out, and in each worker process by itself.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable

from flask import Request

from app.errors import StoreError

#: Seconds over which failures are counted.
WINDOW = 60.0
#: Addresses that are remembered; the one that failed longest ago is forgotten first.
MAX_ADDRESSES = 10_000


class TooManyFailures(StoreError):
    code = "too_many_failures"
    status = 429
    message = "Too many failed attempts to sign in: wait a moment"


class Failures:
    """Failed attempts by address, of one process. `limit`: how many an address has in a window."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._by_address: dict[str, list[float]] = {}

    def check(self, address: str) -> None:
        """Raises TooManyFailures when `address` has had its number."""
        with self._lock:
            recent = self._recent(address)
            if len(recent) >= self._limit:
                raise TooManyFailures(retry_after=max(1, round(recent[0] + WINDOW - self._clock())))

    def add(self, address: str) -> None:
        """Count a failure of `address`."""
        with self._lock:
            recent = [*self._recent(address), self._clock()][-self._limit :]
            self._by_address.pop(address, None)
            self._by_address[address] = recent
            if len(self._by_address) > MAX_ADDRESSES:
                del self._by_address[next(iter(self._by_address))]

    def _recent(self, address: str) -> list[float]:
        since = self._clock() - WINDOW
        return [moment for moment in self._by_address.get(address, ()) if moment > since]


def address_of(request: Request, proxies: str) -> str:
    """Whose request it is: the peer, or what a proxy of `proxies` (addresses by comma, `*` for any) says of its peer."""
    peer = request.remote_addr or ""
    said = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return said[:64] if said and _is_one_of(peer, proxies) else peer


def _is_one_of(peer: str, proxies: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    listed = [each.strip() for each in proxies.split(",") if each.strip()]
    return any(each == "*" or address in ipaddress.ip_network(each) for each in listed)
