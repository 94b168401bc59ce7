"""Each request under an id: taken from the caller or made, in the answer, in the log, in calls to Elasticsearch."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from flask import Flask, Response, request

from app.monitoring.observation import KEY, Observation, observe

HEADER = "X-Request-Id"
#: What an id may be that somebody else made; anything else would be text of a stranger in every log.
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def install(app: Flask, dialect_name: Callable[[str], str]) -> None:
    """Observe the requests to `app`, from before anything else looks at them. `dialect_name`: by path."""

    def begin() -> None:
        given = request.headers.get(HEADER, "")
        observation = Observation(given if _WELL_FORMED.fullmatch(given) else secrets.token_hex(8))
        observation.dialect = dialect_name(request.path)
        observation.route = request.url_rule.rule if request.url_rule is not None else ""
        request.environ[KEY] = observation
        observe(observation)

    def end(response: Response) -> Response:
        response.headers[HEADER] = observed().request_id
        return response

    app.before_request(begin)
    app.after_request(end)


def observed() -> Observation:
    """What is known of the request at hand."""
    observation: Observation = request.environ[KEY]
    return observation
