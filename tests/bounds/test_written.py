"""Texts in notations, such as JSON: time grows with the length alone."""

from __future__ import annotations

import pytest

from app.extraction.readers import json
from tests.unit.readers.test_written import of


@pytest.mark.parametrize(
    "written",
    [
        '"' + '\\"' * 300_000 + "\\\n",
        '"' * 300_000 + "\\",
        "\\" * 300_001,
        '"a\\n' * 100_000,
        "[" * 300_000,
        ("A1b" * 99 + " ") * 3_000,
    ],
    ids=lambda written: written[:9],
)
def test_no_json_takes_time_by_the_square_of_its_length(written: str) -> None:
    assert of(json, written)
