"""Words that are divided at the end of a line."""

from __future__ import annotations

import pytest

from app.extraction.readers.hyphens import with_joined


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("der Liefer-\nschein und", "Lieferschein"),
        ("the manu-\r\n   facturer, the manu-\nfacturer", "manufacturer"),
        ("Süd-Nord-\nverbindung", "Nordverbindung"),
        ("soft\xad\nened and hard\u2010\nened", "softened hardened"),
    ],
)
def test_joined_words_stand_below(text: str, joined: str) -> None:
    assert with_joined(text) == f"{text}\n\n{joined}\n"


@pytest.mark.parametrize(
    "text",
    [
        "Ein-\nund Ausgang",
        "Baden-\nWürttemberg",
        "a list:\n- one\n- two",
        "a paragraph -\nand more",
        "a paragraph-\n\nanother",
        "total = left -\n    right",
        "2019-\nbis",
        "no hyphen",
        "",
    ],
)
def test_other_hyphens_join_nothing(text: str) -> None:
    assert with_joined(text) == text
