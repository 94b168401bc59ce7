"""Who may call a route. Every route says what it needs, with `requires` or `public`; wiring refuses one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Request

from app.auth.tokens import NOBODY, Token
from app.errors import MissingScope
from app.web.observed import current

View = TypeVar("View", bound=Callable[..., Any])

PUBLIC = "public"
_ATTRIBUTE = "required_scope"
#: Where the token of a request is in its WSGI environment, once it is authorized.
_CALLER = "attachment_store.caller"


def requires(scope: str) -> Callable[[View], View]:
    """Mark a view: it needs a token with `scope`. The view finds the token with `caller()`."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, scope)
        return view

    return mark


def public(view: View) -> View:
    """Mark a view: anyone may call it."""
    setattr(view, _ATTRIBUTE, PUBLIC)
    return view


def required_scope(view: Callable[..., Any]) -> str | None:
    """The mark of a view: a scope, PUBLIC, or None when it has none."""
    return getattr(view, _ATTRIBUTE, None)


def caller() -> Token:
    """The token of the current request."""
    token: Token = current().environ[_CALLER]
    return token


def tenant() -> str:
    """The tenant of the current request, which was authorized; NOBODY where its route is public."""
    token: Token | None = current().environ.get(_CALLER)
    return NOBODY if token is None else token.tenant


def bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer <token>` (RFC 6750, 2.1); None for any other scheme or no header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def authorize(request: Request, scope: str | None, token: Token) -> None:
    """Authorize a request, which carries `token`, for a view that needs `scope`, or raise MissingScope."""
    request.environ[_CALLER] = token
    if scope not in token.scopes:
        raise MissingScope(str(scope))


def check_all_marked(app: Flask) -> None:
    """Raises RuntimeError when a route does not say what it needs: a programming error, found at start."""
    unmarked = [name for name, view in app.view_functions.items() if required_scope(view) is None]
    if unmarked:
        raise RuntimeError(f"routes without `requires` or `public`: {', '.join(sorted(unmarked))}")
