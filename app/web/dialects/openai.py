"""OpenAI's embeddings: `Authorization: Bearer`, `POST /v1/embeddings`.

Source: OpenAI's API reference, "Create embeddings". Vectors of the model of EMBEDDINGS for whoever has a token to read with:
the ones that the store's own search compares. What differs from OpenAI's own server, or is left open there:

* `model` is the one that there is; any other is 404 with `model_not_found`. `dimensions` may only be the model's own.
* `input` is a text or a list of texts. Tokens as numbers are 400: they are those of another model.
* A text has at most `MOST_CHARACTERS` characters, a request `MOST_TEXTS["passages"]` texts and MAX_JSON_SIZE bytes; more is
  400 and 413, and nothing is cut off. An empty text, an empty list and half a surrogate pair are 400.
* `user` is taken and not looked at; a key that is not known is 400.
* With `EMBEDDINGS=off` everything is 404 (`embeddings_off`): trying again is of no use. While the model is away, or too many
  wait for it, it is 503 with `Retry-After`.
* `usage` is zero where the server behind does not tell it.
"""

from __future__ import annotations

import base64
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, request

from app import processing
from app.embeddings.contract import MOST_CHARACTERS, MOST_TEXTS, Vector
from app.errors import (
    EmbeddingsOff,
    EmbeddingsUnavailable,
    InvalidParameter,
    NotFound,
    RequestTooLarge,
    StoreError,
    TextRefused,
    TextTooLong,
    TooManyTexts,
)
from app.web.access import bearer, caller, requires
from app.web.describe import JSON, TEXT, ResponseSpec, Schema, array, describes, obj
from app.web.dialects.dialect import Dialect, under
from app.web.parameters import json_object
from app.web.services import services

blueprint = Blueprint("openai", __name__)

#: What it costs to write a vector down, in steps of `app.processing`.
STEPS_A_VECTOR = 200
_KNOWN = {"input", "model", "encoding_format", "dimensions", "user"}
_INPUT: Schema = {**TEXT, "minLength": 1, "maxLength": MOST_CHARACTERS}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_BODY: Schema = {
    "type": "object",
    "properties": {
        "input": {"anyOf": [_INPUT, {**array(_INPUT), "minItems": 1, "maxItems": MOST_TEXTS["passages"]}]},
        "model": TEXT,
        "encoding_format": {"enum": ["float", "base64"]},
        "dimensions": {"type": "integer", "minimum": 1},
        "user": TEXT,
    },
    "required": ["input", "model"],
    "additionalProperties": False,
}
_VECTOR = obj(
    object={"const": "embedding"}, index=_COUNT, embedding={"anyOf": [array({"type": "number"}), {"type": "string"}]}
)
_MADE = {
    200: ResponseSpec(
        "The vectors, in the order of the texts; each has the length one",
        {
            JSON: obj(
                object={"const": "list"},
                data=array(_VECTOR),
                model=TEXT,
                usage=obj(prompt_tokens=_COUNT, total_tokens=_COUNT),
            )
        },
    )
}


class ModelNotFound(NotFound):
    """Another model than the one that there is."""

    code = "model_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"The model here is {name}")


@blueprint.post("/v1/embeddings")
@requires("read")
@describes(
    "Make vectors of texts",
    _MADE,
    errors=(EmbeddingsOff, EmbeddingsUnavailable, InvalidParameter, ModelNotFound, RequestTooLarge)
    + (TextRefused, TextTooLong, TooManyTexts),
    body={JSON: _BODY},
)
def embeddings() -> Response:
    """200 with the vectors of `input`, in the order of its texts."""
    made = services().embeddings
    with _place():
        model = made.model()
    asked = json_object(request, services().settings.max_json_size)
    for name in asked:
        if name not in _KNOWN:
            raise InvalidParameter(name[:100], "is not known")
    texts = _texts(asked.get("input"))
    if not isinstance(asked.get("model"), str):
        raise InvalidParameter("model", "must be a string")
    if asked["model"] != model.name:
        raise ModelNotFound(model.name)
    dimensions = asked.get("dimensions", model.dimensions)
    if type(dimensions) is not int or dimensions != model.dimensions:
        raise InvalidParameter("dimensions", f"can only be {model.dimensions}")
    if not isinstance(asked.get("user", ""), str):
        raise InvalidParameter("user", "must be a string")
    written = _form(asked.get("encoding_format", "float"))
    processing.spend(STEPS_A_VECTOR * len(texts))
    with _place():
        found = made.passages(texts, caller().tenant)
    data = [
        {"object": "embedding", "index": index, "embedding": written(vector)}
        for index, vector in enumerate(found.vectors)
    ]
    tokens = found.tokens or 0
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return jsonify(object="list", data=data, model=found.model.name, usage=usage)


@contextlib.contextmanager
def _place() -> Iterator[None]:
    """One of the threads that may wait for the model. Raises EmbeddingsUnavailable where too many do already, or too many of
    this tenant's."""
    places, tenant, own = services().embedding_places, caller().tenant, object()
    if not places.take(tenant, own):
        places.leave(tenant, own)
        raise EmbeddingsUnavailable("Too many requests wait for the model", retry_after=1)
    try:
        yield
    finally:
        places.give_back(tenant)


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str) for each in texts):
        raise InvalidParameter("input", "must be a text, or a list of texts that is not empty")
    return texts


def _form(name: Any) -> Callable[[Vector], Any]:
    if name == "float":
        return lambda vector: vector.tolist()
    if name == "base64":
        return _base64
    raise InvalidParameter("encoding_format", "must be float or base64")


def _base64(vector: Vector) -> str:
    """As OpenAI's client reads it: 32-bit floats, the lowest byte first."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()


def _render(error: StoreError) -> Response:
    response = jsonify(
        error={
            "message": str(error),
            "type": "server_error" if error.status >= 500 else "invalid_request_error",
            "param": error.name if isinstance(error, InvalidParameter) else None,
            "code": error.code,
        }
    )
    if error.status == 401:
        # RFC 9110, 15.5.2: a 401 names the scheme.
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


_NULLABLE: Schema = {"type": ["string", "null"]}

dialect = Dialect(
    name="openai",
    blueprint=blueprint,
    owns=under("/v1"),
    credentials=bearer,
    render=_render,
    error_schema=obj(error=obj(message=TEXT, type=TEXT, param=_NULLABLE, code=_NULLABLE)),
    security={"type": "http", "scheme": "bearer"},
)
