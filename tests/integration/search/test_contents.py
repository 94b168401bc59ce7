"""Searches in contents: marks, facets, filters, and what hostile callers and large texts do to them."""

from __future__ import annotations

import json
import random
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import requests

from app.search.facets import VALUES
from app.search.stops import STOP, marked_text
from tests.support.app import Server


def search(server: Server, token: str | None = None, **parameters: object) -> dict[str, object]:
    answer = server.get(f"/attachment/_search?{urlencode(parameters, doseq=True)}", token=token)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def marks(server: Server, query: str, name: str) -> dict[str, list[str]]:
    """The highlight of the hit named `name`."""
    hits = server.hits(f"highlight=true&query={quote(query)}")
    (found,) = [hit for hit in hits if hit["_source"]["name"] == name]
    highlight: dict[str, list[str]] = found.get("highlight", {})
    return highlight


@pytest.mark.parametrize(
    ("query", "name", "part"),
    [
        ("fasst", "Erlkönig.txt", "er <mark>faßt</mark> ihn"),
        ("SPAT", "Erlkönig.txt", "reitet so <mark>spät</mark> durch"),
        ('"durch Nacht und"', "Erlkönig.txt", "<mark>durch</mark> <mark>Nacht</mark> <mark>und</mark> Wind"),
        ('"nacht durch"~9 | wind', "Erlkönig.txt", "Nacht und <mark>Wind</mark>"),
        ("vogel*", "wanderers_nachtlied.txt", "die <mark>Vögelein</mark>"),
        ("gipf", "wanderers_nachtlied.txt", "allen <mark>Gipfeln</mark>"),
        ("名前", "吾輩は猫である.txt", "<mark>名</mark><mark>前</mark>はまだ"),
        ("ニャー", "吾輩は猫である.txt", "<mark>ニャーニャー</mark>泣"),
        ("symetry~", "the_tyger.txt", "fearful <mark>symmetry</mark>?"),
        ("heart-ache", "hamlet_act3.txt", "the <mark>heart</mark>-<mark>ache</mark> and"),
        ("odeur", "le-corbeau-et-le-renard.txt", "par <mark>l&#x27;odeur</mark> alléché"),
        ("lincoln -fathers", "lincoln-letter-1864.txt", "<mark>Lincoln</mark>. (Written"),
    ],
)
def test_words_are_marked_however_they_are_spelled(library: Server, query: str, name: str, part: str) -> None:
    fragments = marks(library, query, name)["content"]
    assert part in " ".join(fragments), fragments
    assert len(fragments) <= 3


@pytest.mark.parametrize(
    ("query", "name", "marked"),
    [
        ("erlkonig", "Erlkönig.txt", "<mark>Erlkönig</mark>.txt"),
        ("address gettys", "Gettysburg_Address.txt", "Gettysburg_<mark>Address</mark>.txt"),
        ("1864 lin*", "lincoln-letter-1864.txt", "<mark>lincoln</mark>-letter-<mark>1864</mark>.txt"),
        ("sonnet 18", "Sonnet18_notes.txt", "<mark>Sonnet18</mark>_notes.txt"),
        ("猫で", "吾輩は猫である.txt", "吾輩は<mark>猫で</mark>ある.txt"),
    ],
)
def test_names_are_marked(library: Server, query: str, name: str, marked: str) -> None:
    found = marks(library, query, name)["name"][0]
    if query.startswith("address"):
        marked = "<mark>Gettysburg</mark>_<mark>Address</mark>.txt"
    assert found == marked


def test_marks_are_html_and_nothing_else_is(library: Server) -> None:
    token = library.make_token(tenant="html")
    name = "<img src=x onerror=alert(1)> & \"needle\" 'x'.txt"
    (one,) = library.upload((name, b"1 < needle > 2 & a <mark> of '\"/ in plain text"), token=token)
    completed(library, one, token)
    (hit,) = library.hits("query=needle&highlight=true&_source=id", token=token)
    assert list(hit["_source"]) == ["id"]
    for text in (*hit["highlight"]["name"], *hit["highlight"]["content"]):
        assert "<mark>needle</mark>" in text
        plain = text.replace("<mark>needle</mark>", "")
        assert not set(plain) & set("<>\"'"), text
    # What is looked for in the name alone, without a word of the content, and the other way round.
    assert library.hits("highlight=true", token=token)[0].get("highlight") is None


