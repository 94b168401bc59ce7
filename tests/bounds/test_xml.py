"""XML of any depth, number and length: time grows with the length alone."""

from __future__ import annotations

import pytest

from tests.unit.readers.test_xml import of


@pytest.mark.parametrize(
    "markup",
    [
        "<a>" * 300_000 + "word",
        "<a>" * 300_000 + "word" + "</a>" * 300_000,
        "<a>word" + "<b " * 100_000,
        "<a>word" + "&amp;" * 1_000_000 + "</a>",
        "<a>word" + "<![CDATA[" * 100_000,
        "<a>word" + "<b c='x'/>" * 200_000 + "</a>",
        "<a>word" + " " * 1_000_000 + "x</a>",
    ],
    ids=lambda markup: markup[:12],
)
def test_time_grows_with_the_length_alone(markup: str) -> None:
    assert "word" in of(markup)
