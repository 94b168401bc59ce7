"""Where a passage is, is told as it was when the text was cut; and a piece of a text is cut as the text is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.extraction.parts import Part
from app.passages import cutting
from app.passages.places import Place, Places
from tests.unit.passages.test_cutting import TEXTS

PARTS = st.one_of(
    st.builds(Part, at=st.just(0), page=st.integers(1, 9), title=st.sampled_from(["", "Roof"])),
    st.builds(Part, at=st.just(0), file=st.sampled_from([("a.txt",), ("a.zip", "b.txt")])),
)


@st.composite
def divided(draw: st.DrawFn) -> tuple[bytes, list[Part]]:
    text = draw(TEXTS)
    borders = [len(text[:at].encode()) for at in range(len(text) + 1)]
    places = sorted(draw(st.lists(st.sampled_from(borders), max_size=6)))
    return text.encode(), [draw(PARTS)._replace(at=at) for at in places]


@given(divided())
def test_a_passage_is_where_it_was_cut(drawn: tuple[bytes, list[Part]]) -> None:
    text, parts = drawn
    for each in cutting.cut(text, parts).passages:
        assert Places(parts).at(each.start) == Place(each.page, each.title, each.file)


def test_pages_of_a_file_inside_and_what_is_before_the_first_part() -> None:
    parts = [
        Part(4, file=("a.zip",)),
        Part(4, file=("a.zip", "b.pdf")),
        Part(6, 1, "One"),
        Part(9, file=("c",)),
        Part(9, 2),
    ]
    inside, places = ("a.zip", "b.pdf"), Places(parts)
    assert places.at(3) == Place(None, "", ())
    assert places.at(4) == Place(None, "", inside)
    assert places.at(8) == Place(1, "One", inside)
    assert places.at(9) == Place(2, "", ("c",))
    assert Places([]).at(0) == Place(None, "", ())


@given(divided(), st.integers(4, 40))
def test_pieces_are_all_of_a_text_and_divide_no_character(drawn: tuple[bytes, list[Part]], most: int) -> None:
    text, _ = drawn
    pieces = list(cutting.pieces(text, most))
    assert b"".join(text[start:end] for start, end in pieces) == text
    for start, end in pieces:
        assert 0 < end - start <= most
        text[start:end].decode()


@given(divided())
def test_a_piece_is_cut_as_a_text_of_its_own_is(drawn: tuple[bytes, list[Part]]) -> None:
    text, parts = drawn
    assert list(cutting.within(text, parts, 0, len(text))) == list(cutting.cut(text, parts).passages)
    for start, end in cutting.pieces(text, 300):
        for each in cutting.within(text, parts, start, end):
            assert start <= each.start < each.end <= end
            assert Places(parts).at(each.start) == Place(each.page, each.title, each.file)


def test_parts_behind_a_piece_do_not_matter() -> None:
    text = b"First page.\nSecond page.\nThird page.\n"
    parts = [Part(0, 1), Part(12, 2), Part(25, 3), Part(30, file=("a",))]
    assert [each.page for each in cutting.within(text, parts, 0, 25)] == [1, 2]
    assert [each.page for each in cutting.within(text, parts, 12, 25)] == [2]
    with pytest.raises(ValueError, match="in order"):
        list(cutting.within(text, [Part(30, 1), Part(5, 2)], 0, 25))


def test_what_is_no_utf_8_has_no_pieces() -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        list(cutting.pieces(b"\x80" * 90, 20))
