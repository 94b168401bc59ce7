"""The errors of Elasticsearch for a refused search, reduced to what a caller may read. Without side effects.

Its sentences name the index behind the alias, nodes and shards, and may quote values. A caller gets the type of the
error and its sentence, in which dots replace everything in brackets or quotes that the caller did not write: the rest
is Elasticsearch's own fixed text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from app.errors import (
    IndexOutcomeUnknown,
    IndexRejected,
    IndexUnavailable,
    PointMissing,
    SearchRefused,
    SearchTimedOut,
    StoreError,
)

_QUOTED = re.compile(r"\[([^\[\]]*)\]|\"([^\"]*)\"|'([^']*)'")
_KIND = re.compile(r"[a-z_]{3,60}")
#: What no sentence may contain: names of classes, nodes and addresses are of no use to a caller, and a number may be
#: the position of a document among those of all tenants.
_INTERNAL = re.compile(r"\b(?:[a-z]+\.){2,}\w+|\b\d+\.\d+\.\d+\.\d+\b|\{[^{}]*\}|\b\d+\b")
_LONGEST = 500
#: The most characters of a sentence that are read, not counting what is left out.
_MOST = 4 * _LONGEST
#: Sentences that contain no name, and say what to do.
_KNOWN = {"index.highlight.max_analyzed_offset", "search.max_buckets", "10000", "65536"}
#: Errors of the search itself, although Elasticsearch answers 500 when it finds out late, as in an aggregation.
_OF_THE_SEARCH = {"too_complex_to_determinize_exception"}
_GENERIC = "Elasticsearch refused this search"


def error_from_answer(status: int, answer: bytes, asked: str) -> StoreError:
    """The error that an answer of Elasticsearch with this HTTP status means for the caller whose body was `asked`
    (JSON)."""
    if status == 404 and b'"num_freed"' in answer:
        # The answer to closing a point that is not open does not have the shape of an error.
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
        # The last one has status 400, although nothing is wrong with the search.
        return IndexUnavailable()
    if status == 404:
        # The index behind the alias, or behind a point in time, is gone.
        return IndexUnavailable("The index is missing")
    if kind == "search_timeout_exception":
        return SearchTimedOut()
    if status >= 500 and kind not in _OF_THE_SEARCH:
        return IndexOutcomeUnknown()
    if 400 < status < 500:
        return IndexRejected()
    return SearchRefused(kind if _KIND.fullmatch(kind) else "illegal_argument_exception", readable(why, asked))


def _innermost(error: Any) -> tuple[str, str]:
    """Type and sentence of the most specific cause."""
    if not isinstance(error, dict):
        return "", str(error or "")
    causes = [*(error.get("root_cause") or []), error.get("caused_by"), error]
    for cause in causes:
        if isinstance(cause, dict) and cause.get("reason"):
            return str(cause.get("type", "")), str(cause["reason"])
    return str(error.get("type", "")), ""


def readable(sentence: str, asked: str) -> str:
    """`sentence` reduced to Elasticsearch's fixed text and to what the caller wrote in `asked`."""

    def masked(match: re.Match[str]) -> str:
        inner = next(each for each in match.groups() if each is not None)
        shown = inner in _KNOWN or (inner and inner in asked)
        return match[0] if shown else match[0].replace(inner, "...") if inner else match[0]

    def internal(match: re.Match[str]) -> str:
        return match[0] if match[0] in _KNOWN or match[0] in asked else "..."

    found = _INTERNAL.sub(internal, _first(_QUOTED, masked, " ".join(sentence.split())))
    return found[:_LONGEST] or _GENERIC


def _first(pattern: re.Pattern[str], replaced: Callable[[re.Match[str]], str], sentence: str) -> str:
    """The beginning of `sentence`, far longer than what is shown, with each match replaced. A sentence may quote the
    whole search, and looking for each of its words in the search would take quadratic time."""
    made, position = "", 0
    for match in pattern.finditer(sentence):
        made += sentence[position : match.start()] + replaced(match)
        position = match.end()
        if len(made) > _MOST:
            return made[:_MOST]
    return (made + sentence[position:])[:_MOST]