def test_what_is_no_word_of_its_own_in_a_text_is_marked(library: Server) -> None:
    token = library.make_token(tenant="windows")
    text = "The ship 🚀 leaves; mobile 0171 5550199, office (030) 12345678."
    one, _ = library.upload(("🚀 launch.txt", text.encode()), ("other.txt", b"The ship leaves"), token=token)
    completed(library, one, token)
    for query, marked in (
        ("🚀", "<mark>🚀</mark>"),
        ('🚀 "ship leaves"', "<mark>🚀</mark>"),
        ("01715550199", "<mark>0171</mark> <mark>5550199</mark>"),
        ("03012345678", "(<mark>030</mark>) <mark>12345678</mark>"),
    ):
        (hit,) = library.hits(f"query={quote(query)}&highlight=true", token=token)
        assert marked in hit["highlight"]["content"][0]
    assert hit["_source"]["name"] == "🚀 launch.txt"
    (hit,) = library.hits(f"query={quote('🚀')}&highlight=true", token=token)
    assert hit["highlight"]["name"] == ["<mark>🚀</mark> launch.txt"]


def completed(server: Server, attachment_id: str, token: str) -> None:
    deadline = time.monotonic() + 120
    while "completed" not in server.get(f"/attachment/{attachment_id}/status", token=token).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_all_words_wherever_they_are(library: Server) -> None:
    names = [hit["_source"]["name"] for hit in library.hits("query=lincoln+grief+1864")]
    assert names == ["lincoln-letter-1864.txt"]


@pytest.mark.parametrize("query", ["get*ress.txt", "*burg*", "GETT*G_*.TXT", "g*ysburg", "-*nnet* get*s.txt"])
def test_any_letters_of_a_name(library: Server, query: str) -> None:
    found = [hit["_source"]["name"] for hit in library.hits(f"query={quote(query)}&session=library")]
    assert found[0] == "Gettysburg_Address.txt"
    assert not [each for each in found if "sonnet" in each.lower()]


def test_filters_and_facets(server: Server) -> None:
    token = server.make_token(tenant="facets", name="facet-owner")
    (gif,) = server.upload(("a.GIF", b"GIF89a" + bytes(20_000)), session="one", token=token)
    (text,) = server.upload(("b.txt", b"some text"), session="two", token=token)
    (bare,) = server.upload(("c", b"some text"), token=token)

    def ids(**parameters: object) -> set[str]:
        return {hit["_id"] for hit in search(server, token, **parameters)["hits"]["hits"]}  # type: ignore[index]

    assert ids(session=["one", "two"]) == {gif, text}
    assert ids(session="one", extension="gif") == {gif}
    assert ids(extension=["GIF", ".txt"]) == {gif, text}
    assert ids(extension="") == {bare}
    assert ids(media_type="image/gif") == {gif}
    assert ids(media_type=["image/gif", "text/plain"]) == {gif, text, bare}
    assert ids(dialect="coco") == {gif, text, bare}
    assert ids(dialect=["kore", "langdock"]) == ids(organization="x") == ids(app="x") == ids(environment="x") == set()
    assert ids(owner="facet-owner") == {gif, text, bare}
    assert ids(owner="nobody") == ids(owner="") == set()
    assert ids(min_size=10) == {gif}
    assert ids(max_size=9) == {text, bare}
    assert ids(min_size=9, max_size=9) == {text, bare}
    (hit,) = server.hits("extension=gif&_source=created,extension,media_type,owner", token=token)
    assert hit["_source"].pop("created")
    assert hit["_source"] == {"extension": "gif", "media_type": "image/gif", "owner": "facet-owner"}
    created = {
        each: search(server, token, extension=each)["hits"]["hits"][0]["_source"]["created"]  # type: ignore[index]
        for each in ("gif", "txt")
    }
    assert ids(created_after=created["txt"]) == {text, bare}
    assert ids(created_before=created["txt"]) == {gif}
    assert ids(created_after=created["gif"], created_before=created["txt"]) == {gif}
    assert ids(created_after="2999-01-01") == set()

    answer = search(server, token, facets="session,media_type,extension,dialect,owner,created,file_size", size=0)
    buckets = {
        name: {bucket["key"]: bucket["doc_count"] for bucket in found["buckets"]}
        for name, found in answer["aggregations"].items()  # type: ignore[attr-defined]
    }
    assert buckets == {
        "session": {"one": 1, "two": 1},
        "media_type": {"image/gif": 1, "text/plain": 2},
        "extension": {"": 1, "gif": 1, "txt": 1},
        "dialect": {"coco": 3},
        "owner": {"facet-owner": 3},
        "created": {"day": 3, "week": 3, "month": 3, "year": 3, "older": 0},
        "file_size": {"tiny": 2, "small": 1, "medium": 0, "large": 0, "huge": 0},
    }
    narrowed = search(server, token, facets="extension", session="one")
    assert narrowed["aggregations"]["extension"]["buckets"] == [{"key": "gif", "doc_count": 1}]  # type: ignore[index]


