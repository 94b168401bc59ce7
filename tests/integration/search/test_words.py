"""Words as people type them: what is found, what comes first, what is marked, in names and contents of a real index."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.support.app import Server

FILES = {
    "harbour.txt": "The harbour authority postponed two deliveries of timber until the weather had become better.",
    "harbour-two.txt": "A delivery of timber, and one more delivery: delivery upon delivery.",
    "brücke.txt": "Die Aufträge für die Brücke wurden verschoben. Herr Möller aus Lübeck prüft die Kosten.",
    "pont.txt": "Les livraisons de bois pour le pont ont été reportées par l'entreprise du port.",
    "мост.txt": "Поставки дерева для нового моста были перенесены на следующую неделю.",
    "桥.txt": "港务局把两批木材的交货推迟到天气好转以后。新桥的建设费用也增加了。",
    "สะพาน.txt": "การก่อสร้างสะพานใหม่ถูกเลื่อนออกไปเพราะอากาศไม่ดี",
    "다리.txt": "새로운 다리의 건설비용을 시장이 발표했습니다",
    "पुल.txt": "नए पुल का निर्माण अगले सप्ताह तक स्थगित कर दिया गया",
    "جسر.txt": "تَأَجَّلَ بِنَاءُ الجِسْرِ الجَدِيد، قال أحمد",
    "BridgeBudget_2027Q3.txt": "nothing",
    "release-notes-v4.11.2.txt": "nothing",
    "code.txt": "call loadBridgeBudget(7) of HTTPServer in v6.20.1, mail ada.king@example.net, host 203.0.113.9, "
    "a total of 7,654.25",
    "soft.txt": "Hafen\u00adver\u00adwal\u00adtung und e-mail",
}


@pytest.fixture(scope="module")
def filled(library: Server) -> tuple[Server, str]:
    token = library.make_token(tenant="words-as-typed")
    ids = library.upload(*((name, text.encode()) for name, text in FILES.items()), session="words", token=token)
    deadline = time.monotonic() + 300
    for each in ids:
        while "pending" in library.get(f"/attachment/{each}/status", token=token).text:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    return library, token


def hits(filled: tuple[Server, str], query: str, **more: object) -> dict[str, Any]:
    server, token = filled
    answer = server.get(f"/attachment/_search?{urlencode({'query': query, **more}, doseq=True)}", token=token)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(filled: tuple[Server, str], query: str, **more: object) -> list[str]:
    return [hit["_source"]["name"] for hit in hits(filled, query, **more)["hits"]["hits"]]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("Why did the harbour authority postpone the delivery?", "harbour.txt"),
        ("Welcher Auftrag wurde verschoben?", "brücke.txt"),
        ("Quelle livraison de bois a été reportée ?", "pont.txt"),
        ("Какая поставка дерева была перенесена?", "мост.txt"),
        ("港务局为什么推迟了木材交货？", "桥.txt"),
        ("건설비용 발표 시장", "다리.txt"),
        ("निर्माण स्थगित क्यों हुआ", "पुल.txt"),
    ],
)
def test_a_question_finds_what_answers_it(filled: tuple[Server, str], query: str, name: str) -> None:
    assert names(filled, query)[0] == name


@pytest.mark.parametrize(
    "query", ["xyzzyq", "xyzzyq plughq", "what is the xyzzyq of", "wo ist der plughq", "東西南北", "ภาษาญี่ปุ่นโบราณ"]
)
def test_nonsense_finds_nothing(filled: tuple[Server, str], query: str) -> None:
    found = hits(filled, query, facets="extension")
    assert found["hits"]["total"]["value"] == 0
    assert found["aggregations"]["extension"]["buckets"] == []


def test_what_has_all_comes_first_and_as_it_is_written_before_other_forms(filled: tuple[Server, str]) -> None:
    assert names(filled, "deliveries ")[:2] == ["harbour.txt", "harbour-two.txt"]
    assert names(filled, "delivery ")[:2] == ["harbour-two.txt", "harbour.txt"]
    assert names(filled, "weather delivery ")[0] == "harbour.txt"
    found = hits(filled, "timber xyzzyq ", facets="extension")
    assert found["hits"]["total"]["value"] == found["aggregations"]["extension"]["buckets"][0]["doc_count"] == 2
    # With an operator, or when it is asked for, every word.
    assert names(filled, "timber xyzzyq", default_operator="and") == names(filled, "+timber xyzzyq") == []
    assert names(filled, "timber weather", default_operator="and") == ["harbour.txt"]
    assert names(filled, '"deliveries" ') == ["harbour.txt"]
    assert names(filled, "timber -deliveries") == ["harbour-two.txt"]
    assert names(filled, '"harbour auth') == names(filled, "harbour auth")
    assert names(filled, "brücke.txt")[0] == "brücke.txt"


@pytest.mark.parametrize(
    ("query", "name", "marked"),
    [
        ("deliveries ", "harbour-two.txt", "<mark>delivery</mark>"),
        ("postpone ", "harbour.txt", "<mark>postponed</mark>"),
        ("auftrag ", "brücke.txt", "<mark>Aufträge</mark>"),
        ("moeller ", "brücke.txt", "<mark>Möller</mark>"),
        ("muller luebeck ", "brücke.txt", "<mark>Lübeck</mark>"),
        ("поставка ", "мост.txt", "<mark>Поставки</mark>"),
        ("สะพาน", "สะพาน.txt", "การก่อสร้าง<mark>ส</mark><mark>ะ</mark>"),
        ("다리", "다리.txt", "<mark>다리의</mark>"),
        ("건설비용 ", "다리.txt", "<mark>건설비용을</mark>"),
        ("पुल ", "पुल.txt", "<mark>पुल</mark>"),
        ("الجسر ", "جسر.txt", "<mark>الجِسْرِ</mark>"),
        ("احمد ", "جسر.txt", "<mark>أحمد</mark>"),
        ("bridge budget ", "code.txt", "<mark>loadBridgeBudget</mark>"),
        ('"bridge budget" ', "code.txt", "<mark>loadBridgeBudget</mark>"),
        ("loadbridgebudget ", "code.txt", "<mark>loadBridgeBudget</mark>"),
        ("LoadBridge ", "code.txt", "<mark>loadBridgeBudget</mark>"),
        ("6.20.1 ", "code.txt", "<mark>v6.20.1</mark>"),
        ("ada.king@example.net ", "code.txt", "<mark>ada.king</mark>@<mark>example.net</mark>"),
        ("203.0.113.9 ", "code.txt", "<mark>203.0.113.9</mark>"),
        ("7654.25 ", "code.txt", "<mark>7,654.25</mark>"),
        ("hafenverwaltung ", "soft.txt", "<mark>Hafenverwaltung</mark>"),
        ("email ", "soft.txt", ""),
        ("推迟交货", "桥.txt", "<mark>推</mark><mark>迟</mark>"),
    ],
)
def test_what_is_found_is_marked(filled: tuple[Server, str], query: str, name: str, marked: str) -> None:
    found = {hit["_source"]["name"]: hit for hit in hits(filled, query, highlight="true")["hits"]["hits"]}
    assert name in found
    fragments = " ".join(found[name].get("highlight", {}).get("content", [""]))
    assert marked in fragments, fragments
    # Nothing of what was put into the text.
    assert not set(fragments) & set("\u2029\u2060\u200b")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("4.11.2 ", "release-notes-v4.11.2.txt"),
        ("Q3 ", "BridgeBudget_2027Q3.txt"),
        ('"bridge budget" ', "BridgeBudget_2027Q3.txt"),
        ('"budget 2027" ', "BridgeBudget_2027Q3.txt"),
        ("budgets ", "BridgeBudget_2027Q3.txt"),
        ("bridge-budget ", "BridgeBudget_2027Q3.txt"),
        ("bruecke ", "brücke.txt"),
        ("ReleaseNotes ", "release-notes-v4.11.2.txt"),
        ("releasenotes ", "release-notes-v4.11.2.txt"),
    ],
)
def test_names_are_found_by_their_parts(filled: tuple[Server, str], query: str, name: str) -> None:
    assert name in names(filled, query)


@pytest.mark.parametrize(
    "word",
    [
        "a" * 12,
        "ab" * 20,
        "na" * 40,
        "1" * 40,
        "aaaabbbbcccc" * 4,
        "ı" * 30,
        "ö" * 60,
        "ـ" * 40 + "ا" * 30,
        "가" * 50,
        "ก" * 60,
    ],
)
def test_marks_of_any_word_are_made(filled: tuple[Server, str], word: str) -> None:
    """Its expression becomes an automaton, of which Elasticsearch takes so much."""
    for query in (
        word,
        f"{word} ",
        f'"{word} {word}"',
        f"{word}*",
        f"{word}-{word}",
        " ".join(f"{word}{n}" for n in range(9)),
    ):
        hits(filled, query, highlight="true")


def test_elasticsearch_s_own_language_finds_the_same_words(filled: tuple[Server, str]) -> None:
    server, token = filled
    for query, name in (
        ({"match": {"content": "MOELLER"}}, "brücke.txt"),
        ({"match_phrase": {"content": "bridge budget"}}, "code.txt"),
        ({"match_phrase": {"name": "bridge budget"}}, "BridgeBudget_2027Q3.txt"),
        ({"match_phrase": {"content": "6.20.1"}}, "code.txt"),
        ({"match": {"content": "الجسر"}}, "جسر.txt"),
    ):
        body = {"query": query, "highlight": {"fields": {"content": {}}}}
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.post(f"{server.url}/coco_attachment/_search", json=body, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        (hit,) = answer.json()["hits"]["hits"]
        assert hit["_source"]["name"] == name
        assert not set(answer.text) & set("\u2029\u2060\u200b")
