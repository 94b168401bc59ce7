"""What is known of the request at hand, for its line in the log, the metrics and the calls to Elasticsearch."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

#: Where a request's observation is in its WSGI environment.
KEY = "attachment_store.observation"


@dataclass
class Observation:
    """Never the path or anything else of the client's but the id, which was checked."""

    request_id: str
    dialect: str = ""
    #: The rule that matched, such as `/attachment/<attachment_id>`; empty for none.
    route: str = ""
    #: The code of the error that was answered.
    error: str | None = None


_current: ContextVar[Observation | None] = ContextVar("observation", default=None)


def observe(observation: Observation | None) -> None:
    """Make `observation` that of the request which this thread handles from here on; None: it handles none."""
    _current.set(observation)


def request_id() -> str | None:
    """The id of the request at hand, None outside of any."""
    observation = _current.get()
    return observation.request_id if observation is not None else None
