"""The words of a text, as they are indexed and asked for."""

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
