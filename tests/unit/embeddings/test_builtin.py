"""Which texts the model that is built in can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.coordination.local import Local
from app.embeddings.builtin import SLOT, Builtin


@pytest.fixture
def builtin(tmp_path: Path) -> Builtin:
    return Builtin(Local(tmp_path).work_slots(1, SLOT))


@pytest.mark.parametrize(
    "text",
    ["Where is it?", "Größe", "где это", "أين", "ที่ไหน", "哪里", "どこ", "ドコ", "어디", "2024", "", "न where is it"],
)
def test_scripts_of_its_languages(builtin: Builtin, text: str) -> None:
    assert builtin.reads(text)


@pytest.mark.parametrize("text", ["कहाँ", "איפה", "எங்கே", "πού είναι", "სად", "የት", "कहाँ x", "\U000e0fff\U00010900"])
def test_others(builtin: Builtin, text: str) -> None:
    assert not builtin.reads(text)
