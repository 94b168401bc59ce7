"""The questions of benchmarks/meaning.py: as many as the figures say, each with an answer that is there."""

from __future__ import annotations

from collections import Counter

from benchmarks.meaning import QUESTIONS, own


def test_the_questions_are_what_they_are_said_to_be() -> None:
    rows = [line.split("\t") for line in QUESTIONS.read_text().splitlines()]
    assert all(len(row) == 4 and row[3].strip() for row in rows)
    assert Counter((kind, language) for kind, language, _, _ in rows if kind == "paragraph") == {
        ("paragraph", each): 15 for each in ("en", "de", "ru", "zh")
    }
    names = [name for kind, _, name, _ in rows if kind == "paragraph"]
    assert len({*names}) == len(names)
    assert {name for kind, _, name, _ in rows if kind == "question"} <= {*names}
    assert {name for kind, _, name, _ in rows if kind in ("unanswered", "nonsense")} == {""}


def test_each_question_is_asked_once() -> None:
    same, other = own()
    rows = QUESTIONS.read_text().splitlines()
    asked = [text for each in (same, other) for text, _ in each.questions]
    assert sorted(asked) == sorted(line.split("\t")[3] for line in rows if line.startswith("question\t"))
    assert same.paragraphs[same.questions[0][1]].startswith("The boiler")
    assert other.paragraphs[other.questions[0][1]].startswith("The boiler")
