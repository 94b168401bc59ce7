"""The words of a text, as they are indexed and asked for."""

import sys
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search import words
from app.search.words import content_words, fold


def test_order_and_repetitions_stay() -> None:
    assert content_words("To be, or not to be: Größe_ÜBER-alles.") == "to be or not to be grosse uber alles"
    assert content_words("iPhone15 case") == "iphone15 case"


def test_scripts_without_blanks_are_characters() -> None:
    assert content_words("東京で桜 abc日本") == "東 京 で 桜 abc 日 本"


@given(st.text())
def test_it_is_the_same_for_what_is_folded_already(text: str) -> None:
    assert content_words(fold(text)) == content_words(fold(fold(text)))


def longest_run_of_marks(text: str) -> int:
    """What the time to normalise `text` grows with the square of."""
    longest = run = 0
    for character in unicodedata.normalize("NFKD", text):
        run = run + 1 if unicodedata.combining(character) else 0
        longest = max(longest, run)
    return longest


def test_marks_are_bounded_before_they_are_brought_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each character that is a mark or becomes one, in runs of it alone and in turns with others."""
    normalised: list[str] = []

    class Watched:
        """The module, which notes what is normalised in one step."""

        combining = staticmethod(unicodedata.combining)

        @staticmethod
        def normalize(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
            normalised.append(text)
            return unicodedata.normalize(form, text)

    monkeypatch.setattr(words, "unicodedata", Watched)
    every = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.combining(unicodedata.normalize("NFKD", chr(code))[0])
    ]
    assert len(every) > 900
    for text in (*(mark * 40 for mark in every), "a" + "\u0300\u0327" * 200, "\u0f73\uff9e" * 200, "".join(every)):
        fold(text)
        content_words(text)
    # A character may become two marks, seldom three.
    assert max(map(longest_run_of_marks, set(normalised))) <= 3 * words.MOST_MARKS


def test_what_is_written_keeps_its_marks() -> None:
    text = "a" + "\u094d" * words.MOST_MARKS
    assert fold(text) == text
    assert fold(text + "\u094db") == text + "b"
    # Not marks, so there may be any number.
    assert fold("\u338f" * 100) == "kg" * 100
    assert fold("\u2500" * 100) == "\u2500" * 100


def test_long_texts_lose_nothing_between_their_pieces() -> None:
    text = "größer word " * 20_000
    assert content_words(text) == ("grosser word " * 20_000).strip()


def test_a_text_grows_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """U+FDFA is eighteen characters in its compatible form. What is too much is cut between words, however short it is."""
    assert content_words("\ufdfa \ufdfa") == "صلى الله عليه وسلم صلى الله عليه وسلم"
    text = "\ufdfa " * 20_000
    whole = (content_words("\ufdfa") + " ") * 20_000
    monkeypatch.setattr(words, "MOST_GROWTH", 1)
    monkeypatch.setattr(words, "LEAST_WORDS", len(whole) - 1)
    assert content_words(text) == whole.rstrip()
    monkeypatch.setattr(words, "LEAST_WORDS", len(whole) - 2)
    assert content_words(text) == whole.rstrip().rpartition(" ")[0]
    monkeypatch.setattr(words, "MOST_GROWTH", 10)
    assert content_words(text) == whole.rstrip()


def test_the_largest_text_stays_within_its_growth() -> None:
    text = "\ufdfa" * (1 << 20)
    assert 0 < len(content_words(text)) <= words.MOST_GROWTH * len(text)


@pytest.mark.parametrize(
    "text", ["東京で桜が咲きました。" * 40_000, "größer " * 40_000, "a" * 400_000, "ﬁ ㍿ ½ " * 40_000]
)
def test_what_is_written_is_never_cut(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = content_words(text)
    monkeypatch.setattr(words, "MOST_GROWTH", 100)
    assert content_words(text) == found