def facets_of(server: Server, token: str, **parameters: object) -> tuple[set[str], dict[str, dict[str, int]]]:
    """The names of the hits, and of each facet the counts that are not zero."""
    answer: dict[str, Any] = search(server, token, _source="name", **parameters)
    counts = {
        name: {bucket["key"]: bucket["doc_count"] for bucket in found["buckets"] if bucket["doc_count"]}
        for name, found in answer["aggregations"].items()
    }
    return {hit["_source"]["name"] for hit in answer["hits"]["hits"]}, counts


def test_a_facet_is_counted_under_all_filters_but_its_own(server: Server) -> None:
    token = server.make_token(tenant="own-facets")
    server.upload(("a.gif", b"GIF89a" + bytes(20_000)), ("b.gif", b"GIF89a"), session="one", token=token)
    server.upload(("c.txt", b"some text"), session="one", token=token)
    server.upload(("d.txt", b"some text"), ("e.md", b"some text"), session="two", token=token)
    every = "extension,session,file_size,created,owner"
    found, counts = facets_of(server, token, facets=every, extension="gif")
    assert found == {"a.gif", "b.gif"}
    assert (counts["extension"], counts["session"]) == ({"gif": 2, "txt": 2, "md": 1}, {"one": 2})
    assert (counts["file_size"], counts["created"]["day"]) == ({"tiny": 1, "small": 1}, 2)
    assert sum(counts["owner"].values()) == 2
    # Two of one facet, and one of another: each is narrowed by the other.
    found, counts = facets_of(server, token, facets=every, extension=["gif", "txt"], session="one")
    assert found == {"a.gif", "b.gif", "c.txt"}
    assert (counts["extension"], counts["session"]) == ({"gif": 2, "txt": 1}, {"one": 3, "two": 1})
    # Ranges, and a filter on what is no facet of this search.
    found, counts = facets_of(server, token, facets="file_size,extension", max_size=10_000, session="one")
    assert found == {"b.gif", "c.txt"}
    assert counts == {"file_size": {"tiny": 2, "small": 1}, "extension": {"gif": 1, "txt": 1}}
    found, counts = facets_of(server, token, facets="created,extension", created_after="2999-01-01", query="gif")
    assert (found, counts) == (set(), {"created": dict.fromkeys(("day", "week", "month", "year"), 2), "extension": {}})
    # How many are found, and how well, is as without facets.
    for parameters in ({"session": "one"}, {"session": "one", "extension": "gif", "query": "gif", "highlight": "true"}):
        plain, faceted = (search(server, token, **parameters, **more) for more in ({}, {"facets": every}))
        assert plain["hits"] == faceted["hits"]


def test_a_chosen_value_is_in_its_facet_however_rare(server: Server) -> None:
    token = server.make_token(tenant="rare-facets")
    server.upload(("x.rare", b"x"), ("x", b"x"), token=token)
    server.upload(*((f"{number}.e{number % VALUES}", b"x") for number in range(2 * VALUES)), token=token)
    answer: dict[str, Any] = search(server, token, facets="extension", extension=["rare", "", "e1", "none"])
    facet = answer["aggregations"]["extension"]
    assert len(facet["buckets"]) == VALUES + 2
    assert {"key": "rare", "doc_count": 1} in facet["buckets"]
    assert {"key": "", "doc_count": 1} in facet["buckets"]
    assert facet["sum_other_doc_count"] == 0


HOSTILE = [
    "(" * 1024,
    "(" * 500 + "a" + ")" * 500,
    "-(" * 300 + "a",
    '"' * 1023,
    "a|" * 500,
    "|" * 1024,
    "~*" * 500,
    "a* " * 340,
    "ab~ " * 256,
    "a-b* " * 200,
    " ".join(f"w{number}" for number in range(170)),
    '"' + "x y " * 250 + '"',
    "文" * 1024,
    # As long as any, percent-encoded: twelve bytes each.
    "\U00020000" * 1024,
    "文字~ " * 250,
    "x" * 1024,
    "ö" * 1000,
    "\0",
    "a\0b",
    ".*[a-z]{1,1000}(a+)+$",
    "#@&<>{}[]^$.?+\\/\"'`;=:,!%",
    "\\",
    '\\" \\( a\\',
    "~",
    "~1",
    '"a"~99999999999999999999',
    "a~99999999999999999999",
    "AND OR NOT name:* _exists_:tenant",
    '{"match_all":{}}',
    "\u202e\u200b\ufeff\u0301",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "ﬁ ½ № ﷺ " * 100,
    "--a ++b -+-c",
    "- a",
    "-",
    "-* *",
]


