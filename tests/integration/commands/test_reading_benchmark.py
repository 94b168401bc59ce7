"""The measure of reading, as a person calls it."""

import subprocess

from tests.support.app import ROOT


def test_reading_is_measured_with_this_version_alone() -> None:
    program = '. scripts/environment test && "$PYTHON" -m benchmarks.reading --alone --seconds 0 calendar signed'
    done = subprocess.run(["bash", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    head, _, *rows, _ = done.stdout.splitlines()
    assert head == "| document | documents a second | seconds | processor seconds | MiB |"
    for title, found in zip(("signed, a line", "calendar, a date"), rows, strict=True):
        cells = found.strip("| ").split(" | ")
        assert cells[0] == title
        assert all(float(each) > 0 for each in cells[1:])
