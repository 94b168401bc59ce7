"""Text to words: the same for what is indexed and for what is asked."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search import words as module
from app.search.words import fold, parts_of, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adaptive_searching_in.pdf", "adaptive searching in pdf"),
        ("neurips19-diskann.pdf", "neurips19 neurips 19 diskann pdf"),
        ("iPhone15", "iphone15 i phone 15 iphone"),
        ("Straße", "strasse"),
        ("CAFÉ", "cafe"),
        ("ﬁle №5", "file 5"),
        ("東京 ガイド", "東京 ガイド"),
        ("-- . --", ""),
        ("", ""),
        ("a a A", "a"),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert words(text) == expected


@given(st.text())
def test_composed_and_decomposed_are_the_same_words(text: str) -> None:
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_words_are_separated_by_single_blanks_and_never_repeated(text: str) -> None:
    found = words(text)
    parts = found.split(" ") if found else []
    assert len(set(parts)) == len(parts)
    assert all(parts)


@given(st.text(alphabet="aZ1_é²"))
def test_runs_that_are_plain_have_no_borders(text: str) -> None:
    """What is skipped for them would have found nothing."""
    found = list(parts_of(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PLAIN", re.compile("(?!)"))
        assert list(parts_of(text)) == found
