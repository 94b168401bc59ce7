"""`POST /attachment/_passages`: what a body may be, whose passages there are, and what there is without a model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import requests

from app.search import citing
from tests.support.app import Server, running_server
from tests.support.ports import reserved_port

PATH = "/attachment/_passages"
FILLER = "Nothing of note was said on this day, and so it goes on for a while without an end in sight. "


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server that reads texts and has no model."""
    folder = tmp_path_factory.mktemp("reading")
    with running_server(folder, elasticsearch_url, EXTRACTION="on", EMBEDDINGS="off", MAX_JSON_SIZE="20000") as server:
        yield server


def stored(server: Server, token: str, **files: str) -> dict[str, str]:
    """By name the ids of texts, once they are searchable."""
    ids = server.upload(*((f"{name}.txt", text.encode()) for name, text in files.items()), token=token, session="s")
    deadline = time.monotonic() + 120
    while "pending" in server.post("/attachment/_status", json={"attachments": ids}, token=token).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return dict(zip(files, ids, strict=True))


def ask(server: Server, token: str, query: str, **more: Any) -> list[dict[str, Any]]:
    answer = server.post(PATH, json={"query": query, **more}, token=token)
    assert answer.status_code == 200, answer.text
    document = requests.get(f"{server.url}/openapi.json", timeout=60).json()
    operation = document["paths"][PATH]["post"]
    jsonschema_rs.validate(operation["responses"]["200"]["content"]["application/json"]["schema"], answer.json())
    assert answer.json()["match"] == "words"
    found: list[dict[str, Any]] = answer.json()["passages"]
    return found


def error_of(answer: requests.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "status"}
    assert answer.json()["status"] == status
    reason: str = answer.json()["error"]["reason"]
    return reason


def test_without_a_model_words_find_passages(reading: Server) -> None:
    token = reading.make_token(tenant="passages-words")
    ids = stored(
        reading,
        token,
        invoice="Invoice INV-2024-0815 was paid in May.\n\n" + "It was sent twice. " * 3,
        minutes=FILLER * 30 + "\n\nThe quarterly figures are better than in March.\n\n" + FILLER * 30,
        other=FILLER,
    )
    (found,) = ask(reading, token, "INV-2024-0815")
    assert found["attachment"] == ids["invoice"]
    assert found["text"].startswith("Invoice INV-2024-0815")
    assert found["parts"] == {"words": 1, "meaning": None}
    (found,) = ask(reading, token, "which figures were better in April?")
    assert found["attachment"] == ids["minutes"]
    assert "quarterly figures" in found["text"]
    assert len(found["text"]) < 900
    assert ask(reading, token, "zyzzyva") == []
    assert ask(reading, token, "figures", session="elsewhere") == []
    assert ask(reading, token, "figures", extension=["pdf", "md"]) == []
    assert ask(reading, token, "figures", session="s", extension="TXT", max_size=10**6, created_after="2020-01-01")
    assert ask(reading, token, '"quarterly figures" -march') == []
    assert ask(reading, token, "*") == []


