"""What Elasticsearch says when it refuses a search, as much of it as a caller may read. Pure.

Its sentences name the index behind the alias, nodes and shards, and may quote values. A caller gets the kind of the error
and its sentence, in which everything in brackets or quotes that the caller did not write is replaced by dots: what is left
is Elasticsearch's own fixed text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from app.errors import (
    IndexOutcomeUnknown,
    IndexRejected,
    IndexUnavailable,
    PointMissing,
    SearchRefused,
    StoreError,
)

_QUOTED = re.compile(r"\[([^\[\]]*)\]|\"([^\"]*)\"|'([^']*)'")
_KIND = re.compile(r"[a-z_]{3,60}")
#: What no sentence may hold, wherever it stands: names of classes, nodes and addresses are of use to nobody.
_INTERNAL = re.compile(r"\b(?:[a-z]+\.){2,}\w+|\b\d+\.\d+\.\d+\.\d+\b|\{[^{}]*\}")
_LONGEST = 500
#: Sentences that hold no name: they say what to do.
_KNOWN = {"index.highlight.max_analyzed_offset", "search.max_buckets", "10000", "65536"}
_GENERIC = "Elasticsearch refused this search"


def refusal(status: int, answer: bytes, asked: str) -> StoreError:
    """The error that an answer of Elasticsearch with this HTTP status means to whoever asked `asked` (JSON)."""
    if status == 404 and b'"num_freed"' in answer:
        # The answer to closing what is not open is no error in shape.
        return PointMissing()
    try:
        error = json.loads(answer)["error"]
    except (ValueError, KeyError, TypeError):
        error = {}
    return of_error(status, error, asked)


def of_error(status: int, error: Any, asked: str) -> StoreError:
    """The same for the `error` of one answer of an msearch."""
    kind, why = _innermost(error)
    if kind == "search_context_missing_exception":
        return PointMissing()
    if status in (401, 403, 408, 429) or kind == "task_cancelled_exception":
        # The last is told as 400, though nothing is wrong with the search.
        return IndexUnavailable()
    if status == 404:
        # The index behind the alias, or behind a point in time, is gone.
        return IndexUnavailable("The index is missing")
    if status >= 500:
        return IndexOutcomeUnknown()
    if status != 400:
        return IndexRejected()
    return SearchRefused(kind if _KIND.fullmatch(kind) else "illegal_argument_exception", readable(why, asked))


def _innermost(error: Any) -> tuple[str, str]:
    """Kind and sentence of the cause that says most."""
    if not isinstance(error, dict):
        return "", str(error or "")
    causes = [*(error.get("root_cause") or []), error.get("caused_by"), error]
    for cause in causes:
        if isinstance(cause, dict) and cause.get("reason"):
            return str(cause.get("type", "")), str(cause["reason"])
    return str(error.get("type", "")), ""


def readable(sentence: str, asked: str) -> str:
    """`sentence` without what neither Elasticsearch always says nor the caller wrote in `asked`."""

    def masked(match: re.Match[str]) -> str:
        inner = next(each for each in match.groups() if each is not None)
        shown = inner in _KNOWN or (inner and inner in asked)
        return match[0] if shown else match[0].replace(inner, "...") if inner else match[0]

    def internal(match: re.Match[str]) -> str:
        return match[0] if match[0] in _KNOWN or match[0] in asked else "..."

    found = _INTERNAL.sub(internal, _QUOTED.sub(masked, " ".join(sentence.split())))
    return found[:_LONGEST] or _GENERIC
