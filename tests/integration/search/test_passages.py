"""Which passage of a hit is near a query, and the passages that answer one: with the real model, from real files."""

from __future__ import annotations

import html
import io
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fpdf import FPDF

from app.storage.contract import Artefact, name_of
from tests.integration.search.test_meaning import PARAGRAPHS, ROWS, await_passages
from tests.support.app import Server
from tests.support.models import patient_server

BOILER = "how is the house kept warm in winter"
WHALE = "which sea animal came near the port"


def pdf(*pages: str) -> bytes:
    made = FPDF()
    made.set_font("helvetica", size=12)
    for each in pages:
        made.add_page()
        made.multi_cell(0, 8, each)
    return bytes(made.output())


def mail(**files: str) -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.org", "b@example.org", "Notes"
    made.set_content("Two notes are attached.")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"<{name}> & co.txt", text)
    made.add_attachment(packed.getvalue(), maintype="application", subtype="zip", filename="notes.zip")
    return bytes(made)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[tuple[Server, dict[str, str]]]:
    """Paragraphs, each in a file; four of them as pages of a PDF, and two in files inside of a mail. With their ids."""
    folder = tmp_path_factory.mktemp("shelf")
    with patient_server(folder, elasticsearch_url, EXTRACTION="on", ELASTICSEARCH_TIMEOUT="60") as server:
        pages = pdf(*(PARAGRAPHS[name] for name in ("leave", "boiler", "train", "bakery")))
        files = [("four.pdf", pages), ("two.eml", mail(violin=PARAGRAPHS["violin"], whale=PARAGRAPHS["whale"]))]
        ids = server.upload(*files, session="books")
        files = [(f"{name}.txt", text.encode()) for name, text in PARAGRAPHS.items()]
        ids += server.upload(*files, session="texts")
        await_passages(server, ids)
        yield server, dict(zip(("pdf", "mail", *PARAGRAPHS), ids, strict=True))


def highlights(server: Server, **given: Any) -> dict[str, dict[str, list[str]]]:
    """By id, what the hits of a search have."""
    answer = server.get(f"/attachment/_search?{urlencode({'highlight': 'true', 'size': 50, **given})}")
    assert answer.status_code == 200, answer.text
    hits = answer.json()["hits"]["hits"]
    assert not any("inner_hits" in hit or "sort" in hit for hit in hits)
    return {hit["_id"]: hit.get("highlight", {}) for hit in hits}


def ask(server: Server, query: str, token: str | None = None, **more: Any) -> dict[str, Any]:
    answer = server.post("/attachment/_passages", json={"query": query, **more}, token=token)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    for each in found["passages"]:
        checked(server, each, token)
    assert found["tokens"] == sum(each["tokens"] for each in found["passages"])
    scores = [each["score"] for each in found["passages"]]
    assert scores == sorted(scores, reverse=True)
    return found


def kept(server: Server, attachment: str, token: str | None = None) -> bytes:
    answer = server.get(f"/attachment/{attachment}/text", token=token)
    assert answer.status_code == 200
    return answer.content


def checked(server: Server, passage: dict[str, Any], token: str | None) -> None:
    """What it says of itself is so."""
    content = kept(server, passage["attachment"], token)
    assert content[passage["start"] : passage["end"]].decode() == passage["text"] != ""
    link = urlsplit(passage["link"])
    place = {"open": [passage["attachment"]], "start": [str(passage["start"])], "end": [str(passage["end"])]}
    place |= {"page": [str(passage["page"])]} if passage["page"] is not None else {}
    assert (link.path, parse_qs(link.query)) == ("/", place)
    words, meaning = passage["parts"]["words"], passage["parts"]["meaning"]
    assert passage["score"] == pytest.approx((words or 0) + (meaning or 0), abs=0.001) or passage["tokens"] > 250


