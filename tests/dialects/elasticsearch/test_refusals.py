"""What of Elasticsearch's own sentences reaches a caller."""

from __future__ import annotations

import json

import pytest

from app.errors import IndexOutcomeUnknown, IndexUnavailable, PointMissing, SearchRefused, SearchTimedOut
from app.index.envelope import Envelope
from app.index.refusals import error_from_answer, readable


@pytest.mark.parametrize(
    ("sentence", "asked", "told"),
    [
        (
            "Fielddata is disabled on [name_words] in [i-000001].",
            '"name_words"',
            "Fielddata is disabled on [name_words] in [...].",
        ),
        ('For input string: "abc"', '{"size":"abc"}', 'For input string: "abc"'),
        ('For input string: "secret"', '{"size":"abc"}', 'For input string: "..."'),
        ("at node {n1}{10.0.0.1} of 10.0.0.1", "", "at node ...... of ..."),
        ("invalid score: NaN for doc: 4711", '{"boost":4}', "invalid score: NaN for doc: ..."),
        ("java.lang.IllegalStateException: no", "", "...: no"),
        ("", "", "Elasticsearch refused this search"),
    ],
)
def test_only_what_the_caller_wrote_is_quoted(sentence: str, asked: str, told: str) -> None:
    assert readable(sentence, asked) == told


def test_kinds() -> None:
    cause = {"type": "parse_exception", "reason": "failed to parse [x]"}
    shards = [{"shard": 0, "index": "i-000001", "node": "n", "reason": cause}]
    error = {"root_cause": [cause], "type": "search_phase_execution_exception", "reason": "", "failed_shards": shards}
    made = error_from_answer(400, json.dumps({"error": error, "status": 400}).encode(), '"x"')
    assert isinstance(made, SearchRefused)
    assert (made.kind, str(made)) == ("parse_exception", "failed to parse [x]")
    # Told as 500 where it is found out late.
    complex_ = {
        "error": {"root_cause": [{"type": "too_complex_to_determinize_exception", "reason": "more than 10000"}]}
    }
    assert isinstance(error_from_answer(500, json.dumps(complex_).encode(), ""), SearchRefused)
    # The node is there, and ended the search itself.
    late = {"error": {"root_cause": [{"type": "search_timeout_exception", "reason": "Time exceeded"}]}}
    assert isinstance(error_from_answer(504, json.dumps(late).encode(), ""), SearchTimedOut)
    gone = {"error": {"root_cause": [{"type": "search_context_missing_exception", "reason": "id [5]"}]}}
    assert isinstance(error_from_answer(404, json.dumps(gone).encode(), ""), PointMissing)
    assert isinstance(error_from_answer(404, b"{}", ""), IndexUnavailable)
    assert isinstance(error_from_answer(500, b"<html>", ""), IndexOutcomeUnknown)
    assert isinstance(error_from_answer(429, b"{}", ""), IndexUnavailable)
    # Told as 400, of a search that nothing is wrong with.
    cancelled = {"error": {"root_cause": [{"type": "task_cancelled_exception", "reason": "cancelled"}]}}
    assert isinstance(error_from_answer(400, json.dumps(cancelled).encode(), ""), IndexUnavailable)
    assert "refused" in str(error_from_answer(400, b'{"error":"i-000001"}', "")) or "i-000001" not in str(
        error_from_answer(400, b"{}", "")
    )


def test_the_index_has_one_name_everywhere() -> None:
    envelope = Envelope("coco")
    hit = b'{"_index":"coco-000007","_id":"a","_source":{"name":"{\\"_index\\":\\"coco-000007\\",\\"_id\\":"}}'
    made = envelope.plain(b'{"hits":[' + hit + b'],"inner_hits":{"x":{"hits":[' + hit + b"]}}}")
    assert made.count(b'"_index":"coco_attachment","_id":"a"') == 2
    # What only looks like it, within a text, stays.
    assert made.count(b'\\"coco-000007\\"') == 2
