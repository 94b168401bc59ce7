"""What the doors show and ask on a terminal, and that scripts see and are asked nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from app.index.mappings import MAPPINGS
from tests.integration.commands.doors import door
from tests.integration.commands.terminal import on_terminal
from tests.support.app import Server, ServerFactory
from tests.support.seed import seed

#: Enough documents that a rebuild takes several times the second after which a bar comes.
MANY = 20_000


def generations(server: Server) -> list[str]:
    return sorted(requests.get(f"{server.elasticsearch_url}/{server.index}-0*", timeout=60).json())


def one_generation_too_many(server: Server) -> list[str]:
    server.upload(("a.txt", b"a"))
    assert door(server, "index", "migrate", "coco_attachment", "--force").returncode == 0
    return generations(server)


def test_the_word_must_be_typed(start_server: ServerFactory, tmp_path: Path) -> None:
    server = start_server()
    both = one_generation_too_many(server)
    for wrong in ("", "yes", "DELETE", "\x04"):
        seen = on_terminal(server, "index", "delete", "coco_attachment", "--json", answer=wrong)
        assert seen.code == 1, wrong
        assert f"Removed for good: {both[0]}" in seen.screen
        assert "Type delete to do it: " in seen.screen
        assert json.loads(seen.stdout)["confirmed"] is False
        assert generations(server) == both
    seen = on_terminal(server, "index", "delete", "coco_attachment", "--json", answer="delete")
    assert (seen.code, json.loads(seen.stdout)["done"]) == (0, True)
    assert generations(server) == both[1:]

    folder = tmp_path / "mappings"
    folder.mkdir()
    for path in MAPPINGS.glob("*.json"):
        content = json.loads(path.read_text())
        if path.stem == "coco_attachment":
            content["mappings"]["properties"]["language"] = {"type": "keyword"}
        (folder / path.name).write_text(json.dumps(content))
    update = ("index", "update", "coco_attachment", "--mappings", str(folder), "--json")
    # Each command has a word of its own: what is typed from habit does not confirm another one.
    assert json.loads(on_terminal(server, *update, answer="delete").stdout)["confirmed"] is False
    assert json.loads(on_terminal(server, *update, answer="update").stdout)["done"] is True


def test_nobody_is_asked_who_can_not_answer(start_server: ServerFactory) -> None:
    server = start_server()
    both = one_generation_too_many(server)
    result = door(server, "index", "delete", "coco_attachment")
    assert result.returncode == 1
    assert result.stderr.endswith("Nothing was done: say --yes to do it.\n")
    assert generations(server) == both
    # And with --yes nobody is asked on a terminal either.
    seen = on_terminal(server, "index", "delete", "coco_attachment", "--yes")
    assert (seen.code, "Type" in seen.screen) == (0, False)
    assert generations(server) == both[1:]


@pytest.mark.timeout(600)
def test_a_bar_is_on_the_terminal_and_nowhere_else(start_server: ServerFactory) -> None:
    server = start_server()
    seed(server.data, MANY)
    seen = on_terminal(server, "store", "rebuild", "--json")
    assert seen.code == 0
    assert "folders: " in seen.screen
    assert "%|" in seen.screen
    # It is taken away at the end, and stdout has the result alone.
    assert seen.screen.endswith("\r")
    assert json.loads(seen.stdout)["documents"] == MANY
    seen = on_terminal(server, "index", "migrate", "coco_attachment", "--force")
    assert seen.code == 0
    assert "documents: " in seen.screen
    assert "%|" in seen.screen
    result = door(server, "index", "migrate", "coco_attachment", "--force", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1
