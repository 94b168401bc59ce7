"""The log: one line for each event on stderr, as a JSON object or as text for people.

No line contains a secret, a file name or anything else that a client sent: requests are named by their route, failures
by their type and place. Only LOG_LEVEL=debug adds the messages of failures, which may quote a request to Elasticsearch.

Rejected: a logging library (the standard one with a formatter does all of this), and gunicorn's access log (it prints
paths, which contain ids and search words).
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger

from app.telemetry import measures
from app.telemetry.observation import KEY, Observation, request_id

_MODULE_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: The beginnings of gunicorn's lines that continue with client data, such as a path, or a header that could not be parsed.
_QUOTING = ("Invalid request from ip=", "Error handling request")

log = logging.getLogger("app.requests")

# No line names its thread, or its process of multiprocessing; a record would look them up anyway
# (https://docs.python.org/3/howto/logging.html#optimization).
logging.logThreads = logging.logMultiprocessing = False


def settings_for(form: str, level: str) -> dict[str, Any]:
    """The configuration (as of logging.config) for lines of `form`, `json` or `text`, from `level` on."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {"level": level.upper(), "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
            # Below WARNING they print a line for each call; the transport's contains the URL of the call.
            "elastic_transport": {"level": "ERROR"},
            "urllib3": {"level": "ERROR"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "formatters": {"line": {"()": "app.telemetry.logs.Lines", "form": form, "quotes": level == "debug"}},
    }


class Lines(logging.Formatter):
    """One line for each record. `quotes`: whether it may contain the messages of exceptions."""

    def __init__(self, form: str = "json", quotes: bool = False) -> None:
        super().__init__()
        self._render = _as_text if form == "text" else _as_json
        self._quotes = quotes

    def format(self, record: logging.LogRecord) -> str:
        event = record.getMessage()
        if not self._quotes and event.startswith(_QUOTING):
            event = next(each for each in _QUOTING if event.startswith(each)).removesuffix(" from ip=")
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "event": event,
        }
        known = getattr(record, "request_id", None) or request_id()
        if known is not None:
            line["request_id"] = known
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["failure"] = list(_failure(record.exc_info[1], self._quotes))
        return self._render(line)


# Made once: `json.dumps` makes an encoder for each call with other separators.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def _as_json(line: dict[str, Any]) -> str:
    return _encode(line)


def _as_text(line: dict[str, Any]) -> str:
    head = f"{line.pop('time')} {line.pop('level').upper():7} {line.pop('event')}"
    failure = line.pop("failure", [])
    pairs = " ".join(f"{name}={value}" for name, value in line.items())
    return "\n    ".join([f"{head} {pairs}", *failure])


def _failure(error: BaseException, quotes: bool) -> Iterator[str]:
    """An exception and its causes, each with the places in its traceback: enough to find a bug, without the values."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield f"{type(cause).__module__}.{type(cause).__qualname__}{_reason(cause, quotes)}"
        for frame in traceback.extract_tb(cause.__traceback__):
            yield f"at {os.path.relpath(frame.filename, _MODULE_HOME)}:{frame.lineno} {frame.name}"
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _reason(error: BaseException, quotes: bool) -> str:
    if quotes:
        return f": {error}"
    if isinstance(error, OSError) and error.errno is not None:
        return f": {os.strerror(error.errno)}"
    return ""


class Logger(GunicornLogger):  # type: ignore[misc]
    """gunicorn's logger. It logs and counts requests, because only the server knows when the last byte was sent."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        """Called once for each request, after its response was sent or aborted."""
        observation = environ.get(KEY) or Observation("")
        method = str(environ.get("REQUEST_METHOD", ""))
        status = int(str(resp.status).split()[0])
        seconds = request_time.total_seconds()
        measures.answered(observation.route, method, status, seconds)
        if not log.isEnabledFor(logging.INFO):
            return
        # gunicorn does not count the bytes of a file that the kernel sends, but Content-Length is known.
        sent = 0 if method == "HEAD" else resp.response_length if resp.response_length is not None else resp.sent
        fields = {
            "method": measures.method_label(method),
            "route": observation.route,
            "status": status,
            "seconds": round(seconds, 6),
            "received": _announced(environ),
            "sent": sent,
            "dialect": observation.dialect,
            "error": observation.error,
        }
        extra = {
            "request_id": observation.request_id or None,
            "fields": {name: value for name, value in fields.items() if value is not None},
        }
        # As `log.info` does it, but that it looks up which line of the code calls it, and the log does not say that.
        log.handle(log.makeRecord(log.name, logging.INFO, "", 0, "request", (), None, extra=extra))


def _announced(environ: dict[str, Any]) -> int | None:
    text = str(environ.get("CONTENT_LENGTH") or "")
    return int(text) if text.isascii() and text.isdigit() else None
