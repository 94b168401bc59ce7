"""The OpenAPI 3.1 document: routes from the URL map, scopes and dialects from the views, errors from the error classes.

Source: https://spec.openapis.org/oas/v3.1.1
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from app import __version__
from app.errors import (
    IncompleteBody,
    IndexUnavailable,
    InvalidRequest,
    MissingScope,
    RequestTimeout,
    StorageFailed,
    StorageUnavailable,
    StoreError,
    Unauthenticated,
)
from app.web.access import PUBLIC, required_scope
from app.web.describe import JSON, Operation, Parameter, Schema, operation_of
from app.web.dialects.dialect import Dialect

Json = dict[str, Any]

_PATH_PARAMETER = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")
#: Methods that werkzeug adds by itself: HEAD is described only where it differs from GET.
_IMPLIED = {"HEAD", "OPTIONS"}


def build(app: Flask, dialects: Iterable[Dialect], head: Iterable[str] = ()) -> Json:
    """The document for the routes of `app`; `head`: endpoints whose HEAD is described too.

    A route that does not describe itself is missing from it, which a test finds.
    """
    by_name = {dialect.name: dialect for dialect in dialects}
    paths: Json = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        operation = operation_of(view)
        if operation is None:
            continue
        dialect = by_name.get(rule.endpoint.partition(".")[0])
        item = paths.setdefault(path_of(rule), {})
        for method in sorted((rule.methods or set()) - _IMPLIED):
            item[method.lower()] = _operation(rule, method, operation, required_scope(view), dialect)
        if rule.endpoint in head:
            item["head"] = _without_content(_operation(rule, "HEAD", operation, required_scope(view), dialect))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Attachment store",
            "version": __version__,
            "description": "Durable files, instantly searchable. Each tag is one dialect over the same store.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {name: dict(each.security) for name, each in by_name.items() if each.security},
        },
    }


def path_of(rule: Rule) -> str:
    """A rule as OpenAPI writes it: `/attachment/{attachment_id}`."""
    return _PATH_PARAMETER.sub(r"{\1}", rule.rule)


def _operation(rule: Rule, method: str, operation: Operation, scope: str | None, dialect: Dialect | None) -> Json:
    errors: list[type[StoreError]] = [StoreError, *operation.errors]
    if StorageFailed in errors:
        # With an object store.
        errors.append(StorageUnavailable)
    if scope != PUBLIC:
        errors += [Unauthenticated, MissingScope]
    if operation.body:
        errors += [InvalidRequest, IncompleteBody, RequestTimeout]
    if any(each.location == "query" for each in operation.parameters):
        errors.append(InvalidRequest)
    responses = {str(status): _answer(operation, status) for status in operation.answers}
    for status in sorted({error.status for error in errors}):
        responses.setdefault(str(status), _error(status, errors, dialect))
    content: Json = {
        "operationId": f"{rule.endpoint.replace('.', '_')}_{_slug(rule)}{method.lower()}",
        "summary": operation.summary,
        "parameters": [*_path_parameters(rule, operation), *map(_parameter, _beyond_path(operation))],
        "responses": responses,
    }
    if dialect is not None:
        content["tags"] = [dialect.name]
    if operation.body:
        media = {media_type: {"schema": schema} for media_type, schema in operation.body.items()}
        content["requestBody"] = {"required": operation.body_required, "content": media}
    if scope != PUBLIC and dialect is not None:
        content["security"] = [{dialect.name: []}]
        content["x-required-scope"] = scope
    return content


def _slug(rule: Rule) -> str:
    # One view may serve several paths; each operation needs an id of its own.
    return re.sub(r"\W+", "_", rule.rule).strip("_") + "_"


def _answer(operation: Operation, status: int) -> Json:
    answer = operation.answers[status]
    content: Json = {"description": answer.description}
    if answer.content:
        content["content"] = {media_type: {"schema": schema} for media_type, schema in answer.content.items()}
    if answer.headers:
        content["headers"] = {name: {"schema": schema} for name, schema in answer.headers.items()}
    return content


def _error(status: int, errors: list[type[StoreError]], dialect: Dialect | None) -> Json:
    codes = sorted({error.code for error in errors if error.status == status})
    content: Json = {"description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}"}
    schema: Schema = dialect.error_schema if dialect is not None else {}
    if schema:
        content["content"] = {JSON: {"schema": schema}}
    if status == IndexUnavailable.status:
        content["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return content


def _path_parameters(rule: Rule, operation: Operation) -> list[Json]:
    described = {each.name: each for each in operation.parameters if each.location == "path"}
    return [
        _parameter(described.get(name) or Parameter(name, "path", name.replace("_", " "), required=True))
        for name in _PATH_PARAMETER.findall(rule.rule)
    ]


def _beyond_path(operation: Operation) -> list[Parameter]:
    return [each for each in operation.parameters if each.location != "path"]


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.location,
        "required": parameter.required or parameter.location == "path",
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _without_content(operation: Json) -> Json:
    # A HEAD has the response of the GET, without the body.
    for answer in operation["responses"].values():
        answer.pop("content", None)
    return operation
