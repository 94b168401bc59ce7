"""What the index holds of a text is the same however its pieces were read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search import analysis
from app.search.analysis import BORDER, content_fields
from app.search.words import PIECE, content_words, folded_each

#: Letters with and without marks, compatibility forms, what folds to several words or none, and what ties and divides.
CHARACTERS = (
    "abAB12 .,-_'\n\u2028éßøİŉ½²ͺ\u0301\u0308\u0345\u00ad\u0640كـتਕिกำ\u0e4d\u0e32東カﾊﾟ゙㎏㌀①한\u1112\u1161ﬁﷺ\u200d\ufe0f"
    "\U0001d400\U0001d165\U00011046\U00020000\ud800/"
)
LANGUAGES = [None, "de", "en", "hi", "ru"]


def first_words(text: str) -> str:
    """Without the windows."""
    found: str = content_fields(text)["content_words"]
    return found.partition(f" {BORDER}")[0].strip()


@given(st.text(alphabet=CHARACTERS) | st.text())
def test_words_folded_by_runs_are_those_of_the_whole(text: str) -> None:
    assert first_words(text) == content_words(text)


def marked_places(text: str, language: str | None) -> tuple[list[str], set[str]]:
    fields = content_fields(text, language)
    return fields["content_words"].split(), set(fields["content_stems"].split())


@given(st.lists(st.text(alphabet=CHARACTERS.replace("\n", ""), max_size=12), max_size=6), st.sampled_from(LANGUAGES))
def test_a_line_is_the_same_beside_any_other(lines: list[str], language: str | None) -> None:
    """A line that has to be folded as a whole makes no difference to the others, nor do they to it."""
    _, stems = marked_places("\n".join(lines), language)
    assert stems == {stem for line in lines for stem in marked_places(line, language)[1]}
    assert first_words("\n".join(lines)) == " ".join(filter(None, map(first_words, lines)))


@given(st.lists(st.text(alphabet=CHARACTERS.replace("\n", ""))))
def test_words_are_folded_at_once_as_they_are_one_by_one(words: list[str]) -> None:
    assert folded_each(words) == [folded for word in words for folded in folded_each([word])]


@pytest.mark.parametrize("text", ["fooBar{} Größe{}\n", "fooBar{} कि{} 東京{}\n", "o\u0308ffnen{} B{}c\n"])
def test_runs_that_were_forgotten_are_read_again(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    several = "".join(text.format(*[number] * 3) for number in range(3000))
    assert len(PIECE.findall(several)) > 1
    whole = content_fields(several, "de")
    monkeypatch.setattr(analysis, "_MOST_KNOWN", 10)
    assert content_fields(several, "de") == whole


def test_windows_end_at_their_bound_and_words_go_on() -> None:
    text = "".join(f"a{number}b " for number in range(20_000))
    fields = content_fields(text)["content_words"]
    words, windows = fields[: len(content_words(text))], fields[len(content_words(text)) :]
    assert words == content_words(text)
    assert len(text) // 2 < len(windows) <= len(text) + 3
