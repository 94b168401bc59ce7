"""Words that are joined at the ends of lines, in texts of nothing else."""

from __future__ import annotations

from app.extraction.readers.hyphens import with_joined


def test_a_text_of_nothing_but_letters_or_hyphens_takes_no_time_by_its_square() -> None:
    assert with_joined("a" * 2_000_000) == "a" * 2_000_000
    assert with_joined("-\n" * 500_000) == "-\n" * 500_000
    assert len(with_joined("a-\n" * 300_000)) < 1_000_000
