"""To whom a server is open because of the way it was started, in sentences for the person who starts it. Without side
effects."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from app.settings import Settings


def sentences(settings: Settings, hosts: Iterable[str]) -> list[str]:
    """The warnings at a start with `settings`, for a server that listens on these IP addresses.

    The server can't see whether a proxy in front of it terminates TLS. FORWARDED_ALLOW_IPS names a proxy on another
    machine or in another container; a proxy on this machine uses a loopback address.
    """
    said = []
    beyond = sorted({host for host in hosts if not ipaddress.ip_address(host.partition("%")[0]).is_loopback})
    if beyond and all(_loopback(each) for each in settings.forwarded_allow_ips.split(",")):
        said.append(
            f"listening on {', '.join(beyond)}, beyond this machine, in plain HTTP: tokens and files can be read on their "
            "way. Put TLS in front of it, and name that proxy in FORWARDED_ALLOW_IPS"
        )
    if not settings.elasticsearch_api_key and not settings.elasticsearch_username:
        said.append(
            "Elasticsearch is asked without a user and without a key: whoever else reaches it reads and changes all of it"
        )
    return said


def _loopback(text: str) -> bool:
    """Whether an entry of FORWARDED_ALLOW_IPS names only this machine, or no address."""
    return not text.strip() or (text.strip() != "*" and ipaddress.ip_network(text.strip()).is_loopback)