def test_a_hit_shows_the_passage_that_is_near(shelf: tuple[Server, dict[str, str]]) -> None:
    server, ids = shelf
    for match in ("both", "meaning"):
        found = highlights(server, query=BOILER, match=match)
        assert found[ids["boiler"]]["passage"] == [html.escape(PARAGRAPHS["boiler"])]
        told = found[ids["pdf"]]
        # On the second of its pages.
        assert told["passage.page"] == ["2"]
        assert "passage.file" not in told
        (start,), (end,) = told["passage.start"], told["passage.end"]
        assert kept(server, ids["pdf"])[int(start) : int(end)].decode() == html.unescape(told["passage"][0])
        assert "wood pellets" in told["passage"][0]
    told = highlights(server, query=WHALE, match="meaning")[ids["mail"]]
    assert told["passage.file"] == ["notes.zip/&lt;whale&gt; &amp; co.txt"]
    assert "humpback" in told["passage"][0]
    assert "passage.page" not in told


def test_only_hits_that_have_one_show_one(shelf: tuple[Server, dict[str, str]]) -> None:
    server, ids = shelf
    found = highlights(server, query=BOILER, match="words")
    assert found
    assert not any("passage" in each for each in found.values())
    found = highlights(server, query=BOILER)
    near = highlights(server, query=BOILER, match="meaning")
    # What is found by a word alone shows the mark, what is near a passage: with both, both.
    assert {name for name, each in found.items() if "passage" in each} >= set(near)
    assert any("content" not in each for each in near.values())
    assert all("passage" in each for each in near.values())
    for given in ({"highlight": "false"}, {"highlight": "false", "_source": "id"}):
        assert not any(highlights(server, query=BOILER, **given).values())
    # Nor does a search of something else, nor one that says nothing.
    assert not any("passage" in each for each in highlights(server, session="texts").values())
    assert not any("passage" in each for each in highlights(server, query="qwzxv plomtig boiler").values())
    paged = [highlights(server, query=BOILER, size=2, **{"from": start}) for start in (0, 2, 4)]
    assert [each for page in paged for each in page] == list(found)[:6]


def test_questions_find_the_passages_that_answer_them(shelf: tuple[Server, dict[str, str]]) -> None:
    server, ids = shelf
    asked = [(name, text) for kind, _, name, text in ROWS if kind == "question" and name in PARAGRAPHS]
    right = dict.fromkeys(("words", "both", "meaning"), 0)
    for match in right:
        for name, text in asked:
            found = ask(server, text, match=match, session="texts", size=3)
            assert found["match"] == match
            right[match] += any(each["attachment"] == ids[name] for each in found["passages"])
    assert right["both"] > right["words"] + len(asked) / 5, (right, len(asked))
    assert right["both"] > 0.7 * len(asked), (right, len(asked))


def test_a_passage_says_where_it_is(shelf: tuple[Server, dict[str, str]]) -> None:
    server, ids = shelf
    first = ask(server, BOILER, session="books")["passages"][0]
    assert (first["attachment"], first["name"], first["session"]) == (ids["pdf"], "four.pdf", "books")
    assert (first["page"], first["file"]) == (2, None)
    assert first["parts"]["meaning"] > 0.22
    first = ask(server, WHALE, session="books")["passages"][0]
    assert (first["attachment"], first["page"]) == (ids["mail"], None)
    assert first["file"] == "notes.zip/<whale> & co.txt"
    # Behind the name of the file, as the kept text has it.
    assert first["text"].endswith(PARAGRAPHS["whale"])


def test_a_text_that_several_attachments_have_is_told_once(shelf: tuple[Server, dict[str, str]]) -> None:
    server, _ = shelf
    token = server.make_token(tenant="passages-copies")
    ids = server.upload(*((f"{number}.txt", PARAGRAPHS["whale"].encode()) for number in range(3)), token=token)
    await_passages(server, ids)
    for match in ("words", "meaning", "both"):
        (found,) = ask(server, "which humpback whale came near the port", token, match=match)["passages"]
        assert found["text"] == PARAGRAPHS["whale"]


