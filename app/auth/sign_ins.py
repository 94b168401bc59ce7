"""Sign-ins: a browser shows its token once and from then on a secret that stands for it.

A record under the SHA-256 of the secret names the token by its digest and says when the sign-in ends. The records are what
all workers share, and hold neither secret nor token: who reads them can't sign in with them. A sign-in is
as good as its token is at that moment: revoked, rotated or expired, it ends every sign-in with the next request. A sign-out
removes the record, so a cookie that somebody copied is worth nothing afterwards.

Rejected: the token sealed in the cookie, or a signed cookie. Neither can be ended by signing out, and both need one more
key to keep. Rejected: the token itself in the cookie, which would carry it over the wire with every picture.
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

#: Sign-ins that are kept: more browsers than a team has. With more, the oldest of the token that has most of them goes:
#: a script with one token can neither fill the disk nor sign others out.
MAX_SIGN_INS = 1000
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class SignIn:
    """A browser that is signed in: as which token, until when, and what its page must show to change anything."""

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
        #: Tells the cookies of several stores on one machine apart: browsers don't look at the port.
        self.label = hashlib.sha256(store_id.encode()).hexdigest()[:8]

    def begin(self, text: str) -> tuple[str, SignIn]:
        """Sign in with the token `text`: the secret for the cookie, and what it stands for.

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
        """Sign out. One that is not there is no error. Raises StorageFailed."""
        if _SECRET.fullmatch(secret):
            self._records.remove(_name(secret))

    def _make_room(self) -> None:
        """Remove all that have ended by their age, and more when there would be too many."""
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
        """The digest of the token that a sign-in stands for; empty where that can't be read."""
        try:
            return str(json.loads(self._records.read(name) or b"")["token"])
        except (StorageFailed, ValueError, KeyError, TypeError):
            return ""


def _name(secret: str) -> str:
    """What a sign-in is kept under."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _proof(secret: str) -> str:
    """What the page shows beside the cookie; nobody without the secret can make it, and it does not tell the secret."""
    return hmac.new(secret.encode(), b"proof of the page", hashlib.sha256).hexdigest()
