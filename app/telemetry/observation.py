"""What is known about the current request, for its line in the log, the metrics and the calls to Elasticsearch."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

#: Where a request's observation is in its WSGI environment.
KEY = "attachment_store.observation"


@dataclass
class Observation:
    """What is known about one request. Of the client's data it has only the id, which was checked; never the path."""

    request_id: str
    dialect: str = ""
    #: The rule that matched, such as `/attachment/<attachment_id>`; empty for none.
    route: str = ""
    #: The code of the error in the answer.
    error: str | None = None


_current: ContextVar[Observation | None] = ContextVar("observation", default=None)


def observe(observation: Observation | None) -> None:
    """Set the request that this thread handles to that of `observation`; None: it handles none."""
    _current.set(observation)


def request_id() -> str | None:
    """The id of the current request; None outside any request."""
    observation = _current.get()
    return observation.request_id if observation is not None else None
