"""Search by meaning, with the real model: what is found without a shared word, and what is not; whose it is; what stays."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from app.search.params import MATCHES
from benchmarks.judged.collection import queries
from benchmarks.meaning import QUESTIONS
from tests.support.app import Server, running_server
from tests.support.models import patient_server
from tests.support.ports import reserved_port

SECONDS = 240.0
#: A paragraph in a file of its own, by its name: those of the judged questions, in four languages.
ROWS = [line.split("\t") for line in QUESTIONS.read_text().splitlines()]
PARAGRAPHS = {name: text for kind, language, name, text in ROWS if kind == "paragraph" and language in ("en", "de")}


def await_passages(server: Server, ids: list[str]) -> None:
    """Wait until the stage of passages is done of all these."""
    deadline = time.monotonic() + SECONDS
    while any((server.data / "extraction" / each).exists() for each in ids):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def meant(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """Paragraphs in English and German in the session `texts`, each with its passages."""
    folder = tmp_path_factory.mktemp("meant")
    with patient_server(folder, elasticsearch_url, EXTRACTION="on") as server:
        files = [(f"{number:02}.txt", text.encode()) for number, text in enumerate(PARAGRAPHS.values())]
        await_passages(server, server.upload(*files, session="texts"))
        yield server


def search(server: Server, token: str | None = None, **given: Any) -> requests.Response:
    query = "&".join(f"{name.removesuffix('_')}={quote(str(value))}" for name, value in given.items())
    return server.get(f"/attachment/_search?{query}", token=token)


def names(server: Server, token: str | None = None, **given: Any) -> list[str]:
    found = search(server, token, **given)
    assert found.status_code == 200, found.text
    known = list(PARAGRAPHS)
    return [known[int(hit["_source"]["name"][:2])] for hit in found.json()["hits"]["hits"]]


def queries_asked(server: Server) -> float:
    """Of how many queries the model was asked the vectors."""
    lines = [line for line in server.get("/metrics").text.splitlines() if "embedded_texts_total" in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines if 'kind="queries"' in line)


def test_questions_find_what_answers_them_in_other_words(meant: Server) -> None:
    """Questions that share few words with their answers: first by meaning, and by both, where words find little."""
    asked = [(name, text) for kind, _, name, text in ROWS if kind == "question" and name in PARAGRAPHS]
    first = dict.fromkeys(MATCHES, 0)
    for name, text in asked:
        for match in MATCHES:
            answer = search(meant, query=text, match=match)
            assert answer.headers.get("Search-Match", "words") == match
            first[match] += names(meant, query=text, match=match)[:1] == [name]
    assert first["both"] > first["words"] + len(asked) / 5, (first, len(asked))
    assert first["meaning"] > len(asked) / 2, (first, len(asked))


def test_nonsense_finds_nothing(meant: Server) -> None:
    asked = [text for kind, _, _, text in ROWS if kind == "nonsense"]
    asked += [each.text for each in queries() if each.kind == "nonsense"]
    assert len(asked) > 10
    found = {match: {each: names(meant, query=each, match=match) for each in asked} for match in MATCHES}
    # One of them has a word in it that a text has, too.
    assert sum(map(bool, found["words"].values())) <= 1
    assert found["both"] == found["words"]
    assert {each: hits for each, hits in found["meaning"].items() if hits and hits != found["words"][each]} == {}


def test_what_an_operator_asks_for_stays_first(meant: Server) -> None:
    for query in ('"humpback whale"', "+penicillin rash", "lavender -whale"):
        words = names(meant, query=query, match="words")
        assert words
        assert names(meant, query=query, match="both")[: len(words)] == words


def test_what_has_all_the_words_as_they_are_written_stays_first(meant: Server) -> None:
    for query in ("humpback whale", "penicillin", "lavender field"):
        words = names(meant, query=query, match="words")
        assert names(meant, query=query)[: len(words)] == words


def test_every_filter_holds_for_what_is_found_by_meaning(meant: Server) -> None:
    other = meant.make_token(tenant="other")
    text = PARAGRAPHS["boiler"].encode()
    mine = meant.upload(("00.txt", text), session="elsewhere")
    await_passages(meant, [*mine, *meant.upload(("00.txt", text), session="theirs", token=other)])
    question = "how is the house kept warm in winter"
    assert names(meant, other, query=question, match="meaning") == ["boiler"]
    for tenant in (None, other):
        answer = search(meant, tenant, query=question, match="meaning", _source="id,session").json()
        sessions = {hit["_source"]["session"] for hit in answer["hits"]["hits"]}
        assert sessions == ({"theirs"} if tenant else {"texts", "elsewhere"}), sessions
    assert names(meant, query=question, match="meaning", session="elsewhere") == ["boiler"]
    assert names(meant, query=question, match="both", session="theirs") == []
    for narrowed in ({"extension": "pdf"}, {"min_size": "999999"}, {"created_before": "2020-01-01"}, {"owner": "x"}):
        assert names(meant, query=question, match="meaning", **narrowed) == []
    # One that counts what it narrows, too.
    counted = search(meant, query=question, match="meaning", session="elsewhere", facets="session").json()
    assert [hit["_source"]["name"] for hit in counted["hits"]["hits"]] == ["00.txt"]
    assert meant.delete(f"/attachment/{mine[0]}").status_code == 200
    assert names(meant, query=question, match="meaning", session="elsewhere") == []


def test_a_search_that_asks_for_something_else_is_one_by_words(meant: Server) -> None:
    question = "heating system of the house"
    for given in (
        {"sort": "name"},
        {"facets": "owner"},
        {"size": "0"},
        {"default_operator": "and"},
    ):
        answer = search(meant, query=question, **given)
        assert "Search-Match" not in answer.headers, given
        assert answer.status_code == 200
    for query in ("+heating system", '"heating system"', "heating -house", "heat*", "heating | system"):
        assert "Search-Match" not in search(meant, query=query).headers, query
    asked = queries_asked(meant)
    session = meant.get("/attachment/_search?session=texts")
    assert queries_asked(meant) == asked
    assert "Search-Match" not in session.headers
    assert session.json()["hits"]["total"]["value"] == len(PARAGRAPHS)
    scores = {hit["_score"] for hit in session.json()["hits"]["hits"]}
    assert len(scores) == 1


def test_pages_follow_each_other_and_marks_are_of_the_words(meant: Server) -> None:
    question = "water and heat in the building"
    whole = names(meant, query=question, size=20)
    pages = [names(meant, query=question, size=4, from_=start) for start in range(0, 20, 4)]
    assert [each for page in pages for each in page] == whole
    for match in ("both", "meaning"):
        marked = search(meant, query=question, highlight="true", match=match)
        assert marked.status_code == 200
        assert set(marked.json()) >= {"took", "timed_out", "_shards", "hits"}
    hits = search(meant, query=question, size=1).json()["hits"]
    assert hits["max_score"] == hits["hits"][0]["_score"]
    assert hits["hits"][0]["_index"] == meant.index
    assert "sort" not in hits["hits"][0]


@pytest.mark.parametrize(
    "query",
    ["\0", "\u202e", "x" * 999, "ﷺ" * 300, "'; DROP", "{}", "a\n" * 400, "🙂", "\u0301" * 500, "[1,2]", "%", "\\u0000"],
)
def test_hostile_queries_are_queries(meant: Server, query: str) -> None:
    for match in ("meaning", "both"):
        found = search(meant, query=query, match=match)
        assert found.status_code == 200, found.text
        assert json.loads(found.content)["timed_out"] is False


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"query": "x", "match": "all"}, "must be of"),
        ({"query": "x", "match": ""}, "must be of"),
        ({"match": "meaning"}, "needs [query]"),
        ({"query": "", "match": "both"}, "needs [query]"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(meant: Server, given: dict[str, str], why: str) -> None:
    answer = search(meant, **given)
    assert answer.status_code == 400
    assert "[match]" in answer.text
    assert why in answer.text


def test_without_embeddings_it_is_refused_where_it_is_asked_for_and_missed_by_nobody(server: Server) -> None:
    for match in ("meaning", "both"):
        answer = search(server, query="x", match=match)
        assert answer.status_code == 400
        assert "[match]" in answer.text
    answer = search(server, query="some words")
    assert (answer.status_code, "Search-Match" in answer.headers) == (200, False)
    assert search(server, query="some words", match="words").status_code == 200


def test_while_the_model_is_away_words_find(tmp_path: Path, elasticsearch_url: str) -> None:
    """Its server can't be reached: the attachment is found by its words at once, and the header says by what."""
    with (
        reserved_port() as port,
        running_server(
            tmp_path,
            elasticsearch_url,
            EXTRACTION="on",
            EMBEDDINGS=f"http://127.0.0.1:{port}/v1",
            EMBEDDINGS_MODEL="none",
        ) as server,
    ):
        (found,) = server.upload(("whale.txt", PARAGRAPHS["whale"].encode()))
        deadline = time.monotonic() + SECONDS
        while not (hits := server.hits("query=humpback")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert [hit["_id"] for hit in hits] == [found]
        for given in ({}, {"match": "both"}, {"match": "meaning"}):
            answer = search(server, query="humpback whale", **given)
            assert answer.headers["Search-Match"] == "words"
            assert [hit["_id"] for hit in answer.json()["hits"]["hits"]] == [found]
        assert server.get(f"/attachment/{found}/status").json() == {"initial_parsing": "completed"}
        # Its passages wait.
        assert (server.data / "extraction" / found).exists()


def test_in_a_script_that_the_model_has_not_learned_words_alone_are_looked_for(meant: Server) -> None:
    """It makes vectors of it all the same, which lie near each other whatever the texts say."""
    texts = ("यह एक रिपोर्ट है और इसमें कंपनी के परिणाम हैं", "आज मौसम बहुत अच्छा है और बच्चे खेल रहे हैं")
    ids = meant.upload(*[(f"{number}.txt", text.encode()) for number, text in enumerate(texts)], session="hindi")
    await_passages(meant, ids)
    for match in ("meaning", "both", None):
        found = search(meant, session="hindi", query="रिपोर्ट ", **({} if match is None else {"match": match}))
        assert [hit["_id"] for hit in found.json()["hits"]["hits"]] == ids[:1]
        assert found.headers["Search-Match"] == "words"
