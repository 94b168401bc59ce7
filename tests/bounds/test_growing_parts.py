"""What is packed in a document and grows: it is unpacked no further than it may."""

from __future__ import annotations

import struct
import zlib

import pytest

from app.extraction.readers import apple_archive, ppt
from app.extraction.readers.reader import Omitted
from tests.support.old_office import atom, holder, powerpoint
from tests.unit.readers.test_ppt import read


def test_an_archive_that_grows_is_bounded() -> None:
    block = b"\x00\x00a" + b"\xfe\x01\x00" * (apple_archive.MOST // 60)
    with pytest.raises(ValueError, match="large"):
        apple_archive.uncompressed(b"\0" + len(block).to_bytes(3, "little") + block)


def test_an_object_that_grows_is_bounded() -> None:
    grown = struct.pack("<I", 1) + zlib.compress(bytes(ppt.MOST_UNPACKED * 2))
    assert read(powerpoint({1: holder(0x3E8), 2: atom(0x1011, grown, instance=1)})) == [Omitted()]