@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: query[:12].encode("unicode-escape").decode())
def test_no_text_is_an_error(library: Server, query: str) -> None:
    for highlight in ("true", "false"):
        search(library, query=query, highlight=highlight)
    search(library, query=query, sort="_score", facets="extension")


def test_lone_surrogates_and_other_bytes(library: Server) -> None:
    for raw in ("%ED%A0%80", "%FF%FE", "%C3", "a%ED%A0%80b", "%F4%90%80%80"):
        assert library.get(f"/attachment/_search?highlight=true&query={raw}").status_code == 200, raw
    # Longer than any query: refused by its length, not by its clauses.
    answer = library.get("/attachment/_search?query=" + "+".join(["a"] * 3000))
    assert (answer.status_code, "[query]" in answer.text) == (400, True)


def test_random_texts_are_no_errors(library: Server) -> None:
    chance = random.Random(7)
    alphabet = "ab ü東ガ\"()|+-*~\\ \t1.'_#@&<>[]{}"
    for _ in range(60):
        query = "".join(chance.choices(alphabet, k=chance.randint(1, 200)))
        search(library, query=query, highlight="true")


def test_what_divides_a_text_for_the_marking_is_never_shown(library: Server) -> None:
    """In both dialects, where a fragment reaches over such a place; a name keeps what looks like it."""
    token = library.make_token(tenant="divided")
    name = "a\u2029b.txt"
    # The place is between the two.
    text = "some words " * 90 + "quokka numbat " + "more words " * 90
    assert marked_text(text).index(STOP) == text.index("quokka") + len("quokka ")
    (one,) = library.upload((name, text.encode()), token=token)
    completed(library, one, token)
    (hit,) = library.hits("query=quokka&highlight=true", token=token)
    assert hit["_source"]["name"] == name
    assert STOP not in "".join(hit["highlight"]["content"])
    body = {
        "query": {"match": {"content": "quokka numbat"}},
        "highlight": {"fields": {"content": {"fragment_size": 2000}}},
    }
    shown = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    asked = requests.post(
        f"{library.url}/coco_attachment/_search",
        json=body,
        headers={**shown, "Content-Type": "application/json"},
        timeout=30,
    )
    lines = "".join(f"{json.dumps(each)}\n" for each in ({}, body))
    several = requests.post(f"{library.url}/coco_attachment/_msearch", data=lines, headers=shown, timeout=30)
    for answer in (asked.json(), several.json()["responses"][0]):
        (each,) = answer["hits"]["hits"]
        assert "<em>quokka</em> <em>numbat</em>" in "".join(each["highlight"]["content"])
        assert each["_source"]["name"] == name


def test_a_text_of_fifty_megabytes_is_one_hit_among_others(library: Server) -> None:
    """Without a single end of a sentence after the first one: what costs the marking most."""
    token = library.make_token(tenant="large")
    text = "a needle at the beginning. " + "und darüber hinaus noch größere wörter, " * 1_200_000 + " the haystack ends"
    assert len(text.encode()) > 50_000_000
    large, small = library.upload(("large.txt", text.encode()), ("small.txt", b"a needle"), token=token)
    for each in (large, small):
        completed(library, each, token)
    # What is indexed is its beginning, and the status tells so.
    assert library.get(f"/attachment/{large}/status", token=token).headers["Extraction-Cut"]
    for query in ("needle", "grossere", '"noch grossere worter"', "dar*", "haystack", "hinaus~", "needle -haystack"):
        answer = library.get(f"/attachment/_search?highlight=true&query={quote(query)}", token=token)
        assert answer.status_code == 200, (query, answer.text)
        # The text itself is not in the answer.
        assert len(answer.content) < 10_000
    hits = {hit["_id"]: hit for hit in library.hits("query=needle&highlight=true", token=token)}
    assert set(hits) == {large, small}
    assert "<mark>needle</mark> at the beginning" in hits[large]["highlight"]["content"][0]
    assert (
        "<mark>größere</mark>"
        in library.hits("query=grossere&highlight=true", token=token)[0]["highlight"]["content"][0]
    )
