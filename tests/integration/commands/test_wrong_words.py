"""Words that the doors know nothing by, and files that are none: one sentence, and nothing done."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.integration.commands.doors import door
from tests.support.app import Server


def state(server: Server) -> object:
    found = requests.get(f"{server.elasticsearch_url}/{server.index}*?filter_path=*.aliases,*.mappings", timeout=10)
    return found.json()


@pytest.mark.parametrize(
    "words",
    [
        ("store", "extract", "../../etc"),
        ("store", "extract", "--no-wait", "nobody"),
        ("index", "delete", "coco_attachment", "*", "--yes"),
        ("index", "delete", "coco_attachment", "../x", "--yes"),
        ("index", "rollback", "coco_attachment", "--to", "*"),
        ("index", "settings", "coco_attachment", "--refresh-interval", "soon"),
        ("index", "status", "--url", "http://127.0.0.1:9"),
        ("index", "status", "--url", "http://127.0.0.1:99999"),
        ("index", "status", "--mappings", "no/such/folder"),
        ("token", "rotate", "nobody"),
        ("token", "revoke", "*"),
    ],
)
def test_what_is_not_there(server: Server, words: tuple[str, ...]) -> None:
    server.upload(("a.txt", b"a"))
    before = state(server)
    result = door(server, *words)
    assert (result.returncode, result.stdout) == (3, "")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert state(server) == before


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"settings": {"index": {}}, "mappings": {}}',
        '{"settings": {"index": {}}, "mappings": {"properties": {}, "_meta": {"mapping_version": "2"}}}',
        '{"settings": {}, "mappings": {"properties": {}, "_meta": {"mapping_version": 2}}}',
    ],
)
def test_mapping_files_that_are_none(server: Server, content: str, tmp_path: Path) -> None:
    (tmp_path / "coco_attachment.json").write_text(content)
    result = door(server, "index", "migrate", "coco_attachment", "--force", "--yes", "--mappings", str(tmp_path))
    assert (result.returncode, result.stdout) == (3, "")
    assert "coco_attachment.json can't be read: " in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
