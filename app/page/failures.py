"""How often an address may fail to sign in.

A token is 256 random bits, so guessing is hopeless at any rate; the limit keeps a script from making noise and work. It
counts failures alone and for each address, so that nobody can shut others out.

`<data>/sign-in-failures.json` (mode 0600) holds, by address, the moments of the last minute's failures: written under its
lock with each failure, so that all worker processes count together, and never synced: it is worth nothing after a crash.

Rejected: a count in each process (an address had as many attempts for each), and a file for each address (who has many
addresses would make as many files).
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flask import Request

from app.blobs.files import typed_errors
from app.errors import StoreError
from app.root import exclusive

#: Seconds over which failures are counted.
WINDOW = 60.0
#: Addresses that are remembered, half a megabyte at most; the one that failed longest ago is forgotten first.
MAX_ADDRESSES = 1000
_MODE = 0o600


class TooManyFailures(StoreError):
    code = "too_many_failures"
    status = 429
    message = "Too many failed attempts to sign in: wait a moment"


class Failures:
    """Failed attempts by address. `limit`: how many an address has in a window, over all processes on the store."""

    def __init__(self, root: Path, limit: int, clock: Callable[[], float] = time.time) -> None:
        self._path = root / "sign-in-failures.json"
        self._limit = limit
        self._clock = clock

    def check(self, address: str) -> None:
        """Raises TooManyFailures when `address` has had its number, StorageFull or StorageFailed."""
        with self._locked() as file:
            recent = self._read(file).get(address, [])
        if len(recent) >= self._limit:
            raise TooManyFailures(retry_after=max(1, round(recent[0] + WINDOW - self._clock())))

    def add(self, address: str) -> None:
        """Count a failure of `address`. Raises StorageFull or StorageFailed."""
        with self._locked() as file:
            found = self._read(file)
            recent = [*found.pop(address, []), self._clock()][-self._limit :]
            kept = [*found.items(), (address, recent)][-MAX_ADDRESSES:]
            content = json.dumps(dict(kept)).encode()
            os.pwrite(file, content, 0)
            os.ftruncate(file, len(content))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        with typed_errors(), exclusive(self._path, _MODE) as file:
            yield file

    def _read(self, file: int) -> dict[str, list[float]]:
        """By address, the moments of its failures within the window; the address that failed last is the last."""
        try:
            content = json.loads(os.pread(file, os.fstat(file).st_size, 0))
            present = self._clock()
            found = {
                str(address): [float(each) for each in moments if 0 <= present - each < WINDOW]
                for address, moments in content.items()
            }
        except (ValueError, TypeError, AttributeError):
            # New, or killed while it was written: counted from the start.
            return {}
        return {address: moments for address, moments in found.items() if moments}


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
