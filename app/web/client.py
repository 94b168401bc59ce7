"""Which client made a request: the connection and its peer, or what a proxy that the settings name says of its own
peer.

Nothing else that a request says about its origin is believed, least of all its Host: the sender chooses that.
"""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

from flask import Request, request

#: The leading bits of an IPv6 address by which clients are told apart: a network has such a prefix, and can use all of
#: its addresses.
NETWORK_BITS = 64
#: Header fields that proxies add; from a peer that the settings don't name, they show that it is a proxy.
_FORWARDING = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")

Address = IPv4Address | IPv6Address


def connection() -> socket.socket | None:
    """The connection of the current request, by which a client that leaves is noticed; None where the server gives
    none.

    Source: `gunicorn.socket` of the environment is gunicorn's documented way to it.
    """
    found = request.environ.get("gunicorn.socket")
    return found if isinstance(found, socket.socket) else None


def client_address(request: Request, proxies: str) -> Address | None:
    """The address of the client; None where the peer has none (a Unix socket).

    It is the last address in X-Forwarded-For that is not a proxy's; each hop has added the one before it. `proxies`:
    addresses and networks, separated by commas; `*` trusts the peer, whoever it is, and no hop before it.
    """
    address = _parsed(request.remote_addr or "")
    if address is None or not is_one_of(address, proxies):
        return address
    for said in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        before = _parsed(said.strip())
        if before is None:
            break
        address = before
        if "*" in proxies or not is_one_of(address, proxies):
            break
    return address


def client_network(request: Request, proxies: str) -> str:
    """The key by which a client is counted: its address, or for IPv6 its network; empty where the peer has no
    address."""
    address = client_address(request, proxies)
    if isinstance(address, IPv6Address):
        return str(ipaddress.ip_network((address, NETWORK_BITS), strict=False))
    return str(address or "")


def is_unnamed_proxy(request: Request, proxies: str) -> bool:
    """Whether the peer forwards requests of others, and `proxies` does not name it."""
    peer = _parsed(request.remote_addr or "")
    named = peer is None or is_one_of(peer, proxies)
    return not named and any(name in request.headers for name in _FORWARDING)


def is_one_of(address: Address, listed: str) -> bool:
    """Whether an address is among addresses and networks that are separated by commas, or these contain `*`."""
    found = [each.strip() for each in listed.split(",") if each.strip()]
    return any(each == "*" or address in ipaddress.ip_network(each) for each in found)


def _parsed(text: str) -> Address | None:
    """An address, also with a port as some proxies write it; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
