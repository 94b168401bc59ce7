"""Every reason why a file has no text is on the pages that tell people about them."""

from __future__ import annotations

import re
from typing import get_args

from app.extraction.record import Reason
from tests.support.app import ROOT


def test_the_page_has_a_sentence_for_each() -> None:
    (block,) = re.findall(
        r"reasons: new Map\(\[(.*?)\]\),\n", (ROOT / "app/web/page/static/js/texts.js").read_text(), re.DOTALL
    )
    assert sorted(re.findall(r'\["([a-z-]+)", "[^"]{10,}"\]', block)) == sorted(get_args(Reason))


def test_the_format_names_each() -> None:
    (section,) = re.findall(
        r"## The outcome of an extraction\n(.*?)\n## ", (ROOT / "docs/format.md").read_text(), re.DOTALL
    )
    assert {each for each in get_args(Reason) if f"`{each}`" not in section} == set()
