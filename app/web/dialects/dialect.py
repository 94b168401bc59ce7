"""What a dialect is: which paths it has, how a caller sends a token, what its errors look like. Its routes are in its
blueprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Request, Response

from app.errors import StoreError


@dataclass(frozen=True)
class Dialect:
    """One HTTP API over the store."""

    name: str
    blueprint: Blueprint
    #: Whether a path belongs to this dialect, whether its route is known or not; the first dialect that says yes has
    #: it.
    owns: Callable[[str], bool]
    #: The token that a request carries; None when it carries none.
    credentials: Callable[[Request], str | None]
    #: An error in this dialect's shape. The status is the error's; the caller adds headers such as Retry-After.
    render: Callable[[StoreError], Response]
    #: Whether a browser's sign-in (app.web.page) counts as a token here. Other dialects do not look at its cookie.
    cookie: bool = False
    #: The header fields that every response of this dialect has.
    headers: tuple[tuple[str, str], ...] = ()
    #: Called before authentication; raises the errors that hold for every caller.
    refuse: Callable[[Request], None] | None = None
    #: For the API's description: the JSON schema of `render`, and the OpenAPI security scheme of `credentials`.
    error_schema: Mapping[str, Any] = field(default_factory=dict)
    security: Mapping[str, Any] = field(default_factory=dict)


def under(*prefixes: str) -> Callable[[str], bool]:
    """Whether a path is one of `prefixes` or below it."""
    heads = tuple(f"{prefix}/" for prefix in prefixes)
    return lambda path: path in prefixes or path.startswith(heads)
