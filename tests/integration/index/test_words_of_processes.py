"""The words of names and texts, as several processes make them."""

from __future__ import annotations

import subprocess
import sys

from tests.support.app import ROOT


def test_every_process_makes_the_same_of_a_name_and_a_text() -> None:
    """A check compares what one has made with what another makes: no order follows from the hashes of strings."""
    code = (
        "from app.search.analysis import content_fields, name_fields; "
        "print(name_fields('Übergrößenträger_Straße FooBarÄrger v1.2.txt'), "
        "content_fields('Die Verträge für Größen, wi-fi und FooBar 1,234.50 東京都', 'de'))"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in "123"
    }
    assert len(made) == 1
