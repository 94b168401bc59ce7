"""Sign-ins: a browser shows its token once and from then on a secret that stands for it.

`<data>/sign-ins/<SHA-256 of the secret>` (mode 0600) names the token by its digest and says when the sign-in ends. The
folder is what all workers share, and it holds neither secret nor token: who reads it can't sign in with it. A sign-in is
as good as its token is at that moment: revoked, rotated or expired, it ends every sign-in with the next request. A sign-out
removes the file, so a cookie that somebody copied is worth nothing afterwards.

Rejected: the token sealed in the cookie, or a signed cookie. Neither can be ended by signing out, and both need one more
key to keep. Rejected: the token itself in the cookie, which would carry it over the wire with every picture.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app.attachment import now
from app.coordination.local.data_folder import write_durably
from app.errors import Unauthenticated
from app.files import FOLDER_MODE, typed_errors
from app.tokens import Token, Tokens

#: Sign-ins that are kept: more browsers than a team has. With more, the oldest of the token that has most of them goes:
#: a script with one token can neither fill the disk nor sign others out.
MAX_SIGN_INS = 1000
_MODE = 0o600
_NAME = re.compile(r"[0-9a-f]{64}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class SignIn:
    """A browser that is signed in: as which token, until when, and what its page must show to change anything."""

    token: Token
    expires: datetime
    proof: str


class SignIns:
    """The sign-ins of one store; safe to use from several processes at once."""

    def __init__(self, root: Path, store_id: str, tokens: Tokens, lifetime: float) -> None:
        """`lifetime`: seconds after which a sign-in ends by itself."""
        self._root = root
        self._folder = root / "sign-ins"
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
        with typed_errors():
            self._folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            self._make_room()
            write_durably(self._root, self._path(secret), json.dumps(content).encode() + b"\n", _MODE)
        return secret, SignIn(token, expires, _proof(secret))

    def find(self, secret: str | None) -> SignIn:
        """The sign-in of a secret. Raises Unauthenticated when there is none, it has ended, or its token is not valid."""
        if not secret or not _SECRET.fullmatch(secret):
            raise Unauthenticated()
        try:
            content = json.loads(self._path(secret).read_bytes())
            digest, expires = str(content["token"]), datetime.fromisoformat(content["expires"])
        except (OSError, ValueError, KeyError, TypeError):
            raise Unauthenticated() from None
        if expires <= now():
            raise Unauthenticated()
        return SignIn(self._tokens.of_digest(digest), expires, _proof(secret))

    def end(self, secret: str) -> None:
        """Sign out. One that is not there is no error. Raises StorageFailed."""
        if _SECRET.fullmatch(secret):
            with typed_errors():
                self._path(secret).unlink(missing_ok=True)

    def _path(self, secret: str) -> Path:
        return self._folder / hashlib.sha256(secret.encode()).hexdigest()

    def _make_room(self) -> None:
        """Remove all that have ended by their age, and more when there would be too many."""
        found = []
        oldest = now().timestamp() - self._lifetime
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if not _NAME.fullmatch(entry.name):
                        continue
                    written = entry.stat().st_mtime
                    if written < oldest:
                        os.unlink(entry.path)
                    else:
                        found.append((written, Path(entry.path)))
        if len(found) < MAX_SIGN_INS:
            return
        by_token: dict[str, list[Path]] = {}
        for _, path in sorted(found):
            by_token.setdefault(_token_of(path), []).append(path)
        for _ in range(len(found) - MAX_SIGN_INS + 1):
            max(by_token.values(), key=len).pop(0).unlink(missing_ok=True)


def _token_of(path: Path) -> str:
    """The digest of the token that a sign-in stands for; empty where that can't be read."""
    try:
        return str(json.loads(path.read_bytes())["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _proof(secret: str) -> str:
    """What the page shows beside the cookie; nobody without the secret can make it, and it does not tell the secret."""
    return hmac.new(secret.encode(), b"proof of the page", hashlib.sha256).hexdigest()
