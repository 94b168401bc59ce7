"""Types of hostile and of large files: told in bounded time."""

from __future__ import annotations

import pytest

from app.contents.mediatype import HEAD_SIZE, MOST_BLANKS
from tests.support.packed import SECTOR, archive, compound
from tests.unit.contents.test_compound import INFORMATION, ROOTS
from tests.unit.contents.test_package import entries, large
from tests.unit.test_mediatype import MOST_SECONDS, told

#: A fifth of the files of one request, and of what they may take.
HEADS, SECONDS = 20, MOST_SECONDS / 5


@pytest.mark.parametrize(
    "piece", [b"\n", b" ", b"\n ", b"\r\n", b"\t\n", b"\n" * 300 + b"a", b"\n" * MOST_BLANKS + b"a"]
)
def test_heads_of_blanks(piece: bytes) -> None:
    head = (piece * HEAD_SIZE)[:HEAD_SIZE]
    assert told(head, "a.txt", times=HEADS, most=SECONDS) == "text/plain"


@pytest.mark.parametrize(
    "piece",
    [
        *(b"a:\n", b"a:", b"From: a\n", b" \n", b"1\n", b"\xff\xfe<"),
        *(b"<!", b"<!-- ", b"<?", b"<!DOCTYPE [", b'{"a":', b'["', b'"'),
    ],
)  # fmt: skip
def test_hostile_texts_end(piece: bytes) -> None:
    assert told((piece * 4_000_000)[:4_000_000], times=HEADS, most=SECONDS)


@pytest.mark.parametrize(
    "content",
    [
        entries(1_000_000, start=4),
        entries(1000, size=0xFFFFFFFE, start=4),
        entries(1000, size=10, start=0xFFFFFFF0),
        large(archive({"x": "y"})).replace(b"PK\x06\x06", b"PK\x06\x07"),
        b"PK\x03\x04" + b"PK\x05\x06" * 20_000,
        b"PK\x03\x04" + b"PK\x03\x04" * 20_000,
        b"PK\x05\x06" + b"\xff" * 70_000,
        b"PK\x03\x04",
    ],
)
def test_hostile_lists_end(content: bytes) -> None:
    assert told(content, times=HEADS, most=SECONDS) == "application/zip"


def test_a_table_of_tables_in_a_circle_ends() -> None:
    """Each of 40,000 sectors of tables leads to the next, and the last to the first."""
    content = compound(["x"] * 30, before=40_000_000)
    more = int.from_bytes(content[68:72], "little")
    at = (more + 1) * SECTOR
    circle = content[: at + SECTOR - 4] + more.to_bytes(4, "little") + content[at + SECTOR :]
    assert told(circle[:48] + (0x0FFFFFF0).to_bytes(4, "little") + circle[52:]) == "application/x-ole-storage"
    endless = circle[:48] + (0x00001000).to_bytes(4, "little") + circle[52:]
    assert told(endless) == "application/x-ole-storage"


@pytest.mark.parametrize("before", [9_000_000, 40_000_000])
@pytest.mark.parametrize(("names", "found"), ROOTS)
def test_the_root_of_a_large_file_decides(names: tuple[str, ...], found: str, before: int) -> None:
    """Behind 9 MB the table has more sectors than the header names, and behind 40 MB more than the first of those does."""
    assert told(compound([*INFORMATION, *names], before=before)) == found
