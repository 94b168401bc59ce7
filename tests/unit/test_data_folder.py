"""Which folder is a store, and of which version."""

import json
from pathlib import Path

import pytest

from app.coordination.local.data_folder import STORE_FORMAT, open_data_folder
from app.errors import WrongStore


def test_an_empty_folder_becomes_a_store_once(tmp_path: Path) -> None:
    store_id = open_data_folder(tmp_path / "data")
    assert open_data_folder(tmp_path / "data") == store_id
    assert json.loads((tmp_path / "data" / "store.json").read_text()) == {"format": STORE_FORMAT, "id": store_id}


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o770, 0o750, 0o700])
def test_the_folder_is_closed_to_others(tmp_path: Path, mode: int) -> None:
    """The group may read, as nginx does; what its owner took from that stays taken."""
    tmp_path.chmod(mode)
    open_data_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == mode & 0o750


def test_a_store_without_its_identity_gets_no_other_one(tmp_path: Path) -> None:
    """With another id the index would be refused as another store's."""
    (tmp_path / "attachments").mkdir()
    with pytest.raises(WrongStore, match="is missing: restore it"):
        open_data_folder(tmp_path)
    assert not (tmp_path / "store.json").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 1}', '{"id": "x"}', '{"format": "x", "id": "x"}'])
def test_a_damaged_identity(tmp_path: Path, content: str) -> None:
    (tmp_path / "store.json").write_text(content)
    with pytest.raises(WrongStore, match="is damaged"):
        open_data_folder(tmp_path)
    assert (tmp_path / "store.json").read_text() == content


def test_a_newer_format(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text(json.dumps({"format": STORE_FORMAT + 1, "id": "x"}))
    with pytest.raises(WrongStore, match="newer version"):
        open_data_folder(tmp_path)
