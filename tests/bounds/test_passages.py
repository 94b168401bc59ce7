"""Texts of nothing but one hostile piece are cut into passages in time by their length."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.passages import cutting
from tests.unit.passages.test_cutting import checked

HOSTILE = [
    "a",
    "a.",
    ". ",
    "\n",
    "A. B. ",
    "(",
    '"',
    '.)"',
    "\u0301",
    "a\u0301",
    "\0",
    "1.2.",
    "中文",
    "中文。",
    "ภาษาไทย",
    "x\t",
    "a,b\n",
]
HOSTILE += [
    '{"a":"b c"},',
    "\U0001f1e6",
    "\u200d👨",
    "# a\n\n",
    "a\n\n",
    "ab" + " " * 20_000,
    "e.g. ",
    "\r",
    "\u2028",
    "|",
    "Dr. ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_is_looked_at_more_than_twice(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 0
    real = cutting._of_window

    def counted(window: str, fresh: bool, head: str) -> Iterator[cutting._Unit]:
        nonlocal seen
        seen += len(window)
        return real(window, fresh, head)

    monkeypatch.setattr(cutting, "_of_window", counted)
    text = piece * (300_000 // len(piece))
    checked(text, [], tuple(cutting.passages(text.encode(), [])))
    assert len(text) <= seen <= 2 * len(text) + cutting.WINDOW
