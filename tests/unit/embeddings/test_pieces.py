"""In which pieces the model's process reads the texts of a call: between two of them it looks for queries."""

from __future__ import annotations

import socket

from hypothesis import given
from hypothesis import strategies as st

from app.embeddings.child import LONGEST, TOGETHER, Call


def pieces(lengths: list[int]) -> list[list[int]]:
    """The lengths of the texts in each piece."""
    with socket.socket(socket.AF_UNIX) as connection:
        call = Call(connection)
        call.texts = ["x" * length for length in lengths]
        found = []
        while call.read < len(call.texts):
            found.append([len(each) for each in call.following()])
            call.read += len(found[-1])
        return found


def test_two_usual_passages_are_a_piece_and_a_long_one_is_alone() -> None:
    assert pieces([550] * 5) == [[550, 550], [550, 550], [550]]
    assert pieces([60, LONGEST, 60]) == [[60], [LONGEST], [60]]


@given(st.lists(st.integers(1, LONGEST), min_size=1, max_size=32))
def test_all_texts_in_their_order_in_bounded_pieces(lengths: list[int]) -> None:
    found = pieces(lengths)
    assert [each for piece in found for each in piece] == lengths
    assert all(len(piece) == 1 or sum(piece) <= TOGETHER for piece in found)
