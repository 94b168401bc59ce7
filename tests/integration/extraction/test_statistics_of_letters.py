"""When the statistics of letters are loaded: before the document is looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.readers.test_encoding import GREEK


def test_texts_of_two_bytes_for_each_letter_need_none_either(tmp_path: Path) -> None:
    """Before the document is looked at, that is: afterwards none could be loaded."""
    document = tmp_path / "document"
    program = "import sys; from app.extraction.readers import encoding; encoding.load(1 << 20); "
    program += "print('chardet' in sys.modules)"
    for content, loaded in ((GREEK.encode("utf-16"), False), (b"a" * 99 + GREEK.encode("cp1253"), True)):
        document.write_bytes(content)
        with document.open("rb") as file:
            done = subprocess.run([sys.executable, "-c", program], stdin=file, capture_output=True, check=True)
        assert done.stdout.decode() == f"{loaded}\n"
