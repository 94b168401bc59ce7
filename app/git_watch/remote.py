"""A remote's address without credentials."""

from __future__ import annotations

import re

_URL = re.compile(r"((?:[A-Za-z0-9+.-]+::)?([A-Za-z][A-Za-z0-9+.-]*)://)([^/?#]*)([^?#]*).*", re.DOTALL)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:@\[\]]*)(:\d*)?")


def without_credentials(address: str) -> str:
    """`address` without user names and passwords, and without a URL's query; ssh's user names stay.

    Empty for an address in which it is unclear where they end.
    """
    match = _URL.fullmatch(address)
    if match is not None:
        head, scheme, authority, path = match.groups()
        user, at, host = authority.rpartition("@")
        found = _HOST.fullmatch(host)
        # A password with a slash looks like a port and a path.
        before = path.rpartition("@")[0]
        if found is None or (before and (found[1] or ":" in before)):
            return ""
        keep = at and scheme.lower() in ("ssh", "git+ssh") and ":" not in user
        return f"{head}{f'{user}@' if keep else ''}{host}{path}"
    if "::" in address:
        # Arguments of a transport helper, such as a command line.
        return ""
    head, slash, tail = address.partition("/")
    user, at, host = head.rpartition("@")
    return f"{user}@{host}{slash}{tail}" if at and ":" not in user else f"{host}{slash}{tail}"
