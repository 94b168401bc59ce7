"""Sign-ins: a browser sends its token once, and from then on a secret instead of it.

A record under the SHA-256 of the secret has the digest of the token and says when the sign-in ends. All workers share
the records, which contain neither secret nor token: anyone who reads them can't sign in with them. A sign-in is valid
only as long as its token: when the token is revoked, rotated or expired, all of its sign-ins end with their next
request. A sign-out removes the record, so a copied cookie is worthless afterwards.

Rejected: the token sealed in the cookie, or a signed cookie. Neither can be ended by signing out, and both need one
more secret key. Rejected: the token itself in the cookie, which would send it with the request of every picture.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.auth.tokens import Token, Tokens
from app.coordination.contract import SignIns as Records
from app.errors import StorageFailed, Unauthenticated
from app.model.attachment import now

#: The most sign-ins that are kept: more browsers than a team has. Above that, the oldest one of the token that has most
#: is removed: a script with one token can neither fill the disk nor sign others out.
MAX_SIGN_INS = 1000
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class SignIn:
    """A browser that is signed in: with which token, until when, and the proof that its page must send to change
    anything."""

    token: Token
    expires: datetime
    proof: str


class SignIns:
    """The sign-ins of one store; safe to use from several processes at once."""

    def __init__(self, records: Records, store_id: str, tokens: Tokens, lifetime: float) -> None:
        """`lifetime`: seconds after which a sign-in ends by itself."""
        self._records = records
        self._tokens = tokens
        self._lifetime = lifetime
        #: Distinguishes the cookies of several stores on one machine: for browsers a cookie does not depend on the
        #: port.
        self.label = hashlib.sha256(store_id.encode()).hexdigest()[:8]

    def begin(self, text: str) -> tuple[str, SignIn]:
        """Sign in with the token `text`. Returns the secret for the cookie, and the sign-in.

        Raises Unauthenticated, StorageFailed or StorageFull.
        """
        token = self._tokens.authenticate(text)
        secret = secrets.token_urlsafe(32)
        expires = now() + timedelta(seconds=self._lifetime)
        content = {"token": token.digest, "expires": expires.isoformat()}
        self._make_room()
        self._records.add(_name(secret), json.dumps(content).encode() + b"\n")
        return secret, SignIn(token, expires, _proof(secret))

    def find(self, secret: str | None) -> SignIn:
        """The sign-in of a secret. Raises Unauthenticated when there is none, it has ended, or its token is not valid."""
        if not secret or not _SECRET.fullmatch(secret):
            raise Unauthenticated()
        try:
            content = json.loads(self._records.read(_name(secret)) or b"")
            digest, expires = str(content["token"]), datetime.fromisoformat(content["expires"])
        except (StorageFailed, ValueError, KeyError, TypeError):
            raise Unauthenticated() from None
        if expires <= now():
            raise Unauthenticated()
        return SignIn(self._tokens.of_digest(digest), expires, _proof(secret))

    def end(self, secret: str) -> None:
        """Sign out. A missing sign-in is no error. Raises StorageFailed."""
        if _SECRET.fullmatch(secret):
            self._records.remove(_name(secret))

    def _make_room(self) -> None:
        """Remove all that have expired, and more when there would be too many."""
        oldest = now().timestamp() - self._lifetime
        found = []
        for name, written in self._records.written().items():
            if written < oldest:
                self._records.remove(name)
            else:
                found.append((written, name))
        if len(found) < MAX_SIGN_INS:
            return
        by_token: dict[str, list[str]] = {}
        for _, name in sorted(found):
            by_token.setdefault(self._token_of(name), []).append(name)
        for _ in range(len(found) - MAX_SIGN_INS + 1):
            self._records.remove(max(by_token.values(), key=len).pop(0))

    def _token_of(self, name: str) -> str:
        """The digest of a sign-in's token; empty where it can't be read."""
        try:
            return str(json.loads(self._records.read(name) or b"")["token"])
        except (StorageFailed, ValueError, KeyError, TypeError):
            return ""


def _name(secret: str) -> str:
    """The name of a sign-in's record."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _proof(secret: str) -> str:
    """What the page sends beside the cookie. It can't be made without the secret, and does not reveal it."""
    return hmac.new(secret.encode(), b"proof of the page", hashlib.sha256).hexdigest()