def test_what_has_all_words_is_first_and_nonsense_is_nothing(shelf: tuple[Server, dict[str, str]]) -> None:
    server, ids = shelf
    for query in ("penicillin", "humpback whale", "wood pellets", '"wood pellets"', "+penicillin rash"):
        words = ask(server, query, match="words")["passages"]
        assert words[0]["parts"]["words"] == 1
        assert ask(server, query)["passages"][0]["parts"]["words"] == 1
    assert ask(server, '"wood pellets"')["match"] == "words"
    for query in ("qwzxv plomtig", "asdf jklö", "🙂🙂"):
        assert ask(server, query)["passages"] == []
    # By its name alone: how it begins.
    (named,) = ask(server, "four.pdf", per_attachment=1, match="words")["passages"]
    assert (named["attachment"], named["page"]) == (ids["pdf"], 1)


def test_bounds_hold_with_the_model(shelf: tuple[Server, dict[str, str]]) -> None:
    server, ids = shelf
    query = "house garden water animals work"
    assert len(ask(server, query, size=1)["passages"]) == 1
    everything = ask(server, query, size=50, per_attachment=10)["passages"]
    one = ask(server, query, size=50, per_attachment=1)["passages"]
    assert len({each["attachment"] for each in one}) == len(one) > 2
    assert len(everything) >= len(one)
    few = ask(server, query, size=50, max_tokens=300)
    assert 0 < few["tokens"] <= 300
    assert ask(server, query, max_tokens=1)["passages"] == []
    only = ask(server, BOILER, session=["books", "none"], extension="pdf")["passages"]
    assert {each["attachment"] for each in only} == {ids["pdf"]}


def test_another_tenant_finds_its_own_and_nothing_else(shelf: tuple[Server, dict[str, str]]) -> None:
    server, _ = shelf
    other = server.make_token(tenant="passages-other")
    assert ask(server, BOILER, other)["passages"] == []
    mine = server.upload(("warm.txt", PARAGRAPHS["boiler"].encode()), token=other)
    await_passages(server, mine)
    for match in ("both", "meaning", "words"):
        assert {each["attachment"] for each in ask(server, BOILER, other, match=match)["passages"]} <= set(mine)
        assert mine[0] not in {each["attachment"] for each in ask(server, BOILER, match=match, size=50)["passages"]}
    assert [each["attachment"] for each in ask(server, BOILER, other)["passages"]] == mine


def test_what_the_files_do_not_have_any_more_is_not_told(shelf: tuple[Server, dict[str, str]]) -> None:
    """The index still has it: as between a change and the write that follows it, or after damage."""
    server, _ = shelf
    token = server.make_token(tenant="passages-damaged")
    query = "where was the sea animal seen"

    def stored(artefact: Artefact) -> Path:
        (found,) = server.upload(("a.txt", PARAGRAPHS["whale"].encode()), token=token)
        await_passages(server, [found])
        assert [each["attachment"] for each in ask(server, query, token, match="meaning")["passages"]] == [found]
        return server.data / name_of(found, artefact)

    def nothing_is_told(*, near: bool) -> None:
        answer = server.get(f"/attachment/_search?query={query}&match=meaning&highlight=true", token=token)
        (hit,) = answer.json()["hits"]["hits"]
        assert "passage" not in hit.get("highlight", {})
        answer = server.post("/attachment/_passages", json={"query": query}, token=token)
        assert answer.status_code == 200
        meant = [each["parts"]["meaning"] for each in answer.json()["passages"]]
        assert (meant == []) if not near else (set(meant) <= {None})
        assert server.delete(f"/attachment/{hit['_id']}", token=token).status_code == 200
        assert ask(server, query, token)["passages"] == []

    stored(Artefact.PASSAGES).unlink()
    nothing_is_told(near=True)
    for artefact in (Artefact.PASSAGES, Artefact.TEXT):
        for content in (b"", b"damaged\n" * 9, b"\xff" * len(PARAGRAPHS["whale"].encode())):
            stored(artefact).write_bytes(content)
            nothing_is_told(near=False)
