"""Bounds of what marks words: pure."""

from __future__ import annotations

import json

from app.search.expansions import MOST_WORDS, bounded, expanding
from app.search.marking import highlight
from app.search.syntax import parse


def test_each_expansion_has_its_share() -> None:
    clauses = [
        {"prefix": {"content": "a"}},
        {"wildcard": {"content": {"value": "*b*", "boost": 2}}},
        {"span_near": {"clauses": [{"span_multi": {"match": {"regexp": {"content": {"value": "c"}}}}}]}},
        {"bool": {"must": {"fuzzy": {"content": {"value": "d", "rewrite": "constant_score"}}}}},
    ]
    made = bounded({"bool": {"should": clauses}}, "content", 10)
    assert sorted(expanding(made)) == [
        (name, "content", value)
        for name, value in (("fuzzy", "d"), ("prefix", "a"), ("regexp", "c"), ("wildcard", "*b*"))
    ]
    assert json.dumps(made).count(f'"rewrite": "top_terms_boost_{MOST_WORDS // 4}"') == 4
    assert "constant_score" not in json.dumps(made)
    assert made["bool"]["should"][0] == {"prefix": {"content": {"value": "a", "rewrite": "top_terms_boost_150"}}}


def test_a_page_has_its_share_too() -> None:
    for size, most in ((0, MOST_WORDS), (1, MOST_WORDS), (13, MOST_WORDS), (20, 400), (100, 80)):
        made = bounded([{"prefix": {"content": "a"}}, {"prefix": {"content": "b"}}], "content", size)
        assert [each["prefix"]["content"]["rewrite"] for each in made] == [f"top_terms_boost_{most // 2}"] * 2


def test_what_is_of_another_field_looks_through_nothing() -> None:
    clauses = [{"prefix": {"content": "a"}}, {"wildcard": {"content_words": {"value": "*b*", "boost": 2}}}]
    query = {"bool": {"must": [{"bool": {"must_not": clauses}}, *clauses]}}
    for field, name, value in (("content", "prefix", "a"), ("content_words", "wildcard", "*b*")):
        # All words for the one field, none for the other.
        made = bounded(query, field, 10)
        assert list(expanding(made)) == [(name, field, value)] * 2
        assert json.dumps(made).count("top_terms_boost_300") == 2
    assert list(expanding(bounded(query, "name", 10))) == []


def test_of_more_than_there_are_words_each_has_one() -> None:
    made = bounded([{"prefix": {"content": f"a{number}"}} for number in range(MOST_WORDS + 1)], "content", 10)
    assert all(each["prefix"]["content"]["rewrite"] == "top_terms_boost_1" for each in made)


def test_what_does_not_expand_stays() -> None:
    query = {"bool": {"must": [{"term": {"prefix": "x"}}, {"match": {"content": "a"}}]}}
    assert bounded(query, "content", 10) == query
    assert list(expanding(query)) == []


def test_every_mark_of_a_text_is_bounded() -> None:
    for text in ("word", "a*", "near~", '"one two"~3 three*', "a | b | c", "-no yes"):
        made = highlight(parse(text), 10)
        assert made is not None
        written = json.dumps(made)
        assert written.count("top_terms_boost_") == written.count('"regexp"') + written.count('"fuzzy"') > 0
