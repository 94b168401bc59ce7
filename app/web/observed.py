"""Each request has an id, the caller's or a new one; it is in the response, in the log and in calls to
Elasticsearch."""

from __future__ import annotations

import os
import re

from flask import Request, request

from app.telemetry.observation import KEY, Observation, observe

HEADER = "X-Request-Id"
_VARIABLE = "HTTP_X_REQUEST_ID"
#: The form of an id that a caller may give; anything else would be a stranger's text in every log.
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def begin(incoming: Request, dialect: str) -> None:
    """Observe a request, before anything else handles it. `dialect`: the name of the one that its path belongs to."""
    given = incoming.environ.get(_VARIABLE, "")
    observation = Observation(given if _WELL_FORMED.fullmatch(given) else os.urandom(8).hex())
    observation.dialect = dialect
    rule = incoming.url_rule
    observation.route = rule.rule if rule is not None else ""
    incoming.environ[KEY] = observation
    observe(observation)


def current() -> Request:
    """The current request itself: each access through Flask's proxy costs as much as a call."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def observed() -> Observation:
    """The observation of the current request."""
    return observation_of(current())


def observation_of(incoming: Request) -> Observation:
    """The observation of a request."""
    observation: Observation = incoming.environ[KEY]
    return observation
