"""How much of a query is in a passage: in every form in which the index finds its words, rare words more than others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search.overlap import MOST_ITEMS, Overlap, share
from app.search.syntax import parse


def overlap(query: str) -> Overlap:
    return Overlap(parse(query))


@pytest.mark.parametrize(
    ("query", "text", "language", "found"),
    [
        ("invoice due", "The invoice is due in May.", "en", [1.0, 1.0]),
        ("invoices paying", "The invoice was paid.", "en", [0.5, 0.0]),
        ("Verträge kündigen", "Der Vertrag endet.", "de", [0.5, 0.0]),
        ("Mueller", "Von Müller", "de", [1.0]),
        ("wifi", "The Wi-Fi password", "en", [1.0]),
        ("project_plan old", "See ProjectPlan_v2.pdf", "", [1.0, 0.0]),
        ('"project plan" old', "See ProjectPlan_v2.pdf", "", [1.0, 0.0]),
        ('"quarterly figures"', "figures that are quarterly", "en", [0.0]),
        ('"quarterly figures"~3', "quarterly and other figures", "en", [1.0]),
        ("figu*", "The figures", "en", [1.0]),
        ("figu", "The figures", "en", [0.8]),
        ("fihures~ old", "The figures", "en", [1.0, 0.0]),
        ("INV-2024-0815 x", "Number INV-2024-0815, paid", "en", [1.0, 0.0]),
        ("INV-2024-0815 x", "Number INV-2024-0816, paid", "en", [0.0, 0.0]),
        ("项目", "这个项目的计划", "zh", [1.0]),
        ("1,284.50 old", "It costs 1284.50 EUR", "en", [0.8, 0.0]),
        ("grosse", "GRÖSSE", "de", [1.0]),
    ],
)
def test_what_is_found(query: str, text: str, language: str, found: list[float]) -> None:
    one = overlap(query)
    assert one.of(text, language) == pytest.approx(found)
    # What is found was not passed over.
    assert set(one.look(text)) >= {number for number, value in enumerate(found) if value}


def test_a_longer_run_without_blanks_is_found_in_part() -> None:
    one = overlap("这个项目的预算计划")
    whole, part, none = (one.of(each, "zh") for each in ("这个项目的预算计划书", "项目的计划", "天气很好"))
    assert whole[0] > part[0] > none[0] == 0


def test_stop_words_and_what_is_excluded_are_not_looked_for() -> None:
    assert len(overlap("what is the invoice").items) == 1
    assert len(overlap("invoice -draft").items) == 1
    for nothing in ("", "*", "???", "-draft"):
        assert not overlap(nothing)
    assert len(overlap(" ".join(f"word{number}x" for number in range(60))).items) == MOST_ITEMS


def test_a_rare_word_counts_more_and_one_that_is_nowhere_most() -> None:
    one = overlap("invoice penicillin zyzzyva")
    for number in range(50):
        one.look("An invoice, and an invoice. " * 20 + ("penicillin" if number == 7 else ""))
    common, rare, nowhere = one.weights()
    assert 0 < common < rare < nowhere
    assert common + rare + nowhere == pytest.approx(1)
    assert share([1.0, 1.0, 1.0], one.weights()) == pytest.approx(1)
    # A passage that shares a common word alone has little of the query.
    assert share([1.0, 0.0, 0.0], one.weights()) < 0.2


def test_weights_before_anything_was_looked_at() -> None:
    assert overlap("invoice penicillin").weights() == pytest.approx([0.5, 0.5])


def test_what_is_not_counted_changes_no_weight() -> None:
    one = overlap("invoice penicillin")
    assert one.look("invoice " * 90, counted=False) == [0]
    assert one.weights() == pytest.approx([0.5, 0.5])


@given(st.text(max_size=60), st.text(max_size=200), st.sampled_from(["", "en", "de", "ru", "zh", None]))
def test_any_query_and_any_text(query: str, text: str, language: str | None) -> None:
    one = overlap(query)
    found = one.of(text, language)
    assert len(found) == len(one.items)
    assert all(0 <= value <= 1 for value in found)
    one.look(text)
    if one:
        assert 0 <= share(found, one.weights()) <= 1 + 1e-9