def test_a_word_far_behind_is_found_where_it_is(reading: Server) -> None:
    """In a text of several hundred kilobytes, of which its best pieces alone are cut; with letters of several bytes, too."""
    token = reading.make_token(tenant="passages-far")
    for name, filler in (("plain", FILLER), ("wide", "Öfter wurde nichts gesagt, äußerst wenig. 天气很好。 ")):
        text = filler * (300_000 // len(filler)) + "\nThe penicillin lies in the second drawer.\n" + filler * 2000
        ids = stored(reading, token, **{name: text})
        (found,) = ask(reading, token, "penicillin drawer", size=1)
        assert found["attachment"] == ids[name]
        assert "The penicillin lies in the second drawer." in found["text"]
        assert text.encode()[found["start"] : found["end"]].decode() == found["text"]
        reading.delete(f"/attachment/{ids[name]}", token=token)


def test_of_many_places_with_a_word_those_with_most_words_are_looked_at(reading: Server) -> None:
    token = reading.make_token(tenant="passages-most")
    places = [f"The boiler was looked at. {FILLER * 90}" for _ in range(12)]
    places[8] = f"The boiler leaked at its flange in January. {FILLER * 90}"
    stored(reading, token, log="\n\n".join(places))
    (found,) = ask(reading, token, "boiler leaked flange", size=1)
    assert "The boiler leaked at its flange in January." in found["text"]
    assert found["parts"] == {"words": 1, "meaning": None}


def test_neighbours_are_one_passage_and_copies_are_told_once(reading: Server) -> None:
    token = reading.make_token(tenant="passages-once")
    text = "\n\n".join(f"Boiler number {number} was mended. {FILLER * 2}" for number in range(6))
    ids = stored(reading, token, one=text, copy=text)
    found = ask(reading, token, "boiler", per_attachment=10)
    assert len({each["attachment"] for each in found}) == 1
    assert [each["text"].count("Boiler number") for each in found] == [6]
    assert found[0]["attachment"] in ids.values()
    few = [
        sum(each["text"].count("Boiler number") for each in ask(reading, token, "boiler", size=size)) for size in (1, 2)
    ]
    assert 0 < few[0] < few[1] < 6


def test_a_name_finds_how_its_text_begins(reading: Server) -> None:
    token = reading.make_token(tenant="passages-name")
    stored(reading, token, budget_2031="First comes this. " * 3, empty=" ")
    (found,) = ask(reading, token, "budget_2031.txt")
    assert (found["start"], found["name"]) == (0, "budget_2031.txt")
    assert 0 < found["score"] < 1
    # It has no text.
    assert ask(reading, token, "empty.txt") == []


def test_another_tenants_and_what_was_deleted_are_not_there(reading: Server) -> None:
    mine, other = (reading.make_token(tenant=f"passages-{name}") for name in ("mine", "theirs"))
    ids = stored(reading, mine, secret="The codeword is quokka.")
    assert len(ask(reading, mine, "quokka")) == 1
    assert ask(reading, other, "quokka") == []
    # One that differs by nothing but the tenant changes no score.
    before = ask(reading, mine, "quokka")
    stored(reading, other, copy="The codeword is quokka.")
    assert ask(reading, mine, "quokka") == before
    assert reading.delete(f"/attachment/{ids['secret']}", token=mine).status_code == 200
    assert ask(reading, mine, "quokka") == []
    assert len(ask(reading, other, "quokka")) == 1


OUT_OF_RANGE: list[Any] = [0, -1, 10**9, "1"]
WRONG: list[Any] = [None, {}, [], [[]], 1.5]
REFUSED: list[dict[str, Any]] = [
    {},
    {"query": ""},
    {"query": " \t"},
    {"query": None},
    {"query": 1},
    {"query": ["q"]},
    {"query": {"match_all": {}}},
    {"query": "\ud800"},
    {"query": "x" * 1025},
    *({"query": "q", name: value} for name in citing.KEYS if name != "query" for value in WRONG),
    *(
        {"query": "q", name: value}
        for name in ("size", "max_tokens", "per_attachment")
        for value in (0, -1, 10**9, "1")
    ),
    {"query": "q", "session": ["s"] * 101},
    {"query": "q", "session": "s" * 1025},
    {"query": "q", "session": "\udfff"},
    {"query": "q", "match": "all"},
    {"query": "q", "min_size": -1},
    {"query": "q", "max_size": 10**400},
    {"query": "q", "created_after": "yesterday"},
    {"query": "q", "tenant": "other"},
    {"query": "q", "from": 0},
    {"query": "q", "x" * 5000: 1},
    {"query": "q", "\ud800": 1},
]


@pytest.mark.parametrize(
    "body",
    REFUSED,
    ids=lambda body: ascii(json.dumps(body))[:60],
)
def test_what_makes_no_sense_is_refused(reading: Server, body: dict[str, Any]) -> None:
    reason = error_of(reading.post(PATH, json=body), 400)
    named = next((name for name in body if name != "query"), "query")
    assert f"[{named[:100].encode(errors='replace').decode()}]" in reason


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b'"q"', b"{", b'{"query": "q", "query": "r"}', b"\xff\xfe", b"[" * 5000, b'{"query": NaN}']
    + [b'{"query": ' + b"[" * 40 + b"]" * 40 + b"}"],
    ids=lambda content: ascii(content[:20]),
)
def test_what_is_no_body_is_refused(reading: Server, content: bytes) -> None:
    error_of(reading.post(PATH, data=content, headers={"Content-Type": "application/json"}), 400)


def test_limits_of_the_request(reading: Server) -> None:
    error_of(reading.post(PATH, json={"query": "q", "session": ["s" * 900] * 30}), 413)
    assert "pretty" in error_of(reading.post(f"{PATH}?pretty", json={"query": "q"}), 400)
    assert reading.get(PATH).status_code in (404, 405)
    most = {"size": citing.MOST_SIZE, "max_tokens": citing.MOST_TOKENS, "per_attachment": citing.MOST_OF_ONE}
    assert reading.post(PATH, json={"query": "x" * 1000, "session": ["s"] * 100, **most}).status_code == 200


@pytest.mark.parametrize(
    "query", ["\0", "\u202e", "ﷺ" * 300, "'; DROP", "{}", "a\n" * 400, "🙂", "\u0301" * 500, "%", "\\u0000"]
)
def test_hostile_queries_are_queries(reading: Server, query: str) -> None:
    assert reading.post(PATH, json={"query": query}).status_code == 200


def test_hostile_texts_are_told_as_they_are(reading: Server) -> None:
    token = reading.make_token(tenant="passages-hostile")
    text = 'quokka <script>alert(1)</script> " \\ \u202e\u2028 {"_index":"x-000001","_id":"'
    stored(reading, token, hostile=text)
    answer = reading.post(PATH, json={"query": "quokka"}, token=token)
    assert answer.headers["Content-Type"] == "application/json"
    (found,) = answer.json()["passages"]
    assert "<script>alert(1)</script>" in found["text"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("match", ["meaning", "both"])
def test_by_meaning_it_is_refused_without_embeddings(reading: Server, match: str) -> None:
    assert "[match]" in error_of(reading.post(PATH, json={"query": "q", "match": match}), 400)


def test_while_the_model_is_away_words_find(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> None:
    with (
        reserved_port() as port,
        running_server(
            tmp_path_factory.mktemp("away"),
            elasticsearch_url,
            EXTRACTION="on",
            EMBEDDINGS=f"http://127.0.0.1:{port}/v1",
            EMBEDDINGS_MODEL="none",
        ) as server,
    ):
        stored(server, server.token, note="The codeword is quokka.")
        for more in ({}, {"match": "both"}, {"match": "meaning"}):
            (found,) = ask(server, server.token, "the codeword quokka", **more)
            assert found["text"] == "The codeword is quokka."
