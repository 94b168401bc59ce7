"""Each request under an id: taken from the caller or made, in the answer, in the log, in calls to Elasticsearch."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from flask import Flask, Request, Response, request

from app.telemetry.observation import KEY, Observation, observe

HEADER = "X-Request-Id"
_VARIABLE = "HTTP_X_REQUEST_ID"
#: What an id may be that somebody else made; anything else would be text of a stranger in every log.
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def install(app: Flask, dialect_name: Callable[[str], str]) -> None:
    """Observe the requests to `app`, from before anything else looks at them. `dialect_name`: by path."""

    def begin() -> None:
        incoming = current()
        given = incoming.environ.get(_VARIABLE, "")
        observation = Observation(given if _WELL_FORMED.fullmatch(given) else os.urandom(8).hex())
        observation.dialect = dialect_name(incoming.path)
        rule = incoming.url_rule
        observation.route = rule.rule if rule is not None else ""
        incoming.environ[KEY] = observation
        observe(observation)

    def end(response: Response) -> Response:
        response.headers.add(HEADER, observed().request_id)
        return response

    app.before_request(begin)
    app.after_request(end)


def current() -> Request:
    """The request at hand itself: each look through Flask's stand-in for it costs as much as a call."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def observed() -> Observation:
    """What is known of the request at hand."""
    return observation_of(current())


def observation_of(incoming: Request) -> Observation:
    """What is known of a request."""
    observation: Observation = incoming.environ[KEY]
    return observation
