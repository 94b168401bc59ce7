"""Rich text: time grows with the length alone."""

from __future__ import annotations

import time

from tests.unit.readers.test_rtf import text_of


def test_time_grows_with_the_length_alone() -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        text_of(r"{\b word} another\par \'e9\u26085?" * count)
        return time.process_time() - began

    # Eight times as long; the square of it would be 64 times.
    assert seconds(40_000) < 25 * max(seconds(5_000), 0.02)
