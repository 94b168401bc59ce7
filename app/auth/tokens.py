"""Tokens: who may do what. All dialects share one set of tokens; each dialect reads its own header.

`tokens.json` (docs/format.md) has the name, scopes, tenant, expiry and SHA-256 of each token, never the token itself. A
token is 256 random bits, so a plain digest can't be reversed and no slow hash is needed. Changes are in force with the
next request: each request checks the version, and reads the content only when that has changed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.coordination.contract import Shared, Version
from app.errors import Conflict, NotFound, StorageFailed, Unauthenticated
from app.model.attachment import now

SCOPES = ("read", "search", "write", "delete", "admin")
DEFAULT_TENANT = "default"
#: Used as the tenant of all requests without a token together; no tenant has this name.
NOBODY = ""
_TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
#: The most characters of a token's name: it is a line in a list, and a term in the index as the owner of uploads.
MAX_NAME = 100
_FORMAT = 1


@dataclass(frozen=True)
class Token:
    """What a token allows. `digest` is the SHA-256 of its text in hex; `expires` None: never."""

    name: str
    digest: str
    scopes: tuple[str, ...]
    tenant: str
    created: datetime
    expires: datetime | None = None

    def expired(self) -> bool:
        return self.expires is not None and self.expires <= now()


def is_tenant(text: str) -> bool:
    """Whether `text` may be a tenant's name: it is safe as the name of a folder, too."""
    return _TENANT.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether `text` may be a token's name: printable on one line, without blanks around it."""
    return 1 <= len(text) <= MAX_NAME and text.isprintable() and text == text.strip()


def digest(text: str) -> str:
    """The form in which tokens are stored and compared."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """The tokens of one store; safe to use from several processes at once."""

    def __init__(self, shared: Shared, fixed: str | None = None) -> None:
        """`fixed`: a token that is valid beside the stored ones, with every scope for the default tenant."""
        self._shared = shared
        #: The version of the content that was read last, and its tokens. It is one value: when two threads read
        #: different versions, the tokens of one must not be stored under the version of the other. Otherwise a revoked
        #: one would stay valid.
        self._read: tuple[Version | None, dict[str, Token]] = (None, {})
        self._fixed = None
        if fixed is not None:
            self._fixed = Token("API_TOKEN", digest(fixed), SCOPES, DEFAULT_TENANT, now())

    def authenticate(self, text: str | None) -> Token:
        """The token with this text. Raises Unauthenticated for none, an unknown or an expired one."""
        if text:
            # The look-up is by a digest the caller can't steer towards a stored one, and the comparison takes the same
            # time for every guess.
            wanted = digest(text)
            found = self._current().get(wanted) or self._fixed
            if found is not None and hmac.compare_digest(found.digest, wanted) and not found.expired():
                return found
        raise Unauthenticated()

    def of_digest(self, known: str) -> Token:
        """The token with this digest, which the server itself has stored. Raises Unauthenticated when it is not valid
        now."""
        found = self._current().get(known)
        if found is None and self._fixed is not None and self._fixed.digest == known:
            found = self._fixed
        if found is None or found.expired():
            raise Unauthenticated()
        return found

    def all(self) -> list[Token]:
        """All stored tokens, expired ones included, by name."""
        return sorted(self._current().values(), key=lambda token: token.name)

    def create(
        self,
        name: str,
        *,
        scopes: tuple[str, ...] = SCOPES,
        tenant: str = DEFAULT_TENANT,
        expires: datetime | None = None,
    ) -> str:
        """Create a token and return its text, which is stored nowhere.

        Raises Conflict when the name is taken, and ValueError for a name or a tenant that `is_name` or `is_tenant`
        refuses.
        """
        if not is_name(name):
            raise ValueError(f"{name!r} is not a token's name")
        if not is_tenant(tenant):
            raise ValueError(f"[{tenant}] is not a tenant's name")
        text = secrets.token_urlsafe(32)
        token = Token(name, digest(text), scopes, tenant, now(), expires)

        def add(tokens: dict[str, Token]) -> None:
            if any(other.name == name for other in tokens.values()):
                raise Conflict(f"there is a token [{name}] already")
            tokens[token.digest] = token

        self._change(add)
        return text

    def create_first(self) -> str | None:
        """The text of a new token if the store never had one, otherwise None."""
        text: str | None = None

        def add(content: bytes | None) -> bytes | None:
            nonlocal text
            text = None if content is not None else secrets.token_urlsafe(32)
            return None if text is None else _content([Token("first", digest(text), SCOPES, DEFAULT_TENANT, now())])

        self._shared.change(add)
        return text

    def revoke(self, name: str) -> None:
        """Remove the token of this name. Raises NotFound."""

        def drop(tokens: dict[str, Token]) -> None:
            for key, token in list(tokens.items()):
                if token.name == name:
                    del tokens[key]
                    return
            raise NotFound(f"there is no token [{name}]")

        self._change(drop)

    def rotate(self, name: str) -> str:
        """Give the token of this name a new text and return it; the old one is refused at once. Raises NotFound."""
        text = secrets.token_urlsafe(32)

        def swap(tokens: dict[str, Token]) -> None:
            for key, token in list(tokens.items()):
                if token.name == name:
                    del tokens[key]
                    renewed = Token(name, digest(text), token.scopes, token.tenant, now(), token.expires)
                    tokens[renewed.digest] = renewed
                    return
            raise NotFound(f"there is no token [{name}]")

        self._change(swap)
        return text

    def _change(self, change: Callable[[dict[str, Token]], None]) -> None:
        def changed(content: bytes | None) -> bytes:
            tokens = _tokens(content)
            change(tokens)
            return _content(list(tokens.values()))

        self._shared.change(changed)

    def _current(self) -> dict[str, Token]:
        try:
            seen = self._shared.version()
            if seen is None:
                return {}
            known, by_digest = self._read
            if seen != known:
                by_digest = _tokens(self._shared.read())
                self._read = (seen, by_digest)
        except StorageFailed as error:
            raise error if error.__cause__ is None else StorageFailed("The tokens can't be read") from error.__cause__
        return by_digest


def _tokens(content: bytes | None) -> dict[str, Token]:
    """The tokens in a content, by their digests. Raises StorageFailed for a damaged one."""
    if content is None:
        return {}
    try:
        found = json.loads(content)
        if found["format"] != _FORMAT:
            # What a newer version adds, such as a reason to refuse a token, would be ignored, and lost with the next
            # change.
            raise StorageFailed(f"The tokens have format {found['format']!r}, which this version does not know")
        tokens = [_from_json(each) for each in found["tokens"]]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageFailed("The tokens can't be read") from error
    return {token.digest: token for token in tokens}


def _content(tokens: list[Token]) -> bytes:
    return json.dumps({"format": _FORMAT, "tokens": [_to_json(token) for token in tokens]}, indent=1).encode() + b"\n"


def _to_json(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "digest": token.digest,
        "scopes": list(token.scopes),
        "tenant": token.tenant,
        "created": token.created.isoformat(),
        "expires": token.expires.isoformat() if token.expires else None,
    }


def _from_json(content: dict[str, Any]) -> Token:
    return Token(
        name=content["name"],
        digest=content["digest"],
        scopes=tuple(content["scopes"]),
        tenant=content["tenant"],
        created=datetime.fromisoformat(content["created"]),
        expires=datetime.fromisoformat(content["expires"]) if content["expires"] else None,
    )
