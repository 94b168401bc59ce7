"""How a route describes itself in the API's description: beside the view, so that the two change together.

Rejected: a hand-written OpenAPI file (drifts), and a framework that derives validation and description from classes
(apispec, flask-smorest): request bodies here are streams and raw bytes, which their parsers must not touch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import StoreError
from app.web.access import View

Schema = Mapping[str, Any]

JSON = "application/json"
FORM = "multipart/form-data"
BYTES = "application/octet-stream"
ANYTHING = "*/*"

TEXT: Schema = {"type": "string"}
BINARY: Schema = {"type": "string", "format": "binary"}


def obj(**properties: Schema) -> Schema:
    """The schema of an object with exactly these properties, all of them required."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def array(items: Schema) -> Schema:
    """The schema of an array."""
    return {"type": "array", "items": items}


@dataclass(frozen=True)
class Parameter:
    """A parameter; `location` is OpenAPI's `in`: query, header or path."""

    name: str
    location: str
    description: str
    schema: Schema = field(default_factory=lambda: TEXT)
    required: bool = False


@dataclass(frozen=True)
class ResponseSpec:
    """A response that is not an error: its content by media type, and the headers that only it has."""

    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """A route's description. `errors` are those beyond what every route of its kind has (see app.web.openapi.document)."""

    summary: str
    answers: Mapping[int, ResponseSpec]
    errors: tuple[type[StoreError], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    body_required: bool = True


_ATTRIBUTE = "described_operation"


def describes(
    summary: str,
    answers: Mapping[int, ResponseSpec],
    *,
    errors: tuple[type[StoreError], ...] = (),
    parameters: tuple[Parameter, ...] = (),
    body: Mapping[str, Schema] | None = None,
    body_required: bool = True,
) -> Callable[[View], View]:
    """Describe a view. `errors`: what it raises beyond what every route of its kind does."""
    operation = Operation(summary, answers, errors, parameters, body or {}, body_required)

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, operation)
        return view

    return mark


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """What a view says about itself; None when it says nothing."""
    return getattr(view, _ATTRIBUTE, None)
