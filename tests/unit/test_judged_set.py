"""The judged set of benchmarks/judged is well formed: what it asks for is there, in each kind and language."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePath

import pytest

from app.contents.mediatype import detect
from app.contents.window import Held
from benchmarks.judged.__main__ import Answered, misses, report
from benchmarks.judged.collection import FOLDER, KINDS, UNANSWERED, Document, Query, documents, queries
from benchmarks.judged.making import Heading, blocks, made

DOCUMENTS = {each.key: each for each in documents()}
QUERIES = queries()
#: The languages that the set is about; of some others it has a document or two.
LANGUAGES = {"en", "de", "fr", "es", "ru", "zh"}
#: Of each kind, the fewest queries. Of those that nothing answers, ten together.
FEWEST = {"identifier": 30, "name": 20, "forms": 30, "accents": 20, "question": 40, "foreign": 15, "phrase": 10}


def _words(document: Document) -> int:
    """Where words are not parted by spaces, two characters count as one."""
    if document.language in ("zh", "ja", "th"):
        return len(re.findall(r"\w", document.text)) // 2
    return len(re.findall(r"\w+", document.text))


def test_there_are_documents_of_each_language_and_length() -> None:
    assert len(DOCUMENTS) >= 60
    counts = Counter(each.language for each in DOCUMENTS.values())
    assert {language for language, number in counts.items() if number >= 9} == LANGUAGES
    assert {key: _words(each) for key, each in DOCUMENTS.items() if not 100 <= _words(each) <= 600} == {}


def test_no_name_is_there_twice() -> None:
    assert len({each.name.casefold() for each in DOCUMENTS.values()}) == len(DOCUMENTS)


def test_each_query_is_of_a_kind_and_asked_once() -> None:
    assert len(QUERIES) >= 100
    assert {each.kind for each in QUERIES} == set(KINDS)
    assert [text for text, number in Counter(each.text for each in QUERIES).items() if number > 1] == []


def test_there_are_enough_queries_of_each_kind_and_language() -> None:
    counts = Counter(each.kind for each in QUERIES)
    assert {kind: counts[kind] for kind, fewest in FEWEST.items() if counts[kind] < fewest} == {}
    assert sum(counts[kind] for kind in UNANSWERED) >= 10
    languages = Counter(each.answers[0].partition("/")[0] for each in QUERIES if each.answers)
    assert {language for language in LANGUAGES if languages[language] < 25} == set()


def test_what_answers_is_there_and_what_is_there_answers() -> None:
    assert {key for each in QUERIES for key in each.answers} == set(DOCUMENTS)
    assert [each for each in QUERIES if bool(each.answers) is (each.kind in UNANSWERED)] == []


def test_questions_are_in_the_language_that_is_told() -> None:
    for each in QUERIES:
        if each.answers:
            own = {key.partition("/")[0] for key in each.answers} == {each.language}
            assert own is (each.kind != "foreign"), each


@pytest.mark.parametrize("kind", ["identifier", "phrase"])
def test_what_is_exact_is_in_no_other_document(kind: str) -> None:
    for query in QUERIES:
        if query.kind == kind:
            text = query.text.strip('"')
            found = {key for key, each in DOCUMENTS.items() if text in each.text or text in each.name}
            assert found == set(query.answers), query


def test_a_file_is_made_of_each_document() -> None:
    types: dict[str, set[str]] = {}
    for each in DOCUMENTS.values():
        types.setdefault(PurePath(each.name).suffix, set()).add(detect(Held(made(each)), each.name))
    office, open_document = "application/vnd.openxmlformats-officedocument", "application/vnd.oasis.opendocument"
    assert types == {
        ".docx": {f"{office}.wordprocessingml.document"},
        ".xlsx": {f"{office}.spreadsheetml.sheet"},
        ".pptx": {f"{office}.presentationml.presentation"},
        ".odt": {f"{open_document}.text"},
        ".pdf": {"application/pdf"},
        ".html": {"text/html"},
        ".eml": {"message/rfc822"},
        ".txt": {"text/plain"},
        ".csv": {"text/csv"},
        ".md": {"text/markdown"},
        ".py": {"text/x-python"},
    }


def test_sources_have_nothing_else_beside_them() -> None:
    assert {each.suffix for each in (FOLDER / "documents").rglob("*.*")} == {".txt"}


def test_the_parts_of_a_text() -> None:
    found = blocks("# A title\n\nA line\nand another.\n\n| a | b |\n| 1 |  |\n\nThe end.\n")
    assert found == [Heading(1, "A title"), "A line\nand another.", ["a", "b"], ["1", ""], "The end."]


def test_the_tables() -> None:
    asked = [
        Query("question", "en", "where", ("en/a",)),
        Query("name", "en", "what", ("de/b", "en/a")),
        Query("name", "en", "who", ("en/a",)),
        Query("plausible", "en", "why", ()),
        Query("nonsense", "en", "xyzzy", ()),
    ]
    found = [["en/a"], ["en/c", "en/a"], ["en/c"], ["en/a", "en/c"], []]
    answered = [Answered(query, keys) for query, keys in zip(asked, found, strict=True)]
    rows = [row.strip("| ").split(" | ") for row in report({"search": answered}).splitlines() if row]
    assert rows == [
        ["kind", "queries", "search: first", "search: of 3", "search: of 10"],
        ["---"] * 5,
        ["name", "2", "0", "1", "1"],
        ["question", "1", "1", "1", "1"],
        ["all", "3", "1", "2", "2"],
        ["language", "queries", "search: first", "search: of 3", "search: of 10"],
        ["---"] * 5,
        ["en", "2", "1", "1", "1"],
        ["de", "1", "0", "1", "1"],
        ["all", "3", "1", "2", "2"],
        ["nothing answers", "queries", "search: no hit", "search: hits"],
        ["---"] * 4,
        ["plausible", "1", "0", "2.0"],
        ["nonsense", "1", "1", "0.0"],
    ]
    assert list(misses(answered)) == [
        " 2  name        what  -> de/b en/a, came: en/c",
        " -  name        who  -> en/a, came: en/c",
    ]
