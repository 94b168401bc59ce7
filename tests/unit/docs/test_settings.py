"""docs/settings.md says what the code says."""

import re
from pathlib import Path

from app.settings import Settings, documented, shown

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_table_is_the_code() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`|) ?\| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    expected = documented()
    assert rows == expected, "\n".join(
        f"| `{name}` | {f'`{default}`' if default else ''} | {why} |" for name, default, why in expected
    )


def test_defaults_survive_being_shown() -> None:
    shown_defaults = {name: default for name, default, _ in documented() if default}
    assert Settings.from_environ(shown_defaults) == Settings()
    assert shown("MAX_FILE_SIZE", 512 * 1024**2) == "512MiB"
