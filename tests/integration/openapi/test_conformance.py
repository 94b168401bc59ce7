"""Generated requests for every described operation: no server error, no undocumented status, no schema violation."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.settings import Settings
from app.web.app import create_app
from app.web.openapi import page
from tests.support.app import Server

EXAMPLES = 10
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def load() -> Any:
    """The description, from the application itself: the tests' names must be known before any server runs."""
    with tempfile.TemporaryDirectory() as data:
        app = create_app(Settings(data=Path(data)))
        return schemathesis.openapi.from_dict(app.extensions[page.KEY])


schema = load()
OPERATIONS = [result.ok() for result in schema.get_all_operations()]


def credentials(document: dict[str, Any], operation: dict[str, Any], token: str) -> dict[str, str]:
    """The header that shows `token` for an operation, as its security scheme says."""
    for requirement in operation.get("security", []):
        (name,) = requirement
        scheme = document["components"]["securitySchemes"][name]
        return {"Authorization": f"Bearer {token}"} if scheme["type"] == "http" else {scheme["name"]: token}
    return {}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_operation(operation: Any, mode: GenerationMode, server: Server) -> None:
    header = credentials(schema.raw_schema, operation.definition.raw, server.token)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def conforms(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=server.url, headers=header, timeout=60)
        # What the HTTP server itself refuses (a control character in a header) never reaches the application, whose
        # every answer has this header; app.server.security.refusal_response has it not.
        assume("date" in answer.headers or answer.status_code != 400)
        case.validate_response(answer, checks=CHECKS)

    try:
        conforms()
    except Unsatisfiable:
        # Nothing of this operation can be invalid.
        assert mode is GenerationMode.NEGATIVE
