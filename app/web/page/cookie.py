"""The cookie of a sign-in, and which requests it authenticates.

The browser sends the cookie by itself, so a request that has it proves nothing about which site made the browser send
it. Therefore the cookie counts only where a dialect accepts it (`Dialect.cookie`) and the browser says that the request
is of the same origin; for every method that changes something, also only with a proof that only the page can read.

Sources: RFC 6265bis (SameSite, the prefix `__Host-`), Fetch Metadata (Sec-Fetch-Site), RFC 6454 (Origin).
"""

from __future__ import annotations

import hmac
import ipaddress

from flask import Request, Response

from app.auth.sign_ins import SignIn, SignIns
from app.errors import Refused, Unauthenticated
from app.web.client import client_address, is_one_of, is_unnamed_proxy

#: The header in which the page shows its proof.
PROOF = "X-Page-Proof"
_SAFE = frozenset({"GET", "HEAD"})
_OWN_SITES = frozenset({"same-origin", "none"})


def secret_of(request: Request, sign_ins: SignIns) -> str | None:
    """The secret in the request's cookie; None when it has none."""
    return request.cookies.get(_name(request, sign_ins))


def sign_in_of(request: Request, sign_ins: SignIns) -> SignIn:
    """The sign-in that authenticates a request.

    Raises Unauthenticated when there is none or another site made the request, Refused when it would change something
    and does not show the page's proof.
    """
    found = sign_ins.find(secret_of(request, sign_ins))
    if not is_own(request):
        # As if the browser had not sent the cookie, which with SameSite=Strict it should not have.
        raise Unauthenticated()
    shown = request.headers.get(PROOF, "").encode("utf-8", "surrogatepass")
    if request.method not in _SAFE and not hmac.compare_digest(shown, found.proof.encode()):
        raise Refused(f"A signed-in browser must show the page's proof in the header {PROOF}")
    return found


def is_own(request: Request) -> bool:
    """Whether a page of this origin, or the browser's user, made this request. A request with neither Sec-Fetch-Site
    nor Origin is believed: browsers send at least one of the two wherever it matters."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in _OWN_SITES:
        return False
    origin = request.headers.get("Origin")
    # The scheme is not compared: behind a proxy the server may not know its own.
    return origin is None or origin.partition("://")[2] == request.host


def check_connection(request: Request, proxies: str, plain: str) -> None:
    """Raises Refused where a sign-in would send the secret over the network in the clear.

    `proxies`: those whose word about their clients is believed. `plain`: addresses of clients whose requests cross no
    network on which others could listen. For a client on this machine, Host must be the machine's own as well:
    otherwise the client is a proxy that says nothing about its own clients.
    """
    if request.is_secure:
        return
    if is_unnamed_proxy(request, proxies):
        raise Refused("The request came through a proxy that FORWARDED_ALLOW_IPS does not name")
    address = client_address(request, proxies)
    if address is None or not is_one_of(address, plain) or (address.is_loopback and not _names_loopback(request)):
        raise Refused("Signing in needs HTTPS: over plain HTTP others on the network could read the token")


def put(response: Response, request: Request, sign_ins: SignIns, secret: str, lifetime: float) -> None:
    """Put the cookie on `response`; it ends with the sign-in."""
    _set(response, request, sign_ins, secret, int(lifetime))


def take_away(response: Response, request: Request, sign_ins: SignIns) -> None:
    """Have the browser forget the cookie."""
    _set(response, request, sign_ins, "", 0)


def _set(response: Response, request: Request, sign_ins: SignIns, value: str, max_age: int) -> None:
    response.set_cookie(
        _name(request, sign_ins),
        value,
        max_age=max_age,
        path="/",
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )


def _name(request: Request, sign_ins: SignIns) -> str:
    # With the prefix, browsers make sure that no other host of the domain has set it, and that it was never set without
    # TLS.
    return f"{'__Host-' if request.is_secure else ''}attachments-{sign_ins.label}"


def _names_loopback(request: Request) -> bool:
    host = request.host.rpartition(":")[0] if ":" in request.host.rpartition("]")[2] else request.host
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
