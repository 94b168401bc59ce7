"""What a dialect is: where it lives, how a caller shows a token, how its errors look. Routes are its blueprint's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Request, Response

from app.errors import StoreError


@dataclass(frozen=True)
class Dialect:
    """One way to speak to the store."""

    name: str
    blueprint: Blueprint
    #: Whether a path is this dialect's, known routes and unknown ones alike; the first dialect that says yes has it.
    owns: Callable[[str], bool]
    #: The token that a request shows, None when it shows none.
    credentials: Callable[[Request], str | None]
    #: An error in this dialect's shape. The status is the error's; headers such as Retry-After are added by the caller.
    render: Callable[[StoreError], Response]
    #: Whether a browser's sign-in (app.web.page) stands for a token here. Elsewhere its cookie is not looked at.
    cookie: bool = False
    #: Asked before authentication; raises the refusals that hold for every caller.
    refuse: Callable[[Request], None] | None = None
    #: For the API's description: the JSON schema of `render`, and the OpenAPI security scheme of `credentials`.
    error_schema: Mapping[str, Any] = field(default_factory=dict)
    security: Mapping[str, Any] = field(default_factory=dict)


def under(*prefixes: str) -> Callable[[str], bool]:
    """Whether a path is one of `prefixes` or below it."""
    heads = tuple(f"{prefix}/" for prefix in prefixes)
    return lambda path: path in prefixes or path.startswith(heads)
