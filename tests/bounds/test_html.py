"""Markup of any depth, number and length: time grows with the length alone."""

from __future__ import annotations

import pytest

from app.extraction.readers.html import text_of

MANY = 200_000


@pytest.mark.parametrize(
    "markup",
    [
        "<div>" * MANY + "word",
        "<x>" * MANY + "</y>" * MANY + "word",
        "<b title=a>" * MANY + "word",
        "<table><td>" * MANY + "word",
        "<svg>" * MANY + "word",
        "<select><option>" * MANY + "word",
        "<template>" * MANY + "word",
        "&amp;" * MANY + " word",
        "<p " + " ".join(f"a{each}=1" for each in range(MANY)) + ">word",
        "<p title='" + "<" * MANY + "'>word",
        "<iframe srcdoc='" + "<div>" * MANY + "word'>",
    ],
    ids=lambda markup: markup[:12],
)
def test_time_grows_with_the_length_alone(markup: str) -> None:
    """Each of them takes minutes in a tree of elements; there is no more to the test than that it ends."""
    assert "word" in text_of(markup)
