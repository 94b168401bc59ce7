"""The documented envelope out of what Elasticsearch answers: two tokens change, text of a user never does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SearchTimedOut
from app.index.attachments import check_whole
from app.index.envelope import Envelope, pointed

ENVELOPE = Envelope("coco_attachment")


def answer(*sources: dict[str, object], typed: bool) -> bytes:
    kind = '"_type":"_doc",' if typed else ""
    hits = ",".join(
        f'{{"_index":"coco_attachment-000001",{kind}"_id":"i{n}","_score":1.0,"_source":'
        + json.dumps(source, separators=(",", ":"), ensure_ascii=False)
        + "}"
        for n, source in enumerate(sources)
    )
    return f'{{"took":1,"hits":{{"max_score":1.0,"hits":[{hits}]}}}}'.encode("utf-8", "surrogatepass")


def documented(*sources: dict[str, object]) -> bytes:
    return answer(*sources, typed=True).replace(b'"_index":"coco_attachment-000001"', b'"_index":"coco_attachment"', 10)


def test_both_forms_become_the_documented_one() -> None:
    sources: tuple[dict[str, object], ...] = ({"id": "a", "name": "x"}, {"id": "b", "name": "y"})
    assert ENVELOPE.documented(answer(*sources, typed=True)) == documented(*sources)
    assert ENVELOPE.documented(answer(*sources, typed=False)) == documented(*sources)


IMITATIONS = [
    '{"_index":"coco_attachment-000001","_id":"',
    '{"_index":"coco_attachment-000001","_type":"_doc","_id":"x"}',
    '"},{"_index":"coco_attachment-000001","_id":"i0',
    "coco_attachment-000001",
    '\\"_index\\":\\"coco_attachment-000001\\"',
    "{",
    '{"',
    '\\{"_index":"coco_attachment-000002",',
]


@given(st.lists(st.text() | st.sampled_from(IMITATIONS), min_size=1, max_size=3), st.booleans())
def test_text_that_imitates_the_tokens_stays(names: list[str], typed: bool) -> None:
    sources = [{"name": name, "session": name} for name in names]
    sources = json.loads(json.dumps(sources))
    found = json.loads(ENVELOPE.documented(answer(*sources, typed=typed)).decode("utf-8", "surrogatepass"))
    assert [hit["_source"] for hit in found["hits"]["hits"]] == sources
    assert all(list(hit) == ["_index", "_type", "_id", "_score", "_source"] for hit in found["hits"]["hits"])
    assert {hit["_index"] for hit in found["hits"]["hits"]} == {"coco_attachment"}


def test_another_generation_and_another_alias() -> None:
    later = answer({"id": "a"}, typed=True).replace(b"-000001", b"-000042")
    assert ENVELOPE.documented(later) == documented({"id": "a"})
    other = answer({"id": "a"}, typed=True).replace(b"coco_attachment-", b"cocoXattachment-")
    assert ENVELOPE.documented(other) == other


def test_an_alias_with_dots_is_no_pattern() -> None:
    other = answer({"id": "a"}, typed=True).replace(b"coco_attachment", b"cocoXattachment")
    assert Envelope("coco.attachment").documented(other) == other


def test_a_point_in_time_is_called_as_its_caller_knows_it() -> None:
    answer = b'{"pit_id":"z8_wAwEPY29jbw==","took":1,"hits":{"hits":[{"_id":"x","pit_id":"z8"}]}}'
    shown, elastic = pointed(answer, "mine")
    assert shown == b'{"pit_id":"mine","took":1,"hits":{"hits":[{"_id":"x","pit_id":"z8"}]}}'
    assert elastic == "z8_wAwEPY29jbw=="
    with pytest.raises(ValueError, match="no point in time"):
        pointed(b'{"took":1,"pit_id":"x"}', "mine")


def test_an_answer_that_was_cut_short_is_found_behind_a_point() -> None:
    shards = b'"_shards":{"total":1},"hits":{"hits":[]}}'
    for point in (b"", b'"pit_id":"%b",' % (b"x" * 1000)):
        check_whole(b'{%b"took":1,"timed_out":false,%b' % (point, shards))
        with pytest.raises(SearchTimedOut):
            check_whole(b'{%b"took":1,"timed_out":true,%b' % (point, shards))
    # No document says so.
    check_whole(b'{"took":1,"timed_out":false,%b' % shards.replace(b"[]", b'[{"x":{"timed_out":true}}]'))
