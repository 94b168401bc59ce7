"""Compound files: what is in the root decides, wherever its directory lies; what goes in circles ends."""

from __future__ import annotations

import uuid

import pytest

from tests.support.packed import SECTOR, compound
from tests.unit.test_mediatype import told

WORD, EXCEL, SLIDES = "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"
SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
INFORMATION = ("\x05SummaryInformation", "\x05DocumentSummaryInformation")


#: Names of what is in the root, and the type that they make.
ROOTS = (
    (("1Table", "WordDocument"), WORD),
    (("Workbook",), EXCEL),
    (("Book",), EXCEL),
    (("Current User", "PowerPoint Document"), SLIDES),
    (("__nameid_version1.0", "__properties_version1.0"), "application/vnd.ms-outlook"),
    (("VisioDocument",), "application/vnd.visio"),
    (("EncryptionInfo", "EncryptedPackage"), "application/encrypted"),
    (("Catalog",), "application/x-ole-storage"),
)


@pytest.mark.parametrize("before", [0, 20_000, 1_000_000])
@pytest.mark.parametrize(("names", "found"), ROOTS)
def test_the_root_decides(names: tuple[str, ...], found: str, before: int) -> None:
    """Files of more than this are in tests/bounds/test_media_types.py."""
    assert told(compound([*INFORMATION, *names], before=before)) == found


def test_what_is_put_into_a_document_does_not_decide() -> None:
    assert told(compound(["WordDocument"], inside=["Workbook", "Book"])) == WORD
    assert told(compound(["Workbook"], inside=["WordDocument", "VisioDocument"])) == EXCEL


def test_a_message_of_many_parts() -> None:
    names = [f"__substg1.0_{number:08X}" for number in range(1500)]
    assert told(compound([*names, "__properties_version1.0"])) == "application/vnd.ms-outlook"


def test_the_program_decides_where_no_stream_does() -> None:
    project = uuid.UUID("74b78f3a-c8c8-11d1-be11-00c04fb6faf1")
    assert told(compound(["Props"], program=project.bytes_le)) == "application/vnd.ms-project"


def test_an_encrypted_office_file_is_of_the_kind_that_its_name_says() -> None:
    content = compound(["EncryptionInfo", "EncryptedPackage"])
    assert told(content, "Gehälter.xlsx") == SPREADSHEET
    assert told(content, "x.pdf") == "application/encrypted"
    assert told(compound(["WordDocument"]), "x.xlsx") == WORD


CIRCLE = compound(["x"] * 30)
#: The first sector of its directory, which lies behind 64 KiB.
FIRST = 64 * 1024 // SECTOR


@pytest.mark.parametrize(
    "content",
    [
        compound(["x"] * 30, tables={FIRST: FIRST}),
        compound(["x"] * 30, tables={FIRST: FIRST + 1, FIRST + 1: FIRST}),
        compound(["x"] * 30, tables={FIRST: 0xFFFFFFF9}),
        compound(["x"] * 30, siblings={1: (2, 2), 2: (1, 1)}),
        compound(["x"] * 30, siblings={1: (1, 0), 2: (0, 1)}),
        # An entry that lies two thousand million further on, on a way that goes in a circle.
        compound(["x"] * 30, tables={FIRST: FIRST}, siblings={1: (0x7FFFFFFF, 2)}),
        compound(["x"] * 3, siblings={1: (0xFFFFFFF0, 0x7FFFFFFF)}),
        # More tables than the header names, and these say: go on with me.
        CIRCLE[:68] + (5).to_bytes(4, "little") + CIRCLE[72:76] + b"\x05\0\0\0" * 109 + CIRCLE[512:],
        CIRCLE[:48] + (0x00FFFFFF).to_bytes(4, "little") + CIRCLE[52:],
        CIRCLE[:30] + b"\xff\xff" + CIRCLE[32:],
        CIRCLE[: 64 * 1024],
        CIRCLE[:600],
        CIRCLE[:8],
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 100_000,
    ],
)
def test_broken_and_hostile_ones_end(content: bytes) -> None:
    assert told(content) == "application/x-ole-storage"
